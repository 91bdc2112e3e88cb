"""The Telegram bot: the link by which a user connects a chat, and what becomes of Telegram's updates.

Each update may come again, and Telegram goes on sending one until it is answered: what is not understood
is nothing to do, and what is done is done again without harm.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from chalicelib import security, settings
from chalicelib.channels.base import NotReadyError
from chalicelib.channels.telegram_api import Bot, bot_in, read_bot
from chalicelib.domain.times import later
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.contacts import ERASED, check_is_used, is_embedded
from chalicelib.services.errors import ConflictError, NotAuthenticatedError
from chalicelib.services.rights import Principal
from chalicelib.services.suppression_list import audited as audited_suppression
from chalicelib.services.telegram_words import WORDS, Said
from chalicelib.services.unsubscribing import audited
from chalicelib.tables import suppressions
from chalicelib.tables.contacts import Contact, users_of_chat
from chalicelib.tables.unsubscribes import add_scope, find, remove_scope

CHANNEL = "telegram"
LINK = "https://t.me/{username}?start={token}"
LIFTED_BY = "telegram bot"
MOST_USERS = 50
"""Of a private chat there is one, but for contacts that were put twice."""
MAX_COMMAND = 200
"""A longer text is none of our commands."""

_COMMAND = re.compile(r"/(start|stop)(?:@(\w+))?(?:\s+(\S+))?\s*")
_GONE, _BACK = ("kicked", "left"), ("member", "administrator")


@dataclass(frozen=True)
class Link:
    """What a user follows to connect a chat."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Command:
    """A text that somebody has sent to the bot."""

    chat_id: int
    is_private: bool
    text: str
    language: str | None


@dataclass(frozen=True)
class Reply:
    """What the bot says in a chat."""

    chat_id: int
    text: str


def connection_link(user_id: str, principal: Principal, now: datetime) -> Link:
    """The link by which this user connects a chat; ConflictError where there is no bot or no contact."""
    principal.check_is(user_id)
    check_is_used()
    username = _username()
    if _is_erased(user_id):
        raise ConflictError(ERASED)
    expires_at = later(now, security.TELEGRAM_LINK_SECONDS)
    secret = security.read_secret(settings.current().link_secret)
    token = security.sign_telegram_link(secret, user_id, int(expires_at.timestamp()))
    return Link(LINK.format(username=username, token=token), expires_at)


def _username() -> str:
    try:
        username = read_bot().username
    except NotReadyError as error:
        raise ConflictError(str(error)) from error
    if username is None:
        raise ConflictError("the name of Telegram's bot is not known: set-telegram asks for it")
    return username


def check_is_telegram(token: str) -> Bot:
    """The bot whose update this is; NotAuthenticatedError when it does not come from Telegram.

    A token that is not known here may be new: the secret is read again, now and then.
    """
    secret_id, said = settings.current().channels.secret, token.encode(errors="replace")
    for read in (security.read_secret, security.read_anew):
        try:
            bot = bot_in(read(secret_id) or {})
        except NotReadyError:
            continue
        if bot.webhook_token and hmac.compare_digest(bot.webhook_token.encode(), said):
            return bot
    raise NotAuthenticatedError("this is not the token of the bot's webhook")


def obey(command: Command, bot: Bot, now: datetime) -> Reply | None:
    """Do what somebody has asked the bot for; what it says to that, if anything."""
    found = _COMMAND.fullmatch(command.text) if len(command.text) <= MAX_COMMAND else None
    if found is None:
        return None
    word, addressed, payload = found.groups()
    if addressed and addressed.lower() != (bot.username or "").lower():
        return None
    if word == "stop":
        return _stop(command, now)
    return _connect(command, payload, now) if payload else _start(command, now)


def _connect(command: Command, token: str, now: datetime) -> Reply:
    """A user has followed their link: this is where they are reached from now on."""
    if not command.is_private:
        return _reply(command, None, Said.ONLY_IN_PRIVATE)
    if not is_embedded():
        return _reply(command, None, Said.KEPT_ELSEWHERE)
    try:
        user_id = security.read_telegram_link(settings.current().link_secret, token, now)
    except security.InvalidTokenError:
        return _reply(command, None, Said.LINK_NOT_GOOD)
    if _is_erased(user_id):
        return _reply(command, None, Said.ERASED)
    chat = str(command.chat_id)
    # Who is erased just now is erased once more, when this has long ended.
    contact = Contact.change(user_id, actions=[Contact.chat_id.set(chat)], returning=True)
    audit.record("connected", "contact", user_id, after={"fields": ["chat_id"]}, who=f"user:{user_id}")
    with audited("subscribed", user_id, who=f"user:{user_id}"):
        remove_scope(user_id, CHANNEL, now)
    _lift(chat, now)
    logger.info("telegram connected", extra={"user": user_id})
    refused = find(user_id)
    refuses_all = refused is not None and refused.refuses(CHANNEL)
    return _reply(command, contact, Said.REFUSES_ALL if refuses_all else Said.CONNECTED)


def _start(command: Command, now: datetime) -> Reply:
    """Somebody wants to be sent to again, or does not know how to connect."""
    chat = str(command.chat_id)
    users = _users(command)
    was_stopped = _lift(chat, now)
    for user_id in users:
        with audited("subscribed", user_id, who=f"user:{user_id}"):
            remove_scope(user_id, CHANNEL, now)
        logger.info("subscribed", extra={"user": user_id, "scope": CHANNEL, "by": "chat"})
    if users or was_stopped:
        return _reply(command, _first(users), Said.SUBSCRIBED)
    return _reply(command, None, Said.HOW_TO_CONNECT)


def _stop(command: Command, now: datetime) -> Reply:
    """Nothing is sent to a chat any more: its users refuse the channel; of nobody's, the chat is kept."""
    chat = str(command.chat_id)
    users = _users(command)
    for user_id in users:
        with audited("unsubscribed", user_id, who=f"user:{user_id}"):
            add_scope(user_id, CHANNEL, now)
        logger.info("unsubscribed", extra={"user": user_id, "scope": CHANNEL, "by": "chat"})
    if not users:
        _suppress(chat, "stopped by the user", now)
    return _reply(command, _first(users), Said.STOPPED)


def note_membership(chat_id: int, status: str, now: datetime) -> None:
    """Somebody has thrown the bot out of a chat, or let it in again."""
    chat = str(chat_id)
    if status in _GONE:
        _suppress(chat, "blocked by the user", now)
    elif status in _BACK:
        _lift(chat, now)


def _users(command: Command) -> list[str]:
    """Whose chat it is. In a group anybody may speak: there it is about the chat, not about refusals."""
    return users_of_chat(str(command.chat_id), MOST_USERS) if command.is_private else []


def _suppress(chat: str, reason: str, now: datetime) -> None:
    """Of nobody whom the directory knows, who may have been erased, the chat's id is not kept."""
    is_known = bool(users_of_chat(chat, 1))
    if suppressions.suppress(CHANNEL, chat, reason, now, keeps_address=is_known):
        id_ = suppressions.suppression_id(CHANNEL, chat)
        audit.record("suppressed", "suppression", id_, after={"channel": CHANNEL, "reason": reason})


def _lift(chat: str, now: datetime) -> bool:
    """Whether there was a suppression. Whose chat it is is not kept there: they may be erased one day."""
    id_ = suppressions.suppression_id(CHANNEL, chat)
    lifted = suppressions.lift(id_, LIFTED_BY, now)
    if lifted is not None:
        audit.record("lifted", "suppression", id_, before=audited_suppression(lifted))
    return lifted is not None


def _is_erased(user_id: str) -> bool:
    found = find(user_id)
    return found is not None and found.is_tombstone


def _first(users: list[str]) -> Contact | None:
    return Contact.one(users[0]) if users else None


def _reply(command: Command, contact: Contact | None, said: Said) -> Reply:
    """In the language of the user, as far as one knows."""
    wanted = ((contact.locale if contact else None), (command.language or "")[:2].lower())
    locale = next((each for each in wanted if each in settings.LOCALES), settings.current().default_locale)
    return Reply(command.chat_id, WORDS[said][locale])

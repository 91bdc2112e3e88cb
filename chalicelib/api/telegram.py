"""/api/v1/telegram: what Telegram tells the bot; and the link by which a user connects a chat."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Resource
from chalicelib.api.fields import INT64
from chalicelib.domain.times import iso, utc_now
from chalicelib.services import telegram_bot
from chalicelib.services.rights import Access, Principal

resource = Resource("telegram")

ChatId = Annotated[int, Field(ge=-INT64, le=INT64 - 1, examples=[42], description="A chat of Telegram")]


class Chat(BaseModel):
    """A chat of Telegram."""

    id: ChatId
    type: str = Field(default="", max_length=64, examples=["private"])


class Sender(BaseModel):
    """Who has written."""

    language_code: str | None = Field(default=None, max_length=64, examples=["en"])


class Message(BaseModel):
    """What somebody has written to the bot."""

    chat: Chat
    from_: Sender | None = Field(default=None, alias="from")
    text: str | None = Field(default=None, max_length=10_000, examples=["/start"])


class Member(BaseModel):
    """What the bot is in a chat."""

    status: str = Field(max_length=64, examples=["member"])


class Membership(BaseModel):
    """The bot was let into a chat, or thrown out."""

    chat: Chat
    new_chat_member: Member


class Update(BaseModel):
    """An Update of the Bot API, of which others are ignored: https://core.telegram.org/bots/api#update."""

    update_id: int = Field(ge=0, le=INT64 - 1, examples=[10_000])
    message: Message | None = None
    my_chat_member: Membership | None = None


class WebhookHeaders(BaseModel):
    """How Telegram shows that it is Telegram."""

    token: str = Field(
        default="",
        max_length=256,
        alias="x-telegram-bot-api-secret-token",
        description="As setWebhook was given it",
    )


def _is_none(value: Any) -> bool:
    return value is None


class WebhookAnswer(BaseModel):
    """A method that Telegram is to carry out; empty for none."""

    method: str | None = Field(default=None, exclude_if=_is_none, examples=["sendMessage"])
    chat_id: int | None = Field(default=None, exclude_if=_is_none, examples=[42])
    text: str | None = Field(
        default=None, exclude_if=_is_none, examples=["You are subscribed again."], max_length=4096
    )


class TelegramLink(BaseModel):
    """The way to connect a chat."""

    link: str = Field(
        description="Opens the bot, which connects the chat: for this user only, so show it to nobody else",
        examples=["https://t.me/vestnik_bot?start=3tQ0tb1fXk0m2u9VY8Rr0i8MHB5_PE5ZnQs7ahocnRBpJ9-A"],
    )
    expires_at: str


@resource.post("/api/v1/telegram/webhook", access=Access.ANYONE, refuses=(401, 503))
def take_telegram_update(headers: WebhookHeaders, body: Update) -> WebhookAnswer:
    """What the bot was told: a chat is connected by a link, or sends `/start` or `/stop`.

    For Telegram only, which shows the token of `set-telegram`. An update may come more than once; one that
    is of no interest is answered, and nothing is done.
    """
    bot = telegram_bot.check_is_telegram(headers.token)
    now = utc_now()
    if body.my_chat_member:
        membership = body.my_chat_member
        telegram_bot.note_membership(membership.chat.id, membership.new_chat_member.status, now)
    if body.message is None or not body.message.text:
        return WebhookAnswer()
    message = body.message
    command = telegram_bot.Command(
        message.chat.id,
        message.chat.type == "private",
        message.text or "",
        message.from_.language_code if message.from_ else None,
    )
    reply = telegram_bot.obey(command, bot, now)
    if reply is None:
        return WebhookAnswer()
    return WebhookAnswer(method="sendMessage", chat_id=reply.chat_id, text=reply.text)


@resource.get("/api/v1/users/{user_id}/telegram_link", access=Access.USER_OR_MANAGER, refuses=(409,))
def read_telegram_link(principal: Principal, user_id: UUID) -> TelegramLink:
    """A link by which a user connects a chat with the bot: notifications by `telegram` come there then.

    Good for a day, and for this user. 409 where no bot is set up, or contacts are kept elsewhere.
    """
    link = telegram_bot.connection_link(str(user_id), principal, utc_now())
    return TelegramLink(link=link.url, expires_at=iso(link.expires_at))

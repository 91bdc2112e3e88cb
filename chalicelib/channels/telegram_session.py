"""Sending by Telegram's bot: one connection for a batch, a hard end to every send, and what answers mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalicelib.channels.base import Letter, NotReadyError, Session
from chalicelib.channels.telegram import SEND_SECONDS
from chalicelib.channels.telegram_api import BotAnswer, BotApi, NoAnswerError, read_bot
from chalicelib.channels.telegram_message import MAX_LENGTH, compose, shown_length
from chalicelib.domain.results import (
    Accepted,
    Permanent,
    RateLimited,
    Retryable,
    SendResult,
    no_time_left,
)
from chalicelib.settings import Settings

RETRY_AFTER_SECONDS = 5
MOST_RETRY_AFTER_SECONDS = 3600
"""Where Telegram asks to wait without saying how long; and after this it is asked again in any case."""

WRONG_CHAT = {
    400: (
        "chat not found",
        "user not found",
        "peer_id_invalid",
        "group chat was",
        "upgraded to a",
    ),
    403: (
        "blocked by the user",
        "deactivated",
        "kicked",
        "not a member",
        "can't initiate",
        "chat was deleted",
        "can't send messages to bots",
    ),
}
"""What Telegram says, by its code, where nothing will ever be taken for this chat. What is not among it may
be over some day (rights in a group, "can't send messages to the user"): such a chat is not suppressed."""


@contextmanager
def telegram_session(settings: Settings) -> Iterator[Session]:
    """A session that connects at its first send, and is closed with the batch.

    NotReadyError when there is no bot, SecretUnavailableError when its token cannot be read.
    """
    url = settings.channels.telegram_api_url
    if not url:
        raise NotReadyError("TELEGRAM_API_URL is empty")
    api = BotApi(url, read_bot().token)
    try:
        yield TelegramSession(api)
    finally:
        api.close()


class TelegramSession:
    """Sends by a bot."""

    def __init__(self, api: BotApi) -> None:
        self._api = api

    def send(self, letter: Letter, seconds_left: Callable[[], float]) -> SendResult:
        """See `Session.send`."""
        text = compose(letter)
        if (units := shown_length(text)) > MAX_LENGTH:
            return Permanent(f"too long for telegram: {units} of {MAX_LENGTH}")
        payload = {
            "chat_id": int(letter.address),
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        # Asked at the very last: this process may have stood still since somebody looked at the time.
        limit = min(SEND_SECONDS, seconds_left())
        if limit <= 0:
            return no_time_left()
        try:
            return result_of(self._api.call("sendMessage", payload, limit))
        except NoAnswerError as error:
            return Retryable(f"telegram: {error}")


def result_of(answer: BotAnswer) -> SendResult:
    """What an answer to sendMessage means for the recipient."""
    if answer.is_ok and isinstance(answer.result, dict):
        return Accepted(str(answer.result.get("message_id")))
    if answer.status == 429:
        return RateLimited(_reason(answer), _pause(answer))
    if not answer.is_json:
        return Retryable(f"telegram {answer.status}: an answer that is no JSON of the Bot API's")
    said = answer.description.lower()
    if moved := answer.parameters.get("migrate_to_chat_id"):
        return Permanent(f"{_reason(answer)}; its id is {moved} now", is_wrong_contact=True)
    if answer.status in WRONG_CHAT:
        is_wrong = any(each in said for each in WRONG_CHAT[answer.status])
        return Permanent(_reason(answer), is_wrong_contact=is_wrong)
    if answer.status == 413:
        return Permanent(_reason(answer))
    # 401 and 404 are about the token, 5xx about Telegram: nothing that the recipient could help.
    return Retryable(_reason(answer))


def _reason(answer: BotAnswer) -> str:
    return f"telegram {answer.status}: {answer.description or 'no reason'}"


def _pause(answer: BotAnswer) -> float:
    for asked in (answer.parameters.get("retry_after"), answer.retry_after):
        try:
            seconds = int(str(asked))
        except ValueError:
            continue  # not said here, or not in seconds
        return float(min(max(seconds, 1), MOST_RETRY_AFTER_SECONDS))
    return float(RETRY_AFTER_SECONDS)

"""A Bot API: as Telegram's own answers, by HTTP on loopback, or as a test tells it to.

    with TelegramServer() as telegram:
        telegram.script(42, BLOCKED)
        ... POST {telegram.url}/bot{telegram.token}/sendMessage ...
        telegram.messages(43)[0].text

It refuses what Telegram refuses: a wrong token, markup that is none, texts that are too long; and, with a
limit, more messages than that in any second, or more than one a second in a chat.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.telegram_answers import (
    BLOCKED,
    BROKEN,
    DEACTIVATED,
    GARBAGE,
    NOT_FOUND,
    Behaviour,
    BreakOff,
    Close,
    Dribble,
    Hold,
    Raw,
    Refuse,
    migrated,
    too_many,
)
from tests.support.telegram_html import MarkupError, parse, utf16_length
from tests.support.telegram_http import Handler, TelegramHttp

__all__ = [
    "BLOCKED",
    "BROKEN",
    "DEACTIVATED",
    "GARBAGE",
    "NOT_FOUND",
    "Behaviour",
    "BreakOff",
    "Close",
    "Dribble",
    "Hold",
    "Message",
    "Raw",
    "Refusal",
    "Refuse",
    "TelegramServer",
    "migrated",
    "too_many",
]

LOOPBACK = "127.0.0.1"
TOKEN = "123456789:AAstand-in_for_the_bot_api_of_telegram"
USERNAME = "vestnik_test_bot"
WEBHOOK_TOKEN = "stand-in_for_what_telegram_says"
SECRET = {"token": TOKEN, "username": USERNAME, "webhook_token": WEBHOOK_TOKEN}
"""The bot, as the channels' secret has it."""
MAX_TEXT = 4096


@dataclass(frozen=True)
class Message:
    """A message that was taken: `at` by time.monotonic(), `text` without its markup."""

    id: int
    chat: int
    text: str
    markup: str
    links: tuple[str, ...]
    at: float
    body: Mapping[str, Any]
    client_port: int


@dataclass(frozen=True)
class Refusal:
    """A message that was not taken."""

    chat: Any
    code: int
    description: str
    at: float


@dataclass
class _Script:
    behaviour: Behaviour
    times: int | None


class _ApiError(Exception):
    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.refuse = Refuse(code, description, parameters)


class TelegramServer:
    """See the module."""

    def __init__(self, limit_a_second: int | None = None, token: str = TOKEN) -> None:
        self.limit_a_second = limit_a_second
        self.token = token
        self.username = USERNAME
        self.webhook: dict[str, Any] = {}
        """What setWebhook was given last; empty after deleteWebhook."""
        self.asked: list[str] = []
        """The methods that were called with the right token."""
        self.refusals: list[Refusal] = []
        self._messages: list[Message] = []
        self._scripts: dict[int | None, _Script] = {}
        self._methods: dict[str, Behaviour] = {}
        self._recent: deque[float] = deque()
        self._recent_of_chat: dict[int, float] = {}
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._server = TelegramHttp((LOOPBACK, 0), Handler)
        self._server.telegram = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Be out of reach: connections are refused, and those that there are end."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    @property
    def url(self) -> str:
        """What stands before `/bot<token>/`."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def messages(self, chat: int | None = None) -> list[Message]:
        """What was taken, in its order; of one chat, or of all."""
        with self._turn:
            return [each for each in self._messages if chat in (None, each.chat)]

    def script(self, chat: int | None, behaviour: Behaviour, times: int | None = None) -> None:
        """Answer like this what is sent to a chat (None: to any), so many times or always."""
        with self._turn:
            self._scripts[chat] = _Script(behaviour, times)

    def script_method(self, method: str, behaviour: Behaviour) -> None:
        """Answer like this whatever another method is asked."""
        with self._turn:
            self._methods[method] = behaviour

    def forget(self) -> None:
        """Behave, and remember nothing of what was."""
        with self._turn:
            for each in (self._scripts, self._methods, self._messages, self.refusals, self.asked):
                each.clear()
            self._recent.clear()
            self._recent_of_chat.clear()
            self.webhook = {}

    # The protocol.

    def answer(self, method: str, body: Any, client_port: int) -> tuple[Behaviour | None, Any]:
        """How to behave, and the result if that is as Telegram does."""
        with self._turn:
            self.asked.append(method)
            try:
                if method in self._methods:
                    return self._methods[method], None
                if method == "sendMessage":
                    return self._send_message(body, client_port)
                return None, _METHODS[method](self, body)
            except _ApiError as error:
                return error.refuse, None

    def _send_message(self, body: Any, client_port: int) -> tuple[Behaviour | None, Any]:
        chat = body.get("chat_id")
        now = time.monotonic()
        try:
            text, links = _checked(body)
            behaviour = self._scripted(chat)
            if isinstance(behaviour, Refuse):
                raise _ApiError(behaviour.code, behaviour.description, **behaviour.parameters)
            if behaviour is not None and not (isinstance(behaviour, Close) and behaviour.is_taken):
                return behaviour, None
            self._keep_to_limit(chat, now)
        except _ApiError as error:
            self.refusals.append(Refusal(chat, error.refuse.code, error.refuse.description, now))
            raise
        message = Message(
            len(self._messages) + 1, chat, text, body["text"], tuple(links), now, body, client_port
        )
        self._messages.append(message)
        kind = "private" if chat > 0 else "supergroup"
        shown = {"id": chat, "type": kind}
        return behaviour, {"message_id": message.id, "date": int(time.time()), "chat": shown, "text": text}

    def _scripted(self, chat: int) -> Behaviour | None:
        found = self._scripts.get(chat) or self._scripts.get(None)
        if found is None or found.times == 0:
            return None
        if found.times is not None:
            found.times -= 1
        return found.behaviour

    def _keep_to_limit(self, chat: int, now: float) -> None:
        if self.limit_a_second is None:
            return
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        last = self._recent_of_chat.get(chat)
        if len(self._recent) >= self.limit_a_second or (last is not None and last > now - 1):
            raise _ApiError(429, "Too Many Requests: retry after 1", retry_after=1)
        self._recent.append(now)
        self._recent_of_chat[chat] = now

    def _get_me(self, _: Any) -> Any:
        return {"id": int(self.token.partition(":")[0]), "is_bot": True, "username": self.username}

    def _set_webhook(self, body: Any) -> bool:
        if not str(body.get("url", "")).startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise _ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = dict(body)
        return True

    def _get_webhook_info(self, _: Any) -> Any:
        return {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": 0,
            "allowed_updates": self.webhook.get("allowed_updates", []),
        }

    def _delete_webhook(self, _: Any) -> bool:
        self.webhook = {}
        return True

    def wait_until_the_end(self, seconds: float) -> bool:
        return self._ended.wait(seconds)


_METHODS: Mapping[str, Callable[[TelegramServer, Any], Any]] = defaultdict(
    lambda: _no_method,
    getMe=TelegramServer._get_me,
    setWebhook=TelegramServer._set_webhook,
    getWebhookInfo=TelegramServer._get_webhook_info,
    deleteWebhook=TelegramServer._delete_webhook,
)


def _no_method(_: TelegramServer, __: Any) -> Any:
    raise _ApiError(404, "Not Found")


def _checked(body: Any) -> tuple[str, list[str]]:
    """The text that a chat would see, and its links."""
    chat, markup = body.get("chat_id"), body.get("text")
    if not isinstance(chat, int) or isinstance(chat, bool) or not 0 < abs(chat) < 2**63:
        raise _ApiError(400, "Bad Request: chat_id must be a whole number")
    if not isinstance(markup, str):
        raise _ApiError(400, "Bad Request: message text is empty")
    text, links = markup, list[str]()
    if body.get("parse_mode") == "HTML":
        try:
            text, links = parse(markup)
        except MarkupError as error:
            raise _ApiError(400, f"Bad Request: can't parse entities: {error}") from error
    if not text.strip():
        raise _ApiError(400, "Bad Request: message text is empty")
    if utf16_length(text) > MAX_TEXT:
        raise _ApiError(400, "Bad Request: message is too long")
    return text, links

"""Telegram's Bot API, spoken over one connection; and the bot that a deployment has.

The token stands in the path of each request: no message and no log has a path, an address or an answer
that repeats it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from chalicelib import security, settings
from chalicelib.channels.base import NotReadyError
from chalicelib.channels.bounded_http import ANYWHERE, Connections, Host, NoAnswerError

MAX_SAID = 200
"""How much of what Telegram says of an error is kept."""

TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
"""The form of a bot's token."""


@dataclass(frozen=True)
class Bot:
    """The bot of a deployment, as its object in the channels' secret has it."""

    token: str = field(repr=False)
    username: str | None = None
    webhook_token: str | None = field(default=None, repr=False)
    """What Telegram says with each update, to show that it is Telegram."""


def bot_in(secret: Mapping[str, Any]) -> Bot:
    """The bot in the channels' secret; NotReadyError when there is none."""
    found = secret.get("telegram")
    if not isinstance(found, dict) or not found.get("token"):
        raise NotReadyError("no bot of Telegram is set up")
    token = str(found["token"])
    if not TOKEN.fullmatch(token):
        raise NotReadyError("the token of Telegram's bot has not the form of one")
    return Bot(token, _text(found.get("username")), _text(found.get("webhook_token")))


def read_bot() -> Bot:
    """The bot of this deployment; NotReadyError when there is none, or SecretUnavailableError."""
    return bot_in(security.read_secret(settings.current().channels.secret))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True)
class BotAnswer:
    """What the Bot API has answered: a result, or an error's description and parameters."""

    status: int
    is_json: bool
    result: Any = None
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    retry_after: str | None = None
    """The header, which a server in between may have set."""

    @property
    def is_ok(self) -> bool:
        return self.status == 200 and self.is_json and not self.description


class BotApi:
    """The Bot API for one bot."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        self._host = Host(parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls)
        self._path = f"{parts.path.rstrip('/')}/bot{token}"
        self._connections = Connections(ANYWHERE)
        self._token = token

    def call(self, method: str, payload: Mapping[str, Any], seconds: float) -> BotAnswer:
        """What the API answers to a method within so many seconds; NoAnswerError when it does not."""
        # What is no UTF-8 cannot be said to Telegram.
        body = json.dumps(payload, ensure_ascii=False).encode(errors="replace")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = self._connections.post(self._host, f"{self._path}/{method}", headers, body, seconds)
        if answer.body is None:
            raise NoAnswerError("an answer that is not whole")
        retry_after = answer.headers.get("retry-after")
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("ok"), bool):
            return BotAnswer(answer.status, is_json=False, retry_after=retry_after)
        if said["ok"]:
            return BotAnswer(answer.status, is_json=True, result=said.get("result"), retry_after=retry_after)
        parameters = said.get("parameters")
        return BotAnswer(
            answer.status,
            is_json=True,
            description=self._shown(said.get("description")) or "no reason",
            parameters=parameters if isinstance(parameters, dict) else {},
            retry_after=retry_after,
        )

    def close(self) -> None:
        """Close what is connected."""
        self._connections.close()

    def _shown(self, text: Any) -> str:
        """In one line, without what no database stores, and without the token."""
        shown = " ".join(str(text or "").encode(errors="replace").decode().split())
        return shown.replace(self._token, "…")[:MAX_SAID]


__all__ = ["Bot", "BotAnswer", "BotApi", "NoAnswerError", "bot_in", "read_bot"]

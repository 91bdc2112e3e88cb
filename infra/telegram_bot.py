"""The operator's command `set-telegram`: the bot's token, within the channels' secret, and its webhook."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from infra.clients import CLIENT_CONFIG, session
from infra.stack import DeploymentError

if TYPE_CHECKING:
    from chalicelib.channels.telegram_api import BotAnswer, BotApi

WEBHOOK_PATH = "/api/v1/telegram/webhook/"
ALLOWED_UPDATES = ("message", "my_chat_member")
CALL_SECONDS = 15.0


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command(
        "set-telegram",
        run,
        "set the bot of Telegram; its token is read from the terminal or from stdin",
    )
    parser.add_argument("--no-webhook", action="store_true", help="send only: the bot listens to nobody")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="ask for the bot and its webhook; nothing is set")
    what.add_argument("--clear", action="store_true", help="take the webhook and the bot away")


def run(options: argparse.Namespace) -> str:
    """Do what was asked for, and say what there is then."""
    secret = _ChannelsSecret(options.endpoint_url)
    if options.check:
        return _checked(secret)
    if options.clear:
        return _cleared(secret)
    return _set(secret, options.no_webhook)


def _set(secret: "_ChannelsSecret", no_webhook: bool) -> str:
    from chalicelib import security, settings
    from chalicelib.channels.telegram_api import TOKEN
    from chalicelib.services import audit

    public_url = settings.current().public_url
    if not public_url and not no_webhook:
        raise DeploymentError("PUBLIC_URL is empty: Telegram has to know where the webhook is (--no-webhook)")
    token = _token()
    if not TOKEN.fullmatch(token):
        raise DeploymentError("this has not the form of a bot's token, as 123456:ABC…; nothing is changed")
    api = _api(token)
    username = _username(_ask(api, "getMe", {}, "nothing is changed"))
    bot = {"token": token, "username": username}
    if no_webhook:
        _ask(api, "deleteWebhook", {}, "nothing is changed")
    else:
        bot["webhook_token"] = token_urlsafe(32)
    # First the secret: what Telegram says from then on has to be known.
    secret.put(bot)
    if not no_webhook:
        asked = {
            "url": public_url + WEBHOOK_PATH,
            "secret_token": bot["webhook_token"],
            "allowed_updates": ALLOWED_UPDATES,
        }
        _ask(api, "setWebhook", asked, "the token is set, the webhook is not: run it again")
    audit.record("set", "telegram bot", username, after={"has_webhook": not no_webhook})
    webhook = "without a webhook" if no_webhook else f"with the webhook {public_url}{WEBHOOK_PATH}"
    return (
        f"every function sends as @{username} within {security.SECRET_KEPT_SECONDS // 60} minutes, {webhook}"
    )


def _checked(secret: "_ChannelsSecret") -> str:
    api = _api(secret.token())
    username = _username(_ask(api, "getMe", {}, "the token is not good"))
    info = _ask(api, "getWebhookInfo", {}, "the webhook is not known").result
    found = info if isinstance(info, dict) else {}
    lines = [f"bot @{username}", f"webhook {found.get('url') or 'none'}"]
    lines.append(f"updates that wait {found.get('pending_update_count', 0)}")
    if found.get("last_error_message"):
        lines.append(f"last error {found['last_error_message']}")
    return "\n".join(lines)


def _cleared(secret: "_ChannelsSecret") -> str:
    from chalicelib import security
    from chalicelib.services import audit

    answer = _call(_api(secret.token()), "deleteWebhook", {}, "nothing is changed")
    # A token that is revoked has no webhook any more.
    if not answer.is_ok and answer.status not in (401, 404):
        raise DeploymentError(f"{_refusal('deleteWebhook', answer)}; nothing is changed")
    secret.put(None)
    audit.record("taken away", "telegram bot", "telegram")
    return f"nothing is sent by Telegram within {security.SECRET_KEPT_SECONDS // 60} minutes"


class _ChannelsSecret:
    """The channels' secret, in which the bot is one object among others."""

    def __init__(self, endpoint_url: str | None) -> None:
        from chalicelib import settings

        self._id = settings.current().channels.secret
        self._client = session(endpoint_url).client(
            "secretsmanager", endpoint_url=endpoint_url, config=CLIENT_CONFIG
        )

    def _read(self) -> dict[str, Any]:
        found = json.loads(self._client.get_secret_value(SecretId=self._id)["SecretString"])
        if not isinstance(found, dict):
            raise DeploymentError("the channels' secret is no JSON object")
        return found

    def token(self) -> str:
        """The token of the bot that is set."""
        from chalicelib.channels.base import NotReadyError
        from chalicelib.channels.telegram_api import bot_in

        try:
            return bot_in(self._read()).token
        except NotReadyError as error:
            raise DeploymentError(str(error)) from error

    def put(self, bot: dict[str, str] | None) -> None:
        """Set the bot, or take it away; what is there of other channels stays."""
        others = {name: value for name, value in self._read().items() if name != "telegram"}
        changed = others if bot is None else {**others, "telegram": bot}
        self._client.put_secret_value(SecretId=self._id, SecretString=json.dumps(changed))


def _token() -> str:
    """From the terminal, unseen, or the first line of what is piped in: others could see an argument."""
    given = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise DeploymentError("there is no token: type it, or pipe it in")
    return given.strip()


def _api(token: str) -> "BotApi":
    from chalicelib import settings
    from chalicelib.channels.telegram_api import BotApi

    return BotApi(settings.current().channels.telegram_api_url, token)


def _call(api: "BotApi", method: str, payload: dict[str, Any], then: str) -> "BotAnswer":
    from chalicelib.channels.telegram_api import NoAnswerError

    try:
        return api.call(method, payload, CALL_SECONDS)
    except NoAnswerError as error:
        raise DeploymentError(f"Telegram does not answer {method} ({error}); {then}") from error
    finally:
        api.close()


def _ask(api: "BotApi", method: str, payload: dict[str, Any], then: str) -> "BotAnswer":
    """The answer; DeploymentError, with what is the case then, when it is a refusal."""
    answer = _call(api, method, payload, then)
    if not answer.is_ok:
        raise DeploymentError(f"{_refusal(method, answer)}; {then}")
    return answer


def _refusal(method: str, answer: "BotAnswer") -> str:
    return f"Telegram refuses {method}: {answer.status} {answer.description or 'no JSON of its own'}"


def _username(answer: "BotAnswer") -> str:
    found = answer.result.get("username") if isinstance(answer.result, dict) else None
    if not isinstance(found, str) or not found:
        raise DeploymentError("Telegram does not say the name of this bot")
    return found

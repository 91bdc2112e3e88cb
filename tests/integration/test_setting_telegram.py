"""The operator's command `set-telegram`, with a Bot API that answers as Telegram does."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from infra import manage
from infra.telegram_bot import ALLOWED_UPDATES
from tests.support.aws import World
from tests.support.telegram import TOKEN, USERNAME, Close, Refuse, TelegramServer

Manage = Callable[..., str]
OTHERS = {"webhook": {"key": "of another channel"}}
URL = "https://vestnik.example/api/v1/telegram/webhook/"


@pytest.fixture
def run(
    world: World,
    telegram: TelegramServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Manage:
    """The command with something piped in; what it prints. There is no bot yet, but another channel."""
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    world.configure("TELEGRAM_API_URL", telegram.url)
    put_secret(OTHERS)

    def run(*words: str, typed: str = f"{TOKEN}\n") -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["manage", "set-telegram", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        manage.main()
        said = capsys.readouterr().out
        assert TOKEN not in said
        return said

    return run


def put_secret(value: Any) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="channels", SecretString=json.dumps(value))


def secret() -> Any:
    client = boto3.client("secretsmanager")
    return json.loads(client.get_secret_value(SecretId="channels")["SecretString"])


def refused(run: Manage, *words: str, typed: str = f"{TOKEN}\n") -> str:
    """Why the command is refused: one line, without the token."""
    with pytest.raises(SystemExit) as ended:
        run(*words, typed=typed)
    reason = str(ended.value.code)
    assert reason.startswith("error: ")
    assert "\n" not in reason
    assert TOKEN not in reason
    return reason


def test_a_bot_is_set_with_its_webhook(run: Manage, telegram: TelegramServer) -> None:
    assert f"sends as @{USERNAME} within 5 minutes, with the webhook {URL}" in run()
    bot = secret()["telegram"]
    assert secret() == {**OTHERS, "telegram": bot}
    assert (bot["token"], bot["username"]) == (TOKEN, USERNAME)
    assert telegram.webhook == {
        "url": URL,
        "secret_token": bot["webhook_token"],
        "allowed_updates": [*ALLOWED_UPDATES],
    }
    assert len(bot["webhook_token"]) > 32
    run()
    assert secret()["telegram"]["webhook_token"] != bot["webhook_token"], "it is made anew each time"
    assert telegram.webhook["secret_token"] == secret()["telegram"]["webhook_token"]


def test_a_bot_that_only_sends(run: Manage, telegram: TelegramServer) -> None:
    run()
    assert "without a webhook" in run("--no-webhook")
    assert secret()["telegram"] == {"token": TOKEN, "username": USERNAME}
    assert telegram.webhook == {}


def test_it_is_looked_at(run: Manage, telegram: TelegramServer) -> None:
    run()
    before = secret()
    assert run("--check", typed="").splitlines() == [
        f"bot @{USERNAME}",
        f"webhook {URL}",
        "updates that wait 0",
    ]
    assert secret() == before
    run("--no-webhook")
    assert "webhook none" in run("--check", typed="")


def test_it_is_taken_away(run: Manage, telegram: TelegramServer) -> None:
    run()
    assert "nothing is sent by Telegram" in run("--clear", typed="")
    assert secret() == OTHERS
    assert telegram.webhook == {}


def test_a_bot_whose_token_was_revoked_is_taken_away(run: Manage, telegram: TelegramServer) -> None:
    run()
    telegram.token = "1:another"
    run("--clear", typed="")
    assert secret() == OTHERS


@pytest.mark.parametrize(
    ("words", "typed", "reason"),
    [
        ([], "", "there is no token"),
        ([], "\n", "there is no token"),
        ([], "hello\n", "has not the form of a bot's token"),
        ([], "1:../../x\n", "has not the form of a bot's token"),
        ([], "1:wrong\n", "Telegram refuses getMe: 401 Unauthorized; nothing is changed"),
        (["--check"], "", "no bot of Telegram is set up"),
        (["--clear"], "", "no bot of Telegram is set up"),
    ],
)
def test_a_refusal_changes_nothing(
    run: Manage, telegram: TelegramServer, words: list[str], typed: str, reason: str
) -> None:
    assert reason in refused(run, *words, typed=typed)
    assert secret() == OTHERS
    assert telegram.webhook == {}


def test_where_nobody_answers_nothing_is_changed(run: Manage, telegram: TelegramServer) -> None:
    telegram.script_method("getMe", Close())
    reason = refused(run)
    assert "does not answer getMe (no answer: RemoteDisconnected); nothing is changed" in reason
    assert telegram.url not in reason
    assert secret() == OTHERS


def test_a_webhook_that_is_refused_is_said(run: Manage, telegram: TelegramServer) -> None:
    telegram.script_method("setWebhook", Refuse(400, "Bad Request: bad webhook: no such host"))
    reason = refused(run)
    assert "refuses setWebhook: 400 Bad Request: bad webhook" in reason
    assert "the token is set, the webhook is not" in reason
    assert secret()["telegram"]["token"] == TOKEN


def test_what_telegram_keeps_a_webhook_from_being_taken_away(run: Manage, telegram: TelegramServer) -> None:
    run()
    before = secret()
    telegram.script_method("deleteWebhook", Refuse(500, "Internal Server Error"))
    assert "refuses deleteWebhook: 500" in refused(run, "--clear", typed="")
    assert secret() == before


def test_without_a_public_address_there_is_no_webhook(world: World, run: Manage) -> None:
    world.configure("PUBLIC_URL", "")
    assert "PUBLIC_URL is empty" in refused(run)
    assert secret() == OTHERS
    assert "without a webhook" in run("--no-webhook")

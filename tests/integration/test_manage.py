"""The operator's commands: what they print, and that a refusal is one line."""

import json
import logging
import sys
from pathlib import Path

import boto3
import jwt
import pytest

from chalicelib import security
from chalicelib.directory.tokens import user_id_of
from chalicelib.domain import times
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import later, utc_now
from chalicelib.observability import logger
from chalicelib.services import export, send_again
from chalicelib.services.errors import NotAuthenticatedError
from infra import manage
from tests.support.api import basic, principal
from tests.support.aws import World
from tests.support.factories import user_id, user_ids


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world's environment is there already: nothing has to be asked of a stack."""
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["manage", *words])
    manage.main()
    return capsys.readouterr().out


def test_an_administrator_and_a_token(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    password = run(monkeypatch, capsys, "create-administrator", "anna").splitlines()[1].split()[1]
    assert principal(basic("anna", password), utc_now()).name == "anna"
    token = run(monkeypatch, capsys, "token", "anna").strip()
    assert principal(f"Bearer {token}", utc_now()).name == "anna"


def test_what_is_logged_is_no_part_of_what_is_printed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (handler,) = (each for each in logger.handlers if isinstance(each, logging.StreamHandler))
    before = handler.setStream(sys.stdout)
    try:
        monkeypatch.setattr(sys, "argv", ["manage", "create-administrator", "anna"])
        manage.main()
        printed = capsys.readouterr()
        assert handler.stream is sys.stdout
    finally:
        handler.setStream(before or sys.__stdout__)
    assert printed.out.splitlines()[0] == "administrator anna"
    assert '"action":"created","kind":"administrator"' in printed.err


def test_administrators_have_roles_are_listed_and_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "create-administrator", "anna")
    assert "Their role: viewer." in run(
        monkeypatch, capsys, "create-administrator", "boris", "--role", "viewer"
    )
    token = run(monkeypatch, capsys, "token", "boris").strip()
    run(monkeypatch, capsys, "change-administrator", "anna", "--role", "sender")
    assert "boris is viewer and disabled" in run(
        monkeypatch, capsys, "change-administrator", "boris", "--disable"
    )
    lines = [line.split() for line in run(monkeypatch, capsys, "list-administrators").splitlines()]
    assert lines[1:] == [["anna", "sender", "enabled", "-"], ["boris", "viewer", "disabled", "-"]]
    with pytest.raises(NotAuthenticatedError):
        principal(f"Bearer {token}", utc_now())
    assert "enabled" in run(monkeypatch, capsys, "change-administrator", "boris", "--enable")
    with pytest.raises(SystemExit, match="give --role"):
        run(monkeypatch, capsys, "change-administrator", "boris")
    with pytest.raises(SystemExit, match="no such administrator"):
        run(monkeypatch, capsys, "change-administrator", "nobody", "--enable")


def test_a_new_password_ends_the_tokens_of_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "create-administrator", "anna")
    token = run(monkeypatch, capsys, "token", "anna").strip()
    password = run(monkeypatch, capsys, "set-password", "anna").splitlines()[0].split()[1]
    assert principal(basic("anna", password), utc_now()).name == "anna"
    with pytest.raises(NotAuthenticatedError):
        principal(f"Bearer {token}", utc_now())


def test_a_key_is_rotated_and_nobody_is_thrown_out(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "create-administrator", "anna")
    tokens = [run(monkeypatch, capsys, "token", "anna").strip()]
    link = security.sign_unsubscribe_link(security.read_secret("link"), user_id(1), "mail")
    for _ in range(2):
        for secret in ("token", "link", "user-token"):
            assert "stays good" in run(monkeypatch, capsys, "rotate-key", secret)
        security.forget_secrets()
        tokens.append(run(monkeypatch, capsys, "token", "anna").strip())
    assert [jwt.get_unverified_header(token)["kid"] for token in tokens] == ["1", "2", "3"]
    assert {principal(f"Bearer {token}", utc_now()).name for token in tokens} == {"anna"}
    assert security.read_unsubscribe_link(security.read_secret("link"), link) == (user_id(1), "mail")


def test_after_a_leak_what_earlier_keys_signed_ends(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "create-administrator", "anna")
    leaked = run(monkeypatch, capsys, "token", "anna").strip()
    run(monkeypatch, capsys, "rotate-key", "token")
    assert "ends" in run(monkeypatch, capsys, "rotate-key", "token", "--drop-old")
    security.forget_secrets()
    assert security.read_secret("token")["previous"] == []
    with pytest.raises(NotAuthenticatedError):
        principal(f"Bearer {leaked}", utc_now())
    assert principal(f"Bearer {run(monkeypatch, capsys, 'token', 'anna').strip()}", utc_now()).name == "anna"


def test_a_public_key_is_not_rotated(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {"kid": "7", "key": "the public half", "algorithm": "RS256"}
    client = boto3.client("secretsmanager")
    client.put_secret_value(SecretId="user-token", SecretString=json.dumps(secret))
    with pytest.raises(SystemExit, match=r"^error: the secret user-token holds a public key \(RS256\)"):
        run(monkeypatch, capsys, "rotate-key", "user-token")
    assert security.read_secret("user-token") == secret


def test_a_key_keeps_its_algorithm(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = boto3.client("secretsmanager")
    secret = {"kid": "7", "key": "k" * 64, "algorithm": "HS256"}
    client.put_secret_value(SecretId="user-token", SecretString=json.dumps(secret))
    run(monkeypatch, capsys, "rotate-key", "user-token")
    assert security.read_secret("user-token")["previous"] == [secret]


def test_a_users_token(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = run(monkeypatch, capsys, "user-token", user_id(7).upper()).strip()
    assert user_id_of(token) == user_id(7)


def test_no_users_token_is_made_where_none_would_be_taken(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.configure("USER_AUTH", "host")
    world.configure("AUTH_HOST", "https://users.example/me/")
    with pytest.raises(SystemExit, match="USER_AUTH is host"):
        run(monkeypatch, capsys, "user-token", user_id(7))


def test_an_application(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    header = run(monkeypatch, capsys, "register-application", "shop").splitlines()[0]
    assert principal(header.partition(": ")[2], utc_now()).name == "shop"


def test_a_contact_and_what_became_of_a_notification(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(times, "utc_now", world.clock)
    run(monkeypatch, capsys, "add-contact", user_id(1), "--email", "anna@example.com", "--locale", "ru")
    dispatch = world.submit(user_ids(2))
    world.settle()
    shown = json.loads(run(monkeypatch, capsys, "show", dispatch.notification_id, "--recipients", "5"))
    assert (shown["recipients"], shown["counts"]["sent"], shown["counts"]["wrong_contact"]) == (2, 1, 1)
    assert [each["reason"] for each in shown["first_recipients"]] == [None, "unknown to the directory"]


def test_what_failed_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.knows(user_ids(2))
    world.channel.by_default = Permanent("smtp 552: Mailbox full")
    dispatch = world.submit(user_ids(2))
    world.settle()
    monkeypatch.setattr(send_again, "SETTLED_AFTER_SECONDS", 0)
    monkeypatch.setattr(times, "utc_now", lambda: later(world.clock(), 1))
    said = run(monkeypatch, capsys, "send-again", dispatch.notification_id, "--user", user_id(1))
    assert said.startswith("1 failed recipient")
    assert world.counts(dispatch) == {"unsent": 1, "failed": 1}


def test_an_outage_is_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.database.fail("GetItem", "notifications", times=9)
    monkeypatch.setattr(sys, "argv", ["manage", "send-again", user_id(1)])
    with pytest.raises(SystemExit, match="out of reach") as refused:
        manage.main()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["send-again", "nothing"], "no such notification"),
        (["show", "nothing"], "no such notification"),
        (["add-contact", "anna"], "not a UUID"),
        (["user-token", "anna"], "not a UUID"),
        (["token", "nobody"], "no administrator"),
        (["register-application", "basic"], "scheme"),
    ],
)
def test_a_refusal_is_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, words: list[str], reason: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage", *words])
    with pytest.raises(SystemExit) as refused:
        manage.main()
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_contacts_of_a_file(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table, lines = tmp_path / "contacts.csv", tmp_path / "contacts.ndjson"
    table.write_text(f"user_id,email\n{user_id(1)},anna@example.com\n{user_id(2)},boris\n")
    lines.write_text(json.dumps({"user_id": user_id(3)}))
    report = json.loads(run(monkeypatch, capsys, "import-contacts", str(table)))
    assert (report["imported"], report["errors"][0]["line"]) == (1, 3)
    assert json.loads(run(monkeypatch, capsys, "import-contacts", str(lines)))["imported"] == 1
    assert len(world.table("CONTACTS_TABLE")) == 2
    with pytest.raises(SystemExit, match="FILE"):
        run(monkeypatch, capsys, "import-contacts", str(tmp_path / "nothing.csv"))


def test_a_user_is_exported_and_erased(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.knows(user_ids(1))
    for _ in range(3):
        world.submit(user_ids(1))
    world.settle()
    monkeypatch.setattr(export, "MAX_ROWS", 2)
    exported = json.loads(run(monkeypatch, capsys, "export-user", user_id(1)))
    assert (len(exported["results"]), exported["next"], exported["contact"]["name"]) == (3, None, "Anna")
    assert "is erased" in run(monkeypatch, capsys, "erase", user_id(1))
    left = json.loads(run(monkeypatch, capsys, "export-user", user_id(1)))
    assert (left["results"], left["contact"], left["unsubscribe"]["channels"]) == ([], None, ["*"])


class TestTemplates:
    """The commands of those who write templates; they ask no deployment."""

    @pytest.fixture(autouse=True)
    def _without_a_stack(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(stack_name: str, endpoint_url: str | None) -> None:
            raise AssertionError("a stack was asked for")

        monkeypatch.setattr(manage, "use_stack", refuse)

    def test_they_are_listed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        listed = run(monkeypatch, capsys, "templates").splitlines()
        (line,) = [each for each in listed if each.startswith("order_shipped@1 ")]
        assert "order, [tracking_url]: An order is on its way" in line

    def test_what_is_wrong_with_their_files_is_printed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "offer" / "1").mkdir(parents=True)
        (tmp_path / "offer" / "1" / "template.json").write_text('{"description": "An offer"}')
        with pytest.raises(SystemExit, match=r"error: 1 problem.*\noffer/1/template.json: there is no file"):
            run(monkeypatch, capsys, "templates", "--folder", str(tmp_path))
        with pytest.raises(SystemExit, match="there is no folder"):
            run(monkeypatch, capsys, "templates", "--folder", str(tmp_path / "none"))

    def test_one_is_previewed_with_a_files_variables(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        values = tmp_path / "variables.json"
        values.write_text('{"order": "B-2"}')
        options = ("--locale", "ru", "--variables", str(values), "--recipient", "Анна")
        shown = run(monkeypatch, capsys, "preview-template", "order_shipped@1", *options)
        assert shown.startswith("--- order_shipped@1, mail, ru\n\nЗаказ B-2 отправлен\n")
        assert "<p>Здравствуйте, Анна!</p>" in shown
        both = run(monkeypatch, capsys, "preview-template", "meeting", "--type", "telegram")
        assert both.count("--- meeting@1, telegram, ") == 2

    @pytest.mark.parametrize(
        ("name", "said", "reason"),
        [
            ("order_shipped@1", "{}", "order: required"),
            ("order_shipped@1", "[]", "must hold a JSON object"),
            ("order_shipped@1", "{", "cannot be read"),
            ("order_sent", "{}", "there is no template 'order_sent'"),
        ],
    )
    def test_what_cannot_be_previewed_is_one_line(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        name: str,
        said: str,
        reason: str,
    ) -> None:
        values = tmp_path / "variables.json"
        values.write_text(said)
        with pytest.raises(SystemExit, match=reason):
            run(monkeypatch, capsys, "preview-template", name, "--variables", str(values))

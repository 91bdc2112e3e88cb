"""Webhooks from the contact to the row: the field, the secret, and what follows from a receiver's answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain.times import iso, later
from chalicelib.services import suppressing
from chalicelib.services.administrators import create_administrator
from chalicelib.services.contact_lines import CSV, import_request
from infra import manage
from tests.support.api import Api, basic
from tests.support.aws import SECRETS, World
from tests.support.factories import START, user_id
from tests.support.webhook_receiver import Status, WebhookReceiver

ANNA, BORIS = user_id(1), user_id(2)
SECRET_PATH = "/api/v1/webhook_secret"


@pytest.fixture
def receiver(world: World) -> Iterator[WebhookReceiver]:
    """A receiver in a network that this deployment may post to."""
    world.configure("WEBHOOK_NETWORKS", "127.0.0.0/8")
    with WebhookReceiver() as started:
        yield started


@pytest.fixture
def api(world: World) -> Api:
    return Api(basic("anna", create_administrator("anna", START)))


def posted(world: World, receiver: WebhookReceiver, **changes: Any) -> None:
    """A notification to Anna, tried once."""
    world.knows([ANNA], others={"webhook_url": receiver.url("/hooks/anna")})
    world.submit([ANNA], type="webhook", **changes)
    world.settle()


# The contact.


def test_a_contact_has_a_webhook_by_the_api(world: World, api: Api) -> None:
    path = f"/api/v1/contacts/{ANNA}/"
    answer = api.put(path, {"webhook_url": "https://Example.com/hooks/anna", "email": "anna@example.com"})
    assert answer.status == 200
    assert api.get(path).json["webhook_url"] == "https://Example.com/hooks/anna"
    before = world.table("CONTACTS_TABLE")
    for wrong in ("http://example.com/", "https://127.0.0.1/", "https://example.com/" + "x" * 481, 7):
        refused = api.put(path, {"webhook_url": wrong})
        assert (refused.status, list(refused.fields())) == (422, ["webhook_url"]), wrong
    assert world.table("CONTACTS_TABLE") == before


def test_a_contact_has_a_webhook_by_csv(world: World) -> None:
    lines = f"user_id,webhook_url\n{ANNA},https://example.com/hooks/anna\n{BORIS},http://example.com/\n"
    report = import_request(lines.encode(), CSV)
    assert (report.imported, [(each.line, each.field) for each in report.errors]) == (1, [(3, "webhook_url")])
    (row,) = world.table("CONTACTS_TABLE")
    assert json.loads(row["others"]) == {"webhook_url": "https://example.com/hooks/anna"}


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What an operator's command prints."""
    monkeypatch.setattr(manage, "use_stack", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["manage", *words])
    manage.main()
    return capsys.readouterr().out.strip()


def test_an_operator_sets_a_webhook_and_reads_its_secret(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://example.com/hooks/anna"
    run(monkeypatch, capsys, "add-contact", ANNA, "--webhook-url", url)
    (row,) = world.table("CONTACTS_TABLE")
    assert json.loads(row["others"]) == {"webhook_url": url}
    secret = run(monkeypatch, capsys, "webhook-secret", url)
    assert secret == api.get(f"{SECRET_PATH}?url=https%3A%2F%2Fexample.com%2Fhooks%2Fanna").json["secret"]
    with pytest.raises(SystemExit, match="url: must be an https URL"):
        run(monkeypatch, capsys, "webhook-secret", "http://example.com/")


# The secret.


def test_a_secret_is_of_one_url_in_its_normal_form(api: Api) -> None:
    first = api.get(f"{SECRET_PATH}?url=https://example.com/a").json
    same = api.get(f"{SECRET_PATH}?url=HTTPS://EXAMPLE.COM:443/a").json
    other = api.get(f"{SECRET_PATH}?url=https://example.com/b").json
    assert first == same
    assert first["url"] == "https://example.com/a"
    assert first["secret"] != other["secret"]
    assert SECRETS["link"]["key"] not in str(first)


@pytest.mark.parametrize("query", ["", "?url=", "?url=http://example.com/", "?url=https://10.0.0.1/"])
def test_there_is_no_secret_of_what_is_not_posted_to(api: Api, query: str) -> None:
    answer = api.get(SECRET_PATH + query)
    assert (answer.status, list(answer.fields())) == (422, ["url"])


def test_what_is_posted_is_signed_by_the_secret_that_is_shown(
    world: World, api: Api, receiver: WebhookReceiver
) -> None:
    shown = api.get(f"{SECRET_PATH}?url={receiver.url('/hooks/anna')}").json["secret"]
    posted(world, receiver, title="Hello", content_id="order-7")
    (got,) = receiver.got("/hooks/anna")
    assert got.is_signed_by(shown)
    assert (got.body["data"]["user_id"], got.body["data"]["title"]) == (ANNA, "Hello")
    assert got.body["data"]["content_id"] == "order-7"
    assert world.row(ANNA)["status"] == "sent"


# What follows.


def test_a_failure_for_the_time_being_is_tried_again_with_the_same_id(
    world: World, receiver: WebhookReceiver
) -> None:
    receiver.answer(Status(500), times=1)
    posted(world, receiver)
    row = world.row(ANNA)
    assert (row["status"], row["attempts"], row["reason"]) == ("queued", 1, "127.0.0.1: status 500")
    world.settle(120)
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("sent", 2)
    assert list(receiver.ids().values()) == [2]


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long_and_that_costs_no_attempt(
    world: World, receiver: WebhookReceiver
) -> None:
    receiver.answer(Status(429, (("Retry-After", "300"),)), times=1)
    posted(world, receiver)
    row = world.row(ANNA)
    assert (row["status"], row["attempts"]) == ("queued", 0)
    assert row["not_before"] == iso(later(START, 300))
    world.settle(299)
    assert len(receiver.got()) == 1
    world.settle(301)
    assert (world.row(ANNA)["status"], world.row(ANNA)["attempts"]) == ("sent", 1)


def test_a_final_refusal_says_why_and_nothing_of_the_path(world: World, receiver: WebhookReceiver) -> None:
    receiver.answer(Status(404))
    posted(world, receiver)
    row = world.row(ANNA)
    assert (row["status"], row["attempts"], row["reason"]) == ("failed", 1, "127.0.0.1: status 404")


def test_who_is_gone_is_not_posted_to_again(world: World, receiver: WebhookReceiver) -> None:
    receiver.answer(Status(410))
    posted(world, receiver)
    assert world.row(ANNA)["status"] == "failed"
    suppressing.forget()
    world.clock.advance(60)
    dispatch = world.submit([ANNA], type="webhook")
    world.settle()
    assert world.counts(dispatch) == {"wrong_contact": 1}
    assert len(receiver.got()) == 1


def test_many_in_a_batch_go_over_one_connection(world: World, receiver: WebhookReceiver) -> None:
    users = [user_id(number) for number in range(1, 11)]
    for user in users:
        world.knows([user], others={"webhook_url": receiver.url(f"/{user}")})
    dispatch = world.submit(users, type="webhook")
    world.settle()
    assert world.counts(dispatch) == {"sent": 10}
    assert {got.target for got in receiver.got()} == {f"/{user}" for user in users}
    assert len({got.client_port for got in receiver.got()}) == 1

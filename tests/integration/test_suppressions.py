"""The suppressions API, its commands, and what becomes of suppressions when a user is erased."""

import json
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.results import Permanent
from chalicelib.domain.times import iso, later
from chalicelib.services import suppressing
from chalicelib.services.administrators import create_administrator
from chalicelib.services.contacts import put_contact
from chalicelib.services.export import export
from chalicelib.tables.suppressions import suppress, suppression_id
from chalicelib.tables.unsubscribes import ERASED_AGAIN_AFTER_SECONDS
from chalicelib.tables.users_notifications import read_rows
from infra import manage
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World
from tests.support.factories import START, address_of, user_ids

ANNA, BORIS = user_ids(2)
REASON = "bounced: 550 5.1.1 user unknown"
PATH = "/api/v1/suppressions/"


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    set_api_clock(monkeypatch, world.clock)
    password = create_administrator("anna", world.clock(), "correct horse battery staple")
    return Api(basic("anna", password))


def id_of(user: str) -> str:
    return suppression_id("mail", address_of(user))


def item(world: World, id_: str) -> dict[str, Any]:
    (found,) = [each for each in world.table("SUPPRESSIONS_TABLE") if each["id"] == id_]
    return found


def suppressed(number: int) -> list[str]:
    """So many addresses, suppressed one after the other."""
    addresses = [f"user-{each}@example.org" for each in range(number)]
    for seconds, address in enumerate(addresses):
        suppress("mail", address, REASON, later(START, seconds))
    return addresses


def test_a_list_page_by_page_the_newest_first(api: Api) -> None:
    addresses = suppressed(7)
    suppress("telegram", "4711", "blocked", later(START, 2.5))
    found: list[str] = []
    cursor = ""
    while True:
        page = api.request("GET", f"{PATH}?limit=3{cursor}").json
        found += [each["address"] for each in page["results"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    expected = list(reversed([*addresses[:3], "4711", *addresses[3:]]))
    assert found == expected


def test_only_a_channel_and_only_an_address(api: Api) -> None:
    suppressed(2)
    suppress("telegram", "4711", "blocked", START)

    def listed(query: str) -> list[str]:
        return [each["address"] for each in api.request("GET", f"{PATH}?{query}").json["results"]]

    assert listed("channel=telegram") == ["4711"]
    assert listed("address=user-1@EXAMPLE.org") == ["user-1@example.org"]
    assert listed("address=4711") == ["4711"]
    assert listed("channel=mail&address=user-1@example.org") == ["user-1@example.org"]
    assert listed("address=nobody@example.org") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("channel=pigeon", "channel"),
        ("address=", "address"),
        ("address=no%20address", "address"),
        ("channel=mail&address=4711", "address"),
        ("cursor=x", "cursor"),
        ("cursor=x&address=user-1@example.org", "cursor"),
        ("limit=0", "limit"),
        (f"address={'a' * 501}", "address"),
    ],
)
def test_a_wrong_query_is_refused(api: Api, query: str, field: str) -> None:
    answer = api.request("GET", f"{PATH}?{query}")
    assert answer.status == 422
    assert answer.fields().keys() == {field}


@pytest.mark.parametrize("id_", ["0" * 32, "x", "filter%23mail%230", "A" * 32, "0" * 33])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_there_is_not(api: Api, world: World, method: str, id_: str) -> None:
    suppressed(1)
    before = world.table("SUPPRESSIONS_TABLE")
    assert api.request(method, f"{PATH}{id_}/").status == 404
    assert world.table("SUPPRESSIONS_TABLE") == before


def test_a_lift_says_who_and_the_address_is_sent_to_at_once(
    api: Api, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.knows([ANNA])
    suppress("mail", address_of(ANNA), REASON, world.clock())
    first = world.submit([ANNA])
    world.settle()
    refused = read_rows([(ANNA, first.id)])[ANNA, first.id]
    assert (refused.status, refused.reason) == ("wrong_contact", f"suppressed: {REASON}")

    world.clock.advance(1)
    assert api.request("DELETE", f"{PATH}{id_of(ANNA)}/").status == 204
    lifted = api.request("GET", f"{PATH}{id_of(ANNA)}/").json
    assert (lifted["is_suppressed"], lifted["lifted_by"]) == (False, "administrator:anna")
    assert lifted["lifted_at"] == iso(world.clock())
    assert api.request("GET", PATH).json["results"] == []
    (line,) = [each for each in caplog.records if each.message == "suppression lifted"]
    assert (vars(line)["suppression"], vars(line)["by"]) == (id_of(ANNA), "administrator:anna")

    second = world.submit([ANNA])  # within the thirty seconds for which functions keep the filter
    world.settle()
    assert read_rows([(ANNA, second.id)])[ANNA, second.id].status == "sent"
    before = world.table("SUPPRESSIONS_TABLE")
    assert api.request("DELETE", f"{PATH}{id_of(ANNA)}/").status == 204
    assert world.table("SUPPRESSIONS_TABLE") == before


def test_a_lift_whose_answer_was_lost_is_one(api: Api, world: World) -> None:
    suppress("mail", address_of(ANNA), REASON, START)
    lost = world.database.lose_answers("UpdateItem", "suppressions")
    assert api.request("DELETE", f"{PATH}{id_of(ANNA)}/").status == 204
    assert lost
    assert "listed" not in item(world, id_of(ANNA))


def test_the_sweep_makes_a_wrong_contact_of_it(world: World) -> None:
    world.knows([ANNA, BORIS])
    dispatch = world.submit([ANNA, BORIS])
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    world.settle()
    assert set(world.statuses().values()) == {"unsent"}
    suppress("mail", address_of(ANNA), REASON, world.clock())
    suppressing.forget()
    world.queues.down.clear()
    world.clock.advance(61)
    world.sweep()
    world.settle()
    assert world.statuses() == {ANNA: "wrong_contact", BORIS: "sent"}
    assert world.row(ANNA)["reason"] == f"suppressed: {REASON}"
    assert world.counts(dispatch) == {"wrong_contact": 1, "sent": 1}


def test_what_the_server_refuses_for_good_is_suppressed(api: Api, world: World) -> None:
    world.knows([ANNA])
    world.channel.answers = {address_of(ANNA): [Permanent("smtp 550: gone", is_wrong_contact=True)]}
    world.submit([ANNA])
    world.settle()
    (shown,) = api.request("GET", PATH).json["results"]
    assert (shown["address"], shown["reason"]) == (address_of(ANNA), "smtp 550: gone")


# Erasure and export.


def test_an_export_has_the_suppressions_of_the_users_addresses(world: World) -> None:
    world.knows([ANNA])
    world.submit([ANNA])
    world.settle()
    put_contact({"user_id": ANNA, "email": "new@example.org"})
    for address in (address_of(ANNA), "new@example.org", address_of(BORIS)):
        suppress("mail", address, REASON, START)
    page = export(ANNA, None, 100)
    assert {each.address for each in page.suppressions} == {address_of(ANNA), "new@example.org"}


def test_of_an_erased_user_the_hash_stays_and_the_address_goes(api: Api, world: World) -> None:
    world.knows([ANNA])
    world.submit([ANNA])
    world.settle()
    put_contact({"user_id": ANNA, "email": "new@example.org", "chat_id": "4711"})
    for address in (address_of(ANNA), "new@example.org", address_of(BORIS)):
        suppress("mail", address, f"bounced: 550 <{address}> unknown", START)
    suppress("telegram", "4711", "blocked", START)
    world.erases(ANNA)
    said = json.dumps([each for each in world.table("SUPPRESSIONS_TABLE") if "prints" not in each])
    assert address_of(BORIS) in said
    assert not any(each in said for each in (address_of(ANNA), "new@example.org", "4711"))
    shown = api.request("GET", f"{PATH}{id_of(ANNA)}/").json
    assert (shown["address"], shown["reason"], shown["is_suppressed"]) == (None, "bounced", True)
    suppressing.forget()
    assert suppressing.suppressed("mail", [address_of(ANNA), "nobody@example.org"]) == {
        address_of(ANNA): "bounced"
    }
    assert suppressing.suppressed("telegram", ["4711"]) == {"4711": "blocked"}


@pytest.mark.parametrize("operation", ["UpdateItem", "DeleteItem"])
def test_an_erasure_that_dies_in_the_middle_is_ended_by_the_sweep(world: World, operation: str) -> None:
    world.knows([ANNA])
    suppress("mail", address_of(ANNA), REASON, START)
    table = "suppressions" if operation == "UpdateItem" else "contacts"
    world.database.fail(operation, table)
    with pytest.raises(Exception, match="Could not connect"):
        world.erases(ANNA)
    world.clock.advance(ERASED_AGAIN_AFTER_SECONDS + 1)
    world.sweep()
    assert world.table("CONTACTS_TABLE") == []
    assert "address" not in item(world, id_of(ANNA))


# The commands.


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["manage", *words])
    manage.main()
    return capsys.readouterr().out


def test_an_operator_lists_and_lifts(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suppressed(150)
    lines = run(monkeypatch, capsys, "suppressions", "--limit", "120").splitlines()
    assert [json.loads(each)["address"] for each in lines[:2]] == [
        "user-149@example.org",
        "user-148@example.org",
    ]
    assert len(lines) == 120
    (line,) = run(monkeypatch, capsys, "suppressions", "--address", "user-7@example.org").splitlines()
    id_ = json.loads(line)["id"]
    assert "user-7@example.org is sent to again" in run(monkeypatch, capsys, "lift-suppression", id_)
    assert item(world, id_)["lifted_by"] == "administrator:operator"
    with pytest.raises(SystemExit, match="error: there is no such suppression"):
        run(monkeypatch, capsys, "lift-suppression", "0" * 32)


def test_who_is_suppressed_when_the_message_is_on_its_way_is_sent_nothing(world: World) -> None:
    world.knows([ANNA, BORIS])
    dispatch = world.submit([ANNA, BORIS])
    world.fan_out()
    suppress("mail", address_of(ANNA), REASON, world.clock())
    suppressing.forget()
    world.deliver()
    assert [letter.address for letter in world.channel.sent] == [address_of(BORIS)]
    row = world.row(ANNA)
    assert (row["status"], row["reason"], row["attempts"]) == ("wrong_contact", f"suppressed: {REASON}", 0)
    assert world.counts(dispatch) == {"sent": 1, "wrong_contact": 1}
    assert not world.queues.waiting("DELIVERY_REGULAR_QUEUE_URL")


def test_capital_letters_make_no_other_address() -> None:
    assert suppression_id("mail", "Anna@example.com") == suppression_id("mail", "anna@example.com")


def test_a_full_filter_is_said_and_what_is_suppressed_is_seen(
    world: World, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    full: Any = {
        "Error": {"Code": "ValidationException", "Message": "Item size to update has exceeded the maximum"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
    }
    world.database.fail("UpdateItem", if_body="filter#mail", error=ClientError(full, "UpdateItem"))
    assert suppress("mail", "anna@example.com", REASON, START)
    (shown,) = api.request("GET", PATH).json["results"]
    assert shown["address"] == "anna@example.com"
    assert "the filter of suppressions is full" in caplog.text


def test_all_of_a_kind_are_lifted_by_one_command(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suppressed(3)
    for chat in ("1", "2"):
        suppress("telegram", chat, "telegram 400: Bad Request: chat not found", START)
    suppress("telegram", "3", "telegram 403: Forbidden: bot was blocked by the user", START)
    words = ("lift-suppression", "--channel", "telegram", "--reason", "chat not found")
    assert "2 addresses of telegram are sent to again" in run(monkeypatch, capsys, *words)
    assert {each["address"] for each in world.table("SUPPRESSIONS_TABLE") if "listed" in each} == {
        "3", "user-0@example.org", "user-1@example.org", "user-2@example.org",
    }  # fmt: skip
    for wrong in ((), ("--channel", "telegram"), ("0" * 32, "--channel", "telegram", "--reason", "x")):
        with pytest.raises(SystemExit):
            run(monkeypatch, capsys, "lift-suppression", *wrong)

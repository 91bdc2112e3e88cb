"""Mail events: noted and counted once each, in whichever order and however often they come."""

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.domain.mail_events import EventKind, telling_reason
from chalicelib.domain.times import iso, later
from chalicelib.services import suppressing
from chalicelib.services.administrators import create_administrator
from chalicelib.tables.activity import counted, minute_of
from chalicelib.tables.suppressions import Suppression, lift, suppression_id
from chalicelib.tables.users_notifications import read_rows
from tests.support.api import Api, basic, set_api_clock
from tests.support.aws import World, use_test_account
from tests.support.factories import START, address_of, user_ids
from tests.support.mail_events import envelope, event

ANNA, BORIS = user_ids(2)
QUEUE = "MAIL_EVENTS_QUEUE_URL"
DELIVERED, DELAYED, BOUNCED, COMPLAINED, REJECTED = EventKind
ALL = tuple(EventKind)


def sent(world: World, *users: str, **changes: Any) -> str:
    """The dispatch of a mail that these users were sent."""
    world.knows(users)
    dispatch = world.submit(users, **changes)
    world.settle()
    assert set(world.statuses().values()) == {"sent"}
    return str(dispatch.id)


def tell(world: World, *messages: object) -> None:
    """Have SES tell this, and the function work it."""
    for message in messages:
        world.queues.put(QUEUE, message if isinstance(message, str) else envelope(message))
    world.mail_events()


def counts(world: World) -> Counter[str]:
    """How often each kind was counted, in both lanes."""
    minutes = [minute_of(later(START, 60 * number)) for number in range(60)]
    total = sum(counted(minutes).values(), Counter())
    return Counter({kind: total[f"mail {kind}"] for kind in ALL if total[f"mail {kind}"]})


def suppression(user: str) -> Suppression | None:
    suppressing.forget()
    return Suppression.one(suppression_id("mail", address_of(user)), consistent=True)


def notes(world: World, user: str, dispatch: str) -> dict[EventKind, str]:
    return read_rows([(user, dispatch)])[user, dispatch].event_notes


def test_a_delivery_stands_in_the_row_and_is_counted(world: World) -> None:
    dispatch = sent(world, ANNA, is_express=True)
    at = later(START, 5)
    tell(world, event(DELIVERED, address_of(ANNA), (ANNA, dispatch), at))
    row = world.row(ANNA)
    assert (row["status"], row["delivered"]) == ("sent", iso(at))
    assert counts(world) == {DELIVERED: 1}
    assert suppression(ANNA) is None
    assert not world.queues.waiting(QUEUE)


def test_a_hard_bounce_suppresses_and_the_next_is_a_wrong_contact_until_it_is_lifted(world: World) -> None:
    dispatch = sent(world, ANNA)
    tell(world, event(BOUNCED, address_of(ANNA), (ANNA, dispatch), later(START, 5)))
    row = world.row(ANNA)
    assert (row["status"], row["bounced"]) == ("sent", f"{iso(later(START, 5))} 550 5.1.1 user unknown")
    found = suppression(ANNA)
    assert found is not None
    assert (found.address, found.reason) == (address_of(ANNA), "bounced: 550 5.1.1 user unknown")
    assert found.suppressed_at == iso(later(START, 5))

    second = world.submit([ANNA])
    world.settle()
    refused = read_rows([(ANNA, second.id)])[ANNA, second.id]
    assert refused.status == "wrong_contact"
    assert refused.reason == "suppressed: bounced: 550 5.1.1 user unknown"

    # Within the time for which functions keep the filter.
    lift(found.id, "administrator:anna", later(START, 20))
    third = world.submit([ANNA])
    world.settle()
    assert read_rows([(ANNA, third.id)])[ANNA, third.id].status == "sent"


@pytest.mark.parametrize(
    ("kind", "changes", "is_suppressed"),
    [
        (BOUNCED, {"bounceType": "Transient", "bounceSubType": "MailboxFull"}, False),
        (BOUNCED, {"bounceType": "Undetermined"}, False),
        (COMPLAINED, {}, True),
        (COMPLAINED, {"complaintFeedbackType": "not-spam"}, False),
        (DELAYED, {}, False),
        (REJECTED, {}, False),
    ],
)
def test_who_is_suppressed(
    world: World, kind: EventKind, changes: dict[str, Any], is_suppressed: bool
) -> None:
    dispatch = sent(world, ANNA)
    tell(world, event(kind, address_of(ANNA), (ANNA, dispatch), **changes))
    assert counts(world) == {kind: 1}
    assert (suppression(ANNA) is not None) is is_suppressed


def test_an_event_older_than_a_lift_changes_nothing(world: World) -> None:
    dispatch = sent(world, ANNA)
    late = event(COMPLAINED, address_of(ANNA), (ANNA, dispatch), later(START, 8))
    tell(world, event(BOUNCED, address_of(ANNA), (ANNA, dispatch), later(START, 5)))
    id_ = suppression_id("mail", address_of(ANNA))
    lift(id_, "administrator:anna", later(START, 10))
    tell(world, late)
    found = suppression(ANNA)
    assert found is not None
    assert not found.is_suppressed
    assert notes(world, ANNA, dispatch).keys() == {BOUNCED, COMPLAINED}
    tell(world, event(COMPLAINED, address_of(ANNA), (ANNA, dispatch), later(START, 11)))
    found = suppression(ANNA)
    assert found is not None
    assert found.is_suppressed


def test_what_comes_twice_is_counted_once(world: World) -> None:
    dispatch = sent(world, ANNA, BORIS)
    told = [
        event(kind, address_of(user), (user, dispatch), later(START, 5))
        for user in (ANNA, BORIS)
        for kind in ALL
    ]
    tell(world, *told, *told)  # in one batch and in the next
    tell(world, *told)
    assert counts(world) == dict.fromkeys(ALL, 2)


def test_lost_answers_count_once(world: World) -> None:
    dispatch = sent(world, ANNA)
    lost = world.database.lose_answers("TransactWriteItems")
    tell(world, event(DELIVERED, address_of(ANNA), (ANNA, dispatch)))
    assert lost
    assert counts(world) == {DELIVERED: 1}
    assert not world.queues.waiting(QUEUE)


@pytest.mark.parametrize(
    ("operation", "if_body"),
    [
        ("BatchGetItem", ""),
        ("UpdateItem", "filter#mail"),  # the print
        ("UpdateItem", "suppressed_at"),  # the suppression, whose print is written
        ("TransactWriteItems", ""),
    ],
    ids=["before the note", "at the print", "at the suppression", "at the note"],
)
def test_a_death_between_the_writes_is_made_good_by_the_next_run(
    world: World, operation: str, if_body: str
) -> None:
    dispatch = sent(world, ANNA)
    world.database.fail(operation, if_body=if_body)
    tell(world, event(BOUNCED, address_of(ANNA), (ANNA, dispatch)))
    found = suppression(ANNA)
    assert found is None or not found.is_suppressed
    (waiting,) = world.queues.waiting(QUEUE)
    world.clock.now = waiting.due
    world.mail_events()
    assert not world.queues.waiting(QUEUE)
    assert counts(world) == {BOUNCED: 1}
    found = suppression(ANNA)
    assert found is not None
    assert found.is_suppressed


def test_another_that_notes_the_same_at_the_same_time_does_not_count_it_again(world: World) -> None:
    dispatch = sent(world, ANNA)
    told = event(DELIVERED, address_of(ANNA), (ANNA, dispatch))
    world.queues.put(QUEUE, envelope(told))
    other = envelope(told)
    world.database.before(
        "TransactWriteItems", "", lambda: world.invoke(world.handlers[QUEUE], QUEUE, [other], 60)
    )
    world.mail_events()
    assert counts(world) == {DELIVERED: 1}


def test_a_row_that_goes_meanwhile_is_not_made_anew(world: World) -> None:
    dispatch = sent(world, ANNA)
    world.queues.put(QUEUE, envelope(event(BOUNCED, address_of(ANNA), (ANNA, dispatch))))
    world.database.before("TransactWriteItems", "", lambda: world.erases(ANNA))
    world.mail_events()
    assert world.rows() == {}
    assert counts(world) == {}
    assert not world.queues.waiting(QUEUE)


def test_of_an_erased_user_only_the_hash_is_suppressed(world: World) -> None:
    dispatch = sent(world, ANNA)
    world.erases(ANNA)
    tell(world, event(BOUNCED, address_of(ANNA), (ANNA, dispatch)))
    assert world.rows() == {}
    (item,) = [each for each in world.table("SUPPRESSIONS_TABLE") if "reason" in each]
    assert "address" not in item
    suppressing.forget()
    assert suppressing.suppressed("mail", [address_of(ANNA)]).keys() == {address_of(ANNA)}


def test_a_notification_of_an_identity_suppresses_without_a_row(world: World) -> None:
    sent(world, ANNA)
    tell(world, event(BOUNCED, f"Anna <{address_of(ANNA).replace('example', 'EXAMPLE')}>", None))
    found = suppression(ANNA)
    assert found is not None
    assert found.is_suppressed
    assert "bounced" not in world.row(ANNA)
    assert counts(world) == {}


BOUNCE = event(BOUNCED, address_of(ANNA), None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        envelope(BOUNCE, topic="arn:aws:sns:eu-central-1:123456789012:another"),
        envelope(BOUNCE, Type="SubscriptionConfirmation"),
        envelope("Successfully validated SNS topic for Amazon SES event publishing."),
        envelope("[]"),
        envelope({"eventType": "Send", "mail": {"tags": {}}, "send": {}}),
        envelope({"eventType": "Bounce", "mail": {}}),
        envelope(
            {
                "eventType": "Bounce",
                "mail": {},
                "bounce": {"bouncedRecipients": "x", "bounceType": "Permanent"},
            }
        ),
        envelope({**BOUNCE, "bounce": {**BOUNCE["bounce"], "timestamp": "yesterday"}}),
        envelope({**BOUNCE, "bounce": {**BOUNCE["bounce"], "bouncedRecipients": [{}]}}),
        envelope({**BOUNCE, "mail": None}),
        envelope({**BOUNCE, "mail": {"tags": {"user": [], "dispatch": []}}}),
        "[" * 100_000,
    ],
    ids=lambda body: body[:30],
)
def test_whatever_else_comes_is_dropped_and_logged(
    world: World, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    dispatch = sent(world, ANNA)
    tell(world, body, event(DELIVERED, address_of(ANNA), (ANNA, dispatch)))
    assert not world.queues.waiting(QUEUE)
    assert "unknown mail event" in caplog.text
    assert suppression(ANNA) is None
    assert counts(world) == {DELIVERED: 1}  # what came with it is worked


def test_without_a_topic_nothing_is_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_EVENTS_TOPIC_ARN", "none")
    tell(world, BOUNCE)
    assert suppression(ANNA) is None


TOLD = [
    event(kind, address_of(ANNA), (ANNA, "dispatch"), later(START, seconds), **changes)
    for kind, seconds, changes in (
        (DELAYED, 1, {}),
        (DELAYED, 2, {"delayType": "Other", "delayedRecipients": []}),
        (DELIVERED, 3, {}),
        (BOUNCED, 4, {}),
        (BOUNCED, 4, {"diagnostic": "smtp; 550 5.7.1 refused"}),
        (COMPLAINED, 5, {}),
    )
]


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.permutations(range(len(TOLD))), st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_any_order_in_any_batches_ends_in_the_same_state(order: list[int], sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = World(monkeypatch)
            dispatch = sent(world, ANNA)
            told = iter([_of(TOLD[number], dispatch) for number in (*order, order[0])])
            for size in sizes:
                tell(world, *itertools.islice(told, size))
            tell(world, *told)
            assert notes(world, ANNA, dispatch) == {
                DELAYED: f"{_at(1)} 452 4.2.2 full",
                DELIVERED: _at(3),
                BOUNCED: f"{_at(4)} 550 5.1.1 user unknown",
                COMPLAINED: f"{_at(5)} abuse",
            }
            assert counts(world) == dict.fromkeys((DELAYED, DELIVERED, BOUNCED, COMPLAINED), 1)
            found = suppression(ANNA)
            assert found is not None
            assert found.is_suppressed


def _at(seconds: float) -> str:
    return iso(later(START, seconds))


def _of(told: dict[str, Any], dispatch: str) -> dict[str, Any]:
    mail = {**told["mail"], "tags": {**told["mail"]["tags"], "dispatch": [dispatch]}}
    return {**told, "mail": mail}


def test_which_reason_is_told() -> None:
    at = iso(START)
    delayed, bounced = {DELAYED: f"{at} full"}, {BOUNCED: f"{at} 550 no"}
    assert telling_reason({}) is None
    assert telling_reason(delayed) == "delayed: full"
    assert telling_reason({**delayed, DELIVERED: at}) is None
    assert telling_reason({**delayed, DELIVERED: at, **bounced}) == "bounced: 550 no"
    assert telling_reason({**bounced, COMPLAINED: at}) == "complained"


def test_the_api_shows_what_became_of_a_mail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch = sent(world, ANNA)
    key = ANNA, dispatch
    tell(
        world,
        event(BOUNCED, address_of(ANNA), key, later(START, 9)),
        event(DELIVERED, address_of(ANNA), key, later(START, 5)),
    )
    set_api_clock(monkeypatch, world.clock)
    password = create_administrator("anna", world.clock(), "correct horse battery staple")
    api = Api(basic("anna", password))
    notification = world.row(ANNA)["notification_id"]
    (shown,) = api.get(f"/api/v1/notifications/{notification}/recipients/{ANNA}/").json["results"]
    assert (shown["status"], shown["reason"]) == ("sent", "bounced: 550 5.1.1 user unknown")
    assert shown["events"] == [
        {"event": "delivered", "at": _at(5), "reason": None},
        {"event": "bounced", "at": _at(9), "reason": "550 5.1.1 user unknown"},
    ]
    (exported,) = api.get(f"/api/v1/users/{ANNA}/").json["results"]
    assert exported["events"] == shown["events"]


def test_a_row_with_all_that_can_happen_stays_small(world: World) -> None:
    dispatch = sent(world, ANNA)
    said = "smtp; 550 5.1.1 " + "очень длинные слова " * 40
    changes: dict[EventKind, dict[str, Any]] = {
        BOUNCED: {"diagnostic": said},
        COMPLAINED: {"complaintFeedbackType": said},
        DELAYED: {"delayType": said, "delayedRecipients": []},
        REJECTED: {"reason": said},
    }
    tell(world, *(event(kind, address_of(ANNA), (ANNA, dispatch), **changes.get(kind, {})) for kind in ALL))
    row = world.row(ANNA)
    size = sum(len(f"{name}{value}".encode()) for name, value in row.items())
    assert row.keys() >= set(ALL)
    assert size < 1_000

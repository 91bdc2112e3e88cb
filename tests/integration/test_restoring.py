"""A table is restored: what is missing comes back, and nothing that must not."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from chalicelib.domain import times
from chalicelib.domain.lanes import Lane
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso
from chalicelib.services.contacts import put_contact
from chalicelib.tables.contacts import Contact
from chalicelib.tables.unsubscribes import lift_tombstone
from chalicelib.tables.users_notifications import UsersNotification
from infra import manage, restored_rows, restored_table
from infra import restore as restore_command
from tests.support.aws import World
from tests.support.factories import user_ids

ANNA, BORIS, VERA = user_ids(3)
CONTACTS = "CONTACTS_TABLE"
ROWS = "USERS_NOTIFICATIONS_TABLE"


@pytest.fixture(autouse=True)
def _operator(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "use_stack", lambda stack_name, endpoint_url: None)
    monkeypatch.setattr(times, "utc_now", world.clock)


Manage = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Manage:
    """An operator's command; what it prints."""

    def run(*words: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["manage", *words])
        manage.main()
        return capsys.readouterr().out

    return run


def restore(world: World, run: Manage, table: str, meanwhile: Callable[[], Any], *words: str) -> str:
    """Restore a table as it is now, after something else has happened to it: moto copies what there is."""
    arn = run("backup", table).strip()
    meanwhile()
    said = run("restore", table, "--backup", arn, *words)
    assert_no_copy_is_left(world)
    return said


def assert_no_copy_is_left(world: World) -> None:
    assert sorted(boto3.client("dynamodb").list_tables()["TableNames"]) == sorted(world.tables.values())


def test_deleted_rows_come_back_and_what_stands_there_stays(world: World, run: Manage) -> None:
    world.knows([ANNA, BORIS, VERA])
    before = world.table(CONTACTS)

    def meanwhile() -> None:
        Contact.remove(ANNA)
        Contact.remove(BORIS)
        put_contact({"user_id": VERA, "name": "Vera", "email": "vera@example.com"})

    said = restore(world, run, "contacts", meanwhile)
    assert said == "contacts: 3 rows in the copy: 2 put back, 1 were there\nthe copy is removed\n"
    after = {row["user_id"]: row for row in world.table(CONTACTS)}
    assert [after[row["user_id"]] for row in before if row["user_id"] != VERA] == [
        row for row in before if row["user_id"] != VERA
    ]
    assert after[VERA]["name"] == "Vera"


def test_a_binary_attribute_comes_back_as_it_was(world: World, run: Manage) -> None:
    world.submit([ANNA, BORIS])
    before = world.table("AUDIENCES_TABLE")

    def meanwhile() -> None:
        boto3.resource("dynamodb").Table("audiences").delete_item(
            Key={"part": before[0]["part"], "chunk": before[0]["chunk"]}
        )

    assert "1 put back" in restore(world, run, "audiences", meanwhile)
    assert world.table("AUDIENCES_TABLE") == before


def test_what_differs_is_put_back_only_when_that_is_wanted(world: World, run: Manage) -> None:
    world.knows([ANNA, BORIS])
    before = world.table(CONTACTS)

    def meanwhile() -> None:
        put_contact({"user_id": ANNA, "name": "Nobody", "email": "wrong@example.com"})

    said = restore(world, run, "contacts", meanwhile, "--overwrite")
    assert "0 put back, 1 put over others, 1 were there" in said
    assert world.table(CONTACTS) == before


@pytest.mark.parametrize(
    "table", ["unsubscribes", "users_notifications", "dispatches", "progress", "frequencies"]
)
def test_an_older_state_of_the_work_is_never_put_over_a_newer_one(
    world: World, run: Manage, table: str
) -> None:
    with pytest.raises(SystemExit, match=f"what stands in {table} is newer"):
        run("restore", table, "--at", "latest", "--overwrite")
    assert_no_copy_is_left(world)


def test_point_in_time_recovery(world: World, run: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    world.knows([ANNA, BORIS])
    asked: list[dict[str, Any]] = []
    enable_recovery(world)
    client = boto3.client("dynamodb")
    # moto's copy is of what there is when it is asked for: what goes just after it goes after the moment.
    client_of = restore_command._client

    def recording(options: Any) -> Any:
        made = client_of(options)
        begin = made.restore_table_to_point_in_time

        def restore_table_to_point_in_time(**words: Any) -> Any:
            asked.append(words)
            answer = begin(**words)
            client.delete_item(TableName="contacts", Key={"user_id": {"S": ANNA}})
            return answer

        monkeypatch.setattr(made, "restore_table_to_point_in_time", restore_table_to_point_in_time)
        return made

    monkeypatch.setattr(restore_command, "_client", recording)
    at = datetime.now(UTC).replace(microsecond=0)
    monkeypatch.setattr(restored_table, "check_restorable", lambda client, table, at: None)
    said = run("restore", "contacts", "--at", iso(at))
    assert said.startswith("contacts: 2 rows in the copy: 1 put back, 1 were there")
    assert (asked[0]["RestoreDateTime"], asked[0]["GlobalSecondaryIndexOverride"]) == (at, [])
    assert_no_copy_is_left(world)


def enable_recovery(world: World) -> None:
    boto3.client("dynamodb").update_continuous_backups(
        TableName=world.tables[CONTACTS],
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("yesterday", "--at is a moment as"),
        ("2026-11-29T10:00:00", "needs a time zone"),
        ("2020-01-01T00:00:00Z", "can be restored as it was from"),
    ],
)
def test_a_moment_that_cannot_be(world: World, run: Manage, at: str, reason: str) -> None:
    enable_recovery(world)
    with pytest.raises(SystemExit, match=reason):
        run("restore", "contacts", "--at", at)
    assert_no_copy_is_left(world)


def test_a_table_without_recovery_is_said(world: World, run: Manage) -> None:
    with pytest.raises(SystemExit, match="has no point-in-time recovery"):
        run("restore", "contacts", "--at", "latest")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["restore", "nothing", "--at", "latest"], "there is no table 'nothing', but: activity, admins"),
        (["restore", "contacts", "--copy", "admins"], "admins is no copy"),
    ],
)
def test_a_refusal_is_one_line(world: World, run: Manage, words: list[str], reason: str) -> None:
    with pytest.raises(SystemExit, match=reason) as refused:
        run(*words)
    assert "\n" not in str(refused.value)


def test_a_backup_of_another_table_is_refused(world: World, run: Manage) -> None:
    arn = run("backup", "admins").strip()
    with pytest.raises(SystemExit, match="this is a backup of admins, not of contacts"):
        run("restore", "contacts", "--backup", arn)


def test_a_restoring_that_broke_off_goes_on_with_its_copy(world: World, run: Manage) -> None:
    world.knows([ANNA, BORIS, VERA])
    arn = run("backup", "contacts").strip()
    said = run("restore", "contacts", "--backup", arn, "--keep-copy")
    copy = said.splitlines()[1].partition(": ")[2]
    Contact.remove(ANNA)
    assert "1 put back, 2 were there" in run("restore", "contacts", "--copy", copy)
    assert_no_copy_is_left(world)


def test_a_table_that_is_gone_is_made_anew_with_its_indexes(world: World, run: Manage) -> None:
    dispatch = world.submit(user_ids(3))
    client = boto3.client("dynamodb")
    before, described = (
        world.table("DISPATCHES_TABLE"),
        client.describe_table(TableName="dispatches")["Table"],
    )
    said = restore(world, run, "dispatches", lambda: client.delete_table(TableName="dispatches"))
    assert said.startswith("dispatches: 1 rows in the copy: 1 put back")
    assert world.table("DISPATCHES_TABLE") == before
    after = client.describe_table(TableName="dispatches")["Table"]
    for part in ("KeySchema", "AttributeDefinitions", "BillingModeSummary"):
        assert after[part] == described[part]
    assert {each["IndexName"] for each in after["GlobalSecondaryIndexes"]} == {"by_notification", "pending"}
    expiry = client.describe_time_to_live(TableName="dispatches")["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires_at")
    backups = client.describe_continuous_backups(TableName="dispatches")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    world.settle()
    assert world.counts(dispatch) == {"wrong_contact": 3}


def test_a_table_that_is_gone_has_no_moment_any_more(world: World, run: Manage) -> None:
    boto3.client("dynamodb").delete_table(TableName="contacts")
    with pytest.raises(SystemExit, match="is gone, and its recovery with it"):
        run("restore", "contacts", "--at", "latest")


def test_nothing_of_an_erased_user_comes_back(world: World, run: Manage) -> None:
    world.knows([ANNA, BORIS])
    world.submit([ANNA, BORIS])
    world.settle()
    contacts, rows = run("backup", "contacts").strip(), run("backup", "users_notifications").strip()
    world.erases(ANNA)
    Contact.remove(BORIS)
    for row in world.table(ROWS):
        UsersNotification.remove(row["user_id"], row["dispatch_id"])
    said = run("restore", "contacts", "--backup", contacts)
    assert "2 rows in the copy: 1 put back, 0 were there, 1 of erased users left out" in said
    said = run("restore", "users_notifications", "--backup", rows)
    assert "2 rows in the copy: 1 put back, 0 were there, 1 of erased users left out" in said
    assert [row["user_id"] for row in world.table(CONTACTS)] == [BORIS]
    assert list(world.rows()) == [BORIS]


def test_who_came_back_after_the_erasure_does_not_get_the_old_contact(world: World, run: Manage) -> None:
    world.knows([ANNA])

    def meanwhile() -> None:
        world.erases(ANNA)
        world.clock.advance(180)
        world.sweep()
        assert lift_tombstone(ANNA, world.clock())

    assert "1 of erased users left out" in restore(world, run, "contacts", meanwhile)
    assert world.table(CONTACTS) == []


def test_a_tombstone_that_comes_back_has_the_sweep_erase_again(world: World, run: Manage) -> None:
    world.knows([ANNA])
    world.erases(ANNA)
    world.clock.advance(180)
    world.sweep()
    client = boto3.client("dynamodb")

    def meanwhile() -> None:
        client.delete_item(TableName="unsubscribes", Key={"user_id": {"S": ANNA}})
        world.knows([ANNA])  # restored before the unsubscribes were

    assert "1 put back" in restore(world, run, "unsubscribes", meanwhile)
    world.sweep()
    assert world.table(CONTACTS) == []
    assert [row.get("erasing") for row in world.table("UNSUBSCRIBES_TABLE")] == [None]


def test_what_has_expired_stays_away(world: World, run: Manage) -> None:
    world.knows([ANNA])
    world.submit([ANNA])
    world.settle()

    def meanwhile() -> None:
        (row,) = world.table(ROWS)
        UsersNotification.remove(row["user_id"], row["dispatch_id"])
        world.clock.advance(timedelta(days=31).total_seconds())

    assert "0 put back, 0 were there, 1 expired left out" in restore(
        world, run, "users_notifications", meanwhile
    )
    assert world.rows() == {}


def test_who_has_been_sent_to_since_is_not_sent_to_again(world: World, run: Manage) -> None:
    world.knows([ANNA, BORIS])
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatch = world.submit([ANNA, BORIS])
    world.fan_out(Lane.REGULAR)
    world.queues.down.clear()
    assert world.statuses() == dict.fromkeys([ANNA, BORIS], Status.UNSENT)

    def meanwhile() -> None:
        world.clock.advance(120)
        world.sweep()
        world.settle()
        assert world.counts(dispatch) == {"sent": 2}
        world.checks = False  # nobody holds a row that an operator has lost
        UsersNotification.remove(ANNA, dispatch.id)

    said = restore(world, run, "users_notifications", meanwhile)
    assert "0 put back, 1 were there, 1 of recipients who have come to their end since left out" in said
    world.clock.advance(3600)
    world.sweep()
    world.settle()
    assert set(world.channel.addresses().values()) == {1}


def test_who_was_unsent_and_still_is_comes_back_and_is_sent_to(world: World, run: Manage) -> None:
    world.knows([ANNA])
    world.queues.down.add(world.queues.url("DELIVERY_REGULAR_QUEUE_URL"))
    dispatch = world.submit([ANNA])
    world.fan_out(Lane.REGULAR)
    world.queues.down.clear()
    assert "1 put back" in restore(
        world, run, "users_notifications", lambda: UsersNotification.remove(ANNA, dispatch.id)
    )
    world.clock.advance(120)
    world.sweep()
    world.settle()
    assert world.counts(dispatch) == {"sent": 1}


def test_progress_is_told_and_many_pages_are_restored(
    world: World, run: Manage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    users = user_ids(250)
    world.knows(users)
    before = world.table(CONTACTS)
    monkeypatch.setattr(restored_rows, "TOLD_EVERY", 100)
    told: list[str] = []
    monkeypatch.setattr(restore_command, "_tell", told.append)

    def meanwhile() -> None:
        for user in users[:120]:
            Contact.remove(user)

    assert "250 rows in the copy: 120 put back, 130 were there" in restore(world, run, "contacts", meanwhile)
    assert sorted(map(str, world.table(CONTACTS))) == sorted(map(str, before))
    assert told[0].startswith("the copy is contacts-restored-")
    assert [line.partition(" ")[0] for line in told[1:]] == ["100", "200"]


def test_a_row_that_is_made_meanwhile_stays(world: World, run: Manage) -> None:
    world.knows([ANNA])

    def meanwhile() -> None:
        Contact.remove(ANNA)
        newer = {"user_id": {"S": ANNA}, "name": {"S": "Newer"}}
        client = boto3.client("dynamodb")
        put = restored_rows.Restoring._put

        def put_after_another(restoring: Any, item: Any, keys: Any) -> bool:
            client.put_item(TableName="contacts", Item=newer)
            return put(restoring, item, keys)

        world._monkeypatch.setattr(restored_rows.Restoring, "_put", put_after_another)

    assert "0 put back, 1 were there" in restore(world, run, "contacts", meanwhile)
    assert world.table(CONTACTS) == [{"user_id": ANNA, "name": "Newer"}]

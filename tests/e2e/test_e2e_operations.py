"""What an operator does to a running system: rotate secrets, look into what failed, restore a table."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.arrivals import FUNCTION_SECONDS
from tests.support.deployment import COLD_SECONDS, Deployment, Person, Sent, Watch, people
from tests.support.failing import two_minutes_have_passed
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

NOWHERE = "vestnik-nowhere"
OLD_LOGIN, NEW_LOGIN = ("vestnik", "old password"), ("vestnik-2", "new password")
RETRY_SECONDS = 90.0
"""A retry of express comes after 3 s, 6 s, … and each of a few may find a function that is still cold."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


def cold(vestnik: Deployment, *functions: str) -> None:
    """Have functions begin anew, as those do that have forgotten their secrets: five minutes have passed."""
    for function in functions:
        with vestnik.with_environment(function, BEGUN_ANEW=uuid.uuid4().hex):
            pass


# Secrets.


def link_in_a_mail(vestnik: Deployment, smtp: ScriptedSmtp) -> str:
    (reader,) = vestnik.add_people(people(1, "reader"))
    vestnik.send([reader], express=True)
    smtp.wait_for_mails(1, COLD_SECONDS, to=reader.email)
    return str(smtp.mail(to=reader.email).message["List-Unsubscribe"])[1:-1]


def test_nothing_that_was_signed_is_refused_while_keys_are_rotated(
    vestnik: Deployment, smtp: ScriptedSmtp, tell: Callable[[str], None]
) -> None:
    user, login = str(uuid.uuid4()), f"anna-{uuid.uuid4().hex[:6]}"
    vestnik.create_administrator(login)
    signed: list[tuple[str, str, dict[str, str]]] = []

    def sign() -> None:
        """One of each, as it is signed at this moment."""
        token = vestnik.manage("token", login).strip()
        own = vestnik.manage("user-token", user).strip()
        signed.append(("token", "/api/v1/notifications/?limit=1", {"Authorization": f"Bearer {token}"}))
        signed.append(("user-token", f"/api/v1/users_notifications/user/{user}/", {"Authorization": own}))
        signed.append(("link", link_in_a_mail(vestnik, smtp), {}))

    def look() -> None:
        for what, path, headers in list(signed):
            answer = vestnik.call("GET", path, headers=headers)
            assert answer.status == 200, (what, answer)

    sign()
    looks = 0
    for kid in ("2", "3"):
        look()  # so that the API remembers the keys as they are before
        with Watch(look) as watch:
            for secret in ("token", "user-token", "link"):
                assert "stays good" in vestnik.manage("rotate-key", secret)
            cold(vestnik, "DeliverExpress")  # it signs by the new key, which the API does not know yet
            sign()
            look()
        looks += watch.looks
        assert vestnik.secret("LINK_SECRET_ARN")["kid"] == vestnik.secret("TOKEN_SECRET_ARN")["kid"] == kid
        cold(vestnik, "APIHandler")
    look()
    tell(f"rotation: {looks} looks at what three keys of each kind had signed, nothing refused")


def test_the_mail_servers_login_is_changed_and_every_mail_arrives_once(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    smtp.require_login(OLD_LOGIN)
    said = vestnik.manage("set-smtp-login", OLD_LOGIN[0], "--check", typed=f"{OLD_LOGIN[1]}\n")
    assert "has taken it" in said
    cold(vestnik, "DeliverExpress")
    try:
        persons = vestnik.add_people(people(10))
        vestnik.wait_for(vestnik.send(persons, express=True), sent=10)

        # As the runbook has it: the mail server knows both meanwhile.
        smtp.require_login(OLD_LOGIN, NEW_LOGIN)
        vestnik.manage("set-smtp-login", NEW_LOGIN[0], "--check", typed=f"{NEW_LOGIN[1]}\n")
        vestnik.wait_for(vestnik.send(persons, express=True), sent=10)

        # The old one ends too soon: what still goes by it is tried again.
        smtp.require_login(NEW_LOGIN)
        with vestnik.failing_soon("DELIVERY_EXPRESS", FUNCTION_SECONDS["DELIVERY_EXPRESS"]):
            sent = vestnik.send(persons, express=True)
            wait_until(lambda: refused_logins(vestnik, sent), COLD_SECONDS, "a refused log-in")
            cold(vestnik, "DeliverExpress")  # the emulator ends what is at work
            vestnik.wait_for(sent, timeout=RETRY_SECONDS, sent=10)
        assert set(smtp.counts().values()) == {3}
    finally:
        vestnik.manage("set-smtp-login", "--clear")
        cold(vestnik, "DeliverExpress")


def refused_logins(vestnik: Deployment, sent: Sent) -> list[str]:
    shown = vestnik.recipients(sent).values()
    return [each.user_id for each in shown if each.reason and "Unknown name" in each.reason]


def test_a_login_that_the_server_refuses_changes_nothing(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    smtp.require_login(NEW_LOGIN)
    ran = vestnik.refused("set-smtp-login", "vestnik", "--check", typed="wrong\n")
    assert "nothing is changed" in ran
    assert vestnik.secret("SMTP_SECRET_ARN") == {}


def test_a_programs_password_is_rotated_without_a_gap(vestnik: Deployment) -> None:
    slug = f"shop-{uuid.uuid4().hex[:6]}"
    old = vestnik.register_application(slug)

    def look() -> None:
        vestnik.ask("GET", "/api/v1/notifications/?limit=1", authorization=old)

    look()
    with Watch(look) as watch:
        new = vestnik.manage("rotate-password", slug).splitlines()[0].partition(": ")[2]
        vestnik.ask("GET", "/api/v1/notifications/?limit=1", authorization=new)
        look()
    assert watch.looks > 5
    vestnik.manage("rotate-password", slug, "--keep-old-hours", "0")
    wait_until(lambda: is_refused(vestnik, new), 45, "the end of the password that has leaked")


def is_refused(vestnik: Deployment, authorization: str) -> bool:
    headers = {"Authorization": authorization}
    return vestnik.call("GET", "/api/v1/notifications/?limit=1", headers=headers).status == 401


# What failed.


def test_what_lies_among_the_dead_letters_is_shown_and_moved_back(
    vestnik: Deployment, smtp: ScriptedSmtp
) -> None:
    persons = vestnik.add_people(people(12))
    vestnik.manage("dead-letters", "delivery-express", "--hold")
    try:
        with (
            # Longer than a function takes that begins cold: else the last copy of a message may still be
            # worked when the environment is as it was, and is sent.
            vestnik.failing_soon("DELIVERY_EXPRESS", 4),
            vestnik.with_environment("DeliverExpress", NOTIFICATIONS_TABLE=NOWHERE),
        ):
            sent = vestnik.send(persons, express=True)
            vestnik.wait_for_queued("DELIVERY_EXPRESS_DEAD", 12, timeout=2 * COLD_SECONDS)
        shown = vestnik.manage("dead-letters", "delivery-express")
        assert "delivery-express: 12 dead letters, 0 more are hidden" in shown
        for person in persons:
            assert person.user_id in shown
            assert person.email not in shown
        counts = vestnik.counts(sent)
        assert counts["queued"] == 12, counts

        assert vestnik.manage("move-back", "delivery-express").startswith("12 messages are in")
        assert vestnik.queued("DELIVERY_EXPRESS_DEAD") == []
    finally:
        vestnik.manage("dead-letters", "delivery-express", "--release")
    vestnik.wait_for(sent, sent=12)
    assert smtp.counts() == {person.email: 1 for person in persons}


def test_what_failed_is_found_and_sent_again(vestnik: Deployment, smtp: ScriptedSmtp) -> None:
    persons = vestnik.add_people(people(3))
    with (
        vestnik.failing_soon("DELIVERY_EXPRESS"),
        vestnik.with_environment("DeliverExpress", NOTIFICATIONS_TABLE=NOWHERE),
    ):
        sent = vestnik.send(persons, express=True)
        vestnik.wait_for(sent, failed=3, timeout=2 * COLD_SECONDS)

    found = vestnik.manage("failures", "--reason", "dead_letter")
    (line,) = [line for line in found.splitlines() if line.startswith(sent.id)]
    assert line.endswith("3       dead_letter (3)")
    assert json.loads(vestnik.manage("show", sent.id))["counts"]["failed"] == 3

    two_minutes_have_passed(vestnik, sent.dispatch_id, persons)
    assert "3 failed recipient(s) are unsent again" in vestnik.manage("send-again", sent.id)
    vestnik.sweep()
    vestnik.wait_for(sent, sent=3)
    assert smtp.counts() == {person.email: 1 for person in persons}
    assert sent.id not in vestnik.manage("failures")


# A table.


def rows_of(vestnik: Deployment, variable: str) -> list[dict[str, Any]]:
    """All rows of a table, by the variable that names it."""
    pages = vestnik.tables.get_paginator("scan").paginate(TableName=vestnik.table_name(variable))
    return sorted((dict(item) for page in pages for item in page["Items"]), key=str)


def test_deleted_rows_come_back(vestnik: Deployment, smtp: ScriptedSmtp, tell: Callable[[str], None]) -> None:
    persons = vestnik.add_people(people(1_000))
    before = rows_of(vestnik, "CONTACTS_TABLE")
    arn = vestnik.manage("backup", "contacts").strip()
    erased, *lost = persons[:500]
    for person in lost:
        delete_contact(vestnik, person)
    vestnik.manage("erase", erased.user_id)

    started = time.monotonic()
    said = vestnik.manage("restore", "contacts", "--backup", arn)
    tell(f"restore: {said.splitlines()[0]} in {time.monotonic() - started:.1f} s, with the command's start")
    assert f"{len(lost)} put back" in said
    assert "1 of erased users left out" in said
    assert rows_of(vestnik, "CONTACTS_TABLE") == [
        row for row in before if row["user_id"]["S"] != erased.user_id
    ]
    assert not [name for name in vestnik.tables.list_tables()["TableNames"] if "-restored-" in name]

    sent = vestnik.send([*lost[:5], erased], express=True)
    vestnik.wait_for(sent, sent=5)
    assert smtp.counts() == {person.email: 1 for person in lost[:5]}


def test_a_copy_by_point_in_time_recovery_is_kept_and_gone_on_with(
    vestnik: Deployment,
) -> None:
    """The emulator's recovery knows the present only: the rows are deleted when the copy is there."""
    vestnik.tables.update_continuous_backups(  # its CloudFormation does not
        TableName=vestnik.table_name("CONTACTS_TABLE"),
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    persons = vestnik.add_people(people(30))
    before = rows_of(vestnik, "CONTACTS_TABLE")
    said = vestnik.manage("restore", "contacts", "--at", "latest", "--keep-copy")
    copy = said.splitlines()[1].partition(": ")[2]
    for person in persons:
        delete_contact(vestnik, person)
    assert "30 put back" in vestnik.manage("restore", "contacts", "--copy", copy)
    assert rows_of(vestnik, "CONTACTS_TABLE") == before


def delete_contact(vestnik: Deployment, person: Person) -> None:
    vestnik.tables.delete_item(
        TableName=vestnik.table_name("CONTACTS_TABLE"), Key={"user_id": {"S": person.user_id}}
    )

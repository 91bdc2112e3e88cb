"""All that the functions do, one thing after the other: whatever calls AWS has to be among it."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, cast
from uuid import UUID

import boto3
import pytest

from chalicelib import security, settings
from chalicelib.channels import CHANNELS, ses
from chalicelib.channels.mail import MailChannel
from chalicelib.directory import signed_tokens
from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.lanes import Lane
from chalicelib.domain.mail_events import EventKind
from chalicelib.domain.messages import FanOutMessage
from chalicelib.domain.results import Permanent, Retryable
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import iso, later, utc_now
from chalicelib.services import authentication, frequencies, rate_limits, suppressing
from chalicelib.services.administrators import create_administrator, issue_token, list_administrators
from chalicelib.services.applications import register_application
from chalicelib.services.audit import Filters, list_entries
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.recipients import NotQueued, recipient_of, record_not_queued
from chalicelib.services.rights import Principal, Scope
from chalicelib.services.submit import submit
from chalicelib.tables.dispatches import Dispatch
from chalicelib.tables.suppressions import suppress
from chalicelib.tables.unsubscribes import ERASED_AGAIN_AFTER_SECONDS
from chalicelib.tables.users_notifications import Lease, claim_for_sending
from tests.faults.requests import OPERATOR
from tests.support.api import Api
from tests.support.aws import World
from tests.support.calls import CallRecorder
from tests.support.example_requests import OPERATIONS, ExampleRequest, example_request
from tests.support.factories import SHOP, START, address_of, delivery, submission, user_ids
from tests.support.mail_events import envelope, event
from tests.support.panel import PASSWORD, Browser
from tests.support.smtp import ScriptedSmtp
from tests.support.telegram import BLOCKED, TelegramServer

EVERY = Principal("application", "every")
ANNA, BORIS, CARL, DORA, EMMA, *GONE = user_ids(7)
USERS = (ANNA, BORIS, CARL, DORA, EMMA)
CHUNK_SIZE = 2
"""Instead of a hundred, so that five recipients are several chunks."""
MEMBER = ("kicked", "member")
A_WHILE = 600.0
"""Within this every message that was put off comes again."""


class Everything:
    """The functions in a World, and who makes them do all they can."""

    def __init__(
        self, world: World, recorder: CallRecorder, smtp: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._world, self._recorder, self._smtp, self._monkeypatch = world, recorder, smtp, monkeypatch
        world.checks = False
        world.knows([each for each in USERS if each != DORA])
        for name, module in list(sys.modules.items()):
            if name.startswith("chalicelib.") and hasattr(module, "CHUNK_SIZE"):
                monkeypatch.setattr(module, "CHUNK_SIZE", CHUNK_SIZE)

    def happens(self) -> None:
        """Do it all."""
        self._requests()
        for lane in Lane:
            self._a_dispatch(lane)
            self._telegram(lane)
            self._cancelled(lane)
            self._outages(lane)
            self._dead_letters(lane)
            self._frequencies(lane)
            self._by_ses(lane)
        self._mail_events()
        self._erasures()
        assert not self._world.crashes

    # The API.

    def _requests(self) -> None:
        """Every operation, by whoever may and by who may not; and by who repeats it."""
        create_administrator("operator", utc_now())
        password = register_application(EVERY.name, utc_now(), set(Scope)).password
        application = f"{EVERY.name} {password}"
        authorizations = (
            f"Bearer {issue_token('operator', utc_now())}",
            application,
            signed_tokens.issue(ANNA, utc_now()),
        )
        for name in OPERATIONS:
            for authorization in authorizations:
                self._request(example_request(name, EVERY), authorization)
        post = example_request("POST /api/v1/notifications/", EVERY)
        other = replace(post, body=json.dumps({**json.loads(post.body), "is_express": True}).encode())
        late = replace(post, body=json.dumps({**json.loads(post.body), "send_at": iso(START)}).encode())
        for request, key in ((post, "regular"), (post, "regular"), (other, "express"), (late, "late")):
            self._request(request, application, key)
        self._requests_about_failures()
        self._updates_of_telegram()
        self._the_panel()

    def _requests_about_failures(self) -> None:
        """Who has failed, is sent to again and is erased, with rows of every kind."""
        operator = f"Bearer {issue_token('operator', utc_now())}"
        accepted = submit(submission(GONE), OPERATOR, utc_now())
        settled = later(utc_now(), -A_WHILE)
        rows = zip(GONE, (Status.FAILED, Status.WRONG_CONTACT), strict=True)
        found = [NotQueued(position, user, status, "why") for position, (user, status) in enumerate(rows)]
        record_not_queued(accepted.dispatch, 0, found, (), lambda: settled)
        path = f"/api/v1/notifications/{accepted.notification.id}"
        for method, address in (
            ("GET", f"{path}/recipients/?status=failed"),
            ("POST", f"{path}/send_again/"),
            *(("DELETE", f"/api/v1/users/{user}/") for user in GONE),
        ):
            self._request(ExampleRequest(method, address, "application/json", b"{}", 200), operator)

    def _request(self, request: ExampleRequest, authorization: str, key: str | None = None) -> None:
        headers = {"Content-Type": request.content_type, "Idempotency-Key": key, **request.headers}
        # What a warm function knows it does not ask for.
        security.forget_secrets()
        authentication.forget()
        rate_limits.forget()
        with self._recorder.acting("APIHandler"):
            Api(authorization).request(request.method, request.path, body=request.body, headers=headers)

    def _the_panel(self) -> None:
        """Its pages and what can be done there."""
        create_administrator("anna.panel", utc_now(), PASSWORD)
        with self._recorder.acting("APIHandler"):
            anna = Browser()
            anna.log_in("anna.panel")
            create_administrator("boris.panel", utc_now(), PASSWORD)
            list_administrators(None, 10)
            list_entries(Filters(), None, 10, utc_now())
            for page in ("", "/failures"):
                anna.get(f"/admin/operations{page}")
            anna.post("/admin/account/logout_everywhere")

    def _updates_of_telegram(self) -> None:
        """A chat is connected, stopped and started again, blocks the bot; and one that is nobody's stops."""
        post = example_request("POST /api/v1/telegram/webhook/", EVERY)
        secret = security.read_secret("link")
        start = security.sign_telegram_link(secret, ANNA, int(later(utc_now(), A_WHILE).timestamp()))
        chat = {"id": 42, "type": "private"}
        updates: list[dict[str, Any]] = [
            *({"message": {"chat": chat, "text": text}} for text in (f"/start {start}", "/stop", "/start")),
            {"message": {"chat": {**chat, "id": 43}, "text": "/stop"}},
            *({"my_chat_member": {"chat": chat, "new_chat_member": {"status": each}}} for each in MEMBER),
        ]
        for each in updates:
            body = json.dumps({"update_id": 1, **each}).encode()
            self._request(replace(post, body=body), f"{EVERY.name} x")

    # The workers.

    def _submit(self, lane: Lane, users: Sequence[str] = USERS, **changes: Any) -> Dispatch:
        suppressing.forget()
        return self._world.submit(users, is_express=lane is Lane.EXPRESS, **changes)

    def _a_dispatch(self, lane: Lane) -> None:
        """Sent, tried again, refused, unsubscribed, unknown; and by a real mail server."""
        world = self._world
        world.unsubscribes(BORIS, "*")
        self._submit(lane)
        world.channel.answers = {address_of(ANNA): [Retryable("busy")], address_of(CARL): [Permanent("no")]}
        world.settle(A_WHILE)
        security.forget_secrets()
        world.configure("SMTP_PORT", str(self._smtp.port))
        self._submit(lane, [EMMA])
        with self._monkeypatch.context() as patch:
            patch.setitem(cast(dict[str, Any], CHANNELS), "mail", MailChannel())
            world.settle()
        assert self._smtp.mails()

    def _telegram(self, lane: Lane) -> None:
        """To a chat that takes it, and to one that has blocked the bot and is remembered."""
        world = self._world
        world.knows([EMMA], chat_id="44")
        blocked = 45 if lane is Lane.EXPRESS else 46
        world.knows([CARL], chat_id=str(blocked))
        self._submit(lane, [EMMA, CARL], type="telegram")
        security.forget_secrets()
        with TelegramServer() as telegram:
            telegram.script(blocked, BLOCKED)
            world.configure("TELEGRAM_API_URL", telegram.url)
            world.settle(A_WHILE)
            assert [each.chat for each in telegram.messages()] == [44]
        self._submit(lane, [CARL], type="telegram")
        world.settle(A_WHILE)

    def _by_ses(self, lane: Lane) -> None:
        """Mail by Amazon SES, as moto has it."""
        sesv2 = boto3.client("sesv2")
        self._world.configure("MAIL_BY", "ses")
        sender = parseaddr(settings.current().mail_from)[1]
        if not sesv2.list_email_identities()["EmailIdentities"]:
            sesv2.create_email_identity(EmailIdentity=sender)
        self._submit(lane, [EMMA])
        ses.forget()
        with self._monkeypatch.context() as patch:
            patch.setitem(cast(dict[str, Any], CHANNELS), "mail", MailChannel())
            self._world.settle()
        self._world.configure("MAIL_BY", "smtp")
        ses.forget()

    def _mail_events(self) -> None:
        """What SES tells of a mail that was sent."""
        world = self._world
        dispatch = self._submit(Lane.REGULAR, [EMMA])
        world.settle(A_WHILE)
        told = event(EventKind.BOUNCED, address_of(EMMA), (EMMA, str(dispatch.id)), world.clock())
        world.queues.put("MAIL_EVENTS_QUEUE_URL", envelope(told))
        world.mail_events()

    def _cancelled(self, lane: Lane) -> None:
        """Before fan out, before it is delivered, and among the dead letters."""
        world = self._world
        for stages in ((), (world.fan_out,), (world.fan_out, world.fan_out)):
            dispatch = self._submit(lane)
            for work in stages:
                work(lane)
            world.cancel(dispatch)
            self._put_among_the_dead(lane, dispatch)
            world.settle(A_WHILE)

    def _put_among_the_dead(self, lane: Lane, dispatch: Dispatch) -> None:
        chunks = FanOutMessage(dispatch.id, ChunkRange(0, int(dispatch.chunks)))
        self._world.queues.put(f"FAN_OUT_{lane.upper()}_DEAD_QUEUE_URL", chunks.dump())
        message = delivery(dispatch.id, ANNA)
        self._world.queues.put(f"DELIVERY_{lane.upper()}_DEAD_QUEUE_URL", message.dump())

    def _outages(self, lane: Lane) -> None:
        """Queues and directory out of reach at each stage; and what comes after."""
        world = self._world
        fan_out, deliver = (f"{stage}_{lane.upper()}_QUEUE_URL" for stage in ("FAN_OUT", "DELIVERY"))
        with self._down(fan_out):
            self._submit(lane)
        self._a_minute_later()
        self._submit(lane)
        with self._down(fan_out):
            world.fan_out(lane)
        with self._down(deliver):
            world.settle(A_WHILE)
        self._a_minute_later()
        self._submit(lane)
        world.fan_out(lane)
        world.channel.answers = {address_of(ANNA): [Retryable("busy")]}
        with self._down(deliver):
            world.deliver(lane)
        self._a_minute_later()
        self._submit(lane)
        world.database.fail("BatchGetItem", if_body='"contacts"')
        world.settle()
        self._a_minute_later()
        self._submit(lane, [DORA])
        world.database.fail("BatchGetItem", if_body='"contacts"')
        world.settle()
        self._a_minute_later()

    @contextmanager
    def _down(self, variable: str, is_down: bool = True) -> Iterator[None]:
        if is_down:
            self._world.queues.down.add(self._world.queues.url(variable))
        yield
        self._world.queues.down.clear()

    def _a_minute_later(self, seconds: float = 61.0) -> None:
        suppressing.forget()
        self._world.clock.advance(seconds)
        self._world.sweep()
        self._world.settle(A_WHILE)

    def _dead_letters(self, lane: Lane) -> None:
        """What no function could work, also while a lease on a row is live."""
        world = self._world
        dispatch = self._submit(lane)
        world.queues.waiting(f"FAN_OUT_{lane.upper()}_QUEUE_URL").clear()
        lease = Lease("somebody", later(world.clock(), 60))
        claim_for_sending(recipient_of(dispatch, ANNA, 0, 0), address_of(ANNA), lease, world.clock())
        self._put_among_the_dead(lane, dispatch)
        world.settle(A_WHILE)

    def _frequencies(self, lane: Lane) -> None:
        """Runs by the rule, a dispatch at a time; and runs that are stopped at each stage."""
        world = self._world
        self._create(f"often-{lane}", lane)
        self._submit(lane, [ANNA], send_at=later(world.clock(), 200))
        world.live(240)
        self._stop(f"often-{lane}")
        for stopped_before in ("fan out", "deliver", "sweep"):
            slug = f"stopped-before-{stopped_before.replace(' ', '-')}-{lane}"
            self._create(slug, lane)
            world.settle()
            world.clock.advance(100)
            with self._down(f"DELIVERY_{lane.upper()}_QUEUE_URL", is_down=stopped_before == "sweep"):
                if stopped_before != "fan out":
                    world.fan_out(lane)
            self._stop(slug)
            self._a_minute_later()

    def _create(self, slug: str, lane: Lane) -> None:
        """A frequency that first runs in a hundred seconds."""
        now = self._world.clock()
        wanted = Wanted(
            timing={"period": 3600, "starts_at": later(now, 100)},
            content=Content("mail", "News", "There is something new.", lane is Lane.EXPRESS),
            users=[UUID(ANNA)],
        )
        frequencies.create(slug, wanted, SHOP, now)

    def _stop(self, slug: str) -> None:
        frequencies.change(slug, Wanted(is_paused=True), SHOP, self._world.clock())

    def _erasures(self) -> None:
        """Users with rows of every kind, erased by the sweep."""
        world = self._world
        with self._down("DELIVERY_REGULAR_QUEUE_URL"):
            self._submit(Lane.REGULAR)
            world.settle()
        for user in USERS:
            world.erases(user, seconds=0)
        suppress("mail", address_of(ANNA), "bounced: to somebody", world.clock())
        self._a_minute_later(ERASED_AGAIN_AFTER_SECONDS + 1)

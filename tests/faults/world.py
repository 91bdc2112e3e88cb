"""The world of a run: the product's functions on moto, under a scheduler, queues and a clock of its own."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from app import app
from chalicelib import settings
from chalicelib.domain.lanes import Lane
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.domain.times import later
from chalicelib.services import authentication, frequencies, rate_limits, send_times
from chalicelib.services.applications import register_application
from chalicelib.services.content import Content
from chalicelib.services.erasure import erase
from chalicelib.services.errors import ConflictError
from chalicelib.services.send_again import SETTLED_AFTER_SECONDS, send_failed_again
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.dispatches import cancel_dispatch
from chalicelib.tables.unsubscribes import EVERYTHING, add_scope
from chalicelib.workers import sweep, tick
from tests.faults import dynamodb
from tests.faults.asked import SLUG, Asked
from tests.faults.functions import FUNCTIONS, http_event, timeout_of
from tests.faults.meanwhile import meanwhile
from tests.faults.permissions import missing
from tests.faults.points import SevenPoints
from tests.faults.provider import UnforeseenError, providers
from tests.faults.rules import Rule, sweep_at, tick_at
from tests.faults.scenarios import CARL, EVA, SCENARIOS, Answers, Request, Scenario, seconds_since_start
from tests.faults.sqs import Message, Sqs
from tests.faults.stage import forget_what_a_warm_function_knows, know_everybody, set_the_stage
from tests.faults.tables import Tables
from tests.faults.violations import ViolationError, require
from tests.faults.wire import Call, Fault, Process, ProcessDiedError, Surroundings, Wire
from tests.support.aws import RULE_EVENT, SECRETS, FakeClock, Invocation, deploy_to_moto
from tests.support.factories import SHOP, START

REGION = "eu-central-1"
MAX_STEPS = 400
"""A run that goes on for longer than this does not come to rest."""
MAX_POSTS = 6
CLIENT_PAUSE_SECONDS = 2.0
PUT_OFF_BY_SECONDS = 300.0


class World:
    """Made once; each run begins with `begin`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        deployed = deploy_to_moto(monkeypatch)
        self._urls = deployed.urls
        self.tables = Tables(deployed.tables, REGION)
        self.scenario = SCENARIOS[0]
        self.sqs = Sqs(self._urls, self.clock)
        around = Surroundings(
            _throttle_code, lambda: seconds_since_start(self.clock()), self._boundary, self._after_step
        )
        self.wire = Wire(around, self._serve)
        self.wire.install(monkeypatch)
        self._providers = providers(self.wire)
        self._log = set_the_stage(monkeypatch, self.clock, self._providers)
        self._configured = settings.current()
        monkeypatch.setattr(settings, "current", self._settings)
        with self.wire.off():
            self._authorization = f"{SHOP.name} {register_application(SHOP.name, START).password}"
            know_everybody()
        self.tables.keep()

    def _settings(self) -> settings.Settings:
        """As they are deployed; in some scenarios what is unsent is given up at once, for a time."""
        if self.scenario.expires_at_once and not self.points.are_failed_sent_again:
            return replace(self._configured, unsent_expires_hours=0)
        return self._configured

    # A run.

    def begin(self, scenario: Scenario, answers: Answers) -> None:
        """Everything as it was before anything happened."""
        random.seed(0)
        authentication.forget()
        rate_limits.forget()
        self.clock.now = START
        self.tables.restore()
        for queue in self.sqs.queues.values():
            queue.messages.clear()
        self.sqs.refuses = lambda variable, body: scenario.refuses(variable, body, self.clock())
        self.wire.calls.clear()
        self.scenario = scenario
        self._sweep_rule, self._tick_rule = Rule(START), Rule(START)
        self._changes = list(scenario.changes)
        self.crashes: list[Exception] = []
        self._log.lines.clear()
        self.points = SevenPoints(self.tables, self.sqs, self.clock, scenario)
        self.points.log = self._log.lines
        self._providers[scenario.channel].begin(scenario, answers, self.points)
        forget_what_a_warm_function_knows()
        if CARL in scenario.users:
            self._unsubscribe(CARL)

    def run(self) -> None:
        """From the client's request until everything is at rest; what does not hold raises."""
        then = self.scenario.sent_again
        self._client(self.scenario.asked)
        self._come_to_rest()
        # An operator who came between two calls may have sent again already.
        expected = self.scenario.expected
        if self.points.are_failed_sent_again:
            expected = {user: allowed | then.get(user, allowed) for user, allowed in expected.items()}
        self.points.at_rest(expected, self._secrets())
        if then:
            self._operator()
            self._come_to_rest()
            if any("cancelled_at" in row for row in self.tables.rows("DISPATCHES_TABLE")):
                then = {user: allowed | expected[user] for user, allowed in then.items()}  # and stays so
            self.points.at_rest(then, self._secrets())

    def _come_to_rest(self) -> None:
        steps = 0
        while self._step():
            steps += 1
            require(steps < MAX_STEPS, f"no rest after {steps} steps; crashes: {self.crashes[-3:]}")

    def _secrets(self) -> list[str]:
        return [SECRETS["token"]["key"], SECRETS["link"]["key"], self._authorization.partition(" ")[2]]

    # The client.

    def _client(self, asked: Asked) -> None:
        for _ in range(MAX_POSTS):
            if self._ask(asked):
                return
            self.clock.advance(CLIENT_PAUSE_SECONDS)
        raise AssertionError(f"no answer after {MAX_POSTS} requests")

    def _ask(self, asked: Asked) -> bool:
        """One request; whether the client has seen an answer. Else it asks again, with the same key."""
        seen: list[int] = []
        event = http_event(self._authorization, asked, self._path())
        with self.wire.process("api", lambda: self._ask_again(asked)):
            try:
                answer = app(event, Invocation(self.clock, timeout_of("APIHandler")))
                self.wire.end_of_process("the answer", lambda: seen.append(answer["statusCode"]))
            except ProcessDiedError:
                forget_what_a_warm_function_knows()
        require({*seen} <= asked.answers | asked.asks_again_after, f"the client was answered {seen}")
        return not {*seen} <= asked.asks_again_after

    def _ask_again(self, asked: Asked) -> None:
        self._ask(asked)

    def _path(self) -> dict[str, str]:
        """What the paths of a client's requests name."""
        first = next(self.tables.rows("NOTIFICATIONS_TABLE"), {"id": "none"})
        return {"slug": SLUG, "notification_id": first["id"]}

    # The operator, who has mended what was broken.

    def _operator(self) -> None:
        self.clock.advance(SETTLED_AFTER_SECONDS + 1)
        self.points.are_failed_sent_again = True
        for _ in range(MAX_POSTS):
            if self.send_again():
                return
            self.clock.advance(CLIENT_PAUSE_SECONDS)
        raise AssertionError(f"the command failed {MAX_POSTS} times")

    def is_accepted(self) -> bool:
        """Whether there is anything that an operator could name."""
        return any(True for _ in self.tables.rows("NOTIFICATIONS_TABLE"))

    def send_again(self) -> bool:
        """One run of the operator's command; whether it ended well."""
        (notification,) = self.tables.rows("NOTIFICATIONS_TABLE")
        ended: list[int] = []
        with self.wire.process("operator", self._send_again_too):
            try:
                count = send_failed_again(notification["id"], SHOP, self.clock)
                self.wire.end_of_process("the end", lambda: ended.append(count))
            except ProcessDiedError:
                pass  # and the operator sees no result
            except DATABASE_ERRORS as error:
                self.crashes.append(error)
        return bool(ended)

    def _send_again_too(self) -> None:
        self.send_again()

    # The functions.

    def _step(self) -> bool:
        """Let one function work, or time pass; False at rest."""
        if self._work_one():
            return True
        moments = [self._sweep_at(), self._tick_at(), self.sqs.next_visible_at()]
        moments += [self._changes_at(asked) for asked in self._changes[:1]]
        next_ones = [moment for moment in moments if moment is not None]
        if not next_ones:
            return False
        self.clock.now = max(min(next_ones), self.clock.now)
        self._what_happens_meanwhile()
        self.fire_rules()
        return True

    def _sweep_at(self) -> datetime | None:
        return sweep_at(self._sweep_rule, self.tables)

    def _tick_at(self) -> datetime | None:
        return tick_at(self._tick_rule, self.tables, self.clock())

    def fire_rules(self) -> None:
        """Run what has its minute now, where it finds something."""
        if (moment := self._tick_at()) is not None and moment <= self.clock():
            self.tick()
        if (moment := self._sweep_at()) is not None and moment <= self.clock():
            self.sweep()

    def _work_one(self) -> bool:
        self._what_happens_meanwhile()
        for variable, function in FUNCTIONS.items():
            if self.sqs.has_visible(variable):
                messages = self.sqs.receive(variable, function.batch_size)
                if messages:
                    self._invoke(variable, messages)
                return True
        return False

    def _invoke(self, variable: str, messages: list[Message]) -> None:
        function = FUNCTIONS[variable]
        with self.wire.process(function.name, lambda: self._second_copy(variable, messages)):
            try:
                answer = function.handler(
                    {"Records": [self._record(variable, each) for each in messages]},
                    Invocation(self.clock, function.seconds),
                )
                kept = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
                done = [each for each in messages if f"m{each.id}" not in kept]
                require(len(done) + len(kept) == len(messages), f"{kept} are no messages of the batch")
                self.wire.end_of_process("acknowledge", lambda: self._delete(variable, done))
            except ProcessDiedError:
                forget_what_a_warm_function_knows()
            except UnforeseenError as error:
                self.crashes.append(error)

    def _second_copy(self, variable: str, messages: list[Message]) -> None:
        for each in messages:
            self.sqs.hide(self.sqs.queues[variable], each)
        self._invoke(variable, messages)

    def _delete(self, variable: str, messages: list[Message]) -> None:
        for each in messages:
            self.sqs.delete(variable, each)

    def _record(self, variable: str, message: Message) -> dict[str, Any]:
        return {
            "messageId": f"m{message.id}",
            "body": message.body,
            "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{self._urls[variable].rpartition('/')[2]}",
            "attributes": {"MessageGroupId": message.group},
        }

    def sweep(self) -> None:
        """What the rule does each minute."""
        self._sweep_rule.fired(self.clock())
        self._run_rule("sweep", sweep.sweep, self.sweep)

    def tick(self) -> None:
        """What the other rule does each minute."""
        self._tick_rule.fired(self.clock())
        self._run_rule("tick", tick.tick, self.tick)

    def _run_rule(self, name: str, handler: Any, again: Callable[[], None]) -> None:
        with self.wire.process(name, again):
            try:
                handler(RULE_EVENT, Invocation(self.clock, timeout_of(name.capitalize())))
                self.wire.end_of_process("end", lambda: None)
            except ProcessDiedError:
                forget_what_a_warm_function_knows()

    # What else happens.

    def _what_happens_meanwhile(self) -> None:
        """Eva unsubscribes when her message is on its way; an operator cancels."""
        if EVA not in self.points.unsubscribed_at and any(
            variable.startswith("DELIVERY") and DeliveryMessage.load(message.body).user_id == EVA
            for variable, message in self.sqs.all()
        ):
            self._unsubscribe(EVA)
        while self._changes and self._changes_at(self._changes[0]) <= self.clock():
            self._client(self._changes.pop(0))
        after = self.scenario.cancelled_after_seconds
        if after is not None and self.clock() >= later(START, after):
            self.cancel()

    def _changes_at(self, asked: Asked) -> datetime:
        return later(START, asked.after_seconds)

    def _unsubscribe(self, user: str) -> None:
        with self.wire.off():
            add_scope(user, EVERYTHING, self.clock())
        self.points.unsubscribed_at[user] = self.clock()

    def _serve(self, service: str, operation: str, params: dict[str, Any]) -> Any:
        if process := self.wire.running:
            refused = missing(process, service, operation, params)
            require(refused is None, refused or "")
            failure = self.scenario.weather(Request(service, operation, params, process, self.clock()))
            if failure is not None:
                raise failure
        if service == "sqs":
            return self.sqs.request(operation, params)
        return dynamodb.request(operation, params, REGION) if service == "dynamodb" else None

    def _boundary(self, fault: Fault, process: Process) -> None:
        try:
            meanwhile(self, fault, process)
        except Exception as error:  # which the product would take for a failure of its own call
            raise ViolationError(f"{fault}: {error!r}") from error

    def all_that_is_due(self, sweeps: bool) -> None:
        """Let the functions work what is due at this moment, with or without a sweep."""
        while self._work_one():
            pass
        self.fire_rules()
        if sweeps:
            self.sweep()
        while self._work_one():
            pass

    def cancel(self) -> None:
        """An operator cancels what is there."""
        with self.wire.off():
            for row in list(self.tables.rows("DISPATCHES_TABLE")):
                cancel_dispatch(row["id"], self.clock())

    def put_off(self) -> None:
        """A client has what is not due yet sent later."""
        send_at = later(self.clock(), PUT_OFF_BY_SECONDS)
        with self.wire.off(), suppress(ConflictError):  # it is due, or cancelled
            for row in list(self.tables.rows("DISPATCHES_TABLE")):
                send_times.change(row["notification_id"], send_times.Changed(send_at), SHOP, self.clock())

    def change_frequency(self) -> None:
        """A client has the frequency send something else from now on, if it is there already."""
        content = Content("mail", "Another", "Text", self.scenario.lane is Lane.EXPRESS)
        self._change(frequencies.Wanted(content=content))

    def pause(self) -> None:
        """A client pauses it."""
        self._change(frequencies.Wanted(is_paused=True))

    def _change(self, wanted: frequencies.Wanted) -> None:
        with self.wire.off():
            for row in list(self.tables.rows("FREQUENCIES_TABLE")):
                frequencies.change(row["slug"], wanted, SHOP, self.clock())

    def delete_frequency(self) -> None:
        """A client deletes it."""
        with self.wire.off():
            for row in list(self.tables.rows("FREQUENCIES_TABLE")):
                frequencies.delete(row["slug"], SHOP, self.clock())

    def erase(self, user: str) -> None:
        """An administrator erases a user."""
        self.points.erased.add(user)
        self.points.unsubscribed_at.setdefault(user, self.clock())
        with self.wire.off():
            erase(user, "administrator:anna", self.clock, lambda: timeout_of("APIHandler"))

    def _after_step(self) -> None:
        self.points.after_step()


def _throttle_code(service: str) -> str:
    return "RequestThrottled" if service == "sqs" else "ThrottlingException"


def names(calls: list[Call]) -> list[str]:
    """What was called, in order."""
    return [call.name for call in calls]

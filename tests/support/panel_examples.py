"""Data of every kind for the panel's pages, and what stands in their paths.

Made by the services alone, so that there may be a World below them, or a deployed stack.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from chalicelib.admin.declaring import View
from chalicelib.admin.sections import SECTIONS
from chalicelib.domain.times import later, utc_now
from chalicelib.services import (
    administrators,
    applications,
    audience_parts,
    audiences,
    audit,
    contacts,
    form_texts,
    frequencies,
    submit,
    unsubscribing,
)
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Role, administrator
from chalicelib.services.submit import Submission
from chalicelib.tables.base import Table
from chalicelib.tables.principals import Administrator, Application
from chalicelib.tables.suppressions import suppress, suppression_id
from tests.support.factories import address_of, user_id

BORIS = administrator("boris")
KNOWN, UNKNOWN = user_id(1), user_id(2)
MEETING = {"starts_at": "2026-11-27T13:30:00Z"}


@dataclass(frozen=True)
class Examples:
    """Makes one of each kind.

    Args:
        say: From the name of a field to what stands in it, wherever a text may stand.
        settle: Has a notification sent, by its id.
    """

    say: Callable[[str], str] = "Example of a {}".format
    settle: Callable[[str], object] = lambda _: None
    _made: dict["Make", str] = field(default_factory=dict)

    def notification(self) -> str:
        """One that was sent to a user who is known, and to one who is not."""
        self.contact()
        asked = Submission(
            "mail", self.say("title"), self.say("text"), content_id=self.say("content id"),
            users=[UUID(KNOWN), UUID(UNKNOWN)],
        )  # fmt: skip
        found = submit.submit(asked, BORIS, utc_now()).notification.id
        self.settle(found)
        return found

    def scheduled(self) -> str:
        """One of a template, whose time has not come."""
        asked = Submission(
            "mail", "", "", users=[UUID(KNOWN)], template="meeting", send_at=later(utc_now(), 3600),
            variables=MEETING | {"topic": self.say("variable"), "place": "Here"},
        )  # fmt: skip
        return submit.submit(asked, BORIS, utc_now()).notification.id

    def audience(self) -> str:
        """One that more users may be put into."""
        now = utc_now()
        made = audiences.create(self.say("audience"), BORIS, now)
        audience_parts.put_part(made.id, 1, [UUID(KNOWN).bytes], BORIS, now)
        return made.id

    def frequency(self) -> str:
        content = Content("mail", self.say("frequency"), self.say("text of a frequency"), False, None)
        slug = unused("weekly")
        wanted = Wanted(timing={"period": 3600}, content=content, users=[UUID(KNOWN)])
        frequencies.create(slug, wanted, BORIS, utc_now())
        return slug

    def paused_frequency(self) -> str:
        slug = self.frequency()
        frequencies.change(slug, Wanted(is_paused=True), BORIS, utc_now())
        return slug

    def application(self) -> str:
        slug = unused("shop")
        applications.register_application(slug, utc_now())
        self._rewrite(Application, slug, created_by=self.say("maker of an application"))
        return slug

    def disabled_application(self) -> str:
        slug = self.application()
        applications.change_rights(slug, None, False)
        return slug

    def administrator(self) -> str:
        login = unused("clara")
        administrators.create_administrator(login, utc_now(), "a rather long password", Role.VIEWER)
        self._rewrite(Administrator, login, created_by=self.say("maker of an administrator"))
        return login

    def disabled_administrator(self) -> str:
        login, manager = self.administrator(), unused("boris")
        administrators.create_administrator(manager, utc_now(), "a rather long password", Role.MANAGER)
        administrators.change_administrator_rights(login, administrator(manager), is_active=False)
        return login

    def contact(self) -> str:
        contacts.put_contact({"user_id": KNOWN, "email": address_of(KNOWN), "name": self.say("name")})
        return KNOWN

    def unsubscribed(self) -> str:
        unsubscribing.unsubscribe(UNKNOWN, "mail", BORIS, utc_now())
        return UNKNOWN

    def suppression(self) -> str:
        address = f"{self.say('address')}-{uuid.uuid4().hex[:8]}@example.com"
        suppress("mail", address, f"bounced: {self.say('suppression')}", utc_now())
        return suppression_id("mail", address)

    def audited(self) -> str:
        """An entry of the audit log, as it may come from an operator's terminal."""
        with audit.acting(self.say("who"), audit.Via.COMMAND, self.say("request")):
            audit.record(
                "changed", self.say("kind"), self.say("about"),
                {self.say("changed field"): self.say("before")}, {"x": [self.say("after")]},
            )  # fmt: skip
        return "shop"

    def everything(self) -> None:
        """One of each."""
        for make in MADE.values():
            self._once(make)
        self.audited()

    def paths_of(self, view: View) -> list[str]:
        """Where a view is, with one of each kind in each place of its path."""
        paths = [
            self._path(view, {name: self._once(MADE[kind_of(view, name)]) for name in view.path_parameters})
        ]
        if len(view.path_parameters) == 1:
            (name,) = view.path_parameters
            paths += [
                self._path(view, {name: self._once(make)}) for make in ALSO.get(kind_of(view, name), ())
            ]
        return paths

    def path_of(self, view: View) -> str:
        """The first of them."""
        return self.paths_of(view)[0]

    def new_path_of(self, view: View) -> str:
        """The same, with what nobody else looks at: it may be changed."""
        return self._path(view, {name: MADE[kind_of(view, name)](self) for name in view.path_parameters})

    def _once(self, make: "Make") -> str:
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def _path(self, view: View, values: Mapping[str, str]) -> str:
        path = f"/admin{view.path}"
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    def _rewrite(self, model: type[Table], key: str, **changed: str) -> None:
        """What the services would not write."""
        row = model.one(key, consistent=True)
        assert row is not None
        for name, value in changed.items():
            setattr(row, name, value)
        row.put()


Make = Callable[[Examples], str]

MADE: dict[tuple[str, str], Make] = {
    ("notifications", "notification_id"): Examples.notification,
    ("notifications", "user_id"): lambda _: KNOWN,
    ("change", "notification_id"): Examples.scheduled,
    ("cancel", "notification_id"): Examples.scheduled,
    ("operations", "notification_id"): Examples.notification,
    ("texts", "name"): lambda examples: form_texts.put_aside(examples.say("text"), utc_now()),
    ("audiences", "audience_id"): Examples.audience,
    ("frequencies", "slug"): Examples.frequency,
    ("applications", "slug"): Examples.application,
    ("administrators", "login"): Examples.administrator,
    ("contacts", "user_id"): Examples.contact,
    ("unsubscribes", "user_id"): Examples.unsubscribed,
    ("suppressions", "suppression_id"): Examples.suppression,
    ("users", "user_id"): lambda _: str(uuid.uuid4()),
}
"""What a path names, by its last word (where that matters) or its first, and the parameter."""

ALSO: dict[tuple[str, str], tuple[Make, ...]] = {
    ("notifications", "notification_id"): (Examples.scheduled,),
    ("frequencies", "slug"): (Examples.paused_frequency,),
    ("applications", "slug"): (Examples.disabled_application,),
    ("administrators", "login"): (Examples.disabled_administrator,),
}
"""What else a path may name, of which its page shows something else."""

SAID: dict[str, tuple[str, ...]] = {
    "notifications": ("title", "text", "content id", "variable"),
    "audiences": ("audience",),
    "frequencies": ("frequency", "text of a frequency"),
    "contacts": ("name",),
    "suppressions": ("address", "suppression"),
    "applications": ("maker of an application",),
    "administrators": ("maker of an administrator",),
    "audit": ("who", "kind", "about", "changed field", "before", "after"),
}
"""Which of the texts are seen in which part of the panel."""


def forms(say: Callable[[str], str]) -> dict[str, dict[str, str]]:
    """What is filled in where the answer is a page that offers something which no other page does."""
    written = {"title": say("title"), "text": say("text"), "content_id": say("content id")}
    return {"/notifications/new": {"type": "mail", "way": "ids", "users": KNOWN, "when": "now", **written}}


def kind_of(view: View, name: str) -> tuple[str, str]:
    """Under which key MADE has what a view's path names; a test says so where there is none."""
    words = [word for word in view.path.strip("/").split("/") if not word.startswith("{")]
    kinds = [(word, name) for word in (words[-1], words[0])]
    return next((kind for kind in kinds if kind in MADE), kinds[-1])


def views(method: str) -> Iterator[View]:
    """All pages, or all actions, that there are."""
    return (view for section in SECTIONS for view in section.views if view.method == method)


def unused(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"

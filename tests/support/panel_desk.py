"""Somebody at the panel in a real browser, and what they do there again and again."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, expect

from tests.support.deployment import Deployment, Person, people
from tests.support.panel import PASSWORD
from tests.support.panel_in_browser import log_in

BAD_LINE = "no-id-of-anybody"


@dataclass
class Desk:
    """Somebody at the panel, who reads it in a language."""

    page: Page
    base: str
    login: str
    language: str
    complaints: list[str]
    changed: list[str] = field(default_factory=list)
    """What they have changed so far, by what the audit log names it."""

    def come_in(self, password: str = PASSWORD) -> None:
        """Log in."""
        log_in(self.page, self.base, self.login, password)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.base}/admin/{path}")
        return self.page

    def press(self, *, within: str = "main") -> None:
        """Press the main button of a form."""
        self.page.locator(f"{within} button.main").click()

    def has_done(self, what: str) -> None:
        """Wait for the page that says so, by its name in `done.py`."""
        self.page.wait_for_url(re.compile(rf"[?&]done={what}(&|$)"))
        expect(self.page.locator("main > .said.good")).to_be_visible()

    @contextmanager
    def refused(self, status: int = 422) -> Iterator[None]:
        """What is done within is answered by this status, of which the browser complains once."""
        mark = f"status of {status}"
        with self.page.expect_console_message(lambda message: mark in message.text):
            yield
        self.page.wait_for_load_state()
        self.complaints[:] = [each for each in self.complaints if mark not in each]

    def write(self, title: str) -> None:
        """The form of a new notification, but for its recipients."""
        page = self.open("notifications/new")
        page.fill("[name=title]", title)
        page.fill("[name=text]", "The new hours are on our page.\n\nSee you soon!")

    def look(self, count: int) -> None:
        """Look at a new notification, which goes to so many."""
        self.press(within="#new-notification")
        expect(self.page.locator("#count")).to_have_text(str(count))

    def submit(self) -> str:
        """Send what is looked at; its id."""
        self.page.locator("#send").click()
        return self.sent()

    def sent(self) -> str:
        """Wait for the page of what has been sent; its id."""
        self.page.wait_for_url(re.compile(r"/admin/notifications/[0-9a-f-]{36}"))
        found = re.search(r"[0-9a-f-]{36}", self.page.url)
        assert found
        self.changed.append(found[0])
        return found[0]

    def settled(self, count: int) -> None:
        """Wait until the open notification has come to its end with so many, and asks no more."""
        progress = self.page.locator("#progress progress")
        expect(progress).to_have_attribute("value", str(count))
        expect(self.page.locator("#progress[hx-get]")).to_have_count(0)

    def send(self, count: int) -> str:
        """Look at a new notification, send it and wait for its end; its id."""
        self.look(count)
        notification_id = self.submit()
        self.settled(count)
        return notification_id

    def count_of(self, status: str) -> Locator:
        """How many recipients of the open notification have come to a status."""
        return self.page.locator(f"#progress .counts a[href*='status={status}'] .count")


def known(vestnik: Deployment, number: int) -> list[Person]:
    """So many users whom the directory knows."""
    return vestnik.add_people(people(number))


def ids(persons: list[Person], *others: str) -> str:
    """Their ids, as they are pasted, and other lines."""
    return "\n".join([*(each.user_id for each in persons), *others])

"""Pictures of the panel for its page in the documents: python -m tests.browser.screenshots."""

import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

from playwright.sync_api import Browser, Page, sync_playwright

from chalicelib.domain.lanes import Lane
from chalicelib.domain.times import later, utc_now
from chalicelib.observability import logger
from chalicelib.services import audit, contacts, frequencies, notifications, submit
from chalicelib.services.administrators import create_administrator
from chalicelib.services.applications import change_rights, register_application
from chalicelib.services.content import Content
from chalicelib.services.frequencies import Wanted
from chalicelib.services.rights import Principal, Role, Scope, administrator
from chalicelib.services.submit import Submission
from chalicelib.tables import activity
from tests.browser.conftest import OPTIONS, chromium
from tests.support.deployed_services import as_a_function
from tests.support.deployment import COLD_SECONDS, Deployment, deployed
from tests.support.factories import address_of, user_id, user_ids
from tests.support.panel import PASSWORD
from tests.support.panel_in_browser import log_in
from tests.support.smtp import ScriptedSmtp
from tests.support.waiting import wait_until

FOLDER = Path(__file__).parents[2] / "docs" / "panel"
SIZES = {"screen": (1280, 800), "phone": (390, 844)}
SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
MOST_BYTES = 2_000_000
ANNA, SHOP = administrator("anna"), Principal("application", "shop")
KNOWN = 120
MINUTES = 60
TITLES = (
    "Your order has been shipped",
    "Open on Sunday",
    "New in our library: March",
    "Prices from the first of May",
    "The meeting begins in an hour",
    "Your table is reserved",
)
TEXT = "Dear reader,\n\nthere is something new, and you are among the first to know.\n\nSee you soon!"


def main() -> None:
    """Deploy to an emulator, make things to look at, take the pictures."""
    logger.setLevel("ERROR")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ScriptedSmtp() as smtp:
        deployment = Deployment(smtp, Path(folder) / "emulator.log")
        with deployed(deployment) as vestnik, as_a_function(vestnik), sync_playwright() as playwright:
            shown = make_things()
            browser = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
            for scheme in SCHEMES:
                take(browser, vestnik.api_url, shown, scheme)
            browser.close()
    taken = sum(each.stat().st_size for each in FOLDER.glob("*.png"))
    assert taken <= MOST_BYTES, f"{taken} bytes are more than {MOST_BYTES}"
    sys.stdout.write(f"Written to {FOLDER.relative_to(FOLDER.parents[1])}: {taken:,} bytes.\n")


def make_things() -> str:
    """Notifications, frequencies, changes, an hour of activity; the notification to show, by its id."""
    now = utc_now()
    create_administrator("anna", now, PASSWORD, Role.MANAGER)
    contacts.put_contacts(
        {"user_id": UUID(each), "email": address_of(each), "name": f"Reader {number}"}
        for number, each in enumerate(user_ids(KNOWN), 1)
    )
    with audit.acting(ANNA.author, audit.Via.PANEL):
        create_administrator("boris", now, PASSWORD, Role.SENDER)
        register_application("shop", now)
        change_rights("shop", set(Scope), None)
        for slug, title, timing in (
            ("news-each-friday", "The week in five minutes", {"cron": "30 9 * * FRI"}),
            ("reminder", "Somebody waits for your answer", {"period": 86_400}),
            ("water-the-plants", "Water the plants", {"cron": "0 18 * * *"}),
        ):
            content = Content("mail", title, TEXT, False, None)
            wanted = Wanted(timing=timing, content=content, users=_users(40))
            frequencies.create(slug, wanted, ANNA, now)
        frequencies.change("water-the-plants", Wanted(is_paused=True), ANNA, utc_now())
    _count_an_hour()
    made = [_submitted(title, number) for number, title in enumerate(TITLES)]
    for each in made:
        wait_until(lambda each=each: _is_sent(each), 4 * COLD_SECONDS, f"{each} sent")  # type: ignore[misc]
    submit.submit(
        Submission("mail", "Merry Christmas", TEXT, users=_users(KNOWN), send_at=later(now, 20 * 86_400)),
        ANNA, utc_now(),
    )  # fmt: skip
    return made[2]


def _users(count: int) -> list[UUID]:
    return [UUID(each) for each in user_ids(count)]


def _submitted(title: str, number: int) -> str:
    """Some of its recipients have no address."""
    unknown = [UUID(user_id(1_000 + each)) for each in range(number % 3)]
    asked = Submission(
        "mail", title, TEXT, users=[*_users(KNOWN - 17 * number), *unknown], is_express=number == 4
    )
    return submit.submit(asked, ANNA if number % 2 else SHOP, utc_now()).notification.id


def _is_sent(notification_id: str) -> bool:
    counts = notifications.find(notification_id, ANNA, utc_now()).counts
    return not counts["queued"] + counts["unsent"]


def _count_an_hour() -> None:
    draw, now = random.Random(7), utc_now()
    for back in range(1, MINUTES):
        at = later(now, -60 * back)
        sent = round(240 + 160 * (1 - abs(30 - back) / 30)) + draw.randrange(60)
        counts = {"mail accepted": sent, "mail sent": sent, "telegram sent": sent // 4, "latency 1": sent}
        if back % 4 == 0:
            counts |= {"mail failed_refused": 1 + draw.randrange(8)}
        activity.count(Lane.REGULAR, counts, at)
        express = draw.randrange(25)
        activity.count(
            Lane.EXPRESS, {"mail accepted": express, "mail sent": express, "latency 0.5": express}, at
        )


def take(browser: Browser, base: str, shown: str, scheme: Literal["light", "dark"]) -> None:
    """Every page, at each size."""
    width, height = SIZES["screen"]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    page = context.new_page()
    log_in(page, base, "anna")
    for name, path in {
        "notifications": "notifications", "notification": f"notifications/{shown}",
        "frequencies": "frequencies", "operations": "operations", "audit": "audit",
    }.items():  # fmt: skip
        page.goto(f"{base}/admin/{path}")
        picture(page, name, scheme)
    look(page, base)
    picture(page, "preview", scheme)
    context.close()


def look(page: Page, base: str) -> None:
    """A notification that is about to be sent, as its recipients will see it."""
    page.goto(f"{base}/admin/notifications/new")
    page.fill("[name=title]", "Open on Sunday")
    page.fill("[name=text]", TEXT)
    page.fill("[name=users]", "\n".join(user_ids(KNOWN)))
    page.locator("#new-notification button.main").click()
    page.frame_locator("iframe[name=look-en]").locator("h1").wait_for()
    page.frame_locator("iframe[name=look-ru]").locator("h1").wait_for()


def picture(page: Page, name: str, scheme: str) -> None:
    """What is in the window, by the name of the page, its size and its scheme."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=FOLDER / f"{name}-{size}-{scheme}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    main()

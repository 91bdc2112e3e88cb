"""Frequencies for the tests of the panel's pages: made by their service, and the forms that are filled in."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

from chalicelib.services import audience_parts, audiences, frequencies
from chalicelib.services.content import Content
from chalicelib.services.frequencies import FrequencyView, Wanted
from chalicelib.services.rights import Principal, administrator
from chalicelib.tables.frequencies import read_frequency
from tests.support.aws import World
from tests.support.factories import SHOP, START
from tests.support.panel import Shown

PATH = "/admin/frequencies"
SCRIPT = "<script>alert(1)</script>\"'"
CONTENT = Content("mail", "News", "There is something new.")
USERS = [uuid4() for _ in range(3)]
TABLES = ("FREQUENCIES_TABLE", "NOTIFICATIONS_TABLE", "AUDIENCES_TABLE")


def make(slug: str = "news", author: Principal = SHOP, **changed: Any) -> FrequencyView:
    """A frequency that runs every hour, unless a test has it otherwise."""
    wanted: dict[str, Any] = {"timing": {"period": 3600}, "content": CONTENT, "users": USERS} | changed
    return frequencies.create(slug, Wanted(**wanted), author, START)


def stored() -> Any:
    """The frequency as it is kept."""
    row = read_frequency("news")
    assert row
    return row


def audience(name: str | None = "Customers", users: int = 2, *, is_complete: bool = True) -> str:
    """The id of an audience of anna's."""
    made = audiences.create(name, administrator("anna"), START)
    audience_parts.put_part(made.id, 1, [uuid4().bytes for _ in range(users)], administrator("anna"), START)
    if is_complete:
        audience_parts.complete(made.id, administrator("anna"), START)
    return made.id


def typed(**changed: Any) -> dict[str, Any]:
    """What somebody has typed who makes a frequency."""
    fields = {
        "slug": "news", "kind": "period", "period": "2", "unit": "hour", "cron": "", "time_zone": "UTC",
        "starts_at": "", "ends_at": "", "type": "mail", "template": "", "title": "News",
        "text": "There is something new.\r\n\r\nCome!", "content_id": "", "whom": "users",
        "users": "\r\n".join(map(str, USERS)), "audience_id": "",
    }  # fmt: skip
    return fields | changed


def form_of(shown: Shown, form: str) -> dict[str, str]:
    """What a browser would send of a form as it is shown."""
    html = shown.html.partition(f'id="{form}"')[2].partition("</form>")[0]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        if "name" not in attributes:  # of a file, which a script sends
            continue
        found[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select[^>]* name="([\w.]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea[^>]* name="([\w.]+)"[^>]*>(.*?)</textarea>', html, re.DOTALL):
        found[name] = unescape(text)
    return found


def rows(world: World) -> list[Any]:
    """All that a frequency consists of."""
    return [world.table(each) for each in TABLES]

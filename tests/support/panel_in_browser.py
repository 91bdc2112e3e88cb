"""The panel in a real browser: coming in, and what is asked of each page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.panel import PASSWORD

AXE = Path(__file__).parents[1] / "browser" / "libraries" / "axe.js"
GRAVE = ("serious", "critical")

FIND_GRAVE = """
async () => {
  const found = await axe.run(document, {resultTypes: ['violations']});
  const places = each => each.nodes.map(node => node.html.slice(0, 160));
  return found.violations.map(each => [each.impact, each.id, places(each)]);
}
"""

REACHABLE = """
() => {
  const all = document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [tabindex="0"]');
  const seen = each => !each.disabled && each.checkVisibility({visibilityProperty: true});
  const groups = new Set();
  const counts = each => {
    if (each.type !== 'radio') return true;
    const chosen = document.querySelector(`input[name="${each.name}"]:checked`);
    return chosen ? chosen === each : !groups.has(each.name) && groups.add(each.name);
  };
  const found = [...all].filter(seen).filter(counts);
  found.forEach((each, at) => each.dataset.tab = at);
  return found.map(each => each.outerHTML.slice(0, 160));
}
"""
"""What the keyboard has to reach, in the order of the page; each is given its number."""

BEGIN = """
() => {
  const first = document.body.insertBefore(document.createElement('span'), document.body.firstChild);
  first.tabIndex = -1; first.focus(); first.remove(); window.scrollTo(0, 0);
}
"""
"""Where the first Tab begins, though a field may have had the focus."""

FOCUSED = """
() => {
  const each = document.activeElement, style = getComputedStyle(each), box = each.getBoundingClientRect();
  if (each === document.body || !each.dataset.tab) return null;
  const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return [Number(each.dataset.tab), outline || style.boxShadow !== 'none', inside];
}
"""
"""Which of them has the focus, whether that is seen, and whether it is within the window."""


def log_in(page: Page, base: str, login: str, password: str = PASSWORD) -> None:
    """Come in by the door, as a person does."""
    page.goto(f"{base}/admin/login")
    page.fill("[name=login]", login)
    page.fill("[name=password]", password)
    page.click("form.stack button")
    page.wait_for_url("**/admin/notifications*")


def grave(page: Page) -> list[Any]:
    """What axe finds on a page that keeps somebody out: its impact, its rule, where it is."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(AXE.read_text("utf-8"))
    return [each for each in page.evaluate(FIND_GRAVE) if each[0] in GRAVE]


def keyboard_faults(page: Page) -> list[str]:
    """What is wrong with a page for somebody without a mouse.

    All that can be used is reached by the Tab key in the order of the page, is seen to have the focus, and is
    within the window then.
    """
    wanted = page.evaluate(REACHABLE)
    page.evaluate(BEGIN)
    reached: list[int] = []
    faults: list[str] = []
    for _ in range(6 * len(wanted) + 1):  # a date has a stop for each of its parts
        page.keyboard.press("Tab")
        if (found := page.evaluate(FOCUSED)) is None:
            break
        at, is_marked, is_inside = found
        if reached and reached[-1] == at:
            continue
        reached.append(at)
        faults += [] if is_marked else [f"no mark of the focus: {wanted[at]}"]
        faults += [] if is_inside else [f"out of the window: {wanted[at]}"]
        if at == len(wanted) - 1 and not wanted[at].startswith("<input"):
            break
    if reached != sorted(set(reached)):
        faults.append(f"not in the order of the page: {reached}")
    return faults + [f"not reached: {wanted[at]}" for at in range(len(wanted)) if at not in reached]


def too_wide(page: Page) -> list[str]:
    """What makes a page scroll sideways."""
    return list(
        page.evaluate(
            """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll('main *, header *')]
    .filter(each => each.getBoundingClientRect().right > width);
  return [`${document.documentElement.scrollWidth} > ${width}`,
    ...wide.slice(0, 5).map(each => each.outerHTML.slice(0, 120))];
}"""
        )
    )

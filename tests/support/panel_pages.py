"""Every page and form of the panel, found as a person finds them: by following links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from chalicelib.admin import links
from chalicelib.admin.declaring import View
from chalicelib.admin.sections import SECTIONS
from tests.support.panel import HOST, Browser, Shown

ADDRESSES = ("href", "src", "action", "hx-get", "hx-post", "data-upload", "data-begin", "data-session")


@dataclass
class FoundForm:
    """A form as a page has it: where it goes, and what is in its fields."""

    method: str
    path: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """What stands in a page: where it leads, its forms, and what no page may have."""

    links: set[str] = field(default_factory=set)
    forms: list[FoundForm] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.page = Page()
        self._path = path
        self._form: FoundForm | None = None
        self._area: str | None = None
        self._choice: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._judge(tag, given)
        if "href" in given and tag == "a":
            self.page.links.add(self._to(given["href"]))
        for name in ("hx-get", "data-session"):
            if name in given:
                self.page.links.add(self._to(given[name]))
        for name in ("hx-post", "data-upload", "data-begin"):
            if given.get(name):
                self.page.forms.append(FoundForm("POST", self._to(given[name])))
        if tag == "form" and not given.get("data-upload"):  # that is sent by a script, and not to its action
            method = given.get("method", "get").upper()
            self._form = FoundForm(method, self._to(given.get("action", "")))
            self.page.forms.append(self._form)
        if self._form is not None and given.get("name"):
            self._field(tag, given)
        if tag == "option" and self._form and self._choice and "selected" in given:
            self._form.fields[self._choice] = given.get("value", "")

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        if tag == "textarea":
            self._area = given["name"]
            self._form.fields[self._area] = ""
        elif tag == "select":
            self._choice = given["name"]
            self._form.fields.setdefault(self._choice, "")
        elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
            self._form.fields[given["name"]] = given.get("value", "")

    def _judge(self, tag: str, given: dict[str, str]) -> None:
        said = f"<{tag} {' '.join(given)}>"
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.page.forbidden.append(said)
        if any(name == "style" or name.startswith("on") for name in given):
            self.page.forbidden.append(said)
        for name in ADDRESSES:
            if re.match(r"\s*(javascript|data|vbscript|https?):|//", given.get(name, ""), re.IGNORECASE):
                self.page.forbidden.append(f"{said} {given[name]}")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._choice = None

    def handle_data(self, data: str) -> None:
        if self._form and self._area:
            self._form.fields[self._area] += data

    def _to(self, address: str) -> str:
        found = urlsplit(urljoin(HOST + self._path, address))
        if f"{found.scheme}://{found.netloc}" != HOST:
            return address
        return found.path + (f"?{found.query}" if found.query else "")


def read_page(shown: Shown) -> Page:
    """What stands in a page."""
    reader = _Reader(shown.path)
    reader.feed(shown.html)
    return reader.page


def views() -> Iterator[View]:
    """Every page and action there is."""
    for section in SECTIONS:
        yield from section.views


def view_of(method: str, path: str) -> View | None:
    """Which view answers an address; the one with the fewest parameters, if there are several."""
    found = [
        view
        for view in views()
        if view.method == method
        and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", f"/{links.PANEL}{view.path}"), path.partition("?")[0])
    ]
    return min(found, key=lambda view: view.path.count("{")) if found else None


@dataclass
class Crawled:
    """What somebody has come to see by following every link."""

    pages: dict[str, Shown] = field(default_factory=dict)
    forms: dict[str, FoundForm] = field(default_factory=dict)
    """Each action's first form, by its view's name."""
    forbidden: list[str] = field(default_factory=list)


PAGES_OF_A_VIEW = 3
"""So many addresses of one view are looked at."""


def crawl(browser: Browser, start: str = "/admin/notifications") -> Crawled:
    """Follow every link of the panel, a few of each kind, and look at each page."""
    crawled = Crawled()
    waiting, looked_at = [start, "/admin", "/admin/login", "/admin/account"], dict[str, int]()
    while waiting:
        path = waiting.pop(0).partition("#")[0]
        view = view_of("GET", path)
        if view is None or path in crawled.pages or looked_at.get(view.name, 0) >= PAGES_OF_A_VIEW:
            continue
        looked_at[view.name] = looked_at.get(view.name, 0) + 1
        shown = browser.get(path)
        if not str(shown.headers.get("Content-Type", "")).startswith("text/html"):
            continue  # a file
        crawled.pages[path] = shown
        page = read_page(shown)
        crawled.forbidden += [f"{path}: {each}" for each in page.forbidden]
        waiting += sorted(page.links)
        for form in page.forms:
            if form.method == "GET":
                waiting.append(form.path)
            elif action := view_of("POST", form.path):
                crawled.forms.setdefault(action.name, form)
    return crawled

"""What holds on every page and for every action of the panel, whoever adds one: all are tried."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from moto import mock_aws

from chalicelib.admin.declaring import View
from chalicelib.admin.sections import SECTIONS
from chalicelib.api.resources import ENDPOINTS
from chalicelib.domain.results import Permanent
from chalicelib.domain.times import utc_now
from chalicelib.services.rights import Access, Role, administrator, has
from tests.support.aws import World, use_test_account
from tests.support.panel import HOST, Browser, Shown, visitor
from tests.support.panel_examples import MADE, SAID, Examples, forms, kind_of, views

PAGES, ACTIONS = list(views("GET")), list(views("POST"))
ANSWERED = [view for view in ACTIONS if view.path in forms(str)]
MAX_PAGE_BYTES = 100_000
OPEN_TO_NOBODY = [view for view in (*PAGES, *ACTIONS) if not view.is_open]
COUNTED = ("ATTEMPTS_TABLE",)
"""What a refused request may change: how often somebody came."""

TELLS = re.compile(r"<script>alert\(|onfocus=alert\((?!\d\) x=&#34;)")
TOLD = re.compile(r"&lt;script&gt;alert\(&#39;([a-z ]+)&#39;\)&lt;/script&gt;&#34;&#39;")


def hostile(name: str) -> str:
    """A text that would be a script where a page does not escape it, in an attribute too."""
    return f"<script>alert('{name}')</script>\"' onfocus=alert(1) x=\""


def named(view: View) -> str:
    return view.name.removeprefix("panel_")


class Html(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        self.tags.append((tag, dict(attrs)))

    def all(self, attribute: str, *tags: str) -> list[str]:
        """Every value of an attribute."""
        return [
            found
            for tag, attributes in self.tags
            if (not tags or tag in tags) and (found := attributes.get(attribute)) is not None
        ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all: each test makes what it changes."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_test_account(monkeypatch)
        with mock_aws():
            world = World(monkeypatch)
            world.checks = False
            world.clock.now = utc_now()
            world.channel.by_default = Permanent(hostile("reason"))
            yield world


@pytest.fixture(scope="module")
def examples(world: World) -> Examples:
    """Everything there is, with a hostile text wherever one may stand."""

    def settle(_: str) -> None:
        world.clock.now = max(world.clock.now, utc_now())
        world.settle()

    examples = Examples(hostile, settle)
    examples.everything()
    return examples


@pytest.fixture(scope="module")
def visitors(world: World) -> dict[Role, Browser]:
    return {role: visitor(role) for role in Role}


@pytest.fixture(scope="module")
def seen(examples: Examples, visitors: Mapping[Role, Browser]) -> dict[str, list[Shown]]:
    """Every page there is, as a manager sees it; and the door, and what an action answers."""
    manager = visitors[Role.MANAGER]
    found = {view.name: [manager.get(path) for path in examples.paths_of(view)] for view in PAGES}
    filled = forms(hostile)
    found |= {
        view.name: [manager.post(f"/admin{view.path}", filled[view.path])]
        for view in ACTIONS
        if view.path in filled
    }
    return found | {"door": [Browser().get("/admin/login")]}


def kept(world: World) -> dict[str, list[str]]:
    """Everything in the tables and in the queues."""
    tables = {table: sorted(map(str, world.table(table))) for table in world.tables if table not in COUNTED}
    return tables | {name: [str(each) for each in world.queues.waiting(name)] for name in world.handlers}


def send(browser: Browser, view: View, path: str, csrf: str | None) -> Shown:
    """An action, asked for with a form that is empty."""
    return browser.post(path, {}, csrf=csrf, text=b"" if view.takes_text else None)


# The examples


@pytest.mark.parametrize("view", [*PAGES, *ACTIONS], ids=named)
def test_there_is_an_example_for_every_path(view: View) -> None:
    lacking = {kind for name in view.path_parameters if (kind := kind_of(view, name)) not in MADE}
    assert not lacking, f"tests/support/panel_examples.py, MADE: what is {lacking}?"


def test_every_view_is_named_once() -> None:
    names = [view.name for view in (*PAGES, *ACTIONS)]
    assert len(names) == len(set(names))


# Pages


@pytest.mark.parametrize("view", PAGES, ids=named)
def test_a_page_is_shown_to_whom_it_is_for(
    view: View, examples: Examples, visitors: Mapping[Role, Browser]
) -> None:
    path = examples.path_of(view)
    for role, browser in visitors.items():
        may = has(view.access, administrator(str(role), role))
        assert browser.get(path).status == (200 if may else 403), role


@pytest.mark.parametrize("view", [*PAGES, *ANSWERED], ids=named)
def test_a_page_runs_nothing_that_it_was_told(view: View, seen: Mapping[str, list[Shown]]) -> None:
    for shown in seen[view.name]:
        assert shown.status == 200, shown.text
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        if shown.headers["Content-Type"].startswith("text/html"):
            assert not TELLS.search(shown.html)
            check_html(shown.html)
        else:
            assert shown.headers["Content-Type"].startswith(("text/plain", "text/csv", "application/json"))


def check_html(html: str) -> None:
    """No script, no style and no handler in a page: its policy would refuse each of them."""
    for tag, attributes in Html(html).tags:
        assert tag not in ("style", "base", "object", "embed"), attributes
        assert tag != "script" or attributes.get("src"), attributes
        refused = [name for name in attributes if name.startswith(("on", "hx-on")) or name == "style"]
        assert not refused, (tag, attributes)
        for name in ("href", "src", "action", "hx-get", "hx-post"):
            assert not urlsplit(attributes.get(name) or "").scheme, (tag, attributes)


def test_the_hostile_texts_are_seen_at_all(seen: Mapping[str, list[Shown]]) -> None:
    """Else nothing is proven by their not being run."""
    found = {name for shown in all_of(seen) for name in TOLD.findall(shown.html)}
    sections = {section.name for section in SECTIONS}
    wanted = {name for section, names in SAID.items() if section in sections for name in names}
    assert found >= wanted | {"reason"}


@pytest.mark.parametrize("view", [*PAGES, *ANSWERED], ids=named)
def test_a_page_is_whole_by_its_policy_and_small(view: View, seen: Mapping[str, list[Shown]]) -> None:
    for shown in seen[view.name]:
        assert len(shown.html.encode()) < MAX_PAGE_BYTES
        policy = str(shown.headers.get("Content-Security-Policy", ""))
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("view", [*PAGES, *ANSWERED], ids=named)
def test_a_page_is_a_whole_document(view: View, seen: Mapping[str, list[Shown]]) -> None:
    """With a language, a title, one first heading, no id twice; what points to an id finds it."""
    for shown in seen[view.name]:
        if "<html" in shown.html:
            check_document(shown.html)


def check_document(text: str) -> None:
    html = Html(text)
    assert html.all("lang", "html") == ["en"]
    assert re.search(r"<title>\s*[^<·\s][^<]* · Vestnik</title>", text)
    assert [tag for tag, _ in html.tags].count("h1") == 1
    ids = html.all("id")
    assert len(ids) == len(set(ids)), sorted(each for each in set(ids) if ids.count(each) > 1)
    pointed = [*html.all("for"), *html.all("aria-describedby"), *html.all("aria-labelledby")]
    assert {each for value in pointed for each in value.split()} <= set(ids)
    assert {value[1:] for value in html.all("hx-target") if value.startswith("#")} <= set(ids)


def all_of(seen: Mapping[str, list[Shown]]) -> Iterator[Shown]:
    return (shown for pages in seen.values() for shown in pages)


@pytest.mark.parametrize("role", Role)
def test_every_link_leads_to_a_page(role: Role, examples: Examples, visitors: Mapping[Role, Browser]) -> None:
    """The menu's, and all others, from each page that there is for a role."""
    browser = visitors[role]
    pages = {
        path: browser.get(path)
        for view in PAGES
        if has(view.access, administrator(str(role), role))
        for path in examples.paths_of(view)
    }
    linked: dict[str, str] = {}
    for path, shown in pages.items():
        for href in Html(shown.html).all("href", "a") if "<html" in shown.html else []:
            address = urlsplit(urljoin(HOST + shown.path, href))
            if not href.startswith("#"):
                linked.setdefault(address.path + (f"?{address.query}" if address.query else ""), path)
    assert linked
    broken = {
        path: found for path, found in linked.items() if path not in pages and browser.get(path).status != 200
    }
    assert broken == {}


def test_every_action_is_offered_somewhere(seen: Mapping[str, list[Shown]]) -> None:
    """What no page leads to is not in the panel."""
    addresses = set()
    for shown in all_of(seen):
        html = Html(shown.html)
        for name in ("action", "formaction", "hx-post", "data-upload", "data-begin"):
            for value in html.all(name):
                path = urlsplit(urljoin(HOST + shown.path, value)).path
                # Where a file's parts have been laid ready, upload.js has them taken.
                addresses |= {path, f"{path}/taken"} if name == "data-upload" else {path}
    patterns = {view.path: re.sub(r"\\{\w+\\}", "[^/]+", re.escape(f"/admin{view.path}")) for view in ACTIONS}
    lost = {
        path
        for path, pattern in patterns.items()
        if not any(re.fullmatch(pattern, each) for each in addresses)
    }
    assert lost == set()


# Actions


@pytest.mark.parametrize("view", OPEN_TO_NOBODY, ids=named)
def test_who_is_not_logged_in_is_sent_to_the_door(view: View, world: World, examples: Examples) -> None:
    path, before, nobody = examples.path_of(view), kept(world), Browser()
    shown = nobody.get(path) if view.method == "GET" else send(nobody, view, path, "x")
    assert urlsplit(shown.path).path == "/admin/login"
    assert 'name="password"' in shown.html
    if view.method == "GET":
        assert nobody.get(path, {"HX-Request": "true"}).status == 401
    assert changed(before, kept(world)) == {}


def changed(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What is in a table, or was, and not both."""
    return {
        name: sorted(set(after[name]) ^ set(rows)) for name, rows in before.items() if after[name] != rows
    }


@pytest.mark.parametrize("view", ACTIONS, ids=named)
def test_an_action_without_the_sessions_token_does_nothing(
    view: View, world: World, examples: Examples, visitors: Mapping[Role, Browser]
) -> None:
    path, browser = examples.path_of(view), visitors[Role.MANAGER]
    others = visitors[Role.SENDER].csrf()
    before = kept(world)
    for token in (None, "x", others):
        assert send(browser, view, path, token).status == 403, token
    assert changed(before, kept(world)) == {}


@pytest.mark.parametrize("view", ACTIONS, ids=named)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER])
def test_an_action_is_for_whom_the_api_has_it(
    view: View, role: Role, world: World, examples: Examples, visitors: Mapping[Role, Browser]
) -> None:
    if has(view.access, administrator(str(role), role)):
        pytest.skip(f"a {role} may")
    path, browser = examples.path_of(view), visitors[role]
    token, before = browser.csrf(), kept(world)
    shown = send(browser, view, path, token)
    assert (shown.status, changed(before, kept(world))) == (403, {})


@pytest.mark.parametrize("view", ACTIONS, ids=named)
def test_a_form_that_is_empty_is_done_or_refused(view: View, examples: Examples) -> None:
    """It is never our fault; and those who may are not stopped by their rights."""
    browser = visitor(Role.MANAGER, "mary")
    shown = send(browser, view, examples.new_path_of(view), browser.csrf())
    assert shown.status in (200, 204, 400, 404, 409, 412, 422), shown.text
    if "<html" in shown.html:
        check_html(shown.html)


# Whose rights they are

OWN = ("account", "login", "logout", "language", "")
"""Beginnings of paths of what is about the visitor, for which the API has its tokens."""

OF_API = {"frequencies": "notification_frequencies", "operations": "notifications", "new": "applications"}
"""Where the API has another name than the path of the panel begins with."""


def roles_of(access: Access) -> frozenset[Role]:
    return frozenset(role for role in Role if has(access, administrator(str(role), role)))


@pytest.mark.parametrize("view", [*PAGES, *ACTIONS], ids=named)
def test_who_may_is_who_may_by_the_api(view: View) -> None:
    part = view.path.strip("/").partition("/")[0]
    if part in OWN:
        assert view.access in (Access.ANYONE, Access.LOOK)
        return
    prefix = f"/api/v1/{OF_API.get(part, part)}/"
    changes = {True: ("POST", "PUT", "PATCH", "DELETE"), False: ("GET", "POST", "PUT", "PATCH", "DELETE")}
    by_api = {
        roles_of(each.access)
        for each in ENDPOINTS
        if f"{each.path.rstrip('/')}/".startswith(prefix) and each.method in changes[view.method == "POST"]
    }
    if part == "operations" and view.method == "GET":
        by_api |= {roles_of(Access.LOOK)}  # what `top` shows, which the API does not
    assert roles_of(view.access) in by_api, (view.path, by_api)

"""A browser without a screen for the panel: it keeps cookies, follows redirects and sends forms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from chalicelib.admin.cookies import session_cookie_name
from chalicelib.domain.times import utc_now
from chalicelib.services.administrators import create_administrator, find_administrator
from chalicelib.services.errors import NotFoundError
from chalicelib.services.rights import Role
from chalicelib.services.sessions import open_session
from tests.support.api import Api

HOST = "http://panel.test"
FORM = "application/x-www-form-urlencoded"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Shown:
    """What came back at the end."""

    status: int
    headers: Mapping[str, str]
    html: str
    path: str

    @property
    def text(self) -> str:
        """What a person reads, in one line."""
        words = _Text()
        words.feed(self.html)
        return " ".join(" ".join(words.found).split())


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


class Browser:
    """One visitor of the panel of the app in this process."""

    def __init__(self, cookies: Mapping[str, str] | None = None) -> None:
        self._api = Api()
        self.cookies = dict(cookies or {})
        self.page: Shown | None = None
        self.set_cookies: list[str] = []
        """Every cookie that was set, as it came."""

    def get(self, path: str, headers: Mapping[str, str | None] | None = None) -> Shown:
        return self._ask("GET", path, b"", dict(headers or {}))

    def post(
        self,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        csrf: str | None = "",
        headers: Mapping[str, str | None] | None = None,
        text: bytes | None = None,
    ) -> Shown:
        """Send a form with this session's token; with another, or without one (None), as a test has it."""
        token = self.csrf() if csrf == "" else csrf
        if text is not None:
            sent = {"Content-Type": "text/csv", "X-CSRF-Token": token, **(headers or {})}
            return self._ask("POST", path, text, sent)
        body = dict(fields or {}) | ({"csrf": token} if token is not None else {})
        return self._ask(
            "POST", path, urlencode(body, doseq=True).encode(), {"Content-Type": FORM, **(headers or {})}
        )

    def csrf(self) -> str:
        """The token of this session's forms, read from a page."""
        shown = self.get("/admin/account")
        found = re.search(r'name="csrf" value="([^"]+)"', shown.html)
        assert found, shown.html
        return found[1]

    def log_in(self, login: str, password: str = PASSWORD) -> Shown:
        self.get("/admin/login")
        return self.post("/admin/login", {"login": login, "password": password})

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str | None]) -> Shown:
        for _ in range(5):
            sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            answer = self._api.request(method, path, body=body, headers=sent | headers)
            self._keep(answer.headers)
            shown = Shown(answer.status, answer.headers, answer.body.decode(), path)
            if answer.status != 303:
                if "text/html" in answer.content_type and "HX-Request" not in headers:
                    self.page = shown
                return shown
            address = urlsplit(urljoin(HOST + path, answer.headers["Location"]))
            assert f"{address.scheme}://{address.netloc}" == HOST, answer.headers["Location"]
            method, body, headers = "GET", b"", {}
            path = address.path + (f"?{address.query}" if address.query else "")
        raise AssertionError(f"redirected for ever: {path}")

    def _keep(self, headers: Mapping[str, str]) -> None:
        found: str | list[str] = headers.get("Set-Cookie") or []
        for each in [found] if isinstance(found, str) else found:
            self.set_cookies.append(each)
            name, _, rest = each.partition("=")
            value = rest.partition(";")[0]
            if "Max-Age=0" in each:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def visitor(
    role: Role = Role.MANAGER, login: str | None = None, language: str = "en", now: datetime | None = None
) -> Browser:
    """Somebody of this role who is logged in, without the time that a password takes."""
    login, now = login or str(role), now or utc_now()
    try:
        found = find_administrator(login)
    except NotFoundError:
        create_administrator(login, now, PASSWORD, role)
        found = find_administrator(login)
    return Browser({session_cookie_name(): open_session(found, now), "vestnik-language": language})

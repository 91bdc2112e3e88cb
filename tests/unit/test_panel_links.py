"""The panel's links: relative, and never out of the panel."""

import pytest

from chalicelib.admin.links import HOME, here, link, root_from, root_of_part, safe_next


@pytest.mark.parametrize(
    ("route", "asked", "root"),
    [
        ("/admin", "/api/admin", "./"),
        ("/admin", "/api/admin/", "../"),
        ("/admin/login", "/admin/login", "../"),
        ("/admin/notifications/{id}/recipients", "/dev/admin/notifications/1/recipients/", "../../../../"),
    ],
)
def test_the_way_to_where_the_api_begins(route: str, asked: str, root: str) -> None:
    assert root_from(route, asked) == root


@pytest.mark.parametrize(
    ("asked", "page", "root"),
    [
        ("/api/admin/frequencies/_said", "https://x/api/admin/frequencies/a/edit?b=/c/d", "../../../"),
        ("/api/admin/frequencies/_said", "https://x/api/admin/frequencies/admin/edit/", "../../../../"),
        ("/admin/admin/frequencies/_said", "https://x/admin/admin/frequencies/new", "../../"),
        ("/api/admin/frequencies/_said", "https://x/behind/api/admin/frequencies/new", "../../"),
        ("/api/admin/frequencies/_said", "https://x/api/admin", "./"),
        ("/api/admin/frequencies/_said", "https://x/elsewhere", None),
    ],
)
def test_a_part_of_a_page_leads_from_that_page(asked: str, page: str, root: str | None) -> None:
    assert root_of_part("/admin/frequencies/_said", asked, page) == root


def test_a_link_is_quoted_and_leaves_out_what_is_none() -> None:
    assert link("../", "a b", "c/d", x="ы&", y=None, from_=1) == "../admin/a%20b/c%2Fd?x=%D1%8B%26&from=1"


@pytest.mark.parametrize(
    "wanted", ["admin", "admin/notifications", "admin/a-b_c.d/", "admin/x?cursor=WyJh&done=saved"]
)
def test_a_page_of_the_panel_may_follow_a_log_in(wanted: str) -> None:
    assert safe_next(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        None, "", "/", "https://evil.example", "//evil.example", "admin//evil.example", "admin/../x",
        "admin/%2E%2e/x", "admin\\x", "adminx", "admin/\n", "javascript:alert(1)", "admin/x?y=https://evil/#",
    ],
)  # fmt: skip
def test_nothing_else_may(wanted: str | None) -> None:
    assert safe_next(wanted) == HOME


def test_this_page_is_one_that_may_follow() -> None:
    assert (
        safe_next(here("/admin/notifications/", {"type": "mail", "cursor": "WyIy=", "author": "a:b"})) != HOME
    )
    assert here("/admin/account", {}) == "admin/account"

"""Forms that were filled in wrong, lists without anything in them, and pages that are not there."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.support.panel_desk import Desk
from tests.support.panel_examples import Examples
from tests.support.panel_in_browser import grave

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.parametrize("seat", ["ru"], indirect=True, scope="module"),
]

NO_NAME = "Not a name"
LIFT_CHECKS = """form => {
  form.noValidate = true;
  for (const each of form.elements) each.removeAttribute('maxlength');
}"""
"""What a browser checks by itself, this server checks too."""


@dataclass(frozen=True)
class Wrong:
    """A form, what is filled in wrong in it, and the field that is told of."""

    path: str
    form: str
    told: str
    typed: Mapping[str, str]
    status: int = 422


FORMS = [
    Wrong("account", "form[action$='/password']", "repeated", {"new_password": "one", "repeated": "other"}),
    Wrong("new/administrator", "#add-administrator", "login", {"login": NO_NAME}),
    Wrong("new/application", "#register-application", "slug", {"slug": NO_NAME}),
    Wrong("applications/{application}", "#rotate-password", "keep_old_hours", {"keep_old_hours": "9999"}),
    Wrong("audiences/new", "#new-audience", "name", {"name": "x" * 300}),
    Wrong("contacts", "#find", "user", {"user": "x"}),
    Wrong("frequencies/_new", "#new-frequency", "slug", {"slug": NO_NAME}),
    Wrong("frequencies/{frequency}/edit", "#edit-frequency", "period", {"period": "0"}),
    Wrong("notifications", "#find", "id", {"id": "x"}, 404),
    Wrong("notifications/new", "#new-notification", "users", {"title": "To nobody", "text": "Nothing"}),
    Wrong("notifications/new", "#new-notification", "title", {"users": str(uuid.uuid4())}),
    Wrong("notifications/{notification}/recipients", "#find", "user", {"user": "x"}),
    Wrong("suppressions", "#filters", "address", {"address": "x"}),
    Wrong("unsubscribes", "#find", "user", {"user": "x"}),
    Wrong("unsubscribes", "#unsubscribe", "user_id", {"user_id": "x"}),
]

EMPTY = [
    "audiences?author=administrator:nobody",
    "audit?about=nobody",
    "contacts/{nobody}",
    "frequencies?author=administrator:nobody",
    "notifications?author=administrator:nobody",
    "notifications/{notification}/recipients?status=cancelled",
    "suppressions?address=nobody@example.com",
    "unsubscribes/{nobody}",
    "users/{nobody}",
]


@pytest.fixture(scope="module")
def places(services: None) -> dict[str, str]:
    """What stands in the paths."""
    examples = Examples()
    return {
        "application": examples.application(),
        "frequency": examples.frequency(),
        "notification": examples.scheduled(),
        "nobody": str(uuid.uuid4()),
    }


@pytest.mark.parametrize("wrong", FORMS, ids=lambda each: f"{each.path} {each.told}")
def test_what_is_wrong_with_a_form_is_told_beside_it(
    desk: Desk, places: dict[str, str], wrong: Wrong
) -> None:
    page = desk.open(wrong.path.format(**places))
    form = page.locator(wrong.form)
    form.evaluate(LIFT_CHECKS)
    for name, typed in wrong.typed.items():
        form.locator(f"[name={name}]").fill(typed)
    with desk.refused(wrong.status):
        form.locator("button:not([type=button])").first.click()
    field = page.locator(wrong.form).locator(f"[name={wrong.told}]")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(f"#e-{wrong.told}")).to_be_visible()
    assert grave(page) == []


def test_what_cannot_be_done_without_anything_ticked_is_told(desk: Desk, places: dict[str, str]) -> None:
    page = desk.open(f"applications/{places['application']}")
    for each in page.locator("#change-scopes [name=scopes]").all():
        each.uncheck()
    with desk.refused():
        desk.press(within="#change-scopes")
    expect(page.locator("#e-scopes")).to_be_visible()
    assert grave(page) == []


@pytest.mark.parametrize("path", EMPTY)
def test_where_there_is_nothing_a_page_says_so(desk: Desk, places: dict[str, str], path: str) -> None:
    page = desk.open(path.format(**places))
    expect(page.locator("main")).to_be_visible()
    expect(page.locator("main table.rows")).to_have_count(0)
    assert grave(page) == []


def test_what_is_not_there_is_not_found(desk: Desk, places: dict[str, str]) -> None:
    with desk.refused(404):
        page = desk.open(f"notifications/{places['nobody']}")
    expect(page.locator("main > .said.bad")).to_be_visible()
    assert grave(page) == []

"""Swagger UI and Redoc, as a person sees them: at each address of the API, without any other network."""

import json
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from localstack.front_door import FrontDoor
from tests.support.deployment import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PATIENCE_MS = 30_000
"""Functions that start first, and two megabytes of script, on a machine that others use too."""

ADDRESSES = ("stage", "emulator's own path", "own domain")


@pytest.fixture(scope="module", autouse=True)
def _deployed(vestnik: Deployment) -> None:
    vestnik.deploy()


@pytest.fixture(scope="module")
def bases(vestnik: Deployment) -> Iterator[dict[str, str]]:
    """Where the API is: behind API Gateway's stage, by another path of the emulator, by an own domain."""
    emulator = urlsplit(vestnik.api_url)
    assert emulator.port is not None
    _, _, _, api_id, stage = emulator.path.split("/")
    endpoint = vestnik.emulator.endpoint_url
    with FrontDoor(0, emulator.port, api_id) as door:
        yield {
            "stage": vestnik.api_url,
            "emulator's own path": f"{endpoint}/restapis/{api_id}/{stage}/_user_request_",
            "own domain": f"http://localhost:{door.port}",
        }


@pytest.fixture(scope="module")
def operations(vestnik: Deployment) -> int:
    """How many operations the schema has."""
    schema = json.loads(vestnik.call("GET", "/api/schema/").body)
    return sum(len(methods) for methods in schema["paths"].values())


@pytest.mark.parametrize("slash", ["/", ""], ids=["slash", "no slash"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_swagger_ui_shows_every_operation(
    page: Page, bases: dict[str, str], operations: int, address: str, slash: str
) -> None:
    page.goto(f"{bases[address]}/api/schema/swagger-ui{slash}")
    expect(page.locator(".opblock")).to_have_count(operations, timeout=PATIENCE_MS)
    expect(page.locator(".servers select")).to_have_value(bases[address])


@pytest.mark.parametrize("slash", ["/", ""], ids=["slash", "no slash"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_redoc_shows_every_operation(
    page: Page, bases: dict[str, str], operations: int, address: str, slash: str
) -> None:
    page.goto(f"{bases[address]}/api/schema/redoc{slash}")
    shown = page.locator("[data-section-id*='operation/'] h2")
    expect(shown).to_have_count(operations, timeout=PATIENCE_MS)


def test_redoc_finds_what_is_searched_for(page: Page, bases: dict[str, str]) -> None:
    page.goto(f"{bases['stage']}/api/schema/redoc/")
    page.get_by_role("textbox").first.fill("recipients")
    expect(page.locator("[data-role='search:results'] li").first).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_request_is_executed_from_swagger_ui(
    page: Page, bases: dict[str, str], vestnik: Deployment, address: str
) -> None:
    login = f"anna-{uuid.uuid4().hex[:8]}"
    password = vestnik.create_administrator(login)
    page.goto(f"{bases[address]}/api/schema/swagger-ui/")

    page.get_by_role("button", name="Authorize").click(timeout=PATIENCE_MS)
    form = page.locator(".auth-container").filter(has=page.locator("#auth-basic-username"))
    form.locator("#auth-basic-username").fill(login)
    form.locator("#auth-basic-password").fill(password)
    form.get_by_role("button", name="Apply credentials").click()
    page.locator(".modal-ux .close-modal").click()

    created = page.locator("#operations-notifications-create_notification")
    created.locator(".opblock-summary-control").click()
    created.get_by_role("button", name="Try it out").click()
    body = json.loads(created.locator("textarea").input_value())
    body |= {"title": f"From the page {login}", "users": [str(uuid.uuid4())]}
    created.locator("textarea").fill(json.dumps(body))
    created.get_by_role("button", name="Execute").click()

    answer = created.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("201", timeout=PATIENCE_MS)
    shown = json.loads(answer.locator(".response-col_description code").first.inner_text())
    stored = vestnik.row("NOTIFICATIONS_TABLE", id=shown["id"])
    assert stored is not None
    assert (stored["title"], stored["author"]) == (body["title"], f"administrator:{login}")

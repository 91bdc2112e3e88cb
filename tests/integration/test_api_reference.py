"""docs/api.md: its reference is the schema's, and what it says in words is true."""

import json
import re

from chalicelib.api import cors
from chalicelib.api.endpoints import MAX_BODY_BYTES
from chalicelib.api.problems import MAX_FIELD_ERRORS
from chalicelib.services.rate_limits import WINDOW_SECONDS
from chalicelib.services.submit import KEY_KEPT, MAX_USERS
from infra.api_reference import PAGE, compact, written
from infra.template_parts import join_parts
from tests.support.example_requests import OPERATIONS, SCHEMA

TEXT = PAGE.read_text("utf-8")


def test_the_reference_is_the_schemas() -> None:
    """`make openapi` writes it anew."""
    assert written(TEXT, SCHEMA) == TEXT


def test_every_operation_has_a_curl() -> None:
    curls = re.findall(r"^curl -sS (?:-X (\w+) )?\"\$VESTNIK([^\"]*)\"", TEXT, re.MULTILINE)
    shown = {f"{method or 'GET'} {re.sub(r'[$]([A-Z_]+)', _parameter, path)}" for method, path in curls}
    assert shown == set(OPERATIONS)


def _parameter(found: re.Match[str]) -> str:
    return f"{{{found.group(1).lower()}}}"


def test_its_figures_are_those_of_the_code() -> None:
    parameters = join_parts()["Parameters"]
    defaults = {name: each["Default"] for name, each in parameters.items() if "Default" in each}
    assert f"({defaults['RateLimitPerMinute']} unless" in TEXT
    assert (
        f"by default {defaults['LoginAttemptsPerLogin']} and {defaults['LoginAttemptsPerSource']} in" in TEXT
    )
    assert f"q={defaults['RateLimitPerMinute']};w={WINDOW_SECONDS}" in TEXT
    assert MAX_BODY_BYTES == 4_400_000
    assert "at most 4.4 MB" in TEXT
    assert f"At most {MAX_USERS:,} users" in TEXT
    assert KEY_KEPT.total_seconds() == 24 * 3600
    assert f"at most {MAX_FIELD_ERRORS} of them" in TEXT
    for header in cors.ALLOWED_HEADERS.split(", "):
        assert f"`{header}`" in TEXT


def test_long_json_is_broken_into_lines_and_stays_the_same() -> None:
    value = {"names": ["a" * 40] * 5, "one": {"two": ["b" * 60, {"c": "d" * 60}]}, "empty": [], "last": None}
    text = compact(value)
    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= 112
    assert compact({"a": 1}) == '{"a": 1}'

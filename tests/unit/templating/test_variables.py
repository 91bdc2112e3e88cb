"""Which values a template takes, and how languages write them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.templating.errors import BadVariableError
from chalicelib.templating.languages import moment_in_words, number_in_words
from chalicelib.templating.variables import (
    MAX_NUMBER,
    MAX_VARIABLES,
    MAX_VARIABLES_BYTES,
    check_values,
    declared,
    natives,
)

EXAMPLES = {"string": "x", "number": 1, "url": "https://example.com", "moment": "2026-11-27T13:30:00Z"}


def variable(kind: str, **said: Any) -> Any:
    return declared("v", {"type": kind, "description": "D", "example": EXAMPLES[kind], **said})


RIGHT: list[tuple[str, Any]] = [
    ("string", ""), ("string", "a\n\tb <b>"), ("number", 0), ("number", -1.5), ("number", MAX_NUMBER),
    ("url", "http://localhost:8000/a?b=c&d=%20#e"), ("url", "https://пример.рф/путь"),
    ("moment", "2026-11-27T13:30:00+05:30"), ("moment", "2026-11-27T13:30Z"),
]  # fmt: skip
WRONG: list[tuple[str, Any, str]] = [
    ("string", 1, "must be a text"), ("string", None, "must be a text"), ("string", ["x"], "must be a text"),
    ("string", "a\x00", "control characters"), ("string", "\ud800", "control characters"),
    ("number", "1", "must be a number"), ("number", True, "must be a number"),
    ("number", float("nan"), "must be a number from"), ("number", float("inf"), "must be a number from"),
    ("number", 10**400, "must be a number from"),
    ("url", "javascript:alert(1)", "must be an http"), ("url", "example.com", "must be an http"),
    ("url", 'https://example.com/"onclick=', "must be an http"), ("url", "https://", "must be an http"),
    ("url", "https://exa mple.com", "must be an http"), ("url", "http://[", "must be an http"),
    ("url", "https://?x", "must be an http"), ("url", "https://a/" + "b" * 2000, "at most 2000"),
    ("moment", "2026-11-27T13:30:00", "with its zone"), ("moment", "tomorrow", "with its zone"),
    ("moment", 1795786200, "must be a text"), ("moment", "1999-12-31T23:59:59Z", "from 2000 to 2199"),
    ("moment", "0001-01-01T00:00:00+23:59", "from 2000"),
    ("moment", "9999-12-31T23:59:59-23:59", "from 2000"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), RIGHT)
def test_takes(kind: str, value: Any) -> None:
    assert check_values({"v": variable(kind)}, {"v": value}) == {"v": value}


@pytest.mark.parametrize(("kind", "value", "reason"), WRONG)
def test_refuses(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(BadVariableError, match=reason) as refused:
        check_values({"v": variable(kind)}, {"v": value})
    assert refused.value.name == "v"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_whatever_comes_is_taken_or_refused_with_a_reason(value: Any) -> None:
    reasons = []
    for kind in EXAMPLES:
        try:
            checked = check_values({"v": variable(kind)}, {"v": value})
        except BadVariableError as refused:
            reasons.append(refused.reason)
        else:
            natives({"v": variable(kind)}, checked)
    assert all(reasons)


def test_what_is_missing_unknown_or_too_much_is_named() -> None:
    both = {
        "v": variable("string", max_length=5),
        "w": variable("string", required=False, default="W"),
        "n": variable("number", required=False),
    }
    assert check_values(both, {"v": "12345"}) == {"v": "12345"}
    assert natives(both, {"v": "12345"}) == {"v": "12345", "w": "W", "n": None}
    for values, name, reason in (
        ({}, "v", "required: D"),
        ({"v": "123456"}, "v", "at most 5 characters"),
        ({"v": "1", "x" * 100: 1}, "x" * 64, "no such variable; it has: v, w, n"),
        (dict.fromkeys(map(str, range(MAX_VARIABLES + 1)), ""), "", "at most 50"),
    ):
        with pytest.raises(BadVariableError, match=reason) as refused:
            check_values(both, values)
        assert refused.value.name == name


def test_all_of_them_together_have_a_limit_in_bytes() -> None:
    many = {f"v{number}": variable("string", max_length=MAX_VARIABLES_BYTES) for number in range(2)}
    fits = MAX_VARIABLES_BYTES // 2 - 20
    assert check_values(many, dict.fromkeys(many, "x" * fits))
    with pytest.raises(BadVariableError, match=f"at most {MAX_VARIABLES_BYTES} bytes together"):
        check_values(many, dict.fromkeys(many, "ж" * fits))


MOMENT = datetime(2026, 11, 27, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "zone", "form", "expected"),
    [
        ("en", "Europe/Moscow", "full", "Saturday, 28 November 2026, 00:30 (UTC+3)"),
        ("ru", "Europe/Moscow", "full", "суббота, 28 ноября 2026 г., 00:30 (UTC+3)"),
        ("en", "America/New_York", "full", "Friday, 27 November 2026, 16:30 (UTC-5)"),
        ("en", "Asia/Kolkata", "time", "03:00 (UTC+5:30)"),
        ("ru", "America/St_Johns", "time", "18:00 (UTC-3:30)"),
        ("ru", None, "date", "27 ноября 2026 г."),
        ("en", None, "time", "21:30 (UTC)"),
        ("en", "Mars/Olympus", "time", "21:30 (UTC)"),
        ("en", "../../etc/passwd", "time", "21:30 (UTC)"),
        ("en", "Europe", "time", "21:30 (UTC)"),
    ],
)
def test_a_moment_is_shown_where_the_recipient_is(
    locale: str, zone: str | None, form: str, expected: str
) -> None:
    assert moment_in_words(MOMENT, locale, zone, form) == expected


def test_a_moment_has_no_other_forms() -> None:
    with pytest.raises(ValueError, match="full, date, time"):
        moment_in_words(MOMENT, "en", None, "short")


@pytest.mark.parametrize(
    ("number", "decimals", "english", "russian"),
    [
        (1234567.5, None, "1,234,567.5", "1\xa0234\xa0567,5"),
        (1234, 2, "1,234.00", "1\xa0234,00"),
        (-0.125, 2, "-0.12", "-0,12"),
        (7, None, "7", "7"),
    ],
)
def test_a_number_is_written_as_its_language_does(
    number: float, decimals: int | None, english: str, russian: str
) -> None:
    assert number_in_words(number, "en", decimals) == english
    assert number_in_words(number, "ru", decimals) == russian

"""Chat ids: whole numbers of 64 bits, as text."""

import pytest

from chalicelib.domain.chat_ids import chat_id_of


@pytest.mark.parametrize(
    ("contact", "chat_id"),
    [
        ("123456789", "123456789"),
        (" -1001234567890 ", "-1001234567890"),
        ("007", "7"),
        (str(2**63 - 1), str(2**63 - 1)),
        (str(-(2**63)), str(-(2**63))),
    ],
)
def test_a_chat_id_in_its_normal_form(contact: str, chat_id: str) -> None:
    assert chat_id_of(contact) == chat_id


@pytest.mark.parametrize(
    "contact",
    [
        None,
        "",
        " ",
        "0",
        "-0",
        "None",
        "@anna",
        "12.0",
        "1e5",
        "+7",
        "--1",
        "1 2",
        "١٢",
        str(2**63),
        "9" * 5000,
    ],
)
def test_what_is_none(contact: str | None) -> None:
    assert chat_id_of(contact) is None

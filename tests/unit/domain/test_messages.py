"""Messages: what is written is read back, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.fanning import ChunkRange
from chalicelib.domain.messages import DeliveryMessage, FanOutMessage, UnknownMessageError
from tests.support.factories import delivery

texts = st.text(min_size=1)
places = st.integers(min_value=0, max_value=10_000)
maybe = st.none() | texts


@given(texts, places, st.integers(min_value=1, max_value=10_000))
def test_a_fan_out_message_is_read_back(dispatch_id: str, first: int, size: int) -> None:
    message = FanOutMessage(dispatch_id, ChunkRange(first, first + size))
    assert FanOutMessage.load(message.dump()) == message


@given(texts, texts, places, places, texts, maybe, maybe)
def test_a_delivery_message_is_read_back(
    dispatch_id: str, user: str, chunk: int, position: int, address: str, name: str | None, locale: str | None
) -> None:
    message = DeliveryMessage(dispatch_id, user, chunk, position, address, name, locale)
    assert DeliveryMessage.load(message.dump()) == message


@given(st.text(alphabet=st.characters(), min_size=1))
def test_a_body_is_ascii_whatever_a_name_is(name: str) -> None:
    assert delivery(name=name).dump().isascii()


def test_what_is_not_known_of_a_recipient_takes_no_room() -> None:
    assert "name" not in delivery().dump()
    assert "locale" not in delivery().dump()


def test_an_empty_name_is_none() -> None:
    body = {**json.loads(delivery().dump()), "name": "", "locale": ""}
    assert DeliveryMessage.load(json.dumps(body)) == delivery()


NOT_OURS = ["", "{", "null", "[]", '"text"', "{}", '{"v": 2}', '{"v": 1}', '{"v": "1"}', "NaN"]


@pytest.mark.parametrize("body", NOT_OURS)
@pytest.mark.parametrize("kind", [FanOutMessage, DeliveryMessage])
def test_another_body_is_unknown(kind: type[FanOutMessage] | type[DeliveryMessage], body: str) -> None:
    with pytest.raises(UnknownMessageError):
        kind.load(body)


def test_one_kind_is_unknown_to_the_other() -> None:
    with pytest.raises(UnknownMessageError, match="not a delivery message"):
        DeliveryMessage.load(FanOutMessage("d", ChunkRange(0, 1)).dump())
    with pytest.raises(UnknownMessageError, match="not a fan-out message"):
        FanOutMessage.load(delivery().dump())


@pytest.mark.parametrize(
    "change",
    [
        {"dispatch": None},
        {"dispatch": 5},
        {"dispatch": ""},
        {"user": ["a"]},
        {"user": ""},
        {"at": 1},
        {"at": [1]},
        {"at": [1, 2, 3]},
        {"at": [0, -1]},
        {"at": ["0", 1]},
        {"address": None},
        {"name": 7},
    ],
)
def test_a_delivery_message_with_a_wrong_field_is_unknown(change: dict[str, Any]) -> None:
    body = {**json.loads(delivery().dump()), **change}
    with pytest.raises(UnknownMessageError):
        DeliveryMessage.load(json.dumps(body))


@pytest.mark.parametrize("chunks", [[0, 0], [2, 1], [-1, 1], [0], "ab", None, [0, 1.5], [0, "1"]])
def test_a_fan_out_message_with_a_wrong_range_is_unknown(chunks: Any) -> None:
    with pytest.raises(UnknownMessageError):
        FanOutMessage.load(json.dumps({"v": 1, "dispatch": "d", "chunks": chunks}))

"""What travels through the queues, as JSON; `v` is raised when a reader of the last version would misread.

In ASCII: SQS refuses a whole batch for one character that it does not take, and names come from outside.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.fanning import ChunkRange

VERSION = 1


class UnknownMessageError(ValueError):
    """A body that no version of Vestnik wrote."""


def _fields(body: str) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise UnknownMessageError(f"not JSON, of {len(body)} letters") from error
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        raise UnknownMessageError(f"not a message of version {VERSION}, of {len(body)} letters")
    return fields


def names_in(body: str) -> dict[str, str]:
    """Which notification and dispatch a body is about, as far as it says so: for the log, of any body."""
    try:
        fields = _fields(body)
    except UnknownMessageError:
        return {}
    named = ((name, fields.get(name)) for name in ("notification", "dispatch"))
    return {name: value for name, value in named if isinstance(value, str)}


def _text(value: Any) -> str:
    # Checked here, since a key that is no text would break the one request that reads for a whole batch.
    if not isinstance(value, str) or not value:
        raise TypeError(f"not a text: {value!r}")
    return value


def _text_or_none(value: Any) -> str | None:
    return _text(value) if value else None


def _place(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"not a place: {value!r}")
    return value


def _moment_or_none(value: Any) -> float | None:
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"not a moment: {value!r}")
    return value


@dataclass(frozen=True)
class FanOutMessage:
    """Work for fan out: a range of chunks of a dispatch.

    `notification_id` is for the log: by it a notification is followed, whatever can be read.
    """

    dispatch_id: str
    chunks: ChunkRange
    notification_id: str | None = field(default=None, compare=False)

    def dump(self) -> str:
        fields = {
            "v": VERSION,
            "dispatch": self.dispatch_id,
            "chunks": [self.chunks.first, self.chunks.last],
            "notification": self.notification_id,
        }
        return json.dumps({key: value for key, value in fields.items() if value is not None})

    @classmethod
    def load(cls, body: str) -> "FanOutMessage":
        fields = _fields(body)
        try:
            first, last = fields["chunks"]
            return cls(
                dispatch_id=_text(fields["dispatch"]),
                chunks=ChunkRange(_place(first), _place(last)),
                notification_id=_text_or_none(fields.get("notification")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownMessageError("not a fan-out message") from error


@dataclass(frozen=True)
class DueMessage:
    """Work for fan out before anything is fanned out: frequencies, and pending dispatches, that are due.

    Nothing depends on such a message: what it names stays due, and the next tick names it again.
    """

    frequencies: tuple[str, ...] = ()
    dispatches: tuple[str, ...] = ()

    def dump(self) -> str:
        return json.dumps({"v": VERSION, "due": [self.frequencies, self.dispatches]})

    @classmethod
    def load(cls, body: str) -> "DueMessage":
        fields = _fields(body)
        try:
            frequencies, dispatches = fields["due"]
            return cls(tuple(map(_text, frequencies)), tuple(map(_text, dispatches)))
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownMessageError("not a message of what is due") from error


def load_fan_out(body: str) -> FanOutMessage | DueMessage:
    """What came through a fan-out queue."""
    return DueMessage.load(body) if "due" in _fields(body) else FanOutMessage.load(body)


@dataclass(frozen=True)
class DeliveryMessage:
    """Work for deliver: one recipient of a dispatch, and where to reach them.

    `frequency` is the slug of the frequency that the dispatch is a run of: it may have been stopped since.
    `notification_id` is for the log. `slot` is when it may be sent, where the channel has a rate.
    """

    dispatch_id: str
    user_id: str
    chunk: int
    position: int
    address: str
    name: str | None = None
    locale: str | None = None
    frequency: str | None = None
    notification_id: str | None = field(default=None, compare=False)
    time_zone: str | None = None
    slot: float | None = field(default=None, compare=False)

    def dump(self) -> str:
        fields = {
            "v": VERSION,
            "dispatch": self.dispatch_id,
            "user": self.user_id,
            "at": [self.chunk, self.position],
            "address": self.address,
            "name": self.name,
            "locale": self.locale,
            "frequency": self.frequency,
            "notification": self.notification_id,
            "zone": self.time_zone,
            "slot": self.slot,
        }
        return json.dumps({key: value for key, value in fields.items() if value is not None})

    @classmethod
    def load(cls, body: str) -> "DeliveryMessage":
        fields = _fields(body)
        try:
            chunk, position = fields["at"]
            return cls(
                dispatch_id=_text(fields["dispatch"]),
                user_id=_text(fields["user"]),
                chunk=_place(chunk),
                position=_place(position),
                address=_text(fields["address"]),
                name=_text_or_none(fields.get("name")),
                locale=_text_or_none(fields.get("locale")),
                frequency=_text_or_none(fields.get("frequency")),
                notification_id=_text_or_none(fields.get("notification")),
                time_zone=_text_or_none(fields.get("zone")),
                slot=_moment_or_none(fields.get("slot")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownMessageError("not a delivery message") from error

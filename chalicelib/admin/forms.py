"""Forms: what was typed, as a browser sends it."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

MAX_FIELDS = 1_000


class Form:
    """Fields by name. What was not sent is empty; text is without the space around it."""

    def __init__(self, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        self._fields = {name: list(values) for name, values in (fields or {}).items()}

    @classmethod
    def read(cls, data: bytes) -> "Form":
        """The form of a body; ValueError if it is none."""
        return cls(
            parse_qs(
                data.decode("utf-8", "strict"),
                keep_blank_values=True,
                strict_parsing=bool(data.strip()),
                max_num_fields=MAX_FIELDS,
                errors="strict",
            )
        )

    def text(self, name: str, default: str = "") -> str:
        """One field."""
        return self._fields[name][-1].strip() if self._fields.get(name) else default

    def raw(self, name: str) -> str:
        """One field as it was typed: a password, a text."""
        return self._fields[name][-1].replace("\r\n", "\n") if self._fields.get(name) else ""

    def texts(self, name: str) -> list[str]:
        """All values of a field: of boxes that are ticked."""
        return self._fields.get(name, [])

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def has(self, name: str) -> bool:
        """Whether a field was sent."""
        return name in self._fields

    def with_fields(self, fields: Mapping[str, str]) -> "Form":
        """The same form with other values in some fields."""
        return Form(self._fields | {name: [value] for name, value in fields.items()})

    def names(self) -> list[str]:
        """Which fields were sent."""
        return list(self._fields)

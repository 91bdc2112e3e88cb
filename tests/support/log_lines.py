"""What the functions log, as an operator and CloudWatch read it."""

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from openapi_schema_validator import OAS31Validator

from chalicelib.observability import logger

Line = dict[str, Any]

_NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
EMBEDDED_METRICS = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 1_600_000_000_000},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": _NAME,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": 30, "items": _NAME},
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": _NAME,
                                        "Unit": {"enum": ["Seconds", "Percent", "Count", "None"]},
                                    },
                                    "additionalProperties": False,
                                },
                            },
                        },
                        "additionalProperties": False,
                    },
                },
            },
            "additionalProperties": False,
        }
    },
}
"""The embedded metric format, as CloudWatch's documentation has it."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A metric by its name and its dimensions."""


class LogLines:
    """The lines since the start of a test."""

    def __init__(self) -> None:
        self._log = io.StringIO()

    @contextmanager
    def kept(self) -> Iterator[Self]:
        """Have the lines from the level of information on come here."""
        level, stream = logger.log_level, logger.registered_handler.stream  # type: ignore[attr-defined]
        logger.setLevel(logging.INFO)  # Chalice's app, whose logger has the same name, raises it
        logger.registered_handler.stream = self._log  # type: ignore[attr-defined]
        try:
            yield self
        finally:
            logger.setLevel(level)
            logger.registered_handler.stream = stream  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        return self._log.getvalue()

    @property
    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, message: str) -> list[Line]:
        return [line for line in self.lines if line["message"] == message]

    def metrics(self) -> dict[Key, list[float]]:
        """The values of each metric, as CloudWatch takes them out of the lines."""
        found: dict[Key, list[float]] = {}
        for line in self.lines:
            if "_aws" in line:
                for key, values in _metrics(line):
                    found.setdefault(key, []).extend(values)
        return found

    def sums(self) -> Counter[str]:
        """Name, lane and channel -> the sum of all values."""
        return Counter(
            {" ".join([name, *(value for _, value in where)]): sum(values)
             for (name, where), values in self.metrics().items()}
        )  # fmt: skip


def _metrics(line: Line) -> list[tuple[Key, list[float]]]:
    errors = [each.message for each in OAS31Validator(EMBEDDED_METRICS).iter_errors(line)]
    assert errors == [], line
    found = []
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            where = tuple((name, line[name]) for name in names)
            assert all(isinstance(value, str) and value for _, value in where), line
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                values = value if isinstance(value, list) else [value]
                assert 0 < len(values) <= 100, line
                assert all(isinstance(each, int | float) for each in values), line
                found.append(((metric["Name"], where), values))
    return found


PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.\w+|Anna")
"""Addresses, and the name that everybody has in tests."""

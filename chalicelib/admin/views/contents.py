"""Forms in which somebody says what a notification says: by a template the fields of its variables."""

from typing import Any

from chalicelib.admin.visits import Visit
from chalicelib.domain.times import iso
from chalicelib.services.errors import InvalidFieldError
from chalicelib.templating.catalogue import Template
from chalicelib.templating.variables import EARLIEST, LATEST

FIELD = "variables."
"""Before the name of a variable, as the reasons name it too."""


def variables_of(visit: Visit, template: Template) -> dict[str, Any]:
    """What was typed for a template's variables. What is left empty is left out.

    What is no number stays a text, which the template's own check refuses.
    """
    values: dict[str, Any] = {}
    for name, variable in template.variables.items():
        typed = visit.form.text(FIELD + name)
        if not typed:
            continue
        if variable.type == "number":
            values[name] = _number(typed)
        elif variable.type == "moment":
            values[name] = visit.untouched(FIELD + name) or _moment(visit, FIELD + name)
        else:
            values[name] = visit.form.raw(FIELD + name).strip()
    return values


def _moment(visit: Visit, name: str) -> str:
    at = visit.moment(name)
    if at is not None and not EARLIEST <= at < LATEST:
        # The template's own check would speak of ISO 8601, which nobody types here.
        raise InvalidFieldError(name, f"must be from {EARLIEST.year} to {LATEST.year - 1}")
    return iso(at) if at else ""


def _number(typed: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(typed)
        except ValueError:
            continue
    return typed

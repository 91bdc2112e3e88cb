"""What each function's role allows it: no emulator asks, AWS does."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.template_parts import join_parts
from tests.faults.functions import FUNCTIONS
from tests.support.roles import Grant, granted, needed

RESOURCE_OF = {"api": "APIHandler", "sweep": "Sweep", "tick": "Tick"} | {
    function.name: function.resource for function in FUNCTIONS.values()
}
"""Process -> function in the template. Others, as the operator, have rights of their own."""


def missing(process: str, service: str, operation: str, params: Mapping[str, Any]) -> str | None:
    """What the process would be refused on AWS, if anything."""
    if process not in RESOURCE_OF:
        return None
    allowed = _allowed(RESOURCE_OF[process])
    for grant in needed(service, operation, params):
        if grant not in allowed:
            return f"the role of {process} does not allow {' on '.join(grant)}"
    return None


@cache
def _allowed(function: str) -> frozenset[Grant]:
    return granted(join_parts()["Resources"], function)

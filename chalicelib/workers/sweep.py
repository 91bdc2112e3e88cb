"""The sweep function: what did not reach a queue is sent again."""

from typing import Any

from chalice import Blueprint, Rate

blueprint = Blueprint(__name__)


@blueprint.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: Any) -> dict[str, int]:
    return {}

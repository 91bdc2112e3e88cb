"""The tick function: what is due within the next two minutes is made ready."""

from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib.domain.times import utc_now
from chalicelib.services import tick as service

blueprint = Blueprint(__name__)


@blueprint.schedule(Rate(1, unit=Rate.MINUTES))
def tick(event: CloudWatchEvent) -> dict[str, int]:  # noqa: ARG001
    return service.tick(utc_now)

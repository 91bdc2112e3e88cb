"""The sweep function: what did not reach a queue is sent again."""

from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib.domain.times import utc_now
from chalicelib.services import sweep as service
from chalicelib.workers.records import remaining_seconds

blueprint = Blueprint(__name__)


@blueprint.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> dict[str, int]:
    return service.sweep(utc_now, remaining_seconds(event))

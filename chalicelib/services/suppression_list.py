"""The suppressions as people see them: listed, looked up, lifted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.channels import CHANNELS
from chalicelib.observability import logger
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.tables import suppressions
from chalicelib.tables.suppressions import Suppression, find_suppressions, suppression_id


@dataclass(frozen=True)
class SuppressionsPage:
    """Some suppressions, and where the next ones begin."""

    suppressions: list[Suppression]
    next_cursor: str | None


def list_suppressions(
    cursor: str | None, limit: int, channel: str | None = None, address: str | None = None
) -> SuppressionsPage:
    """Some of what is suppressed now, the last first. With a channel a page may be short and have a next.

    Of one address all: one for each channel that knows such an address.
    """
    if address is not None:
        before = read_place(cursor)  # what no page gave is refused here, too
        return SuppressionsPage([] if before else _of_address(address, channel), None)
    entries = suppressions.suppressions_page(read_place(cursor), limit + 1)
    page, following = page_of(entries, limit)
    shown = [each for each in page if each.is_suppressed and channel in (None, each.channel)]
    return SuppressionsPage(shown, following)


def find_suppression(id_: str) -> Suppression:
    """A suppression, be it lifted; else NotFoundError."""
    found = find_suppressions([id_])
    if not found:
        raise NotFoundError("there is no such suppression")
    return found[0]


def lift_suppression(id_: str, by: str, now: datetime) -> None:
    """Let an address be sent to again; done again it does nothing. NotFoundError where there is none."""
    find_suppression(id_)
    if found := _lifted(id_, by, now):
        audit.record("lifted", "suppression", id_, before=audited(found))


def lift_suppressions(ids: Iterable[str], by: str, now: datetime) -> int:
    """Let these addresses be sent to again; how many were not."""
    found = [row for id_ in ids if (row := _lifted(id_, by, now))]
    if found:
        audit.record("lifted", "suppression", "many", before={"suppressions": len(found)})
    return len(found)


def _lifted(id_: str, by: str, now: datetime) -> Suppression | None:
    if found := suppressions.lift(id_, by, now):
        logger.info("suppression lifted", extra={"suppression": id_, "by": by})
    return found


def audited(row: Suppression) -> dict[str, str]:
    """What the audit log says of it: what a server said may name the address."""
    return {"channel": str(row.channel), "reason": str(row.reason).partition(":")[0]}


def _of_address(address: str, channel: str | None) -> list[Suppression]:
    channels = [each for each in CHANNELS.values() if channel in (None, each.name)]
    normal = {each.name: each.address_of(address) for each in channels}
    if not any(normal.values()):
        raise InvalidFieldError(
            "address", "is none of the channel's" if channel else "is none of any channel's"
        )
    found = find_suppressions(suppression_id(name, each) for name, each in normal.items() if each)
    shown = [each for each in found if each.is_suppressed]
    return sorted(shown, key=lambda each: str(each.listed_as), reverse=True)

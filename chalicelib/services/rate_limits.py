"""The rate limit of an application: over all functions together, at a fraction of a request's cost.

A function takes a block of the present minute's requests in one write, and asks again when it is used up. The
same write says when the application was last used, and brings its row: whether it may go on.
"""

from dataclasses import dataclass
from datetime import datetime

from chalicelib import settings
from chalicelib.kept import Kept
from chalicelib.observability import logger
from chalicelib.services.errors import TooManyRequestsError
from chalicelib.tables.base import DATABASE_ERRORS
from chalicelib.tables.principals import Application, reserve_requests

WINDOW_SECONDS = 60
BLOCKS = 20
"""A function takes a twentieth of the limit at once: what it does not use is lost for this minute."""


@dataclass(frozen=True)
class Allowance:
    """What an application may yet ask for."""

    limit: int
    remaining: int
    reset_seconds: int


@dataclass
class _Block:
    window: int
    left: int
    others: int
    """What nobody had taken yet when this function last asked."""


_blocks: Kept[_Block] = Kept()


def forget() -> None:
    """Begin anew: for tests."""
    _blocks.forget()


def take(slug: str, now: datetime) -> tuple[Allowance | None, Application | None]:
    """Use up one request of an application; TooManyRequestsError when there is none left in this minute.

    What is left, and the application's row if it was read for this. (None, None) without a limit to hold,
    and while the database is out of reach: the limit protects the service, and must not be what stops it.
    """
    limit = settings.current().rate_limit_per_minute
    window, passed = divmod(int(now.timestamp()), WINDOW_SECONDS)
    block, row = _blocks.get(slug, now), None
    if block is None or block.window != window or (block.left == 0 and block.others > 0):
        count = max(limit // BLOCKS, 1)
        try:
            row = reserve_requests(slug, window, count, now)
        except DATABASE_ERRORS as error:
            logger.warning("requests not counted", extra={"application": slug, "error": str(error)})
            return None, None
        if row is None:
            return None, None
        unused = limit - int(row.used or 0)
        block = _Block(window, max(min(count, count + unused), 0), max(unused, 0))
        _blocks.put(slug, block, now)
    if limit == 0:
        return None, row
    if block.left == 0:
        raise TooManyRequestsError(f"{limit} requests a minute are used up", WINDOW_SECONDS - passed)
    block.left -= 1
    return Allowance(limit, block.left + block.others, WINDOW_SECONDS - passed), row

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
FIRST_BLOCK = 4
BLOCKS = 20
"""A function takes four requests at once, then twice as many each time, at most a twentieth of the limit.
What it does not use is lost for this minute: little, where many functions are asked a few times each."""


@dataclass(frozen=True)
class Allowance:
    """What an application may yet ask for."""

    limit: int
    remaining: int
    reset_seconds: int


@dataclass
class _Block:
    window: int
    size: int
    left: int
    others: int
    """What nobody had taken yet when this function last asked."""


_blocks: Kept[_Block] = Kept(seconds=WINDOW_SECONDS)


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
        is_next = block is not None and block.window == window
        size = 2 * block.size if block is not None and is_next else FIRST_BLOCK
        size = max(min(size, limit // BLOCKS), 1)
        try:
            row = reserve_requests(slug, window, size, now)
        except DATABASE_ERRORS as error:
            logger.warning("requests not counted", extra={"application": slug, "error": str(error)})
            return None, None
        if row is None:
            return None, None
        unused = limit - int(row.used or 0)
        block = _Block(window, size, max(min(size, size + unused), 0), max(unused, 0))
        _blocks.put(slug, block, now)
    if limit == 0:
        return None, row
    if block.left == 0:
        raise TooManyRequestsError(
            f"{limit} requests a minute are used up", WINDOW_SECONDS - passed, limit=limit
        )
    block.left -= 1
    return Allowance(limit, block.left + block.others, WINDOW_SECONDS - passed), row

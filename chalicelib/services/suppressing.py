"""Suppressing: which addresses are known to be wrong, and nothing is sent to until somebody lifts that."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from chalicelib.channels import CHANNELS
from chalicelib.channels.sandbox import BOUNCED, bounces
from chalicelib.domain.results import Accepted, Permanent, SendResult
from chalicelib.domain.times import utc_now
from chalicelib.kept import Kept
from chalicelib.observability import logger
from chalicelib.tables import suppressions
from chalicelib.tables.base import DATABASE_ERRORS

FILTER_KEPT_SECONDS = 30
"""For so long a function may go on sending to an address that was suppressed since."""

_prints: Kept[frozenset[bytes]] = Kept(seconds=FILTER_KEPT_SECONDS)


def forget() -> None:
    """Begin anew: as a function does that has just started."""
    _prints.forget()


def suppressed(channel: str, addresses: Iterable[str]) -> Mapping[str, str]:
    """Which of these addresses are suppressed, each with the reason."""
    now = utc_now()
    prints = _prints.get(channel, now)
    if prints is None:
        prints = suppressions.read_prints(channel)
        _prints.put(channel, prints, now)
    return suppressions.suppressed_among(channel, addresses, prints) if prints else {}


def suppressed_among(messages: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Of (id, channel, address) the ids of those whose address is suppressed, each with the reason."""
    addresses: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for id_, channel, address in messages:
        addresses[channel][id_] = address
    found: dict[str, str] = {}
    for channel, by_id in addresses.items():
        reasons = suppressed(channel, set(by_id.values()))
        found |= {id_: reasons[address] for id_, address in by_id.items() if address in reasons}
    return found


def learn_of_address(channel: str, address: str, result: SendResult | None, at: datetime) -> None:
    """What a channel has answered may say that nobody is at an address."""
    if isinstance(result, Permanent) and result.is_wrong_contact:
        remember_wrong(channel, address, result.reason, at)
    elif isinstance(result, Accepted) and bounces(CHANNELS[channel], address):
        remember_wrong(channel, address, BOUNCED, at)


def remember_wrong(channel: str, address: str, reason: str, at: datetime) -> None:
    """An address was refused for good: nothing is sent to it from now on.

    What cannot be written now is found out again by the next sending.
    """
    try:
        suppressions.suppress(channel, address, reason, at)
    except DATABASE_ERRORS as error:
        logger.warning("not suppressed", extra={"channel": channel, "error": str(error)})

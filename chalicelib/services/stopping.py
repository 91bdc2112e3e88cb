"""Stopped runs: what is on its way of a frequency that was paused, deleted or changed since is not sent."""

from datetime import datetime

from chalicelib.domain.eras import owns
from chalicelib.domain.times import iso
from chalicelib.observability import logger
from chalicelib.services.naming import names_of
from chalicelib.tables.dispatches import Dispatch, cancel_dispatch
from chalicelib.tables.frequencies import Frequency, read_frequencies, read_frequency


def is_stopped(dispatch: Dispatch, frequency: Frequency | None) -> bool:
    """Whether a dispatch is a run that its frequency, as it is now, does not want any more."""
    if not dispatch.frequency:
        return False
    if frequency is None or not frequency.is_running:
        return True
    return not owns(frequency.eras, dispatch.run_at, int(dispatch.frequency_version))


def cancel_if_stopped(dispatch: Dispatch, now: datetime) -> bool:
    """Whether a dispatch is cancelled, which one is from now on whose run is not wanted any more."""
    if not dispatch.frequency or dispatch.is_cancelled:
        return dispatch.is_cancelled
    if not is_stopped(dispatch, read_frequency(dispatch.frequency)):
        return False
    cancel_stopped(dispatch, now)
    return True


def cancel_stopped(dispatch: Dispatch, now: datetime) -> None:
    """Have everybody see that a run was stopped."""
    cancel_dispatch(dispatch.id, now)
    dispatch.cancelled_at = iso(now)
    logger.info("run stopped", extra={**names_of(dispatch), "frequency": dispatch.frequency})


def frequencies_of(dispatches: dict[str, Dispatch]) -> dict[str, Frequency]:
    """The frequencies that these dispatches are runs of, as they are now; no request if there are none."""
    slugs = {each.frequency for each in dispatches.values() if each.frequency}
    return read_frequencies(slugs) if slugs else {}

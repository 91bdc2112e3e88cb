"""What a line about a dispatch has in it: by `notification` it is followed, whichever function wrote it."""

from typing import Any

from chalicelib.tables.dispatches import Dispatch


def names_of(dispatch: Dispatch) -> dict[str, Any]:
    """The names of a dispatch."""
    return {"notification": dispatch.notification_id, "dispatch": dispatch.id}


def dimensions_of(dispatch: Dispatch) -> dict[str, Any]:
    """The names of a dispatch, and by what its metrics are told apart."""
    return {**names_of(dispatch), "lane": str(dispatch.lane), "channel": dispatch.type}

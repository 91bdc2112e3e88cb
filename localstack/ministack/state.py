"""Mends what MiniStack has saved: a message that a function held when all ended is nobody's any more."""

import json
from pathlib import Path
from typing import Any


def release_received_messages(state_dir: Path) -> int:
    """Make messages visible again that were received and never deleted; how many there were.

    The functions that had received them ended with the emulator. Left alone they would wait out their
    visibility timeout, six minutes in which a restarted Vestnik seems to have forgotten them.
    """
    path = state_dir / "sqs.json"
    try:
        state = json.loads(path.read_text())
        received = [message for message in _messages(state) if message["receive_count"] > 0]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return 0  # nothing saved, or in another form than that of the pinned version: it will do without
    for message in received:
        message["visible_at"] = 0
    if received:
        mended = path.with_suffix(".mended")
        mended.write_text(json.dumps(state))
        mended.replace(path)
    return len(received)


def _messages(state: dict[str, Any]) -> list[dict[str, Any]]:
    queues = state["payload"]["queues"]["data"].values()
    return [message for queue in queues for message in queue["messages"]]

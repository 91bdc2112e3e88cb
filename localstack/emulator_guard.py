"""Runs MiniStack inside its own environment, and ends it when the process that started it is gone.

Started by localstack.emulator with an open pipe as stdin: its end is the sign that the parent died
without stopping us (kill -9, a closed terminal). Then MiniStack is asked to stop, saves its state, and no
worker is left behind.
"""

import os
import runpy
import signal
import sys
import threading

orphaned = threading.Event()


def stop_when_orphaned() -> None:
    """Wait for the end of stdin, then ask this very process to stop."""
    while os.read(0, 4096):
        continue
    orphaned.set()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run MiniStack until it is told to stop."""
    threading.Thread(target=stop_when_orphaned, daemon=True).start()
    sys.argv = ["ministack"]
    try:
        runpy.run_module("ministack", run_name="__main__", alter_sys=True)
    finally:
        if orphaned.is_set():
            os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()

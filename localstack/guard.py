"""Runs an emulator inside its own environment, and ends it when the process that started it is gone.

    guard.py MODULE [FOLDER …]

runs MODULE as `python -m` does, with FOLDERs beside what is installed. Started by localstack.emulator with an
open pipe as stdin: its end is the sign that the parent died without stopping us (kill -9, a closed terminal).
Then the emulator is asked to stop, and saves its state if the last word from the parent was that it is worth
saving. No worker is left behind.
"""

import os
import runpy
import signal
import sys
import threading

SAVE, DO_NOT_SAVE = b"+", b"-"
orphaned = threading.Event()


def stop_when_orphaned() -> None:
    """Wait for the end of stdin, then end this process in the way the parent wanted last."""
    wanted = DO_NOT_SAVE
    while words := os.read(0, 4096):
        wanted = words[-1:]
    orphaned.set()
    if wanted == SAVE:
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Run the emulator until it is told to stop."""
    module, *folders = sys.argv[1:]
    threading.Thread(target=stop_when_orphaned, daemon=True).start()
    sys.path += folders
    sys.argv = [module]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        if orphaned.is_set():
            os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()

"""Loopback ports: free ones, and a clear word about a taken one."""

import socket

LOOPBACK = "127.0.0.1"


class LocalError(Exception):
    """What the person at the keyboard can do something about: shown as one line, without a traceback."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are only in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(port: int, purpose: str, remedy: str) -> None:
    """Raise LocalError naming the port, what it is for and how to choose another."""
    if not is_free(port):
        raise LocalError(f"Port {port} ({purpose}) is taken or not allowed: {remedy}.")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port

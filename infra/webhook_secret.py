"""The operator's command `webhook-secret`: by what a webhook's receiver checks signatures."""

import argparse
from collections.abc import Callable
from typing import Any


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command(
        "webhook-secret", run, "print the secret by which the receiver at a URL checks signatures"
    )
    parser.add_argument("url", help="as in the contact's webhook_url")


def run(options: argparse.Namespace) -> str:
    """The secret."""
    from chalicelib.services.webhook_secrets import secret_of

    return secret_of(options.url).secret

"""The operator's command `rotate-password`: another password for an application, without a gap."""

import argparse
from collections.abc import Callable
from typing import Any

from chalicelib.services.applications import MAX_OLD_PASSWORD_HOURS, OLD_PASSWORD_HOURS
from infra.stack import DeploymentError


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command(
        "rotate-password", run, "give a program a new password; the old one stays good for some hours"
    )
    parser.add_argument("slug")
    parser.add_argument(
        "--keep-old-hours",
        type=int,
        default=OLD_PASSWORD_HOURS,
        metavar="N",
        help=f"how long the old one stays good: 0 (after a leak) to {MAX_OLD_PASSWORD_HOURS} "
        "(default: %(default)s)",
    )


def run(options: argparse.Namespace) -> str:
    """Rotate, and say until when both are good."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services.applications import rotate_password

    if not 0 <= options.keep_old_hours <= MAX_OLD_PASSWORD_HOURS:
        raise DeploymentError(f"--keep-old-hours is from 0 to {MAX_OLD_PASSWORD_HOURS}")
    made = rotate_password(options.slug, options.keep_old_hours, utc_now())
    until = made.application.previous_until
    old = f"the old one is good until {until}" if until else "the old one ends within half a minute"
    return (
        f"Authorization: {options.slug} {made.password}\n"
        f"It is shown this once; only a hash is kept. {old[0].upper()}{old[1:]}."
    )

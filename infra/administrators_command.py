"""The operator's commands for administrators: made, listed, given another role, disabled and enabled."""

import argparse
import getpass
from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.services.rights import Principal, Role
from infra.stack import DeploymentError

PAGE = 100


def add_commands(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the commands known to a parser."""
    roles = [str(role) for role in Role]
    made = command("create-administrator", run_create, "make an administrator; prints the password once")
    made.add_argument("login")
    made.add_argument(
        "--role", choices=roles, default=str(Role.MANAGER), help="what they may do (default: %(default)s)"
    )
    command("list-administrators", run_list, "list the administrators, their roles and last log-ins")
    changed = command("change-administrator", run_change, "change an administrator's role, disable or enable")
    changed.add_argument("login")
    changed.add_argument("--role", choices=roles, help="what they may do from now on")
    either = changed.add_mutually_exclusive_group()
    either.add_argument("--disable", action="store_true", help="let them in no more; ends all their sessions")
    either.add_argument("--enable", action="store_true", help="let them in again")


def create_administrator(login: str, password: str | None = None, role: Role = Role.MANAGER) -> str:
    """Make an administrator; the password, generated where none is given."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services import administrators

    return administrators.create_administrator(login, utc_now(), password, role)


def run_create(options: argparse.Namespace) -> str:
    """Make one, and say the password."""
    password = create_administrator(options.login, role=Role(options.role))
    return (
        f"administrator {options.login}\npassword {password}\n"
        f"It is shown this once; only a hash is kept. Their role: {options.role}."
    )


def run_list(_: argparse.Namespace) -> str:
    """One a line, by login."""
    rows = [("login", "role", "state", "last log-in"), *_rows()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return "\n".join(lines)


def run_change(options: argparse.Namespace) -> str:
    """Change one, and say how they are now."""
    from chalicelib.services import administrators

    if not (options.role or options.disable or options.enable):
        raise DeploymentError("give --role, --disable or --enable")
    changed = administrators.change_administrator_rights(
        options.login,
        Principal("operator", getpass.getuser()),
        Role(options.role) if options.role else None,
        options.enable if options.enable or options.disable else None,
    )
    state = "enabled" if changed.is_active else "disabled"
    return (
        f"{options.login} is {administrators.role_of(changed)} and {state}, within half a minute everywhere"
    )


def _rows() -> Iterator[tuple[str, str, str, str]]:
    from chalicelib.services import administrators

    cursor = None
    while True:
        page = administrators.list_administrators(cursor, PAGE)
        for each in page.administrators:
            state = "enabled" if each.is_active else "disabled"
            yield each.login, str(administrators.role_of(each)), state, each.last_login_at or "-"
        cursor = page.next_cursor
        if cursor is None:
            return

"""The operator's commands: python -m infra.manage --help.

They run against the very tables and queues of a deployed stack, by the same services as the API.
"""

import argparse
import getpass
import json
import logging
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from chalicelib.channels import CONTACT_FIELDS
from infra import (
    administrators_command,
    application_password,
    audit_command,
    consumers_command,
    dead_queues,
    failures,
    follow_command,
    restore,
    rotate_key,
    smtp_login,
    suppressions_command,
    telegram_bot,
    templates_command,
    top_command,
    webhook_secret,
)
from infra.clients import session
from infra.deploy import function_environment
from infra.stack import DeploymentError


def use_stack(stack_name: str, endpoint_url: str | None) -> None:
    """Take over the environment of a deployed stack's functions, so that the services find its tables."""
    if endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = endpoint_url
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    # The services ask the environment for the region; without one there, it is where the stack is looked for.
    os.environ.setdefault("AWS_DEFAULT_REGION", session(endpoint_url).region_name)
    os.environ.update(function_environment(stack_name, endpoint_url))


def register_application(slug: str, scopes: Sequence[str] = ()) -> str:
    """Register an application that may do this (by default send and read); its generated password."""
    from chalicelib.domain.times import utc_now
    from chalicelib.services import applications
    from chalicelib.services.rights import DEFAULT_SCOPES, Scope

    wanted = frozenset(map(Scope, scopes)) or DEFAULT_SCOPES
    return applications.register_application(slug, utc_now(), wanted).password


def import_contacts(contacts: Iterable[Mapping[str, Any]]) -> int:
    """Put contacts into the directory, each with `user_id` and what is known of the user; how many."""
    from chalicelib.services import contacts as service

    return service.put_contacts(contacts)


def _register_app(options: argparse.Namespace) -> str:
    password = register_application(options.slug, options.scope)
    return f"Authorization: {options.slug} {password}\nIt is shown this once; only a hash is kept."


def _token(options: argparse.Namespace) -> str:
    from chalicelib.domain.times import utc_now
    from chalicelib.services import administrators

    return administrators.issue_token(options.login, utc_now())


def _set_password(options: argparse.Namespace) -> str:
    from chalicelib.services.administrators import change_password

    return f"password {change_password(options.login)}\nIt is shown this once; only a hash is kept."


def _user_token(options: argparse.Namespace) -> str:
    from chalicelib.domain.times import utc_now
    from chalicelib.services.user_tokens import issue_user_token

    return issue_user_token(options.user_id, utc_now())


def _add_contact(options: argparse.Namespace) -> str:
    from chalicelib.services.contacts import FIELDS

    import_contacts([{name: getattr(options, name) for name in FIELDS}])
    return f"contact of {options.user_id} is kept"


def _import_contacts(options: argparse.Namespace) -> str:
    from chalicelib.services import contact_lines
    from chalicelib.services.errors import InvalidFieldError

    is_csv = options.file.suffix.lower() == ".csv"
    try:
        data = options.file.read_bytes()
    except OSError as error:
        raise InvalidFieldError("FILE", str(error)) from error
    report = contact_lines.import_lines(
        contact_lines.read_lines(data, contact_lines.CSV if is_csv else contact_lines.JSON_LINES),
        tell=lambda count: print(f"{count} lines ...", file=sys.stderr),
    )
    return json.dumps(asdict(report), indent=2, ensure_ascii=False)


def _erase(options: argparse.Namespace) -> str:
    from chalicelib.domain.times import utc_now
    from chalicelib.services.erasure import erase

    if erase(str(options.user_id), "administrator:operator", utc_now, lambda: math.inf):
        return f"{options.user_id} is erased; a tombstone is left."
    return f"{options.user_id} is erased but for what is just being sent: the sweep deletes that in minutes."


def _export_user(options: argparse.Namespace) -> str:
    from chalicelib.api.users import export_out
    from chalicelib.services.export import export_pages

    pages = [export_out(page) for page in export_pages(str(options.user_id))]
    rows = [row for page in pages for row in page.results]
    return pages[0].model_copy(update={"results": rows, "next": None}).model_dump_json(indent=2)


def _show(options: argparse.Namespace) -> str:
    from chalicelib.domain.times import utc_now
    from chalicelib.services import notifications
    from chalicelib.services.rights import Principal

    operator = Principal("administrator", "operator")
    view = notifications.find(options.id, operator, utc_now())
    shown: dict[str, Any] = {
        **{
            name: getattr(view.notification, name) for name in ("id", "type", "title", "author", "created_at")
        },
        "recipients": view.recipients,
        "counts": view.counts,
        "dispatches": [
            {"id": each.dispatch.id, "due_at": each.dispatch.due_at, "counts": each.counts}
            for each in view.dispatches
        ],
    }
    if options.recipients:
        page = notifications.recipients(options.id, operator, utc_now(), None, options.recipients)
        shown["first_recipients"] = [
            {"user_id": each.user_id, "status": each.status, "reason": each.row.reason if each.row else None}
            for each in page.recipients
        ]
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _send_again(options: argparse.Namespace) -> str:
    from chalicelib.domain.times import utc_now
    from chalicelib.services.rights import Principal
    from chalicelib.services.send_again import send_failed_again

    done = send_failed_again(
        options.id,
        Principal("administrator", "operator"),
        utc_now,
        user_id=str(options.user) if options.user else None,
        dispatch_id=str(options.dispatch) if options.dispatch else None,
        tell=lambda count: print(f"{count} ...", file=sys.stderr),
    )
    return (
        f"{done} failed recipient(s) are unsent again: the sweep takes them up within a minute.\n"
        "Who failed within the last two minutes is left for the next time."
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.manage", description="Vestnik's operator's commands."
    )
    parser.add_argument(
        "--stack-name", default="vestnik-dev", help="the deployed stack (default: %(default)s)"
    )
    parser.add_argument(
        "--endpoint-url",
        default=os.environ.get("AWS_ENDPOINT_URL"),
        help="an emulator's address, as http://127.0.0.1:4566 for `make run`; none for AWS",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(run=run, needs_stack=True)
        return added

    administrators_command.add_commands(command)
    application = command(
        "register-application", _register_app, "register a program; prints its password once"
    )
    application.add_argument("slug")
    application.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=["send", "read", "manage"],
        help="what it may do; may be given more than once (default: send and read)",
    )
    password = command(
        "set-password", _set_password, "give an administrator a new password; ends all their tokens"
    )
    password.add_argument("login")
    token = command("token", _token, "print an access token (JWT) of an administrator")
    token.add_argument("login")
    user_token = command(
        "user-token",
        _user_token,
        "print a token (JWT, an hour) of a user, for a deployment with UserAuth key",
    )
    user_token.add_argument("user_id", help="a UUID, with or without dashes")
    rotate = command(
        "rotate-key", rotate_key.run, "make a new signing key; what earlier keys signed stays good"
    )
    rotate.add_argument("secret", choices=sorted(rotate_key.SECRETS), help="what it signs")
    rotate.add_argument(
        "--drop-old",
        action="store_true",
        help="after a leak: keep no earlier key; what they signed ends within five minutes, "
        "links in mails that were sent, too",
    )
    contact = command("add-contact", _add_contact, "put one user's contacts into the embedded directory")
    contact.add_argument("user_id", help="a UUID, with or without dashes")
    contact.add_argument("--name")
    for field in CONTACT_FIELDS.values():
        contact.add_argument(f"--{field.name.replace('_', '-')}", help=f"as {field.example}")
    contact.add_argument("--locale", choices=["en", "ru"])
    contact.add_argument("--time-zone", help="an IANA name, as Europe/Moscow")
    imported = command("import-contacts", _import_contacts, "put the contacts of a file; prints a report")
    imported.add_argument("file", type=Path, help="*.csv with a header line, else JSON lines")
    erased = command("erase", _erase, "erase a user: all that is kept is deleted, a tombstone is left")
    erased.add_argument("user_id", type=UUID)
    exported = command("export-user", _export_user, "print all that is kept about a user, as JSON")
    exported.add_argument("user_id", type=UUID)
    show = command("show", _show, "show a notification: its counts by status, and its first recipients")
    show.add_argument("id")
    show.add_argument(
        "--recipients", type=int, default=0, metavar="N", help="show the first N recipients, too"
    )
    again = command("send-again", _send_again, "send the failed recipients of a notification again")
    again.add_argument("id")
    again.add_argument("--user", type=UUID, help="only this user")
    again.add_argument(
        "--dispatch", type=UUID, help="only in this dispatch; else in the newest 20, of a frequency"
    )
    for each in (
        consumers_command,
        top_command,
        follow_command,
        smtp_login,
        telegram_bot,
        application_password,
        failures,
        webhook_secret,
        audit_command,
    ):
        each.add_command(command)
    dead_queues.add_commands(command)
    restore.add_commands(command)
    templates_command.add_commands(command)
    suppressions_command.add_commands(command)
    return parser


@contextmanager
def acting_operator() -> Iterator[None]:
    """Have the audit log name who changes something by a command: the user of this machine."""
    if "AUDIT_TABLE" not in os.environ:  # no stack, or one of before there was a log
        yield
        return
    from chalicelib.services import audit

    with audit.acting(f"operator:{getpass.getuser()}", audit.Via.COMMAND):
        yield


@contextmanager
def logging_aside() -> Iterator[None]:
    """Have what services log go to stderr: what a command prints is for people and programs."""
    from chalicelib.observability import logger

    handlers = [each for each in logger.handlers if isinstance(each, logging.StreamHandler)]
    before = [(each, each.setStream(sys.stderr)) for each in handlers]
    try:
        yield
    finally:
        for handler, stream in before:
            if stream is not None:
                handler.setStream(stream)


def main() -> None:
    """Run a command; what is refused, or cannot be reached, is one line and exit code 1."""
    options = _arguments().parse_args()
    from chalicelib.services.errors import RefusedError
    from chalicelib.tables.base import DATABASE_ERRORS, is_outage

    try:
        if options.needs_stack:
            use_stack(options.stack_name, options.endpoint_url)
        with acting_operator(), logging_aside():
            print(options.run(options))
    except (RefusedError, DeploymentError) as error:
        sys.exit(f"error: {error}")
    except DATABASE_ERRORS as error:
        advice = "out of reach; what was done is kept, run it again" if is_outage(error) else "refused"
        sys.exit(f"error: {advice}: {error}")


if __name__ == "__main__":
    main()

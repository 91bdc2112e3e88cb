"""The operator's command `set-smtp-login`: the log-in at the mail server, within its secret."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from typing import Any

from infra.clients import CLIENT_CONFIG, session
from infra.stack import DeploymentError


def add_command(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Make the command known to a parser."""
    parser = command(
        "set-smtp-login",
        run,
        "set the log-in at the mail server; the password is read from the terminal or from stdin",
    )
    parser.add_argument("username", nargs="?", help="none with --clear")
    parser.add_argument("--check", action="store_true", help="log in first; what is refused is not set")
    parser.add_argument("--clear", action="store_true", help="send without a log-in from now on")


def run(options: argparse.Namespace) -> str:
    """Check the log-in when that is asked for, and put it into the secret."""
    from chalicelib import security, settings
    from chalicelib.channels.smtp import check_login
    from chalicelib.services import audit

    if bool(options.username) == options.clear:
        raise DeploymentError("give either a USERNAME or --clear")
    login = {"username": options.username, "password": _password()} if options.username else {}
    configured = settings.current()
    server = f"{configured.smtp_host}:{configured.smtp_port}"
    if options.check and (refusal := check_login(configured, login)):
        raise DeploymentError(f"{server} does not take it, and nothing is changed: {refusal}")
    _put(configured.smtp_secret, login, options.endpoint_url)
    audit.record("set", "smtp log-in", server, after={"username": options.username})
    who = f"as {options.username}" if options.username else "without a log-in"
    checked = f"{server} has taken it; " if options.check else ""
    minutes = security.SECRET_KEPT_SECONDS // 60
    return f"{checked}every function goes to the mail server {who} within {minutes} minutes"


def _password() -> str:
    """From the terminal, unseen, or the first line of what is piped in: others could see an argument."""
    given = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise DeploymentError("there is no password: type it, or pipe it in")
    return given


def _put(secret_id: str, login: dict[str, str], endpoint_url: str | None) -> None:
    client = session(endpoint_url).client("secretsmanager", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(login))

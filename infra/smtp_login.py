"""The operator's command `smtp-login`: what the mail server asks for, into its secret."""

import argparse
import getpass
import json
import os
import sys

from infra.clients import session
from infra.stack import DeploymentError


def set_login(username: str, password: str, endpoint_url: str | None) -> None:
    """Keep the log-in; functions see it within five minutes."""
    client = session(endpoint_url).client("secretsmanager", endpoint_url=endpoint_url)
    secret = json.dumps({"username": username, "password": password})
    client.put_secret_value(SecretId=os.environ["SMTP_SECRET_ARN"], SecretString=secret)


def run(options: argparse.Namespace) -> str:
    """Ask for the password, where somebody is there, or read it: it is no argument that others could see."""
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise DeploymentError("no password was given")
    set_login(options.username, password, options.endpoint_url)
    return f"mails are sent as {options.username} within five minutes"

"""boto3 clients for the operator's commands: region, timeouts and, for an emulator, an account."""

import argparse
import os
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from boto3.session import Session

_DEFAULT_REGION = "eu-central-1"

CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})


def session(endpoint_url: str | None = None) -> "Session":
    """A session of the configured account; an emulator is given one when there is none."""
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or _DEFAULT_REGION
    if endpoint_url and not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & os.environ.keys():
        return boto3.Session(region_name=region, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
    return boto3.Session(region_name=region)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Have a command that makes or ends a stack take which one, and where."""
    parser.add_argument("--stage", default="dev")
    parser.add_argument(
        "--endpoint-url",
        default=os.environ.get("AWS_ENDPOINT_URL"),
        help="an emulator's address; without it, and without AWS_ENDPOINT_URL, AWS itself",
    )
    parser.add_argument("--stack-name", help="vestnik-<stage> by default")

"""The AWS SDK's session: one for the whole process, from which every client is made."""

from functools import cache

import boto3
import botocore.session


@cache
def botocore_session() -> botocore.session.Session:
    """The one session. With one of its own, each client would read botocore's data of all services anew."""
    return botocore.session.get_session()


@cache
def session() -> boto3.session.Session:
    """The same for what asks for a session of boto3."""
    return boto3.session.Session(botocore_session=botocore_session())


def forget_session() -> None:
    """Begin anew: with the environment as it is now."""
    session.cache_clear()
    botocore_session.cache_clear()

"""Signatures of webhooks, as Standard Webhooks has them (https://www.standardwebhooks.com), and their keys.

A receiver's key is derived from the deployment's and the receiver's URL: nothing is kept for it, and no
receiver can sign in the name of another.
"""

import base64
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

SHOWN_PREFIX = "whsec_"


def keys_of(secret: Mapping[str, Any], url: str) -> list[bytes]:
    """The keys of the receiver at a URL (in its normal form): by the present key, and by those before it."""
    return [_key(str(each["key"]), url) for each in (secret, *secret.get("previous", []))]


def shown(key: bytes) -> str:
    """A key as libraries for Standard Webhooks take it."""
    return SHOWN_PREFIX + base64.b64encode(key).decode()


def signature(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """What stands in `webhook-signature`: one signature for each key, so that a rotation breaks nobody."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)


def _key(key: str, url: str) -> bytes:
    return hmac.digest(key.encode(), f"webhook\0{url}".encode(), "sha256")

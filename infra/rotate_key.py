"""The operator's command `rotate-key`: a new key within a secret."""

import argparse
import json
import os
from secrets import token_urlsafe
from uuid import uuid4

from infra.clients import session
from infra.stack import DeploymentError

SECRETS = {
    "token": "TOKEN_SECRET_ARN",
    "link": "LINK_SECRET_ARN",
    "user-token": "USER_TOKEN_SECRET_ARN",
}
"""The keys that can be rotated, each by the variable that names its secret."""


def rotate_key(name: str, endpoint_url: str | None, drop_old: bool = False) -> str:
    """Make a new key in a secret; what the keys before it have signed stays good, unless they are dropped.

    The new key's id.
    """
    from chalicelib.services import audit

    client = session(endpoint_url).client("secretsmanager", endpoint_url=endpoint_url)
    secret_id = os.environ[SECRETS[name]]
    secret = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    if "key" not in secret:
        raise DeploymentError(f"the secret {name} has no key that could be rotated")
    if secret.get("algorithm", "HS256") != "HS256":
        raise DeploymentError(
            f"the secret {name} holds a public key ({secret['algorithm']}): "
            "it is rotated where its other half is"
        )
    before = {part: secret[part] for part in ("kid", "key", "algorithm") if part in secret}
    kid = str(int(before["kid"]) + 1) if str(before.get("kid", "")).isdigit() else uuid4().hex[:8]
    rotated = {
        **secret,
        "kid": kid,
        "key": token_urlsafe(48),
        "previous": [] if drop_old else [before, *secret.get("previous", [])],
    }
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(rotated))
    audit.record("rotated", "key", name, after={"kid": kid, "keeps_old": not drop_old})
    return kid


def run(options: argparse.Namespace) -> str:
    """Rotate, and say what of the earlier keys stays."""
    kid = rotate_key(options.secret, options.endpoint_url, options.drop_old)
    what = "ends" if options.drop_old else "stays good"
    return f"signed by the key {kid} within five minutes; what earlier keys have signed {what}"

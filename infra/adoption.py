"""A new stack takes over what has outlived another, by the file that the destruction has written.

Its tables are adopted as they are. Of its secrets the values are taken over, into secrets of the new stack.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.changes import SECRET, TABLE
from infra.clients import CLIENT_CONFIG, session
from infra.stack import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceToImportTypeDef

Kept = Mapping[str, Mapping[str, str]]
"""Type -> id in the template -> name in the account."""


def write_kept(kept: Kept, path: Path) -> None:
    """Write down what stays of a stack."""
    path.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


def read_kept(path: Path) -> Kept:
    """What a destruction has written down."""
    try:
        kept: Kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DeploymentError(f"{path} is not what a destruction has written: {error}") from error
    return kept


def template_of(kept: Kept, template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with nothing but the tables: CloudFormation makes nothing else when it adopts."""
    resources, names = template["Resources"], sorted(kept[TABLE])
    if unknown := [name for name in names if resources.get(name, {}).get("Type") != TABLE]:
        raise DeploymentError(f"the template has no table {', '.join(unknown)}")
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"DeletionProtection": template["Parameters"]["DeletionProtection"]},
        "Conditions": {"ProtectsTables": template["Conditions"]["ProtectsTables"]},
        "Resources": {name: resources[name] for name in names},
    }


def imports(kept: Kept) -> "list[ResourceToImportTypeDef]":
    """The tables, as CloudFormation wants to be told of them."""
    return [
        {"ResourceType": TABLE, "LogicalResourceId": name, "ResourceIdentifier": {"TableName": table}}
        for name, table in kept[TABLE].items()
    ]


class KeptSecrets:
    """The values of the secrets that another stack has left."""

    def __init__(self, kept: Kept, endpoint_url: str | None) -> None:
        self._client = session(endpoint_url).client(
            "secretsmanager", endpoint_url=endpoint_url, config=CLIENT_CONFIG
        )
        self._values = {
            name: self._client.get_secret_value(SecretId=secret)["SecretString"]
            for name, secret in kept[SECRET].items()
        }

    def put_into(self, secrets: Mapping[str, str]) -> None:
        """Have them in the new stack's secrets; its functions see them within five minutes."""
        for name, value in self._values.items():
            self._client.put_secret_value(SecretId=secrets[name], SecretString=value)

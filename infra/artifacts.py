"""The bucket CloudFormation reads the code and the template from."""

import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError

from infra.clients import CLIENT_CONFIG, session


class ArtifactBucket:
    """A private bucket of this account. Objects are named by their content: nothing is uploaded twice."""

    def __init__(self, endpoint_url: str | None) -> None:
        clients = session(endpoint_url)
        self._client = clients.client("s3", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
        identity = clients.client("sts", endpoint_url=endpoint_url, config=CLIENT_CONFIG)
        caller = identity.get_caller_identity()
        self._account: str = caller["Account"]
        self._partition = caller["Arn"].split(":")[1]
        self._region = clients.region_name
        self.name = f"vestnik-artifacts-{self._account}-{self._region}"

    def ensure(self) -> None:
        """Have the bucket: encrypted, closed to the public, and read over TLS only.

        Nothing in it expires: a stack that is rolled back asks for the code that it had before.
        """
        if not self._is_there():
            self._create()
        self._protect()

    def put(self, content: bytes, suffix: str) -> str:
        """Upload the content unless it is there already; its key."""
        key = hashlib.sha256(content).hexdigest() + suffix
        try:
            self._client.head_object(Bucket=self.name, Key=key, ExpectedBucketOwner=self._account)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
            self._client.put_object(
                Bucket=self.name, Key=key, Body=content, ExpectedBucketOwner=self._account
            )
        return key

    def put_at(self, content: bytes, suffix: str) -> str:
        """The same; the address where CloudFormation reads it."""
        return self.url(self.put(content, suffix))

    def url(self, key: str) -> str:
        """The address CloudFormation reads an object from, in the form emulators know too."""
        return f"{self._client.meta.endpoint_url}/{self.name}/{key}"

    def _is_there(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self.name, ExpectedBucketOwner=self._account)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            return False
        return True

    def _create(self) -> None:
        if self._region == "us-east-1":  # the one region that must not be named
            self._client.create_bucket(Bucket=self.name)
        else:
            self._client.create_bucket(
                Bucket=self.name,
                CreateBucketConfiguration={"LocationConstraint": self._region},  # type: ignore[typeddict-item]
            )

    def _protect(self) -> None:
        """Also what a first deployment that broke off has left open."""
        self._client.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._client.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self._refuse_plain_http()

    def _refuse_plain_http(self) -> None:
        arn = f"arn:{self._partition}:s3:::{self.name}"
        self._client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(tls_only(arn)))


def tls_only(bucket_arn: str) -> dict[str, Any]:
    """A bucket's policy that refuses what is asked without TLS."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }

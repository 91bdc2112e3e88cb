"""moto's DynamoDB without the way there: no HTTP, no signature, no JSON. A run makes thousands of requests.

`test_harness.py` compares its answers with those of the long way.
"""

import copy
import json
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler


def request(operation: str, params: dict[str, Any], region: str) -> dict[str, Any]:
    """The answer to a request, as botocore gives it; ClientError for what is refused."""
    handler = DynamoHandler()
    handler.current_account, handler.region = DEFAULT_ACCOUNT_ID, region
    handler.body = copy.deepcopy(params)  # moto keeps parts of what it is given
    try:
        answer = getattr(handler, xform_name(operation))()
    except DynamodbException as refusal:
        raise ClientError(_response(refusal), operation) from refusal
    return {**answer.result, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}


def _response(refusal: DynamodbException) -> Any:
    error = json.loads(refusal.description)
    response = {
        "Error": {"Code": refusal.relative_error_type, "Message": refusal.message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
    }
    return response | ({"Item": error["Item"]} if "Item" in error else {})

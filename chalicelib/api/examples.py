"""Examples of what the schema describes, made of its own: `examples`, a default, the first value."""

from collections.abc import Mapping
from typing import Any

from chalicelib.channels import CONTACT_FIELDS

Schema = Mapping[str, Any]

MAX_DEPTH = 8
NOT_SAID = "…"
"""The example of a text of which nothing says what it is: a test finds it."""

BY_FORMAT = {
    "uuid": "01a208c5-dc43-7568-b6ca-e5733239ec8b",
    "date-time": "2026-11-23T10:00:00.000Z",
    "date": "2026-11-23",
    "email": "anna@example.com",
}
BY_TYPE: dict[str, Any] = {"boolean": False, "null": None, "integer": 1, "number": 1.0, "string": NOT_SAID}

USER = "2f0c1c1e-7f3c-4e59-9d0b-3b6a1a1c9d10"
"""The user of all examples."""
_TIME = "2026-11-23T10:00:00.000Z"

BY_NAME: dict[str, Any] = {
    "type": "mail",
    "title": "Your order has been shipped",
    "text": "It will be with you on Friday.",
    "content_id": "order-1047",
    "author": "application:shop",
    "user_id": USER,
    "users": [USER],
    "recipients": 3,
    "queued": 1,
    "sent": 2,
    "unsent": 0,
    "failed": 0,
    "cancelled": 0,
    "unsubscribed": 0,
    "wrong_contact": 0,
    "cancelled_at": None,
    "send_at": None,
    "run_at": None,
    "frequency": None,
    "not_before": None,
    "reason": None,
    "next": None,
    "previous": None,
    "at": _TIME,
    "result": "sent",
    "notification_id": "01a208c5-dc43-7568-b6ca-e5733239ec8b",
    "dispatch_id": "01a208c5-dc43-711b-a982-2b0bd0192850",
    "is_active": True,
    "is_complete": True,
    "is_user_subscribed": True,
    "is_sent_to_queue": True,
    "is_correct_contacts": True,
    "scopes": ["read", "send"],
    "name": "Anna",
    **{field.name: field.example for field in CONTACT_FIELDS.values()},
    "address": "anna@example.com",
    "locale": "en",
    "time_zone": "Europe/Moscow",
    "erased_at": None,
    "erased_before": None,
    "cron": "30 9 * * MON-FRI",
    "period": None,
    "ends_at": None,
    "next_runs": ["2026-11-24T06:30:00.000Z", "2026-11-25T06:30:00.000Z"],
    "lines": 2,
    "imported": 1,
    "rejected": 1,
    "password": "kq0uG3bXw1dVvJ9e4m2Zt7LhS8nYcR5f",
    "old_password_until": None,
}
"""What stands in fields of these names, in whichever model, unless the model has examples of its own."""

_KINDS = {
    "string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None),
    "number": float,
}  # fmt: skip


def example_of(schema: Schema, models: Mapping[str, Schema], depth: int = MAX_DEPTH) -> Any:
    """An example of a schema; `models` are those that it refers to by name."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "properties" in schema:
        return _of_type(schema, models, depth)
    if "$ref" in schema:
        return example_of(models[schema["$ref"].rpartition("/")[2]], models, depth)
    alternatives = schema.get("anyOf") or schema.get("oneOf") or []
    if said := [each for each in alternatives if each.get("examples")]:
        return example_of(said[0], models, depth)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    if alternatives:
        return example_of(alternatives[0], models, depth)
    return _of_type(schema, models, depth)


def _of_type(schema: Schema, models: Mapping[str, Schema], depth: int) -> Any:
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        fields = schema.get("properties", {}) if depth else {}
        others = _other_ways(schema)
        return {
            name: _of_field(name, field, models, depth - 1)
            for name, field in fields.items()
            if name not in others
        }
    if kind == "array":
        return [example_of(schema["items"], models, depth - 1)] if depth and "items" in schema else []
    if kind == "integer" and "minimum" in schema:
        return schema["minimum"]
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE[kind])


def _other_ways(schema: Schema) -> set[str]:
    """The fields of which another stands in the example: of `users` or `audience_id` the first."""
    ways = [each.get("oneOf", []) for each in (schema, *schema.get("allOf", []))]
    return {name for way in ways for other in way[1:] for name in other.get("required", [])}


def _of_field(name: str, field: Schema, models: Mapping[str, Schema], depth: int) -> Any:
    if "examples" in field or "enum" in field or "const" in field:
        return example_of(field, models, depth)
    if name in BY_NAME and _takes(field, BY_NAME[name]):
        return BY_NAME[name]
    if name.endswith("_at") and _takes(field, _TIME):
        return _TIME
    return example_of(field, models, depth)


def _takes(schema: Schema, value: Any) -> bool:
    said = [each.get("type", []) for each in schema.get("anyOf", [schema])]
    kinds = [kind for each in said for kind in ([each] if isinstance(each, str) else each)]
    return any(type(value) is _KINDS[kind] for kind in kinds)

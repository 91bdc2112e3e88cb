"""What in a new OpenAPI schema breaks a client that was written for the old one.

Two directions: what a client sends must go on being taken (nothing may become narrower), and what it reads
must go on being what it knows (nothing may become wider, and nothing go away). A keyword that is not known
here is an error: what cannot be compared must not pass unseen.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import product
from typing import Any

Schema = Mapping[str, Any]


class Way(Enum):
    """Which way a value goes."""

    SENT = "sent by the client"
    READ = "read by the client"


UPPER_LIMITS = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
LOWER_LIMITS = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
EXACT = ("pattern", "format", "multipleOf", "uniqueItems", "default", "contentMediaType")
STRUCTURE = (
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "anyOf",
    "oneOf",
    "allOf",
)
ANNOTATIONS = ("title", "description", "examples", "example", "deprecated", "readOnly", "writeOnly")
KNOWN = frozenset(UPPER_LIMITS + LOWER_LIMITS + EXACT + STRUCTURE + ANNOTATIONS)


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """A line for each change that breaks a client."""
    return sorted(_Comparison(old, new).changes())


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old, new
        self._under_way: set[tuple[str, str, Way]] = set()

    def changes(self) -> Iterator[str]:
        for path, operations in self.old["paths"].items():
            for method, operation in operations.items():
                name = f"{method.upper()} {path}"
                now = self.new["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{name}: is gone"
                    continue
                for change in self._operation(operation, now):
                    yield f"{name}: {change}"

    def _operation(self, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._access(old, new)
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody", {}), new.get("requestBody", {}))
        for status, answer in old["responses"].items():
            if status.startswith("2"):
                if status not in new["responses"]:
                    yield f"answer {status} is gone"
                else:
                    yield from self._answer(f"answer {status}", answer, new["responses"][status])

    def _access(self, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("security") or [{}], new.get("security") or [{}]
        for way in before:
            if not any(
                all(name in way and set(roles) <= set(way[name]) for name, roles in now.items())
                for now in after
            ):
                yield f"access by {way or 'nobody'} is gone"

    def _parameters(self, old: Schema, new: Schema) -> Iterator[str]:
        before, after = (
            {(each["in"], each["name"].lower()): each for each in operation.get("parameters", [])}
            for operation in (old, new)
        )
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{key[0]} parameter {key[1]} is required now"
        for key, parameter in before.items():
            name = f"{key[0]} parameter {key[1]}"
            if key not in after:
                yield f"{name} is gone"
            else:
                yield from self._compare(name, parameter["schema"], after[key]["schema"], Way.SENT)

    def _body(self, old: Schema, new: Schema) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield "the body is required now"
        yield from self._content("body", old.get("content", {}), new.get("content", {}), Way.SENT)

    def _answer(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        for header in old.get("headers", {}):
            if header not in new.get("headers", {}):
                yield f"{name}: header {header} is gone"
        yield from self._content(name, old.get("content", {}), new.get("content", {}), Way.READ)

    def _content(self, name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
        for content_type, content in old.items():
            if content_type not in new:
                yield f"{name}: {content_type} is gone"
            else:
                yield from self._compare(name, content["schema"], new[content_type]["schema"], way)

    # Schemas.

    def _compare(self, name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
        key = (repr(old), repr(new), way)
        if "$ref" in old and key in self._under_way:
            return  # a model that holds itself
        self._under_way.add(key)
        before, after = self._alternatives(self.old, old), self._alternatives(self.new, new)
        if way is Way.SENT:
            yield from self._each_fits(name, before, after, way)
        else:
            yield from self._each_fits(name, after, before, way)
        self._under_way.discard(key)

    def _each_fits(self, name: str, these: list[Schema], others: list[Schema], way: Way) -> Iterator[str]:
        """Each of these has one among the others that takes it in: a client's value, or ours."""
        for this in these:
            partners = [other for other in others if _type(other) in _takes(_type(this))]
            if not partners:
                yield f"{name}: {_type(this)} is not what is {way.value}"
                continue
            pairs = [(this, other) if way is Way.SENT else (other, this) for other in partners]
            found = [list(self._one(name, old, new, way)) for old, new in pairs]
            yield from min(found, key=len)

    def _one(self, name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
        yield from _enums(name, old, new, way)
        if way is Way.SENT:
            yield from _limits(name, old, new)
        yield from _exact(name, old, new, way)
        yield from self._properties(name, old, new, way)
        if "items" in old:
            yield from self._compare(f"{name}[]", old["items"], new.get("items", {}), way)

    def _properties(self, name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required_before, required_after = set(old.get("required", [])), set(new.get("required", []))
        newly = required_after - required_before if way is Way.SENT else required_before - required_after
        for each in sorted(newly & set(after)):
            yield f"{name}.{each} is required now" if way is Way.SENT else f"{name}.{each} may be missing now"
        for each in before:
            if each not in after:
                yield f"{name}.{each} is gone"
            else:
                yield from self._compare(f"{name}.{each}", before[each], after[each], way)
        others_before, others_after = (each.get("additionalProperties", True) for each in (old, new))
        if way is Way.SENT and others_after is False and others_before is not False:
            yield f"{name}: unknown fields are refused now"
        if isinstance(others_before, Mapping) and isinstance(others_after, Mapping):
            yield from self._compare(f"{name}.*", others_before, others_after, way)

    def _alternatives(self, document: Schema, schema: Schema) -> list[Schema]:
        """What a schema allows: plain schemas of one type each."""
        while "$ref" in schema:
            found = document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        if unknown := set(schema) - KNOWN:
            raise NotImplementedError(f"{sorted(unknown)} cannot be compared")
        if "properties" in schema:
            return _ways(schema)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return [each for one in schema[several] for each in self._alternatives(document, one)]
        types = schema.get("type", "any")
        return [{**schema, "type": each} for each in ([types] if isinstance(types, str) else types)]


def _ways(schema: Schema) -> list[Schema]:
    """An object, once for each choice of what it requires: `users` or `audience_id`."""
    choices = [
        part[several]
        for part in (schema, *schema.get("allOf", []))
        for several in ("anyOf", "oneOf")
        if several in part
    ]
    bare = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf", "allOf")}
    ways: list[Schema] = []
    for choice in product(*choices):
        if unknown := {keyword for each in choice for keyword in each} - {"required", "title"}:
            raise NotImplementedError(f"{sorted(unknown)} cannot be compared in a choice")
        required = [name for each in (schema, *choice) for name in each.get("required", [])]
        ways.append({"type": "object", **bare, "required": required})
    return ways


def _type(schema: Schema) -> str:
    return str(schema["type"])


def _takes(kind: str) -> tuple[str, ...]:
    return (kind, "any", "number") if kind == "integer" else (kind, "any")


def _enums(name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
    before, after = (_values(each) for each in (old, new))
    if before is None and after is not None and way is Way.SENT:
        yield f"{name}: only {sorted(after)} are taken now"
    if before is not None:
        for value in sorted(before - (before if after is None else after)):
            yield f"{name}: {value} is gone"
        if way is Way.READ and after is None:
            yield f"{name}: any value may come now"
        for value in sorted((after or set()) - before):
            if way is Way.READ:
                yield f"{name}: {value} may come now"


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(value) for value in schema["enum"]} if "enum" in schema else None


def _limits(name: str, old: Schema, new: Schema) -> Iterator[str]:
    for limit in (*UPPER_LIMITS, *LOWER_LIMITS):
        if limit not in new:
            continue
        before, after = old.get(limit), new[limit]
        if before is None or (after < before if limit in UPPER_LIMITS else after > before):
            yield f"{name}: {limit} is {after}, was {'not there' if before is None else before}"


def _exact(name: str, old: Schema, new: Schema, way: Way) -> Iterator[str]:
    for keyword in EXACT:
        before, after = old.get(keyword), new.get(keyword)
        # A rule that is gone lets a client send more; one that is new tells a reader more.
        released = after is None if way is Way.SENT and keyword != "default" else before is None
        is_read_default = keyword == "default" and way is Way.READ
        if before != after and not released and not is_read_default:
            yield f"{name}: {keyword} is {after}, was {before}"

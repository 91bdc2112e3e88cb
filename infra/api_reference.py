"""Writes the reference in docs/api.md anew, from the API's schema: `python -m infra.api_reference`."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.api import openapi
from chalicelib.api.resources import ENDPOINTS
from infra.package import PROJECT

PAGE = PROJECT / "docs" / "api.md"
BEGIN, END = "<!-- The reference begins: `make openapi` writes it. -->\n", "<!-- The reference ends. -->\n"
WIDTH = 110

Operation = Mapping[str, Any]

AUTHORIZATION = {
    "application": "$APPLICATION",
    "user": "$USER_TOKEN",
    "bearer": "$ADMINISTRATOR",
}
"""Whose Authorization header a request shows: the first of these who may."""
HEADERS = {"x-telegram-bot-api-secret-token": "$TELEGRAM_TOKEN"}
"""Without which a request would be refused."""


def reference(schema: Mapping[str, Any]) -> str:
    """Every operation by its tag: what it does, how it is asked for by curl, and what it answers."""
    return "\n".join(_lines(schema))


def written(page: str, schema: Mapping[str, Any]) -> str:
    """The page with the reference that the schema gives."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + reference(schema) + "\n" + END + rest.split(END)[1]


def _lines(schema: Mapping[str, Any]) -> Iterator[str]:
    for tag in schema["tags"]:
        yield from (f"### {tag['name'].capitalize()}", "", tag["description"], "")
        operations = [
            (method.upper(), path, operation)
            for path, methods in schema["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        # What is deleted is deleted at last: the commands can be tried in their order.
        for method, path, operation in sorted(operations, key=lambda each: each[0] == "DELETE"):
            yield from _section(f"{method} {path}", operation)


def _section(name: str, operation: Operation) -> Iterator[str]:
    yield from (f"#### {name}", "", f"{operation['summary']}. {_one_line(operation['description'])}", "")
    if named := [each for each in operation.get("parameters", []) if each["in"] != "path"]:
        yield from (_parameter(each) for each in named)
        yield ""
    contents = operation.get("requestBody", {}).get("content", {}) or {None: {}}
    for content_type, content in contents.items():
        yield from ("```bash", *_curl(name, operation, content_type, content.get("example")), "```", "")
    yield from _answer(operation)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    notes = [
        f"{words} {schema[keyword]}"
        for keyword, words in (("minimum", "at least"), ("maximum", "at most"), ("default", "default"))
        if schema.get(keyword) not in (None, "")
    ]
    kind = "header" if parameter["in"] == "header" else "query"
    return f"- `{parameter['name']}` ({', '.join([kind, *notes])}): {parameter['description']}"


def curl_path(path: str) -> str:
    """A path with a shell variable for each parameter: `$NOTIFICATION_ID`."""
    return re.sub(r"\{(\w+)\}", lambda found: f"${found.group(1).upper()}", path)


def _curl(name: str, operation: Operation, content_type: str | None, body: Any) -> Iterator[str]:
    method, path = name.split(" ")
    words = [f'{"" if method == "GET" else f"-X {method} "}"$VESTNIK{curl_path(path)}"']
    schemes = {scheme for way in operation["security"] for scheme in way}
    if who := next((variable for scheme, variable in AUTHORIZATION.items() if scheme in schemes), None):
        words.append(f'-H "Authorization: {who}"')
    words += [
        f'-H "{each["name"]}: {HEADERS[each["name"].lower()]}"'
        for each in operation.get("parameters", [])
        if each["in"] == "header" and each["name"].lower() in HEADERS
    ]
    if content_type:
        words.append(f"-H 'Content-Type: {content_type}'")
        text = body if isinstance(body, str) else compact(body)
        words.append(f"--data-binary {_quoted(text)}")
    for each in operation.get("parameters", []):
        if each["in"] == "query" and each["required"]:
            example = f"{each['name']}={each['schema']['examples'][0]}"
            words.append(f"--get --data-urlencode {_quoted(example)}")
    lines = [f"curl -sS {words[0]}"]
    for word in words[1:]:
        if len(lines[-1] + word) < WIDTH - 4 and "\n" not in word:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    yield " \\\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _answer(operation: Operation) -> Iterator[str]:
    (status, answer), *others = operation["responses"].items()
    refused = [code for code, _ in others if code != "500"]
    content = answer.get("content", {})
    if "application/json" in content:
        yield from (f"{status}:", "", "```json", compact(content["application/json"]["example"]), "```", "")
    else:
        yield from (f"{status}, {'a page' if content else 'without a body'}.", "")
    if refused:
        yield from (f"Refused with {', '.join(refused)}.", "")


def compact(value: Any, indent: int = 0) -> str:
    """JSON with as much on a line as fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    if isinstance(value, list):
        inner = [compact(each, indent + 2) for each in value]
        return "[\n" + textwrap.indent(",\n".join(inner), "  ") + "\n]"
    return "{\n" + textwrap.indent(_filled(value, indent), "  ") + "\n}"


def _filled(fields: Mapping[str, Any], indent: int) -> str:
    lines = [""]
    for name, value in fields.items():
        text = f"{json.dumps(name)}: {compact(value, indent + 2)}"
        if lines[-1] and ("\n" in text or "\n" in lines[-1] or len(lines[-1] + text) + indent > WIDTH - 4):
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + text
    return ",\n".join(lines)


def main() -> None:
    """Write it from the command line."""
    PAGE.write_text(written(PAGE.read_text("utf-8"), openapi.document(ENDPOINTS)), "utf-8")


if __name__ == "__main__":
    main()

"""Whatever a service refuses with is said in its reader's language, and so is why something failed."""

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from chalicelib.admin.words import reason_in
from chalicelib.channels import CHANNELS
from chalicelib.services.contacts import FIELDS
from chalicelib.services.rights import Access
from chalicelib.settings import LOCALES
from chalicelib.tables.audience_headers import AudienceState
from infra.package import PROJECT

FOLDERS = ("services", "domain", "templating")
CHANNEL_NAMES = ", ".join(sorted(CHANNELS))
ALL_FIELDS = ", ".join(FIELDS)

NAME, NUMBER, QUOTED = "order_1-x", "12", "'a word'"
NUMBERS = {
    "channel.limits.text", "channel.limits.title", "chunks * step", "error.start", "int(row.version)",
    "len(audience.by_number)", "len(cells)", "len(header)", "length(text)", "LONGEST_AHEAD.days", "most",
    "part.number", "recipients", "self.max_length", "step", "users", "EARLIEST.year", "LATEST.year - 1",
}  # fmt: skip
"""Places of an f-string in which a number stands; so it is where a constant does."""
SAMPLES = {
    "', '.join(FIELDS)": [ALL_FIELDS],
    "', '.join(settings.LOCALES)": [", ".join(LOCALES)],
    "', '.join(sorted(CHANNELS))": [CHANNEL_NAMES],
    "ERASED": ["the user is erased: they have to subscribe again first"],
    "access.value": [each.value for each in Access if each not in (Access.ANYONE, Access.USER)],
    "audience.state": [each for each in AudienceState if each != AudienceState.COMPLETE],
    "channel.name": sorted(CHANNELS),
    "found.state": [each for each in AudienceState if each != AudienceState.COMPLETE],
    "iso(now)": ["2026-11-27T10:00:00.000Z"],
    "reason": [f"is none of {ALL_FIELDS}", "comes twice"],
    "what": ["title", "text", "html"],
}
"""What else stands in a place, where it is not a name of somebody's own."""

KINDS_NOT_SHOWN = {
    "BadTemplateError": "a template's files are checked before they are deployed, by a command and a test",
    "MissingError": "of a worker: its message is tried again, and the log has it",
    "NotAuthenticatedError": "leads to the log-in, which has words of its own",
    "NotReadyError": "of a worker: its message is tried again, and the log has it",
    "OutsideUnavailableError": "of users' own tokens, which the panel takes not",
    "SettingsError": "ends a worker's start, and the log has it",
    "TypeError": "a message of a queue that is none of ours",
    "UnknownEventError": "a message of a queue that is none of ours",
    "UnknownMessageError": "a message of a queue that is none of ours",
}
NOT_SHOWN = {
    "a user's token is for that user only": "users do not come to the panel",
    "this is for the user, an administrator who is a manager, or an application with the scope `manage`": (
        "the panel has no page of this access"
    ),
    "the name of Telegram's bot is not known: set-telegram asks for it": "of a user's own link to the bot",
    "there is no page order_1-x: the last is order_1-x": "of the list of a user's own notifications",
    "order_1-x requests a minute are used up": "a limit of applications",
    "this deployment takes no tokens of its own: USER_AUTH is order_1-x": "of a command",
    f"unknown; there are: {ALL_FIELDS}": "the panel's form has only known fields",
    "is not JSON": "the panel imports CSV",
    "must be a JSON object": "the panel imports CSV",
    "order_1-x: order_1-x: order_1-x": "Jinja's own words; the panel puts its own before them",
    "other values": "is turned into: not a cursor that this service gave",
    "an empty or negative value": "is turned into: not a cursor that this service gave",
    "has no zone": "is turned into: must be a time in ISO 8601",
    "is out of reach": "is turned into: must be a time in ISO 8601",
    "not a range of chunks: [order_1-x, order_1-x)": "of a worker",
    "not a UUIDv7: 'a word'": "of a worker",
    "a moment has the forms order_1-x, not 'a word'": "of a template's file, which is checked before",
    "the audience is open: its parts cannot be changed any more": "only of an audience that is not open",
}
"""Texts that no page of the panel can show, each with why."""


class Said(NamedTuple):
    """A text of an error, with the field that an InvalidFieldError puts before it, and where it stands."""

    kind: str
    text: str
    field: str
    place: str


def places_of(node: ast.AST) -> list[list[str]]:
    """The parts of a text or an f-string, each with what may stand there; nothing where it is neither."""
    if isinstance(node, ast.Constant):
        return [[node.value]] if isinstance(node.value, str) else []
    if not isinstance(node, ast.JoinedStr):
        return []
    return [
        [str(each.value)] if isinstance(each, ast.Constant) else samples(each)
        for each in node.values
        if isinstance(each, ast.Constant | ast.FormattedValue)
    ]


def samples(place: ast.FormattedValue) -> list[str]:
    """What may stand in a place of an f-string."""
    if place.conversion == ord("r"):
        return [QUOTED]
    source = ast.unparse(place.value)
    is_number = source in NUMBERS or source.isupper()
    return [str(each) for each in SAMPLES.get(source, [NUMBER if is_number else NAME])]


def said_by(path: Path) -> Iterator[Said]:
    """Every text with which a module makes an error."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        kind = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or not (kind.endswith("Error") and kind[0].isupper()):
            continue
        *before, reason = [*node.args[:2]] if kind in OF_A_FIELD else [*node.args[:1]] or [ast.Constant(None)]
        field = before[0].value if before and isinstance(before[0], ast.Constant) else ""
        if parts := places_of(reason):
            for chosen in product(*parts):
                yield Said(kind, "".join(chosen), str(field), f"{path.name}:{node.lineno}")


OF_A_FIELD = {"InvalidFieldError", "ScheduleError", "BadVariableError"}
"""Errors whose first argument is a field, and whose second the reason."""

ALL = [
    each
    for folder in FOLDERS
    for path in sorted((PROJECT / "chalicelib" / folder).rglob("*.py"))
    for each in said_by(path)
]


def is_translated(said: Said) -> bool:
    """Whether it is said in Russian, by itself or as `field: reason`, which is what `str` gives."""
    texts = [said.text, f"{said.field}: {said.text}"] if said.field else [said.text]
    return any(reason_in("ru", each) != each for each in texts)


def test_every_reason_of_a_service_is_said_in_russian() -> None:
    lacking = {
        f"{each.place} {each.kind}: {each.text}"
        for each in ALL
        if each.kind not in KINDS_NOT_SHOWN and each.text not in NOT_SHOWN and not is_translated(each)
    }
    assert sorted(lacking) == [], "add a pattern to chalicelib/admin/reasons.py, and its translation"


def test_what_is_said_to_be_not_shown_is_there_and_has_no_translation() -> None:
    """Else the lists above would grow old."""
    assert {each.kind for each in ALL} >= KINDS_NOT_SHOWN.keys()
    assert {each.text for each in ALL} >= NOT_SHOWN.keys()
    assert [text for text in NOT_SHOWN if reason_in("ru", text) != text] == []


def test_texts_are_found() -> None:
    assert len(ALL) > 150
    assert {"services", "domain", "templating"} == set(FOLDERS)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("bounced: 550 5.1.1 user unknown", "возвращено: 550 5.1.1 user unknown"),
        ("bounced", "возвращено"),
        ("complained: abuse", "жалоба: abuse"),
        ("suppressed: bounced: 550 5.1.1 user unknown", "запрещено: возвращено: 550 5.1.1 user unknown"),
        ("given up: smtp 421: try later", "попытки исчерпаны: smtp 421: try later"),
        ("expired unsent: queue unavailable", "срок истёк до постановки в очередь: очередь недоступна"),
        ("bounced: ", "возвращено: "),
        ("required: What it is about", "нужно заполнить"),
        ("the audience is used by the frequency weekly, daily", "аудитория нужна рассылке weekly, daily"),
        (
            "there is no version 3 of order_shipped; there are: 1, 2",
            "у шаблона order_shipped нет версии 3; есть 1, 2",
        ),
        ("{0} said nobody, 12 times", "{0} said nobody, 12 times"),
        ("", ""),
    ],
)
def test_what_is_known_of_a_reason_is_translated_and_the_rest_stays(reason: str, expected: str) -> None:
    assert reason_in("ru", reason) == expected
    assert reason_in("en", reason) == reason

"""Languages: which one a viewer reads, and gettext's catalogues."""

import gettext
import re
from functools import cache
from pathlib import Path

from chalicelib.admin.reasons import OPEN, PREFIXES
from chalicelib.settings import LOCALES

DOMAIN = "panel"
FOLDER = Path(__file__).with_name("locale")
NAMES = {"en": "English", "ru": "Русский"}
"""Each in its own language."""

_PLACE = re.compile(r"\{\d\}")
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The words of a language; English ones stand in the code."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=language == "en")


def chosen(cookie: str | None, accept_language: str | None, default: str) -> str:
    """What somebody reads: what they have chosen, else the first of their browser's that we have."""
    if cookie in LOCALES:
        return str(cookie)
    wanted = []
    for each in (accept_language or "").split(","):
        tag, _, weight = each.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), tag.lower().partition("-")[0]))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(wanted, key=lambda pair: pair[0]) if tag in LOCALES), default)


def reason_in(language: str, reason: str) -> str:
    """A refusal's or a failure's reason in a language.

    Its numbers and what it quotes vary: a catalogue has it with {0}, {1}, … in their places.
    What no catalogue has stays as it is.
    """
    if not reason:
        return ""  # to gettext it is the name of the catalogue's own header
    words = catalogue(language)
    if (exact := words.gettext(reason)) != reason:
        return exact
    found: list[str] = []

    def place(match: re.Match[str]) -> str:
        found.append(match[0])
        return f"{{{len(found) - 1}}}"

    pattern = _VARYING.sub(place, reason.replace("{", "").replace("}", ""))
    if (translated := words.gettext(pattern)) != pattern:
        return translated.format(*found)
    for named, said in _open_patterns():
        if match := named.fullmatch(reason):
            return words.gettext(said).format(*match.groups())
    for prefix in PREFIXES:
        if reason.startswith(f"{prefix}: "):
            rest = reason.removeprefix(f"{prefix}: ")
            return f"{words.gettext(prefix)}: {reason_in(language, rest)}"
    return reason


@cache
def _open_patterns() -> list[tuple[re.Pattern[str], str]]:
    """What finds the reasons in which names stand without quotes, and each as the catalogue has it."""
    return [(re.compile("(.+?)".join(map(re.escape, _PLACE.split(each))), re.DOTALL), each) for each in OPEN]

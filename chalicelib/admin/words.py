"""Languages: which one a viewer reads, and gettext's catalogues."""

import gettext
import re
from functools import cache
from pathlib import Path

from chalicelib.settings import LOCALES

DOMAIN = "panel"
FOLDER = Path(__file__).with_name("locale")
NAMES = {"en": "English", "ru": "Русский"}
"""Each in its own language."""

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
    """A refusal's reason in a language.

    Its numbers and what it quotes vary: a catalogue has it with {0}, {1}, … in their places.
    """
    found: list[str] = []

    def place(match: re.Match[str]) -> str:
        found.append(match[0])
        return f"{{{len(found) - 1}}}"

    words = catalogue(language)
    if (exact := words.gettext(reason)) != reason:
        return exact
    pattern = _VARYING.sub(place, reason.replace("{", "").replace("}", ""))
    translated = words.gettext(pattern)
    return translated.format(*found) if translated != pattern else reason

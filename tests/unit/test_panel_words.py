"""The panel's words: each has its translation, and what is kept is what the code says now."""

import io
import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo

from infra import words

PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%%")
PLACE = re.compile(r"\{\d\}")
RUN = "run python -m infra.words"


def each_translated(language: str) -> Iterator[tuple[str, str]]:
    """Each word, every form of it beside every form of its translation."""
    for message in words.read(language):
        if message.id:
            ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
            strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
            for string in strings:
                yield ids[-1], str(string)


def said_in(catalogue: Catalog) -> set[str]:
    return {each.id if isinstance(each.id, str) else each.id[0] for each in catalogue if each.id}


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_word_is_translated(language: str) -> None:
    assert words.missing(words.updated(language)) == []


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_catalogue_has_the_words_of_the_code_and_no_others(language: str) -> None:
    kept = words.po_path(language).read_text("utf-8")
    assert kept.splitlines() == words.written(words.updated(language)).decode().splitlines(), RUN
    assert "#, fuzzy" not in kept
    assert "#~" not in kept, "what is no longer said"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_what_the_panel_reads_is_the_catalogue(language: str) -> None:
    kept = words.po_path(language).with_suffix(".mo").read_bytes()
    is_the_same = kept == words.compiled(words.read(language))
    assert is_the_same, RUN
    compiled = read_mo(io.BytesIO(kept))
    assert said_in(compiled) == said_in(words.read(language))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_translation_has_the_same_places_for_what_varies(language: str) -> None:
    for said, translated in each_translated(language):
        if translated:
            assert set(PLACEHOLDER.findall(translated)) == set(PLACEHOLDER.findall(said)), said
            assert set(PLACE.findall(translated)) <= set(PLACE.findall(said)), said


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_translation_has_no_markup_but_what_is_said(language: str) -> None:
    """A catalogue's words are put into a page by gettext as they are: HTML in them would be HTML."""
    for said, translated in each_translated(language):
        assert set(re.findall(r"<[^>]*>", translated)) <= set(re.findall(r"<[^>]*>", said)), said


def test_a_word_of_a_template_and_one_of_the_code_are_found() -> None:
    """Else an empty catalogue would be up to date."""
    found = words.extracted()
    assert "Log out everywhere" in found
    assert "You are logged out." in found

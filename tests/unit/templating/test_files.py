"""The files of templates: those that are shipped are all right, and what is wrong with others is found."""

from typing import Any

import pytest

from chalicelib.channels import CHANNELS
from chalicelib.settings import LOCALES
from chalicelib.templating.catalogue import Catalogue, shipped
from chalicelib.templating.checking import problems
from chalicelib.templating.errors import UnknownTemplateError
from chalicelib.templating.languages import LANGUAGES
from chalicelib.templating.rendering import Recipient, render
from tests.unit.templating.conftest import PLAIN, VARIABLES, Write

BOTH = {"en.j2": PLAIN, "ru.j2": PLAIN}


def test_all_that_are_shipped_are_all_right() -> None:
    assert problems(shipped()) == []
    assert {"order_shipped", "meeting"} <= set(shipped().versions)
    assert shipped().versions["order_shipped"] == [1, 2]


def test_every_language_can_write_moments_and_numbers() -> None:
    assert set(LOCALES) <= set(LANGUAGES)


def test_what_is_right_has_no_problems(write: Write) -> None:
    assert problems(write()) == []


def html(inner: str) -> dict[str, str]:
    return BOTH | {"mail.en.j2": PLAIN + f"{{% block html %}}{inner}{{% endblock %}}"}


def one(**changed: Any) -> dict[str, Any]:
    return {"order": VARIABLES["order"] | changed}


FILES: list[tuple[dict[str, str], str]] = [
    ({"en.j2": PLAIN}, "mail.ru.j2: missing, and there is no ru.j2"),
    ({"mail.en.j2": PLAIN, "ru.j2": PLAIN}, "telegram.en.j2: missing"),
    (BOTH | {"fax.en.j2": PLAIN}, "fax.en.j2: there is no channel fax"),
    (BOTH | {"de.j2": PLAIN}, "de.j2: there is no language de"),
    (BOTH | {"notes.txt": ""}, "notes.txt: not template.json"),
    (BOTH | {"mail.en.j2": PLAIN + "{{ order"}, "mail.en.j2: line 3"),
    (BOTH | {"mail.en.j2": PLAIN.replace("{{ order }}.", "{{ odrer }}")}, "odrer is not declared"),
    (BOTH | {"mail.en.j2": "{% block title %}{{ order }}{% endblock %}"}, "the block text is missing"),
    (BOTH | {"mail.en.j2": PLAIN + "{% block foot %}{% endblock %}"}, "unknown block foot"),
    (BOTH | {"mail.en.j2": PLAIN + "Good-bye"}, "line 3: outside of a block nothing is said"),
    (BOTH | {"en.j2": PLAIN + "{% block html %}{% endblock %}"}, "only for a channel's own file"),
    (BOTH | {"mail.en.j2": PLAIN.replace("order }}.", "recipient.age }}.")}, "has no attribute 'age'"),
    (BOTH | {"mail.en.j2": PLAIN.replace("It is {{ order }}.", "")}, "the text is empty"),
    (BOTH | {"mail.en.j2": PLAIN.replace("It is", "x" * 50_001)}, "mail takes 50000"),
    (html("{{ order|safe }}"), "No filter named 'safe'"),
    (html("{% autoescape false %}{{ order }}{% endautoescape %}"), "autoescape, include"),
    (html("{% include 'other' %}"), "autoescape, include"),
    (html("<p>{{ order }}"), "<p> is not closed"),
    (html("<b><i>{{ order }}</b></i>"), "</b> ends what did not begin there"),
    (html("<script>{{ order }}</script>"), "<script> is not for this channel"),
    (html('<p onclick="x">{{ order }}</p>'), "<p> takes no onclick"),
    (html('<a href="{{ order }}">x</a>'), "it needs a variable that is a url"),
    (html('<img src="javascript:x" alt="">'), "the src of <img> may be anything"),
    (html("<p class={{ order }}>x</p>"), "a variable can become markup"),
    (html("a &nbsp; b"), "& is written &amp;"),
    (html("<!-- x -->"), "is not for this channel"),
    (BOTH | {"telegram.ru.j2": PLAIN + "{% block html %}<p>{{ order }}</p>{% endblock %}"}, "<p> is not for"),
]


@pytest.mark.parametrize(("files", "expected"), FILES, ids=[expected for _, expected in FILES])
def test_what_is_wrong_with_a_file_is_found(write: Write, files: dict[str, str], expected: str) -> None:
    found = problems(write(files))
    assert any(expected in each for each in found), found
    assert all(each.startswith("order/1/") for each in found)


DECLARED: list[tuple[dict[str, Any], str]] = [
    ({"variables": one() | {"more": VARIABLES["order"]}}, "no file uses more"),
    ({"variables": {"Order": VARIABLES["order"]}}, "no name for a variable"),
    ({"variables": {"recipient": VARIABLES["order"]}}, "no name for a variable"),
    ({"variables": one(type="text")}, "type must be one of"),
    ({"variables": one(type=["string"])}, "type must be one of"),
    ({"variables": one(example=1)}, "its example or default must be a text"),
    ({"variables": one(max_length=2)}, "at most 2 characters"),
    ({"variables": one(max_length=0)}, "max_length must be a whole number"),
    ({"variables": one(type="number", example=1, max_length=3)}, "max_length is for texts"),
    ({"variables": one(default="x")}, "a default needs false"),
    ({"variables": one(required=False, default=1)}, "its example or default must be a text"),
    ({"variables": one(requird=False)}, "unknown: requird"),
    ({"variables": {"order": "string"}}, "must be an object"),
    ({"variables": {"order": {"type": "string"}}}, "needs a description and an example"),
    ({"variables": ["order"]}, "variables are an object"),
    ({"description": None}, "a description is a text"),
    ({"description": {"en": "An order"}}, "or one for each of en, ru"),
    ({"description": {"en": "An order", "ru": 1}}, "or one for each of en, ru"),
    ({"variables": one(description={"ru": "Номер"})}, "or one for each of en, ru"),
    ({"channels": []}, "and nothing else"),
]


@pytest.mark.parametrize(("declared", "expected"), DECLARED, ids=[expected for _, expected in DECLARED])
def test_what_is_wrong_with_a_declaration_is_found(
    write: Write, declared: dict[str, Any], expected: str
) -> None:
    found = problems(write(BOTH, **declared))
    assert any(expected in each for each in found), found


def test_a_description_is_one_text_or_one_in_each_language(write: Write) -> None:
    said = {"en": "An order", "ru": "Заказ"}
    found = write(BOTH, description=said, variables=one()).find("order")
    assert (found.descriptions, found.description) == (said, "An order")
    assert found.variables["order"].descriptions == {"en": "Its number", "ru": "Its number"}


def test_what_has_not_the_name_of_a_template_or_a_version_is_found(write: Write) -> None:
    catalogue = write()
    for name in ("Order", "default", "order/01", "order/next"):
        (catalogue.root / name).mkdir()
    (catalogue.root / "readme.txt").touch()
    found = "\n".join(problems(Catalogue(catalogue.root)))
    assert all(f"{name}: " in found for name in ("Order", "default", "order/01", "order/next", "readme.txt"))


def test_a_declaration_that_cannot_be_read_is_found(write: Write) -> None:
    catalogue = write()
    (catalogue.root / "order" / "1" / "template.json").write_text("{")
    assert "template.json cannot be read" in problems(catalogue)[0]


def test_a_name_means_the_newest_version_and_a_version_stays_what_it_was(write: Write) -> None:
    catalogue = write()
    for version in (2, 10):
        newer = catalogue.root / "order" / str(version)
        newer.mkdir()
        for path in (catalogue.root / "order" / "1").iterdir():
            (newer / path.name).write_text(path.read_text("utf-8").replace("It is", f"{version}:"), "utf-8")
    catalogue = Catalogue(catalogue.root)
    assert [each.version for each in catalogue.all_of("order")] == [10, 2, 1]
    said = {
        wanted: render(catalogue.find(wanted), "mail", {"order": "A-1"}, Recipient(None, "en")).text
        for wanted in ("order", "order@1", "order@2")
    }
    assert said == {"order": "10: A-1.", "order@1": "It is A-1.", "order@2": "2: A-1."}
    for unknown, reason in (
        ("order@3", "there is no version 3 of order; there are: 1, 2, 10"),
        ("order@01", "there is no version 01"),
        ("offer", "there is no template 'offer'"),
        ("../order", "there is no template"),
    ):
        with pytest.raises(UnknownTemplateError, match=reason):
            catalogue.find(unknown)


def test_a_channel_without_a_file_of_its_own_has_the_languages(write: Write) -> None:
    catalogue = write(BOTH | {"mail.en.j2": PLAIN.replace("It is", "By mail:")})
    template = catalogue.find("order")
    assert template.channels == sorted(CHANNELS)
    assert template.locales == list(LOCALES)
    by_channel = {
        channel: render(template, channel, {"order": "A"}, Recipient(None, "en")).text for channel in CHANNELS
    }
    assert by_channel.pop("mail") == "By mail: A."
    assert set(by_channel.values()) == {"It is A."}


def test_channels_are_those_that_have_files(write: Write) -> None:
    template = write({"mail.en.j2": PLAIN, "mail.ru.j2": PLAIN}).find("order")
    assert template.channels == ["mail"]

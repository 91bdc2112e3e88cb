"""Whatever stands in a variable, or in a name: nothing of it becomes a tag, or a header."""

from email import policy
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.channels import mail_message
from chalicelib.channels.mail_message import compose
from chalicelib.templating.catalogue import Template, shipped
from chalicelib.templating.checking import HOSTILE
from chalicelib.templating.errors import RenderingError
from chalicelib.templating.markup import MARKUPS, parsed
from chalicelib.templating.rendering import Recipient, Rendered, render
from tests.support.factories import letter
from tests.unit.templating.conftest import PLAIN, Write

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        HOSTILE,
        "a\r\nBcc: eve@example.com",
        "=?utf-8?q?=0ABcc=3A?=",
        "{{ order }}",
        "{% raw %}",
        "&lt;b&gt;",
        "]]>",
    ]
)
WITH_HTML = [
    (template, channel, locale)
    for name in shipped().versions
    for template in shipped().all_of(name)
    for channel in sorted(set(template.channels) & set(MARKUPS))
    for locale in template.locales
]


def filled(template: Template, text: str) -> dict[str, Any]:
    return {
        name: text if variable.type == "string" else variable.example
        for name, variable in template.variables.items()
    }


def said(template: Template, channel: str, locale: str, text: str) -> Rendered:
    return render(template, channel, filled(template, text), Recipient(text, locale, "Europe/Moscow"))


@pytest.mark.parametrize(
    ("template", "channel", "locale"),
    WITH_HTML,
    ids=[f"{template.pinned}-{channel}-{locale}" for template, channel, locale in WITH_HTML],
)
@given(text=TEXTS)
@example(text=HOSTILE)
def test_a_variable_is_text_in_markup(template: Template, channel: str, locale: str, text: str) -> None:
    expected, found = (said(template, channel, locale, each).html for each in ("x", text or "x"))
    if expected is None or found is None:
        assert expected is found
        return
    read = parsed(found, MARKUPS[channel])
    assert read.problems == []
    assert read.shape == parsed(expected, MARKUPS[channel]).shape
    assert readable(text or "x") in readable(read.text)


def readable(text: str) -> str:
    """As it is read: HTML has no NUL, and one kind of line break."""
    return text.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n").strip()


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {[name for name, _ in attrs]}")


@given(text=TEXTS)
@example(text=HOSTILE)
def test_a_whole_mail_has_the_same_tags_and_headers_whatever_is_said(text: str) -> None:
    template = shipped().find("meeting")
    mails = []
    for each in ("x", text or "x"):
        rendered = said(template, "mail", "en", each)
        mail = letter(title=rendered.title, text=rendered.text, html=rendered.html, name=each)
        page = mail_message.render("html", mail)
        parsed_mail = BytesParser(policy=policy.default).parsebytes(
            bytes(compose(mail, "news@vestnik.example"))
        )
        mails.append(
            (_Tags(page).tags, sorted(parsed_mail.keys()), len(str(parsed_mail["Subject"]).splitlines()))
        )
    assert mails[0] == mails[1]
    assert mails[0][2] == 1


@given(text=TEXTS)
def test_plain_text_is_not_escaped_and_a_title_is_one_line(text: str) -> None:
    template = shipped().find("order_shipped@1")
    rendered = render(template, "telegram", {"order": text}, Recipient(None, "en"))
    assert f"Your order {text} is on its way." in rendered.text
    assert len(rendered.title.splitlines()) == 1
    assert rendered.html is None


def test_markup_stands_in_the_mails_own_layout_in_place_of_the_paragraphs() -> None:
    mail = letter(text="Plain <text>", html="<p>It is <b>here</b> &amp; now</p>")
    page, plain = (mail_message.render(form, mail) for form in ("html", "txt"))
    assert "<p>It is <b>here</b> &amp; now</p>" in page
    assert "Plain" not in page
    assert ("Hello, Anna!" in page, "Unsubscribe" in page) == (True, True)
    assert "Plain <text>" in plain
    assert "<b>" not in plain


@pytest.mark.parametrize(
    "attack",
    [
        "{{ order.__class__ }}",
        "{{ order.__class__.__mro__ }}",
        "{{ recipient.__init__.__globals__ }}",
        "{{ ''.format.__self__ }}",
        "{{ self.__class__ }}",
        "{% for each in range(10) %}{% endfor %}",
        "{{ cycler }}",
        "{{ 1 // 0 }}",
        "{{ order | moment }}",
        "{{ missing }}",
    ],
)
def test_a_template_reaches_nothing_but_its_variables_and_breaks_with_a_reason(
    write: Write, attack: str
) -> None:
    template = write({"en.j2": PLAIN.replace("It is {{ order }}.", attack)}).find("order")
    with pytest.raises(RenderingError, match="order@1: "):
        render(template, "mail", {"order": "A-1"}, Recipient(None, "en"))


def test_there_must_be_a_file_for_the_language(write: Write) -> None:
    template = write({"en.j2": PLAIN}).find("order")
    with pytest.raises(RenderingError, match="has nothing for mail in ru"):
        render(template, "mail", {"order": "A-1"}, Recipient(None, "ru"))

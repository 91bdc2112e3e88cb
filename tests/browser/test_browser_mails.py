"""The HTML part of a mail, as a person sees it: on a phone and on a screen, by day and by night."""

import os
from email import policy
from email.parser import BytesParser
from typing import Literal

import pytest
from playwright.sync_api import Page

from chalicelib.channels.base import Letter
from chalicelib.channels.mail_message import compose
from tests.support.factories import letter

pytestmark = pytest.mark.browser

PHONE, SCREEN = 375, 1280
HEIGHT = 900
MIN_CONTRAST = 4.5
"""Of text and what is behind it (WCAG 2.1, AA)."""

LONG_URL = "https://vestnik.example/orders/" + "0123456789abcdef" * 12
MAILS = {
    "en": letter(name="Anna"),
    "ru": letter(
        name="Анна",
        locale="ru",
        title="Ваш заказ отправлен",
        text="Он будет у вас в пятницу.\n\nНомер заказа: 1047.\nСпасибо, что вы с нами!",
    ),
    "long words": letter(
        name="Anna" * 40,
        title="Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " + "x" * 100,
        text=f"Look: {LONG_URL}\n\n" + "w" * 400,
    ),
    "long text": letter(
        locale="ru",
        name="Анна",
        title="Скидки недели: " + "новые предложения, " * 8,
        text="\n\n".join(f"Абзац {number}. " + "Слова, слова, слова. " * 30 for number in range(40)),
    ),
}

CONTRAST = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parts = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const opacity = each => each ? getComputedStyle(each).opacity * opacity(each.parentElement) : 1;
  const probe = document.body.appendChild(document.createElement('div'));
  probe.style.backgroundColor = 'Canvas';
  const behind = parts(getComputedStyle(probe).backgroundColor);
  probe.remove();
  return [...document.querySelectorAll('p, h1, a')].map(each => {
    const share = opacity(each);
    const color = parts(getComputedStyle(each).color);
    const own = color.map((part, at) => share * part + (1 - share) * behind[at]);
    const [low, high] = [light(own), light(behind)].sort((one, other) => one - other);
    return [each.tagName, (high + 0.05) / (low + 0.05)];
  });
}
"""
"""The contrast of each text with what is behind it."""


def html_of(mail: Letter) -> str:
    """The HTML part of a mail, read back as a mail program reads it."""
    written = bytes(compose(mail, "Vestnik <news@vestnik.example>"))
    message = BytesParser(policy=policy.default).parsebytes(written)
    body = message.get_body(preferencelist=("html",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, SCREEN])
@pytest.mark.parametrize("kind", MAILS)
def test_a_mail_is_as_wide_as_its_window_and_legible(
    page: Page, kind: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme=scheme)
    page.set_content(html_of(MAILS[kind]))
    if folder := os.environ.get("SCREENSHOTS"):  # for people
        page.screenshot(path=f"{folder}/{kind.replace(' ', '-')}-{width}-{scheme}.png")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= width
    assert page.locator("h1").inner_text() == MAILS[kind].title.strip()
    assert page.locator("a").get_attribute("href") == MAILS[kind].unsubscribe_url
    poor = [(tag, ratio) for tag, ratio in page.evaluate(CONTRAST) if ratio < MIN_CONTRAST]
    assert poor == []

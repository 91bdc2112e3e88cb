"""Pages from templates: Jinja2, escaped everywhere, with the words of the visitor's language."""

from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from chalicelib.admin import static_files, words
from chalicelib.admin.done import DONE
from chalicelib.services.rights import Access, Role, Scope

if TYPE_CHECKING:
    from chalicelib.admin.visits import Visit

FOLDER = Path(__file__).with_name("templates")
THIN_SPACE = "\u202f"


@cache
def environment(language: str) -> Environment:
    """Jinja2 with the words of a language."""
    env = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        auto_reload=False,
    )
    env.install_gettext_translations(words.catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    env.filters["number"] = number
    env.globals.update(Access=Access, Role=Role, Scope=Scope, static=static_files.address)
    return env


def render(visit: "Visit", template: str, values: dict[str, Any]) -> str:
    """A template's HTML. It knows the visit, and what else the view gives it."""
    env = environment(visit.language)

    def moment(at: str | datetime | None, *, seconds: bool = True) -> Markup:
        return moment_in(visit.zone, at, seconds)

    done = DONE.get(visit.query.get("done", ""))
    return env.get_template(template).render(
        visit=visit,
        to=visit.to,
        may=visit.may,
        moment=moment,
        reason=lambda text: words.reason_in(visit.language, str(text)) if text else "",
        done=visit.say(done) if done else None,
        languages=words.NAMES,
        **values,
    )


def number(value: Any) -> str:
    """A whole number with its thousands apart, as both languages may have it."""
    return f"{int(value):,}".replace(",", THIN_SPACE)


def moment_in(zone: tzinfo, at: str | datetime | None, seconds: bool = True) -> Markup:
    """A moment in a time zone; exactly, where one points at it."""
    if not at:
        return Markup("–")
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    # By UTC: a time of this very zone would be shown as it is, even if the clocks leave it out.
    there = when.astimezone(UTC).astimezone(zone)
    shown = there.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    if there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset():
        offset = there.strftime("%z")  # this hour is there twice
        shown += f" {offset[:3]}:{offset[3:5]}"
    exact = when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, shown)

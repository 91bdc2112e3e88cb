"""Frequencies: all of them, one with its next runs, and pausing, resuming and deleting it."""

from chalice.app import Response

from chalicelib.admin.declaring import Section
from chalicelib.admin.views import timings
from chalicelib.admin.visits import Visit
from chalicelib.services import frequencies
from chalicelib.services.errors import NotFoundError, OutdatedError
from chalicelib.services.frequencies import FrequencyView, Wanted
from chalicelib.services.frequency_times import has_ended, next_runs, state_of
from chalicelib.services.names import is_name
from chalicelib.services.rights import Access
from chalicelib.tables.frequencies import Frequency

section = Section("frequencies")

PAGE = 25
PATH = "/frequencies"
SHOWN_TEXT = 8_000
"""Of a longer text the page shows no more."""


def found(visit: Visit, slug: str) -> FrequencyView:
    """A frequency that the visitor may see."""
    if not is_name(slug):
        raise NotFoundError("there is no such notification frequency")
    return frequencies.find(slug, visit.principal)


def version_in(visit: Visit) -> int:
    """The version that the form was made for; without one the form is none of ours."""
    typed = visit.form.text("version")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 15 else -1


def outdated() -> OutdatedError:
    """The refusal of a change to what is not as it was read."""
    return OutdatedError("Somebody has changed it since you opened this page. Look at it as it is now.")


@section.page(PATH, access=Access.READ)
def show_list(visit: Visit) -> Response:
    """Frequencies of all authors, or of one, by slug."""
    author = visit.query.get("author") or None
    page, following = frequencies.listed(visit.principal, author, visit.query.get("cursor"), PAGE)
    rows = [(row, timings.plan_of(row), *_state(visit, row)) for row in page]
    return visit.show(
        "frequencies/list.html",
        rows=rows,
        next_cursor=following,
        author=author or "",
        is_filtered=bool(author or visit.query.get("cursor")),
    )


def _state(visit: Visit, row: Frequency) -> tuple[str, str | None]:
    runs = next_runs(row, visit.now)
    return state_of(row, visit.now), runs[0] if runs else None


@section.page(f"{PATH}/{{slug}}", access=Access.READ)
def show(visit: Visit, slug: str) -> Response:
    """One frequency: when it runs next, what it sends, and to whom."""
    view = found(visit, slug)
    row = view.frequency
    zone = row.time_zone if row.cron else None
    return visit.show(
        "frequencies/one.html",
        frequency=row,
        content=view.content,
        text=view.content.text[:SHOWN_TEXT],
        plan=timings.plan_of(row),
        state=state_of(row, visit.now),
        has_ended=has_ended(row, visit.now),
        runs=[timings.run_of(visit, at, zone) for at in next_runs(row, visit.now)],
    )


@section.action(f"{PATH}/{{slug}}/pause", access=Access.SEND, again=show)
def pause(visit: Visit, slug: str) -> Response:
    """Have it run no more, until it is resumed."""
    _set_paused(visit, slug, True)
    return visit.go("frequencies", slug, done="frequency-paused")


@section.action(f"{PATH}/{{slug}}/resume", access=Access.SEND, again=show)
def resume(visit: Visit, slug: str) -> Response:
    """Have it run again."""
    row = _set_paused(visit, slug, False)
    done = "frequency-resumed-ended" if has_ended(row, visit.now) else "frequency-resumed"
    return visit.go("frequencies", slug, done=done)


def _set_paused(visit: Visit, slug: str, is_paused: bool) -> Frequency:
    found(visit, slug)
    wanted = Wanted(is_paused=is_paused)
    try:
        return frequencies.change(slug, wanted, visit.principal, visit.now, version_in(visit)).frequency
    except OutdatedError as error:
        raise outdated() from error


@section.action(f"{PATH}/{{slug}}/delete", access=Access.SEND, again=show)
def delete(visit: Visit, slug: str) -> Response:
    """Delete it; what it has sent stays."""
    found(visit, slug)
    try:
        frequencies.delete(slug, visit.principal, visit.now, version_in(visit))
    except OutdatedError as error:
        raise outdated() from error
    return visit.go("frequencies", done="deleted")

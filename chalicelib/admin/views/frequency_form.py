"""Making and changing a frequency, with its next times while they are typed."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from chalice.app import Response
from pydantic import ValidationError

from chalicelib.admin.answering import errors_by_field
from chalicelib.admin.declaring import Section
from chalicelib.admin.forms import Form
from chalicelib.admin.views import timings
from chalicelib.admin.views.contents import variables_of
from chalicelib.admin.views.frequencies import PATH, found, outdated, version_in
from chalicelib.admin.views.long_texts import (
    leave_out,
    put_long_text_aside,
    size_in_page,
    text_in_form,
    text_of,
)
from chalicelib.admin.visits import Visit
from chalicelib.api.fields import ContentFields
from chalicelib.channels import CHANNELS
from chalicelib.domain.id_lists import Rejected, UnreadableListError, read_ids
from chalicelib.services import audiences, frequencies
from chalicelib.services.content import Content
from chalicelib.services.errors import InvalidFieldError, OutdatedError
from chalicelib.services.frequencies import MAX_USERS, FrequencyView, Wanted
from chalicelib.services.names import check_name
from chalicelib.services.rights import Access
from chalicelib.tables.audience_headers import AudienceState
from chalicelib.templating.catalogue import Template, shipped
from chalicelib.templating.errors import UnknownTemplateError

section = Section("frequencies")

OFFERED_AUDIENCES = 50
MAX_BAD_LINES = 20
MAX_ECHO_BYTES = 40_000
"""What is longer is not put into the page again: it has its limit."""


@section.page(f"{PATH}/_new", access=Access.SEND)
def show_new(visit: Visit) -> Response:
    """The form for a new one. No slug is `_new`."""
    return _show_form(visit, "frequencies/new.html", None)


@section.action(f"{PATH}/_new", access=Access.SEND, again=show_new)
def create(visit: Visit) -> Response:
    """Make a frequency."""
    slug = visit.form.text("slug")
    check_name("slug", slug)
    wanted = Wanted(
        timing=timings.typed_timing(visit),
        content=_content(visit),
        is_paused=visit.form.ticked("is_paused"),
        **_whom(visit),
    )
    frequencies.create(slug, wanted, visit.principal, visit.now)
    return visit.go("frequencies", slug, done="created")


@section.page(f"{PATH}/{{slug}}/edit", access=Access.SEND)
def show_edit(visit: Visit, slug: str) -> Response:
    """The form to change one."""
    return _show_form(visit, "frequencies/edit.html", found(visit, slug))


@section.action(f"{PATH}/{{slug}}/edit", access=Access.SEND, again=show_edit)
def change(visit: Visit, slug: str) -> Response:
    """Change what is different from what there is: the form knows which version that was."""
    view = found(visit, slug)
    if view.frequency.version != version_in(visit):
        raise outdated()
    content = _content(visit)
    wanted = Wanted(
        timing=_changed_timing(visit, view),
        content=content if content != _as_asked(view.content) else None,
        **_whom(visit),
    )
    if wanted == Wanted():
        return visit.go("frequencies", slug, done="unchanged")
    try:
        frequencies.change(slug, wanted, visit.principal, visit.now, version_in(visit))
    except OutdatedError as error:
        raise outdated() from error
    return visit.go("frequencies", slug, done="saved")


@section.page(f"{PATH}/_times", access=Access.SEND)
def show_times(visit: Visit) -> Response:
    """The next times of what is typed, or what is wrong with it: a part of the form's page."""
    visit.form = Form({name: [value] for name, value in visit.query.items()})
    try:
        runs, wrong = timings.planned(visit), {}
    except (InvalidFieldError, ValidationError) as error:
        runs, wrong = [], errors_by_field(visit, error)
    return visit.show("frequencies/times.html", runs=runs, wrong=wrong)


@section.action(f"{PATH}/_said", access=Access.SEND)
def show_said(visit: Visit) -> Response:
    """The fields of the template that was chosen: a part of the form's page, which brings what was typed."""
    written_by = _template(visit.form.text("template"))
    return visit.show("notifications/chosen.html", written_by=written_by, values={})


def _show_form(visit: Visit, page: str, view: FrequencyView | None) -> Response:
    row, content = (view.frequency, view.content) if view else (None, None)
    chosen = visit.form.text("template") if visit.form.names() else (content and content.template) or ""
    pinned = {name: shipped().find(name).pinned for name in shipped().versions}
    templates = sorted({*pinned.values(), *([content.template] if content and content.template else [])})
    offered, _ = audiences.listed(
        visit.principal, None, None, OFFERED_AUDIENCES, visit.now, newest_first=True
    )
    bad_lines = _bad_lines(visit)
    put_long_text_aside(visit)
    if size_in_page(visit.form.raw("users")) > MAX_ECHO_BYTES:
        leave_out(visit, "users")
    is_own = content is not None and not content.template
    count, unit = timings.in_units(int(row.period)) if row and row.period else (1, "day")
    return visit.show(
        page,
        frequency=row,
        content=content,
        written_by=_template(chosen),
        chosen=chosen,
        templates=[(each, each) for each in templates],
        channels=[(each, each) for each in CHANNELS],
        audiences=[each for each in offered if each.state == AudienceState.COMPLETE],
        bad_lines=bad_lines[:MAX_BAD_LINES],
        further_bad_lines=max(len(bad_lines) - MAX_BAD_LINES, 0),
        values=(content.variables if content and content.template else None) or {},
        title=content.title if content and is_own else "",
        said=text_in_form(content.text if content and is_own else "", row.notification_id if row else ""),
        count=count,
        unit=unit,
        max_users=MAX_USERS,
    )


def _template(name: str) -> Template | None:
    try:
        return shipped().find(name) if name else None
    except UnknownTemplateError:
        return None


def _content(visit: Visit) -> Content:
    """What it is to say, as the API's own fields check it."""
    form = visit.form
    asked: dict[str, Any] = {
        "type": form.text("type"),
        "is_express": form.ticked("is_express"),
        "content_id": form.text("content_id") or None,
    }
    if name := form.text("template"):
        template = _template(name)
        if template is None:
            raise InvalidFieldError("template", f"there is no template {name[:60]!r}")
        asked |= {"template": name, "variables": variables_of(visit, template)}
    else:
        asked |= {"title": form.text("title"), "text": text_of(visit)}
    return ContentFields.model_validate(asked).content


def _as_asked(content: Content) -> Content:
    """What a frequency says, as a form would ask for it."""
    return replace(content, title="", text="") if content.template else content


def _changed_timing(visit: Visit, view: FrequencyView) -> dict[str, Any]:
    row = view.frequency
    before = {"period": row.period, "cron": row.cron, "time_zone": row.time_zone}
    timing = timings.typed_timing(visit)
    return {
        name: value
        for name, value in timing.items()
        # A field has no seconds: what it shows is what there is, until somebody types something else.
        if (visit.form.text(name) != visit.local(getattr(row, name), name) if name.endswith("_at") else
            value != before[name])
    }  # fmt: skip


def _whom(visit: Visit) -> dict[str, Any]:
    """To whom: users that were pasted, an audience, or (of one that there is) as before."""
    form = visit.form
    if form.text("whom") == "audience":
        try:
            return {"audience_id": str(UUID(form.text("audience_id")))}
        except ValueError as error:
            raise InvalidFieldError("audience_id", "choose an audience, or paste its id") from error
    if form.text("whom") == "users":
        try:
            return {"users": [UUID(bytes=each) for each in read_ids(form.raw("users").encode())]}
        except UnreadableListError as error:
            raise InvalidFieldError("users", "not every line is the id of a user") from error
    return {}


def _bad_lines(visit: Visit) -> Rejected:
    if visit.form.text("whom") != "users":
        return []
    try:
        read_ids(visit.form.raw("users").encode())
    except UnreadableListError as error:
        return error.rejected
    return []

"""A new notification: written, looked at as its recipients will see it, then sent."""

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chalice.app import Response
from markupsafe import Markup

from chalicelib.admin import words
from chalicelib.admin.declaring import Section
from chalicelib.admin.views import notification_form
from chalicelib.admin.views.long_texts import beginning, put_long_text_aside
from chalicelib.admin.views.notification_form import (
    CARRIED_IDS,
    CHOSEN_FROM,
    Recipients,
    begun,
    body_hash,
    carried,
    chosen_template,
    read_body,
    read_recipients,
)
from chalicelib.admin.views.recipient_ids import bad_lines, kept_count, put_long_lists_aside
from chalicelib.admin.visits import HEADERS, Visit
from chalicelib.api.notifications import NewNotification, SubmitHeaders
from chalicelib.channels import CHANNELS
from chalicelib.observability import follow
from chalicelib.services import audiences, submit
from chalicelib.services.errors import InvalidFieldError
from chalicelib.services.rights import Access
from chalicelib.services.send_times import check_send_at
from chalicelib.settings import LOCALES
from chalicelib.tables.audience_headers import AudienceState
from chalicelib.templating.catalogue import DEFAULT, Template

if TYPE_CHECKING:
    from chalicelib.services.templates import Preview

section = Section("notifications")

PART_LINES = 5_000
SHOWN_BYTES = 10_000
"""Of the text in each language, beside what it looks like."""

LOOK_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""Of what a recipient will see: a page of its own, which has its own style and can do nothing."""

_NOT_CARRIED = frozenset(
    {"csrf", "key", "locale", "back", "leave_out", "users", "kept_ids", "audience_id", "way"}
)


@section.page("/notifications/new", access=Access.SEND)
def show_form(visit: Visit) -> Response:
    """The form, empty at first. What is too long for its page is put aside when it is shown again."""
    from chalicelib.services.templates import all_templates

    start = begun(visit)
    wanted = visit.query.get("template", "") or start.values["template"]
    written_by = _chosen(visit, visit.form.text("template", wanted))
    put_long_text_aside(visit)
    put_long_lists_aside(visit)
    return visit.show(
        "notifications/new.html",
        begun=start,
        written_by=written_by,
        channels=[(each, each) for each in CHANNELS],
        templates=[
            (each.pinned, f"{each.pinned} · {each.descriptions[visit.language]}")
            for versions in all_templates()
            for each in versions
        ],
        audiences=_audiences(visit, start),
        key=_key(visit),
        bad=bad_lines(visit),
        kept=kept_count(visit),
        limits=_limits(),
        carried=CARRIED_IDS,
        lines=PART_LINES,
        most=submit.MAX_USERS,
    )


def _chosen(visit: Visit, wanted: str) -> Template | None:
    try:
        return chosen_template(wanted)
    except InvalidFieldError as error:
        # Of a copy, too, whose template is not there any more.
        visit.errors.setdefault("template", words.reason_in(visit.language, error.reason))
        return None


@section.action("/notifications/new/variables", access=Access.SEND)
def show_variables(visit: Visit) -> Response:
    """The fields of the template that was chosen: a part of the form's page, which brings what was typed."""
    written_by = _chosen(visit, visit.form.text("template"))
    return visit.show("notifications/chosen.html", written_by=written_by, values={})


def _limits() -> list[tuple[str, int]]:
    return [(each.name, each.limits.text) for each in CHANNELS.values()]


def _audiences(visit: Visit, start: notification_form.Begun) -> list[Any]:
    """Complete audiences to choose from, and the one that the form is about."""
    page, _ = audiences.listed(visit.principal, None, None, CHOSEN_FROM, visit.now, newest_first=True)
    found = {each.id: each for each in page if each.state == AudienceState.COMPLETE}
    if start.audience is not None and start.audience.state == AudienceState.COMPLETE:
        found[start.audience.id] = start.audience
    chosen = visit.form.text("audience_id")
    if chosen and chosen not in found:
        with suppress(InvalidFieldError, ValueError):  # which is what is said of the field already
            found[chosen] = audiences.usable(str(UUID(chosen)), visit.principal, visit.now)
    return list(found.values())


@section.action("/notifications/new", access=Access.SEND, again=show_form)
def look(visit: Visit) -> Response:
    """What it will look like, and to how many it goes; nothing is sent."""
    if visit.form.has("back"):
        return show_form(visit)
    recipients = read_recipients(visit)
    body = read_body(visit, recipients)
    if body.send_at is not None:
        check_send_at(body.send_at, visit.now, visit.now)
    put_long_text_aside(visit)
    return visit.show(
        "notifications/preview.html",
        body=body,
        recipients=recipients,
        looks=_looks(body),
        fields=_carried(visit, recipients),
        key=_key(visit),
        author=visit.principal.author,
        shown=lambda text: beginning(text, SHOWN_BYTES),
    )


def _looks(body: NewNotification) -> "list[Preview]":
    # Who sends no templates does not load what they need.
    from chalicelib.services.templates import preview

    return preview(body.template or DEFAULT, body.content, LOCALES)


def _carried(visit: Visit, recipients: Recipients) -> list[tuple[str, str]]:
    """What the form of the next page brings back."""
    typed = {name: visit.form.raw(name) for name in visit.form.names() if name not in _NOT_CARRIED}
    return [*typed.items(), *carried(visit, recipients).items()]


def _key(visit: Visit) -> str:
    """The form's own, from the empty form on: whoever goes back and comes again sends nothing twice."""
    return visit.form.text("key")[:100] or f"panel-{secrets.token_urlsafe(24)}"


def _key_of(key: str | None, hashed: str) -> str | None:
    # Another body from the same form is meant to be sent.
    return f"{key}-{hashed[:32]}" if key else None


@section.action("/notifications/new/look", access=Access.SEND)
def show_look(visit: Visit) -> Response:
    """What a recipient will see in one language, as a page for a frame."""
    body = read_body(visit, Recipients([], None, 0, 0, {}))
    found = {each.locale: each for each in _looks(body)}.get(visit.form.text("locale"))
    if found is None:
        raise InvalidFieldError("locale", f"must be one of {', '.join(LOCALES)}")
    html = found.html
    if html is None or not html.lstrip().lower().startswith("<!doctype"):
        said = Markup(html) if html is not None else found.text  # noqa: S704 - escaped when it was filled in
        html = Markup(
            '<!doctype html><meta charset="utf-8"><title>{}</title>'
            "<style>body{{white-space:pre-wrap;font:16px/1.5 sans-serif}}</style><body><b>{}</b>\n\n{}"
        ).format(found.title, found.title, said)
    return Response(str(html), {**HEADERS, "Content-Security-Policy": LOOK_POLICY})


@section.action("/notifications/new/send", access=Access.SEND, again=show_form)
def send(visit: Visit) -> Response:
    """Send it. The same form once more, by a second click or a reload, sends nothing."""
    recipients = read_recipients(visit)
    body = read_body(visit, recipients)
    key = SubmitHeaders.model_validate({"idempotency-key": visit.form.text("key")}).idempotency_key
    hashed = body_hash(body)
    accepted = submit.submit(
        submit.Submission(
            type=body.type,
            title=body.content.title,
            text=body.content.text,
            template=body.template,
            variables=body.variables,
            users=recipients.users,
            audience_id=recipients.audience.id if recipients.audience else None,
            is_express=body.is_express,
            content_id=body.content_id,
            send_at=body.send_at,
            key=_key_of(key, hashed),
            body_hash=hashed,
        ),
        visit.principal,
        visit.now,
    )
    follow(accepted.notification.id)
    said = "scheduled" if body.send_at else "sent-away"
    return visit.go("notifications", accepted.notification.id, done=said)

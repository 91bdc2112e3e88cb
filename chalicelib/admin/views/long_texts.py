"""The text of a notification in a form. One that is too long for a page is kept, and the form has its name.

The name is that of a text which was put aside, or the id of a notification that says it.
"""

from uuid import UUID

from chalice.app import Response
from markupsafe import escape

from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import HEADERS, Visit
from chalicelib.services import form_texts, notifications
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.services.rights import Access

section = Section("notifications")

FIELD, KEPT = "text", "kept_text"
MAX_SHOWN_BYTES = 20_000
"""As a page has it, with quotation marks written out: the rest of its 100 KB is for what else it has."""


def size_in_page(text: str) -> int:
    """How many bytes a text is in a page."""
    return len(escape(text).encode())


def beginning(text: str, most: int) -> str:
    """As much of a text as fits into so many bytes of a page."""
    shown = text[:most]
    while size_in_page(shown) > most:
        shown = shown[: len(shown) * 9 // 10]
    return shown


def leave_out(visit: Visit, name: str) -> None:
    """Have a form that is shown again do without a field that is too long for its page, and say so."""
    visit.form = visit.form.with_fields({name: ""})
    visit.errors.setdefault(name, visit.say("It is too long to be shown again: please paste it again."))


def text_in_form(text: str, notification_id: str) -> dict[str, str]:
    """What a form has at first of a notification's text: itself, or by what it is kept."""
    is_long = size_in_page(text) > MAX_SHOWN_BYTES
    return {FIELD: "", KEPT: notification_id} if is_long else {FIELD: text, KEPT: ""}


def text_of(visit: Visit) -> str:
    """The text of a form: what was typed, or what is kept if nothing was."""
    typed, name = visit.form.raw(FIELD), visit.form.text(KEPT)
    if typed.strip() or not name:
        return typed
    try:
        return _kept(visit, name)
    except NotFoundError as error:
        raise InvalidFieldError(FIELD, "the text is not kept any more: paste it again") from error


def put_long_text_aside(visit: Visit) -> None:
    """Have a form that is shown again, or carried on, name a text that is too long for its page."""
    typed = visit.form.raw(FIELD)
    if size_in_page(typed) <= MAX_SHOWN_BYTES:
        return
    if len(typed.encode()) > form_texts.MAX_BYTES:  # by no channel it could be sent
        leave_out(visit, FIELD)
        return
    visit.form = visit.form.with_fields({FIELD: "", KEPT: form_texts.put_aside(typed, visit.now)})


@section.page("/notifications/new/texts/{name}", access=Access.SEND)
def show_kept(visit: Visit, name: str) -> Response:
    """The whole of a text that a form only names."""
    return Response(_kept(visit, name), {**HEADERS, "Content-Type": "text/plain; charset=utf-8"})


def _kept(visit: Visit, name: str) -> str:
    try:
        notification_id = str(UUID(name))
    except ValueError:
        return form_texts.find(name[:100], visit.now)
    return notifications.visible(notification_id, visit.principal, visit.now).text

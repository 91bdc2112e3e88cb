"""Ids of users that are pasted into a form: which lines are good, and what was agreed to leave out.

Too many for a page are put aside; the form then names them, and has only the lines that are none.
"""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.admin import words
from chalicelib.admin.views.long_texts import beginning, leave_out, size_in_page
from chalicelib.admin.views.uploading import Ids, ids_of
from chalicelib.admin.visits import Visit
from chalicelib.domain.id_lists import without_ids
from chalicelib.services import audience_parts, audiences
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError, TooManyError
from chalicelib.services.submit import MAX_USERS
from chalicelib.tables.audience_headers import Audience

FIELD, KEPT, AGREED = "users", "kept_ids", "leave_out"
MOST_SHOWN = 20
MAX_SHOWN_BYTES = 38_000
"""A thousand ids, a line each: more are put aside."""


def pasted(visit: Visit) -> Ids:
    """The ids that were pasted, now and before, each once."""
    ids = _typed(visit)
    good = list(dict.fromkeys([*_kept_ids(visit), *ids.good]))
    if len(good) > MAX_USERS:
        raise TooManyError(f"users: at most {MAX_USERS} in one request; make an audience for more")
    return Ids(good, ids.bad)


def check_agreed(visit: Visit, ids: Ids) -> None:
    """InvalidFieldError while there are lines without an id that nobody has agreed to leave out, or no id."""
    if ids.bad and not visit.form.ticked(AGREED):
        raise InvalidFieldError(FIELD, "some lines are no user ids")
    if not ids.good:
        raise InvalidFieldError(FIELD, "at least one user is needed")


def put_ids_aside(ids: Sequence[bytes], visit: Visit) -> str:
    """Have ids lie ready for a form for a while; the name by which a form keeps them."""
    made = audiences.create(
        visit.say("Recipients of a notification"), visit.principal, visit.now, is_passing=True
    )
    staged = audience_parts.stage_part(made.id, 1, ids, visit.principal, visit.now)
    audience_parts.add_parts(made.id, [staged], visit.principal, visit.now)
    return made.id


def put_long_lists_aside(visit: Visit) -> None:
    """Have a form that is shown again name many ids, and hold only the lines that are none."""
    typed = visit.form.raw(FIELD)
    if size_in_page(typed) <= MAX_SHOWN_BYTES:
        return
    try:
        ids = pasted(visit)
    except (InvalidFieldError, TooManyError):
        leave_out(visit, FIELD)
        return
    left = without_ids(typed)
    shown = beginning(left, MAX_SHOWN_BYTES)
    if shown != left:
        shown = shown[: shown.rfind("\n") + 1]
        visit.errors[FIELD] = visit.say(
            "Too many lines are no ids: only the first of them are here. "
            "Paste the others again if they should not be left out."
        )
    kept = put_ids_aside(ids.good, visit) if ids.good else ""
    visit.form = visit.form.with_fields({FIELD: shown, KEPT: kept})


def kept_count(visit: Visit) -> int:
    """How many ids the form keeps."""
    try:
        found = _kept(visit)
    except InvalidFieldError:
        return 0
    return int(found.users) if found is not None else 0


def _kept(visit: Visit) -> Audience | None:
    name = visit.form.text(KEPT)
    if not name:
        return None
    try:
        found = audiences.visible(str(UUID(name)), visit.principal, visit.now)
    except (ValueError, NotFoundError) as error:
        raise _gone() from error
    if not found.is_passing:
        raise _gone()
    return found


def _kept_ids(visit: Visit) -> list[bytes]:
    found = _kept(visit)
    try:
        return [user.bytes for user in audience_parts.users_of_parts(found)] if found is not None else []
    except ConflictError as error:
        raise _gone() from error


def _gone() -> InvalidFieldError:
    return InvalidFieldError(FIELD, "the ids are not kept any more: paste them again")


def bad_lines(visit: Visit) -> list[tuple[int, str]]:
    """Of a form that is shown again: its first bad lines, with the reasons in the visitor's language."""
    try:
        bad = _typed(visit).bad
    except InvalidFieldError:  # which is what is said of the field already
        return []
    return [(line, words.reason_in(visit.language, reason)) for line, reason in bad[:MOST_SHOWN]]


def _typed(visit: Visit) -> Ids:
    return ids_of(visit.form.raw(FIELD).encode(), FIELD)

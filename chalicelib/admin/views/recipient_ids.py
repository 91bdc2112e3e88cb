"""Ids of users that are pasted into a form: which lines are good, and what was agreed to leave out."""

from chalicelib.admin import words
from chalicelib.admin.views.uploading import Ids, ids_of
from chalicelib.admin.visits import Visit
from chalicelib.services.errors import InvalidFieldError, TooManyError
from chalicelib.services.submit import MAX_USERS

FIELD, AGREED = "users", "leave_out"
MOST_SHOWN = 20


def pasted(visit: Visit) -> Ids:
    """The ids that were pasted, each once."""
    ids = _typed(visit)
    good = list(dict.fromkeys(ids.good))
    if len(good) > MAX_USERS:
        raise TooManyError(f"users: at most {MAX_USERS} in one request; make an audience for more")
    return Ids(good, ids.bad)


def check_agreed(visit: Visit, ids: Ids) -> None:
    """InvalidFieldError while there are lines without an id that nobody has agreed to leave out, or no id."""
    if ids.bad and not visit.form.ticked(AGREED):
        raise InvalidFieldError(FIELD, "some lines are no user ids")
    if not ids.good:
        raise InvalidFieldError(FIELD, "at least one user is needed")


def bad_lines(visit: Visit) -> list[tuple[int, str]]:
    """Of a form that is shown again: its first bad lines, with the reasons in the visitor's language."""
    try:
        bad = _typed(visit).bad
    except InvalidFieldError:  # which is what is said of the field already
        return []
    return [(line, words.reason_in(visit.language, reason)) for line, reason in bad[:MOST_SHOWN]]


def _typed(visit: Visit) -> Ids:
    return ids_of(visit.form.raw(FIELD).encode(), FIELD)

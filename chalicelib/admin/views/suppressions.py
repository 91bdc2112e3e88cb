"""Suppressions: addresses that nothing is sent to, why, since when; and how they are sent to again."""

from chalice.app import Response
from pydantic import TypeAdapter, ValidationError

from chalicelib.admin import words
from chalicelib.admin.declaring import Section
from chalicelib.admin.visits import Visit
from chalicelib.api.suppressions import SuppressionId, SuppressionsQuery
from chalicelib.channels import CHANNELS
from chalicelib.services import suppression_list
from chalicelib.services.errors import InvalidFieldError, NotFoundError
from chalicelib.services.rights import Access
from chalicelib.services.suppression_list import SuppressionsPage
from chalicelib.tables.suppressions import Suppression

section = Section("suppressions")

PAGE = 25
FILTERS = ("channel", "address")
_ID: TypeAdapter[str] = TypeAdapter(SuppressionId)


@section.page("/suppressions", access=Access.MANAGE)
def show_list(visit: Visit) -> Response:
    """What is suppressed now, the last first: all, of a channel, or of an address."""
    asked = {name: visit.query[name].strip() for name in FILTERS if visit.query.get(name, "").strip()}
    page = SuppressionsPage([], None)
    try:
        query = SuppressionsQuery.model_validate(asked)
        cursor = visit.query.get("cursor")
        page = suppression_list.list_suppressions(cursor, PAGE, query.channel, query.address)
    except ValidationError as error:
        visit.errors |= {str(each["loc"][0]): visit.say("Not a valid value.") for each in error.errors()}
    except InvalidFieldError as error:
        if error.field not in FILTERS:
            raise
        visit.errors[error.field] = words.reason_in(visit.language, error.reason)
    return visit.show(
        "suppressions/list.html",
        page=page,
        is_filtered=bool(asked),
        channels=[(each, each) for each in sorted(CHANNELS)],
    )


@section.page("/suppressions/{suppression_id}", access=Access.MANAGE)
def show_one(visit: Visit, suppression_id: str) -> Response:
    """A suppression, also when it was lifted."""
    return visit.show("suppressions/one.html", suppression=_found(suppression_id))


@section.action("/suppressions/{suppression_id}/lift", access=Access.ADMINISTRATOR, again=show_one)
def lift(visit: Visit, suppression_id: str) -> Response:
    """Let an address be sent to again."""
    found = _found(suppression_id)
    suppression_list.lift_suppression(found.id, visit.principal.author, visit.now)
    return visit.go("suppressions", found.id, done="lifted")


def _found(suppression_id: str) -> Suppression:
    try:
        return suppression_list.find_suppression(_ID.validate_python(suppression_id))
    except ValidationError as error:
        raise NotFoundError("there is no such suppression") from error

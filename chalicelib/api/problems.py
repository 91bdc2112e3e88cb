"""Errors as `application/problem+json` (RFC 9457): one place turns what is refused into HTTP."""

from http import HTTPStatus

from chalice.app import Response
from pydantic import BaseModel, Field, ValidationError

from chalicelib.security import SecretUnavailableError
from chalicelib.services.errors import (
    AlreadyThereError,
    ConflictError,
    ConflictingRepeatError,
    ForbiddenError,
    InvalidFieldError,
    NotAuthenticatedError,
    NotFoundError,
    OutdatedError,
    RejectedLinesError,
    TooManyError,
    TooManyRequestsError,
)
from chalicelib.tables.base import is_outage

MAX_FIELD_ERRORS = 20
RETRY_AFTER_SECONDS = 5
CONTENT_TYPE = "application/problem+json"
WHOLE_BODY = "(body)"


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The path to the field: `title`, `users.3`", examples=["users.3"])
    reason: str = Field(examples=["Input should be a valid UUID"])


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it")
    title: str = Field(description="The status in words", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(description="What happened to this request", examples=["The body was not accepted."])
    errors: list[FieldError] = Field(default=[], description=f"At most {MAX_FIELD_ERRORS} fields")


class HttpError(Exception):
    """An error that is HTTP's own: the form of the request."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


REFUSALS: dict[type[Exception], HTTPStatus] = {
    InvalidFieldError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ConflictingRepeatError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    AlreadyThereError: HTTPStatus.CONFLICT,
    ConflictError: HTTPStatus.CONFLICT,
    OutdatedError: HTTPStatus.PRECONDITION_FAILED,
    RejectedLinesError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
}


def may_pass(error: Exception) -> bool:
    """Whether it may be over in a moment: the client should come again. Else it is a fault of ours."""
    return isinstance(error, SecretUnavailableError) or is_outage(error)


def problem(status: HTTPStatus, detail: str, errors: list[FieldError] | None = None) -> Response:
    """The answer that says what went wrong."""
    headers: dict[str, str | list[str]] = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="vestnik", Bearer realm="vestnik"'
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    body = Problem(title=status.phrase, status=status, detail=detail, errors=errors or [])
    return Response(body.model_dump_json(), headers, status)


def refusal(error: Exception) -> Response:
    """The answer to what a use case refused."""
    errors: list[FieldError] = []
    if isinstance(error, InvalidFieldError):
        errors = [FieldError(field=error.field, reason=error.reason)]
    elif isinstance(error, RejectedLinesError):
        errors = [
            FieldError(field=f"line {line}", reason=reason) for line, reason in error.lines[:MAX_FIELD_ERRORS]
        ]
    answer = problem(REFUSALS[type(error)], str(error), errors)
    if isinstance(error, TooManyRequestsError):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def invalid(error: ValidationError, what: str) -> Response:
    """The answer to a body, a query or headers that do not have the declared form."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] == "json_invalid" for each in found):
        return problem(HTTPStatus.BAD_REQUEST, f"The {what} is not JSON: {found[0]['msg']}")
    errors = [
        FieldError(field=".".join(map(str, each["loc"])) or WHOLE_BODY, reason=each["msg"])
        for each in found[:MAX_FIELD_ERRORS]
    ]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The {what} was not accepted.", errors)

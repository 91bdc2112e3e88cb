"""Tokens of users, issued by the operator: so that everything works with nothing outside."""

from datetime import datetime

from chalicelib import settings
from chalicelib.directory.ids import user_id_in
from chalicelib.services.errors import InvalidFieldError, RefusedError


def issue_user_token(user_id: str, now: datetime) -> str:
    """A token for a user, where tokens are checked by the deployment's own key."""
    from chalicelib.directory import signed_tokens

    user = user_id_in(user_id)
    if user is None:
        raise InvalidFieldError("user_id", f"{user_id!r} is not a UUID")
    if (way := settings.current().user_auth.way) != "key":
        raise RefusedError(f"this deployment takes no tokens of its own: USER_AUTH is {way}")
    try:
        return signed_tokens.issue(user, now)
    except ValueError as error:
        raise RefusedError(str(error)) from error

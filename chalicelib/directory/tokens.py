"""Users' tokens: whose a token is, by the way that the deployment is set to.

`host`: the users service is asked. `key`: a JWT, checked here by a key. `jwks`: a JWT, by published keys.
"""

import hashlib
import re

from chalicelib import security, settings
from chalicelib.directory import InvalidUserTokenError, UsersServiceUnavailableError
from chalicelib.directory.ids import user_id_in
from chalicelib.domain.times import utc_now
from chalicelib.kept import Kept
from chalicelib.outside import Limits, OutsideError, Request, Service
from chalicelib.settings import OUTSIDE_SECONDS

__all__ = ["InvalidUserTokenError", "UsersServiceUnavailableError", "forget", "user_id_of"]

AUTH = Service("the users service's tokens", silence_seconds=5)
REFUSED = (400, 401, 403, 422)
"""Of what is asked only the token differs. 404 is no refusal: the address is wrong."""
REFUSAL_KEPT_SECONDS = 5

_known: Kept[str] = Kept()
"""User ids by a hash of their token: tokens themselves are not kept."""
_refused: Kept[bool] = Kept(REFUSAL_KEPT_SECONDS)
"""Hashes of refused tokens: the same garbage again need not ask again."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


def user_id_of(token: str) -> str:
    """The user whose token this is, a lower-case UUID.

    InvalidUserTokenError when it is nobody's, UsersServiceUnavailableError when that cannot be known now.
    """
    if not _TOKEN.fullmatch(token):
        raise InvalidUserTokenError("a token is of 1 to 4096 visible ASCII characters")
    way = settings.current().user_auth.way
    if way == "host":
        return _by_host(token)
    from chalicelib.directory import signed_tokens

    return signed_tokens.by_key(token) if way == "key" else signed_tokens.by_published_key(token)


def forget() -> None:
    """Begin anew: no token is known, and nobody was silent."""
    _known.forget()
    _refused.forget()
    AUTH.forget()


def _by_host(token: str) -> str:
    now, mark = utc_now(), hashlib.sha256(token.encode()).hexdigest()
    if known := _known.get(mark, now):
        return known
    if _refused.get(mark, now):
        raise InvalidUserTokenError("the users service did not know this token a moment ago")
    if security.is_own_token(token):
        raise InvalidUserTokenError("it is an administrator's, and needs `Bearer` before it")
    try:
        user_id = _ask(token)
    except InvalidUserTokenError:
        _refused.put(mark, True, now)
        raise
    _known.put(mark, user_id, now)
    return user_id


def _ask(token: str) -> str:
    configured = settings.current()
    limits = Limits(configured.users_service.tries, configured.users_service.timeout_seconds, OUTSIDE_SECONDS)
    request = Request("GET", configured.user_auth.host, {"Authorization": f"Bearer {token}"})
    try:
        answer = AUTH.ask_one(request, limits)
        if answer.status in REFUSED:
            raise InvalidUserTokenError("the users service does not know this token")
        found = user_id_in(answer.object().get("id"))
        if found is None:
            raise OutsideError("no user's id")
    except OutsideError as error:
        raise UsersServiceUnavailableError(f"from the users service: {error}") from error
    return found

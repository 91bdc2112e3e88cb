"""/api/v1/user_token: administrators log in, and change their password."""

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Caller, Resource
from chalicelib.domain.times import utc_now
from chalicelib.services import administrators
from chalicelib.services.authentication import administrator_of_token, forget, log_in, principal_of
from chalicelib.services.rights import Access

resource = Resource("tokens")


class Credentials(BaseModel):
    """A log-in."""

    username: str = Field(max_length=64, examples=["anna"])
    password: str = Field(max_length=256, examples=["correct horse battery staple"])


class TokensOut(BaseModel):
    """What a log-in gives."""

    access: str = Field(description="For `Authorization: Bearer …`, a short time", examples=["eyJhbGciOi…"])
    refresh: str = Field(description="For further access tokens, a longer time", examples=["eyJhbGciOi…"])


class Refresh(BaseModel):
    """A refresh token, to be changed for an access token."""

    refresh: str = Field(max_length=4096, examples=["eyJhbGciOi…"])


class AccessOut(BaseModel):
    """A further access token."""

    access: str = Field(examples=["eyJhbGciOi…"])


class NewPassword(Credentials):
    """An administrator's new password, proved by the old one."""

    new_password: str = Field(
        min_length=administrators.MIN_PASSWORD_LENGTH,
        max_length=administrators.MAX_PASSWORD_LENGTH,
        examples=["battery staple correct horse"],
    )


@resource.post("/api/v1/user_token", access=Access.ANYONE, refuses=(401, 429, 503))
def create_token(caller: Caller, body: Credentials) -> TokensOut:
    """Log in as an administrator.

    Failed attempts are counted for the login from its source and for the source; too many are a 429 with
    Retry-After.
    """
    now = utc_now()
    tokens = administrators.issue_tokens(log_in(body.username, body.password, caller.source, now), now)
    return TokensOut(access=tokens.access, refresh=tokens.refresh)


@resource.post("/api/v1/user_token/refresh", access=Access.ANYONE, refuses=(401, 503))
def refresh_token(body: Refresh) -> AccessOut:
    """Get a further access token. A new password ends every token that was issued before."""
    now = utc_now()
    found = administrator_of_token(body.refresh, "refresh", now)
    return AccessOut(access=administrators.issue_access_token(found, now))


@resource.post("/api/v1/user_password", access=Access.ANYONE, refuses=(401, 429, 503))
def change_password(caller: Caller, body: NewPassword) -> None:
    """Change an administrator's password; all of their tokens end, within half a minute everywhere."""
    found = log_in(body.username, body.password, caller.source, utc_now())
    administrators.change_password(body.username, body.new_password, by=principal_of(found).author)
    forget()

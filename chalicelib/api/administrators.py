"""/api/v1/administrators: the people who may use the API and its panel, and their roles."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.lists import ListQuery
from chalicelib.domain.times import utc_now
from chalicelib.services import administrators, names
from chalicelib.services.authentication import forget
from chalicelib.services.rights import Access, Principal, Role
from chalicelib.tables.principals import Administrator

resource = Resource("administrators")

PATH = "/api/v1/administrators"

Login = Annotated[str, StringConstraints(pattern=names.PATTERN, max_length=names.MAX_LENGTH)]


class NewAdministrator(BaseModel):
    """An administrator to make."""

    login: Login = Field(examples=["olga"])
    role: Role = Field(
        description="viewer: sees everything that is sent, changes nothing; sender: sends as well, and keeps "
        "audiences and frequencies; manager: may do everything",
        examples=["sender"],
    )


class AdministratorOut(BaseModel):
    """An administrator. Their password is shown when it is made, and never again."""

    login: str = Field(examples=["olga"])
    role: Role
    is_active: bool
    created_at: str
    created_by: str | None = Field(examples=["administrator:anna"])
    last_login_at: str | None = Field(description="In the panel")


class AdministratorWithPassword(AdministratorOut):
    """An administrator and their new password."""

    password: str = Field(description="Shown this once; only a hash is kept")


class AdministratorsOut(BaseModel):
    """Some administrators by login."""

    results: list[AdministratorOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


class ChangedAdministrator(BaseModel):
    """What is to be different; what is left out stays."""

    role: Role | None = Field(default=None, examples=["sender"])
    is_active: bool | None = Field(
        default=None,
        description="false disables them and ends their sessions and tokens, everywhere within half a minute",
        examples=[True],
    )


@resource.post(PATH, access=Access.ADMINISTRATOR, status=201, refuses=(409,))
def create_administrator(principal: Principal, body: NewAdministrator) -> AdministratorWithPassword:
    """Make an administrator. Their generated password is in the answer, this once."""
    password = administrators.create_administrator(
        body.login, utc_now(), role=body.role, author=principal.author
    )
    return _with_password(body.login, password)


@resource.get(PATH, access=Access.ADMINISTRATOR)
def list_administrators(query: ListQuery) -> AdministratorsOut:
    """Administrators by login. One of before there were lists is in it after they log in to the panel."""
    page = administrators.list_administrators(query.cursor, query.limit)
    return AdministratorsOut(
        results=[AdministratorOut(**_shown(each)) for each in page.administrators], next=page.next_cursor
    )


@resource.get(PATH + "/{login}", access=Access.ADMINISTRATOR)
def read_administrator(login: Login) -> AdministratorOut:
    """One administrator."""
    return AdministratorOut(**_shown(administrators.find_administrator(login)))


@resource.patch(PATH + "/{login}", access=Access.ADMINISTRATOR, refuses=(409,))
def change_administrator(principal: Principal, login: Login, body: ChangedAdministrator) -> AdministratorOut:
    """Change an administrator's role, disable them or enable them again.

    Nobody changes their own rights (409), so that there is always a manager left.
    """
    changed = administrators.change_administrator_rights(login, principal, body.role, body.is_active)
    forget()
    return AdministratorOut(**_shown(changed))


@resource.post(PATH + "/{login}/password", access=Access.ADMINISTRATOR, refuses=(409,))
def give_new_password(principal: Principal, login: Login) -> AdministratorWithPassword:
    """Give an administrator a new generated password; their sessions and tokens end.

    The password is in the answer, this once. The own one is changed by `POST /api/v1/user_password/`: 409.
    """
    password = administrators.give_new_password(login, principal)
    forget()
    return _with_password(login, password)


@resource.post(PATH + "/{login}/end_sessions", access=Access.ADMINISTRATOR)
def end_sessions(login: Login) -> None:
    """Log an administrator out everywhere: every session of the panel and every token ends."""
    administrators.end_sessions(login)
    forget()


def _with_password(login: str, password: str) -> AdministratorWithPassword:
    found = administrators.find_administrator(login)
    return AdministratorWithPassword(**_shown(found), password=password)


def _shown(administrator: Administrator) -> dict[str, Any]:
    return {
        "login": administrator.login,
        "role": administrators.role_of(administrator),
        "is_active": administrator.is_active,
        "created_at": administrator.created_at,
        "created_by": administrator.created_by,
        "last_login_at": administrator.last_login_at,
    }

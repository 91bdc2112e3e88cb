"""Rights: who acts, and what they may. The one place that decides; the API and its panel both ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from chalicelib.services.errors import ForbiddenError


class Scope(StrEnum):
    """What an application may be allowed."""

    SEND = "send"
    READ = "read"
    MANAGE = "manage"


DEFAULT_SCOPES = frozenset({Scope.SEND, Scope.READ})


class Role(StrEnum):
    """What an administrator may do: each role all that the one before it may."""

    VIEWER = "viewer"
    SENDER = "sender"
    MANAGER = "manager"


SCOPES_OF_ROLE = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.SENDER: frozenset({Scope.READ, Scope.SEND}),
    Role.MANAGER: frozenset(Scope),
}


@dataclass(frozen=True)
class Principal:
    """Who acts: an administrator (who sees everything), an application (its own) or a user (themselves)."""

    kind: str
    name: str
    scopes: frozenset[Scope] = DEFAULT_SCOPES

    @property
    def author(self) -> str:
        """How the principal stands in a notification, and which tenant it is in the queues."""
        return f"{self.kind}:{self.name}"

    @property
    def is_administrator(self) -> bool:
        return self.kind == "administrator"

    @property
    def is_application(self) -> bool:
        return self.kind == "application"

    @property
    def is_user(self) -> bool:
        return self.kind == "user"

    def may_see(self, author: str) -> bool:
        """Whether what this author made is shown to the principal."""
        return self.is_administrator or self.author == author

    def check_is(self, user_id: str) -> None:
        """A user acts for nobody else: ForbiddenError. Whoever manages users does."""
        if self.is_user and self.name != user_id:
            raise ForbiddenError("a user's token is for that user only")


def administrator(login: str, role: Role = Role.MANAGER) -> Principal:
    """An administrator who acts in a role."""
    return Principal("administrator", login, SCOPES_OF_ROLE[role])


def _may(scope: Scope) -> Callable[[Principal], bool]:
    return lambda who: (who.is_administrator or who.is_application) and scope in who.scopes


class Access(Enum):
    """Who may call an endpoint."""

    ANYONE = "anyone"
    SEND = "an administrator who is a sender or a manager, or an application with the scope `send`"
    READ = "an administrator, or an application with the scope `read`"
    MANAGE = "an administrator who is a manager, or an application with the scope `manage`"
    LOOK = "an administrator"
    ADMINISTRATOR = "an administrator who is a manager"
    USER = "the user"
    USER_OR_MANAGER = "the user, an administrator who is a manager, or an application with the scope `manage`"


_ALLOWS: dict[Access, Callable[[Principal], bool]] = {
    Access.ANYONE: lambda _: True,
    Access.SEND: _may(Scope.SEND),
    Access.READ: _may(Scope.READ),
    Access.MANAGE: _may(Scope.MANAGE),
    Access.LOOK: lambda who: who.is_administrator,
    Access.ADMINISTRATOR: lambda who: who.is_administrator and Scope.MANAGE in who.scopes,
    Access.USER: lambda who: who.is_user,
    Access.USER_OR_MANAGER: lambda who: who.is_user or _may(Scope.MANAGE)(who),
}


def has(access: Access, principal: Principal) -> bool:
    """Whether the principal has this access."""
    return _ALLOWS[access](principal)


def check(access: Access, principal: Principal) -> None:
    """ForbiddenError, unless the principal has this access."""
    if not has(access, principal):
        raise ForbiddenError(f"this is for {access.value}")

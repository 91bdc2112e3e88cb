"""Administrators: their roles, their passwords, and the tokens that end with a new password.

The first is made by a command; further ones by a manager.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pynamodb.expressions.update import Action

from chalicelib import security, settings
from chalicelib.domain.times import iso
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import AlreadyThereError, ConflictError, InvalidFieldError, NotFoundError
from chalicelib.services.names import check_name, is_name
from chalicelib.services.rights import Principal, Role
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.listing import listed_shard
from chalicelib.tables.principals import Administrator, administrators_page, change_administrator
from chalicelib.tables.transactions import TransactionLostError, transact, update_of

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256


@dataclass(frozen=True)
class Tokens:
    """A short token for requests, and a longer one that gives further ones."""

    access: str
    refresh: str


@dataclass(frozen=True)
class AdministratorsPage:
    """Some administrators by login, and where the next ones begin."""

    administrators: list[Administrator]
    next_cursor: str | None


def role_of(administrator: Administrator) -> Role:
    """What an administrator may do; who was made before there were roles may do everything."""
    return Role(administrator.role) if administrator.role else Role.MANAGER


def fingerprint_of(administrator: Administrator) -> str:
    """What everything that is issued to an administrator remembers of them."""
    return security.fingerprint(administrator.password_hash, int(administrator.sessions or 0))


def create_administrator(
    login: str,
    now: datetime,
    password: str | None = None,
    role: Role = Role.MANAGER,
    author: str = "operator",
) -> str:
    """Make an administrator; the password, generated where none is given."""
    check_name("login", login)
    password = password or security.generate_password()
    _check_password("password", password)
    row = Administrator(
        login,
        password_hash=security.hash_administrator_password(password),
        role=str(role),
        created_at=iso(now),
        created_by=author,
        listed=listed_shard(login),
    )
    try:
        row.put(condition=Administrator.login.does_not_exist())
    except ConditionFailedError as failure:
        # The echo of our own write carries our own hash, which nobody else has.
        if failure.found["password_hash"]["S"] != row.password_hash:
            raise AlreadyThereError(f"there is an administrator {login!r} already") from failure
    audit.record("created", "administrator", login, after={"role": str(role)})
    return password


def find_administrator(login: str) -> Administrator:
    """An administrator; else NotFoundError."""
    if not is_name(login):
        raise NotFoundError("there is no such administrator")
    return _there(Administrator.one(login, consistent=True))


def list_administrators(cursor: str | None, limit: int) -> AdministratorsPage:
    """Some administrators by login. One of before there were lists is in it after the next log-in."""
    after = read_place(cursor)
    return AdministratorsPage(*page_of(administrators_page(after, limit + 1), limit))


def change_administrator_rights(
    login: str, by: Principal, role: Role | None = None, is_active: bool | None = None
) -> Administrator:
    """Change an administrator's role, disable them or enable them again; None leaves it as it is.

    Nobody changes their own, and who changes another's has to be a manager still as it is done: so there is
    always a manager left. ConflictError says so.
    """
    before = find_administrator(login)
    if by.is_administrator and by.name == login:
        raise ConflictError("nobody changes their own rights: another manager has to")
    row = Administrator
    actions: list[Action] = []
    if role is not None:
        actions.append(row.role.set(str(role)))
    if is_active is not None:
        actions.append(row.is_active.set(is_active))
        if not is_active:
            actions.append(row.sessions.set(int(before.sessions or 0) + 1))
    changed = _changed_by(by, login, actions) if actions else before
    audit.record(
        "changed", "administrator", login,
        before={"role": str(role_of(before)), "is_active": before.is_active},
        after={"role": str(role_of(changed)), "is_active": changed.is_active},
    )  # fmt: skip
    return changed


def change_password(login: str, password: str | None = None, by: str | None = None) -> str:
    """Give an administrator another password, generated where none is given; all their tokens end.

    `by` is who has proved to be it where nobody is known to act.
    """
    password = password or security.generate_password()
    _check_password("new_password", password)
    hashed = security.hash_administrator_password(password)
    if change_administrator(login, [Administrator.password_hash.set(hashed)]) is None:
        raise InvalidFieldError("login", f"there is no administrator {login!r}")
    audit.record("password changed", "administrator", login, who=by)
    return password


def give_new_password(login: str, by: Principal) -> str:
    """Generate another password for somebody else; all their sessions and tokens end.

    The own one is changed by proving the old one, else whoever finds a session could keep it: ConflictError.
    """
    find_administrator(login)
    if by.is_administrator and by.name == login:
        raise ConflictError("the own password is changed with the old one")
    return change_password(login)


def end_sessions(login: str) -> None:
    """Log an administrator out everywhere: every session of the panel and every token of the API ends."""
    before = find_administrator(login)
    _changed(login, [Administrator.sessions.set(int(before.sessions or 0) + 1)])
    audit.record("logged out everywhere", "administrator", login)


def note_log_in(found: Administrator, now: datetime) -> None:
    """Remember when an administrator was last here."""
    row = Administrator
    change_administrator(
        found.login, [row.last_login_at.set(iso(now)), row.listed.set(listed_shard(found.login))]
    )


def issue_tokens(administrator: Administrator, now: datetime) -> Tokens:
    """Tokens for somebody whose password was right."""
    configured = settings.current()
    return Tokens(
        access=issue_access_token(administrator, now),
        refresh=_issue(administrator, "refresh", configured.refresh_token_days * 86_400, now),
    )


def issue_access_token(administrator: Administrator, now: datetime) -> str:
    """A token for requests."""
    return _issue(administrator, "access", settings.current().access_token_minutes * 60, now)


def issue_token(login: str, now: datetime) -> str:
    """An access token for an administrator, as an operator's command gives it."""
    found = Administrator.one(login, consistent=True)
    if found is None:
        raise InvalidFieldError("login", f"there is no administrator {login!r}")
    return issue_access_token(found, now)


def _issue(administrator: Administrator, use: str, seconds: int, now: datetime) -> str:
    claims = security.Claims(administrator.login, fingerprint_of(administrator))
    return security.issue_token(settings.current().token_secret, claims, use, seconds, now)


def _check_password(field: str, password: str) -> None:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidFieldError(field, f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")


def _changed_by(by: Principal, login: str, actions: Sequence[Action]) -> Administrator:
    """Change an administrator by another, who must not lose their own rights at the same moment."""
    if not by.is_administrator:  # a command's
        return _changed(login, actions)
    row = Administrator
    is_manager = row.login.exists() & (row.is_active == True)  # noqa: E712
    is_manager &= row.role.does_not_exist() | (row.role == str(Role.MANAGER))
    mine = row.listed.set(listed_shard(by.name))
    try:
        transact(
            [
                update_of(row, login, actions=actions, condition=row.login.exists()),
                update_of(row, by.name, actions=[mine], condition=is_manager),
            ]
        )
    except TransactionLostError as error:
        raise ConflictError("these rights, or your own, are just being changed by another") from error
    return find_administrator(login)


def _changed(login: str, actions: Sequence[Action]) -> Administrator:
    return _there(change_administrator(login, actions))


def _there(found: Administrator | None) -> Administrator:
    if found is None:
        raise NotFoundError("there is no such administrator")
    return found

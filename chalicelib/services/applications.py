"""Applications: the programs that may create notifications, each with a generated password."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib import security
from chalicelib.domain.times import iso, parse
from chalicelib.services import audit
from chalicelib.services.cursors import page_of, read_place
from chalicelib.services.errors import AlreadyThereError, ConflictError, InvalidFieldError, NotFoundError
from chalicelib.services.names import check_name
from chalicelib.services.rights import DEFAULT_SCOPES, Scope
from chalicelib.tables.base import ConditionFailedError
from chalicelib.tables.listing import listed_shard
from chalicelib.tables.principals import Application, applications_page, change_application, change_password

RESERVED_SLUGS = frozenset({"basic", "bearer"})
"""The schemes of the Authorization header, which an application's slug stands in the place of."""

OLD_PASSWORD_HOURS = 24
MAX_OLD_PASSWORD_HOURS = 168
"""How long the password before the last rotation is good as well: by default, and at most."""
REPEATED_MINUTES = 10
"""A rotation so soon after another is a repetition: the password in between was most likely never seen."""


@dataclass(frozen=True)
class WithPassword:
    """An application and its password, which is known at this moment only: a hash is what is kept."""

    application: Application
    password: str


@dataclass(frozen=True)
class ApplicationsPage:
    """Some applications, and where the next ones begin."""

    applications: list[Application]
    next_cursor: str | None


def scopes_of(application: Application) -> frozenset[Scope]:
    """What an application may do."""
    return frozenset(map(Scope, application.scopes or ())) if application.scopes else DEFAULT_SCOPES


def register_application(
    slug: str, now: datetime, scopes: Iterable[Scope] = DEFAULT_SCOPES, author: str = "operator"
) -> WithPassword:
    """Register an application, with a generated password."""
    check_name("slug", slug)
    if slug in RESERVED_SLUGS:
        raise InvalidFieldError("slug", f"{slug!r} is the name of an authorization scheme")
    password = security.generate_password()
    row = Application(
        slug,
        password_hash=security.hash_application_password(password),
        scopes=set(map(str, scopes)),
        created_at=iso(now),
        created_by=author,
        listed=listed_shard(slug),
    )
    try:
        row.put(condition=Application.slug.does_not_exist())
    except ConditionFailedError as failure:
        # The echo of our own write carries our own hash, which nobody else has.
        if failure.found["password_hash"]["S"] != row.password_hash:
            raise AlreadyThereError(f"there is an application {slug!r} already") from failure
    audit.record("registered", "application", slug, after=_told(row))
    return WithPassword(row, password)


def find_application(slug: str) -> Application:
    """An application; else NotFoundError."""
    found = Application.one(slug, consistent=True)
    return _there(found)


def list_applications(cursor: str | None, limit: int) -> ApplicationsPage:
    """Some applications by slug."""
    after = read_place(cursor)
    return ApplicationsPage(*page_of(applications_page(after, limit + 1), limit))


def rotate_password(slug: str, keep_old_hours: int, now: datetime) -> WithPassword:
    """Give an application a new password; the old one is good as well for so many hours.

    Only two are ever good. Rotated again within a few minutes, the answer was most likely lost: the one that
    stays good is the one before, which the application uses, and not the one that nobody has seen.
    ConflictError when another has changed the password at the same time.
    """
    before = find_application(slug)
    password = security.generate_password()
    row = Application
    actions = [row.rotated_at.set(iso(now))]
    if keep_old_hours:
        kept = before.previous_hash if _is_repeated(before, now) else before.password_hash
        actions += [
            row.previous_hash.set(kept),
            row.previous_until.set(iso(now + timedelta(hours=keep_old_hours))),
        ]
    else:
        actions += [row.previous_hash.remove(), row.previous_until.remove()]
    new_hash = security.hash_application_password(password)
    changed = change_password(slug, before.password_hash, new_hash, actions)
    if changed is None:
        raise ConflictError("the password has just been changed by another request")
    audit.record(
        "password rotated", "application", slug, after={"old_password_until": changed.previous_until}
    )
    return WithPassword(changed, password)


def _is_repeated(before: Application, now: datetime) -> bool:
    """Whether a rotation comes so soon after another that it most likely takes its place."""
    if not (before.previous_hash and before.previous_until and before.rotated_at):
        return False
    since = now - parse(before.rotated_at)
    return now < parse(before.previous_until) and since < timedelta(minutes=REPEATED_MINUTES)


def change_rights(slug: str, scopes: Iterable[Scope] | None, is_active: bool | None) -> Application:
    """Change what an application may do; None leaves it as it is. It takes effect within half a minute."""
    row = Application
    actions = []
    if scopes is not None:
        actions.append(row.scopes.set(set(map(str, scopes))))
    if is_active is not None:
        actions.append(row.is_active.set(is_active))
    before = find_application(slug)
    changed = _there(change_application(slug, actions)) if actions else before
    audit.record("changed", "application", slug, before=_told(before), after=_told(changed))
    return changed


def _told(application: Application) -> dict[str, Any]:
    return {"scopes": sorted(scopes_of(application)), "is_active": application.is_active}


def _there(found: Application | None) -> Application:
    if found is None:
        raise NotFoundError("there is no such application")
    return found

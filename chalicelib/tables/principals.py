"""Who may create notifications: administrators, and the applications that they registered."""

from collections.abc import Sequence
from datetime import datetime

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.domain.times import iso
from chalicelib.tables.base import ConditionFailedError, Table, batch_get
from chalicelib.tables.listing import LISTED, keys_page


class ListedAdministrators(GlobalSecondaryIndex["Administrator"]):
    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    login = UnicodeAttribute(range_key=True)


class Administrator(Table):
    """`sessions` is raised to end everything that was issued; no `role`: one of before there were roles."""

    class Meta:
        table_name = ""

    table_variable = "ADMINS_TABLE"

    login = UnicodeAttribute(hash_key=True)
    password_hash = UnicodeAttribute()
    is_active = BooleanAttribute(default=True)
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute(null=True)
    role = UnicodeAttribute(null=True)
    sessions = NumberAttribute(default=0)
    last_login_at = UnicodeAttribute(null=True)
    listed = UnicodeAttribute(null=True)

    listed_index = ListedAdministrators()


def change_administrator(login: str, actions: Sequence[Action]) -> Administrator | None:
    """Change an administrator; how it is now, or None if there is none. Only values that may be set twice."""
    try:
        return Administrator.change(
            login, actions=actions, condition=Administrator.login.exists(), returning=True
        )
    except ConditionFailedError:
        return None


def administrators_page(after: str | None, limit: int) -> list[tuple[str, Administrator | None]]:
    """Some administrators by login: the logins, and what is there still."""
    logins = [entry.login for entry in keys_page(Administrator.listed_index, LISTED, after, limit)]
    found = {row.login: row for row in batch_get({Administrator: logins}, consistent=True)[Administrator]}
    return [(login, found.get(login)) for login in logins]


class Listed(GlobalSecondaryIndex["Application"]):
    class Meta:
        index_name = "listed"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    slug = UnicodeAttribute(range_key=True)


class Application(Table):
    """`previous_hash` is good as well until `previous_until`; `used` counts the requests of the `window`.

    `rotated_at` is when the password was last made anew.
    """

    class Meta:
        table_name = ""

    table_variable = "APPLICATIONS_TABLE"

    slug = UnicodeAttribute(hash_key=True)
    password_hash = UnicodeAttribute()
    previous_hash = UnicodeAttribute(null=True)
    previous_until = UnicodeAttribute(null=True)
    rotated_at = UnicodeAttribute(null=True)
    scopes = UnicodeSetAttribute(null=True)
    is_active = BooleanAttribute(default=True)
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute(null=True)
    last_used_at = UnicodeAttribute(null=True)
    window = NumberAttribute(null=True)
    used = NumberAttribute(null=True)
    listed = UnicodeAttribute(null=True)

    listed_index = Listed()


def change_application(slug: str, actions: Sequence[Action]) -> Application | None:
    """Change an application; how it is now, or None if there is none. Only values that may be set twice."""
    try:
        return Application.change(slug, actions=actions, condition=Application.slug.exists(), returning=True)
    except ConditionFailedError:
        return None


def change_password(slug: str, before: str, after: str, actions: Sequence[Action]) -> Application | None:
    """Change a password's hash, if it is still the one read before; how the application now is, else None."""
    row = Application
    try:
        return row.change(
            slug,
            actions=[row.password_hash.set(after), *actions],
            condition=row.password_hash == before,
            returning=True,
        )
    except ConditionFailedError as failure:
        found = row.from_raw_data(failure.item) if failure.item else None
        return found if found and found.password_hash == after else None  # its own echo


def applications_page(after: str | None, limit: int) -> list[tuple[str, Application | None]]:
    """Some applications by slug: the slugs, and what is there still."""
    slugs = [entry.slug for entry in keys_page(Application.listed_index, LISTED, after, limit)]
    found = {row.slug: row for row in batch_get({Application: slugs}, consistent=True)[Application]}
    return [(slug, found.get(slug)) for slug in slugs]


def reserve_requests(slug: str, window: int, count: int, now: datetime) -> Application | None:
    """Count so many requests of an application in a window of time; how it is now, or None if there is none.

    A write that the SDK repeats counts twice: of a limit that may be missed by a few no harm.
    """
    row = Application
    in_it = row.slug.exists() & (row.window == window)
    before_it = row.slug.exists() & (row.window.does_not_exist() | (row.window < window))
    counted: list[tuple[list[Action], object]] = [
        ([row.used.add(count)], in_it),
        ([row.used.set(count), row.window.set(window)], before_it),
        # Another function has begun the window meanwhile, or its clock is ahead and it is in the next one.
        ([row.used.add(count)], row.slug.exists() & (row.window >= window)),
    ]
    for actions, condition in counted:
        try:
            return row.change(
                slug,
                actions=[row.last_used_at.set(iso(now)), *actions],
                condition=condition,  # type: ignore[arg-type]
                returning=True,
            )
        except ConditionFailedError as failure:
            if failure.item is None:
                return None
            found = row.from_raw_data(failure.item)
            if (found.window, found.used, found.last_used_at) == (window, count, iso(now)):
                return found  # its own echo has met the window that it began
    return Application.one(slug, consistent=True)

"""Administrators and applications: made once, known by their passwords, of which only hashes are kept."""

import pytest

from chalicelib.services import administrators, applications
from chalicelib.services.errors import AlreadyThereError, InvalidFieldError, NotAuthenticatedError
from chalicelib.tables.principals import Administrator, Application
from tests.support.api import basic, principal
from tests.support.aws import World
from tests.support.factories import START

WRONG_NAMES = ["", "Anna", "a b", "a" * 65, "-anna", "anna\n", "анна"]


def test_an_administrator_is_known_by_the_generated_password(world: World) -> None:
    password = administrators.create_administrator("anna", START)
    assert principal(basic("anna", password)).author == "administrator:anna"
    assert password not in str(world.table("ADMINS_TABLE"))
    assert world.table("ADMINS_TABLE")[0]["password_hash"].startswith("$argon2id$")


def test_a_password_of_ones_own_choice_has_a_length(world: World) -> None:
    administrators.create_administrator("anna", START, "a long password")
    for wrong in ("short", "x" * 257):
        with pytest.raises(InvalidFieldError, match="password"):
            administrators.create_administrator("boris", START, wrong)


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_wrong_name_is_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidFieldError, match="login"):
        administrators.create_administrator(name, START)
    with pytest.raises(InvalidFieldError, match="slug"):
        applications.register_application(name, START)
    assert not world.table("ADMINS_TABLE")
    assert not world.table("APPLICATIONS_TABLE")


@pytest.mark.parametrize("slug", ["basic", "bearer"])
def test_an_application_is_not_named_like_a_scheme(world: World, slug: str) -> None:
    with pytest.raises(InvalidFieldError, match="scheme"):
        applications.register_application(slug, START)


def test_nobody_is_made_twice(world: World) -> None:
    admin, application = (
        administrators.create_administrator("anna", START),
        applications.register_application("shop", START).password,
    )
    with pytest.raises(AlreadyThereError, match="anna"):
        administrators.create_administrator("anna", START)
    with pytest.raises(AlreadyThereError, match="shop"):
        applications.register_application("shop", START)
    assert principal(basic("anna", admin)).is_administrator
    assert principal(f"shop {application}").name == "shop"


def test_a_lost_answer_is_no_second_administrator(world: World) -> None:
    lost = world.database.lose_answers("PutItem")
    administrators.create_administrator("anna", START)
    applications.register_application("shop", START)
    assert len(lost) == 2


def test_who_is_no_longer_active_is_not_known(world: World) -> None:
    admin, application = (
        administrators.create_administrator("anna", START),
        applications.register_application("shop", START).password,
    )
    token = administrators.issue_token("anna", START)
    Administrator.change("anna", actions=[Administrator.is_active.set(False)])
    Application.change("shop", actions=[Application.is_active.set(False)])
    for credentials in (basic("anna", admin), f"shop {application}", f"Bearer {token}"):
        with pytest.raises(NotAuthenticatedError):
            principal(credentials)


def test_a_token_is_for_somebody(world: World) -> None:
    with pytest.raises(InvalidFieldError, match="no administrator"):
        administrators.issue_token("nobody", START)

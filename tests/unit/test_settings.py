"""Settings: checked at start, every wrong one named."""

import re

import pytest

from chalicelib import settings
from chalicelib.domain.lanes import Lane
from chalicelib.settings import SettingsError, load
from tests.support.factories import ENVIRONMENT


def test_a_complete_environment_is_read() -> None:
    read = load({**ENVIRONMENT, "PUBLIC_URL": "https://vestnik.example/"})
    assert read.public_url == "https://vestnik.example"
    assert (read.smtp_port, read.throttle_step_seconds) == (2525, 60)
    assert read.queues(Lane.EXPRESS).delivery == "https://sqs/delivery-express"
    assert read.queues(Lane.REGULAR).fan_out == "https://sqs/fan-out-regular"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_each_one_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        load({key: value for key, value in ENVIRONMENT.items() if key != name})


WRONG = {
    "THROTTLE_STEP_SECONDS": ["", "x", "-1", "86401", "1.5"],
    "DEFAULT_LOCALE": ["", "de", "EN"],
    "UNSENT_EXPIRES_HOURS": ["0", "721"],
    "UNSENT_PER_MINUTE": ["99", "100001"],
    "RETENTION_DAYS": ["29", "3651"],
    "SMTP_HOST": [""],
    "SMTP_PORT": ["0", "65536", "smtp"],
    "SMTP_SECURITY": ["ssl", ""],
    "SMTP_TIMEOUT_SECONDS": ["0", "11"],
    "MAIL_FROM": [""],
    "TOKEN_SECRET_ARN": [""],
    "DELIVERY_REGULAR_QUEUE_URL": [""],
    "DIRECTORY": ["", "ldap"],
    "GET_USERS_INFO_HOST": [
        "users.example/?page={page}&field={field}",
        "ftp://users.example/?page={page}&field={field}",
        "https:///?page={page}&field={field}",
        "https://vestnik:secret@users.example/?page={page}&field={field}",
        "https://users.example/?page={page}",
        "https://users.example/?field={field}",
        "https://users.example/a b?page={page}&field={field}",
        "https://пользователи.рф/?page={page}&field={field}",
    ],
    "GET_USER_INFO_HOST": ["https://users.example/", "{user_id}"],
    "PAGE_SIZE_FOR_NUMBERS_INFO_HOST": ["0", "1001", "x"],
    "NUMBER_OF_TRIES_TO_GET_USERS": ["0", "11"],
    "USERS_SERVICE_TIMEOUT_SECONDS": ["0", "11", "0.5"],
    "USER_AUTH": ["", "none"],
    "AUTH_HOST": ["users.example", "https://token@users.example/me"],
    "AUTH_JWKS_URL": ["file:///etc/passwd"],
    "USER_TOKEN_SECRET_ARN": [""],
    "PANEL_IDLE_MINUTES": ["4", "1441"],
    "PANEL_SESSION_HOURS": ["0", "169"],
    "AUDIT_DAYS": ["29", "x"],
    "CONSUMERS": ["", "10 2 50", "10 2 50 4 2 20 x", "10 2 50 4 2 20 12 1", "10 2 -50 4 2 20 12"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_each_wrong_value_is_named_and_shown(name: str, value: str) -> None:
    shown = name if name in settings.NOT_SHOWN else f"{name}={value!r}"
    with pytest.raises(SettingsError, match=f"^{re.escape(shown)}: "):
        load({**ENVIRONMENT, name: value})


@pytest.mark.parametrize("name", settings.NOT_SHOWN)
@pytest.mark.parametrize("url", ["htp://me:hunter2@x", "https://me:hunter2@пример.рф/"])
def test_no_password_in_an_address_is_shown(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: (?!.*hunter2)"):
        load({**ENVIRONMENT, name: url})


@pytest.mark.parametrize("url", ["https://[hunter2]/", "https://[hunter2/", "https://me:hunter2@x/"])
def test_nor_is_what_cannot_be_taken_apart(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^AUTH_HOST: (?!.*hunter2)"):
        load({**ENVIRONMENT, "AUTH_HOST": url})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load({name: values[0] for name, values in WRONG.items()})
    assert all(name in str(error.value) for name in ENVIRONMENT)


def test_an_unknown_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTACTS_TABLE", raising=False)
    with pytest.raises(SettingsError, match="CONTACTS_TABLE is not set"):
        settings.table_name("CONTACTS_TABLE")


HTTP = {
    "DIRECTORY": "http",
    "GET_USERS_INFO_HOST": "https://users.example/info/?page={page}&field={field}",
    "GET_USER_INFO_HOST": "https://users.example/{user_id}/",
}


def test_the_users_service_is_read() -> None:
    read = load({**ENVIRONMENT, **HTTP, "USER_AUTH": "host", "AUTH_HOST": "http://users:8000/me"})
    assert read.directory == "http"
    assert read.users_service == settings.UsersService(
        HTTP["GET_USERS_INFO_HOST"], HTTP["GET_USER_INFO_HOST"], page_size=100, tries=3, timeout_seconds=3
    )
    assert (read.user_auth.way, read.user_auth.host) == ("host", "http://users:8000/me")


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"DIRECTORY": "http"}, "GET_USERS_INFO_HOST"),
        ({"USER_AUTH": "host"}, "AUTH_HOST"),
        ({"USER_AUTH": "jwks"}, "AUTH_JWKS_URL"),
    ],
)
def test_what_another_setting_needs_is_named(changed: dict[str, str], missing: str) -> None:
    with pytest.raises(SettingsError, match=f"needs {missing}$"):
        load({**ENVIRONMENT, **changed})


@pytest.mark.parametrize(
    ("page_size", "tries", "timeout", "fits"),
    [
        ("100", "3", "3", True),
        ("1000", "1", "10", True),
        ("100", "3", "4", True),
        ("100", "3", "5", False),
        ("100", "10", "1", False),
        ("25", "3", "4", True),  # four pages, asked at once
        ("24", "3", "4", False),  # five are two rounds
        ("1", "1", "1", False),
    ],
)
def test_all_tries_of_all_pages_must_fit_into_a_function(
    page_size: str, tries: str, timeout: str, fits: bool
) -> None:
    patience = {
        "PAGE_SIZE_FOR_NUMBERS_INFO_HOST": page_size,
        "NUMBER_OF_TRIES_TO_GET_USERS": tries,
        "USERS_SERVICE_TIMEOUT_SECONDS": timeout,
    }
    assert load({**ENVIRONMENT, **patience})  # nobody outside is asked
    if fits:
        assert load({**ENVIRONMENT, **HTTP, **patience})
        return
    with pytest.raises(SettingsError, match=r"may take \d+ s, and a function has 15 s") as error:
        load({**ENVIRONMENT, **HTTP, **patience})
    assert all(name in str(error.value) for name in patience)


def test_the_check_of_a_token_is_no_matter_of_pages() -> None:
    asked = {"USER_AUTH": "host", "AUTH_HOST": "https://users.example/me"}
    assert load({**ENVIRONMENT, **asked, "PAGE_SIZE_FOR_NUMBERS_INFO_HOST": "1"})
    with pytest.raises(SettingsError, match="may take 18 s"):
        load({**ENVIRONMENT, **asked, "USERS_SERVICE_TIMEOUT_SECONDS": "5"})

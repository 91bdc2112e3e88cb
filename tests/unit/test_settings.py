"""Settings: checked at start, every wrong one named."""

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
    "ROW_RETENTION_DAYS": ["29", "3651"],
    "SMTP_HOST": [""],
    "SMTP_PORT": ["0", "65536", "smtp"],
    "SMTP_SECURITY": ["ssl", ""],
    "SMTP_TIMEOUT_SECONDS": ["0", "11"],
    "MAIL_FROM": [""],
    "TOKEN_SECRET_ARN": [""],
    "DELIVERY_REGULAR_QUEUE_URL": [""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_each_wrong_value_is_named_and_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='{value}': "):
        load({**ENVIRONMENT, name: value})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load({name: values[0] for name, values in WRONG.items()})
    assert all(name in str(error.value) for name in ENVIRONMENT)


def test_an_unknown_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTACTS_TABLE", raising=False)
    with pytest.raises(SettingsError, match="CONTACTS_TABLE is not set"):
        settings.table_name("CONTACTS_TABLE")

"""The template's parameters and the functions' settings agree about what is allowed."""

from typing import Any

import pytest

from chalicelib.settings import SettingsError, load
from infra.template_parts import join_parts
from tests.support.factories import ENVIRONMENT

QUEUES = {
    f"{kind}_{lane}_QUEUE_URL": "https://queue"
    for kind in ("FAN_OUT", "DELIVERY")
    for lane in ("EXPRESS", "REGULAR")
}


def numbers() -> dict[str, dict[str, Any]]:
    """The environment variables that carry a number, with its parameter."""
    template = join_parts()
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    parameters = template["Parameters"]
    referred = {
        name: value["Ref"] for name, value in variables.items() if isinstance(value, dict) and "Ref" in value
    }
    return {
        name: parameters[parameter]
        for name, parameter in referred.items()
        if parameter in parameters and parameters[parameter]["Type"] == "Number"
    }


def problems(name: str, value: Any) -> str:
    """What the settings have against a value; empty when nothing."""
    try:
        load({**ENVIRONMENT, **QUEUES, name: str(value)})
    except SettingsError as error:
        return str(error)
    return ""


def test_there_are_numbers() -> None:
    assert {"SMTP_PORT", "SMTP_TIMEOUT_SECONDS", "THROTTLE_STEP_SECONDS"} <= numbers().keys()


@pytest.mark.parametrize("name", sorted(numbers()))
def test_a_number_has_the_same_limits_in_both(name: str) -> None:
    parameter = numbers()[name]
    for limit in ("MinValue", "MaxValue", "Default"):
        assert not problems(name, parameter[limit])
    assert name in problems(name, parameter["MinValue"] - 1)
    assert name in problems(name, parameter["MaxValue"] + 1)

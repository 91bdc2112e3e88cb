"""docs/channels.md: its tables and its steps are what the code has, of every channel that is registered."""

import importlib
import re
from pathlib import Path

import pytest

from chalicelib import settings
from chalicelib.channels import CHANNELS, CONTACT_FIELDS
from chalicelib.channels.base import Channel
from chalicelib.channels.sandbox import CHATS, CHATS_EACH, SLOW_SECONDS, Sandbox
from chalicelib.domain.backoff import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, WAIT_AT_MOST_SECONDS
from chalicelib.domain.lanes import Lane
from chalicelib.services.deliver import AFTER_SEND_SECONDS
from infra.package import PROJECT
from infra.template_parts import join_parts
from tests.support.example_requests import SCHEMA
from tests.support.factories import ENVIRONMENT

DOCUMENT = PROJECT / "docs" / "channels.md"
TEXT = DOCUMENT.read_text("utf-8")
every_channel = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.current.cache_clear()


def table(first: str) -> dict[str, list[str]]:
    """The rows of the table whose head begins so, by their first cell."""
    lines = TEXT.split(f"| {first} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


@every_channel
def test_it_has_a_row_that_is_true(channel: Channel) -> None:
    field, _, lengths, *_ = table("channel")[channel.name]
    assert field == f"`{channel.contact_field}`"
    assert lengths.startswith(f"{channel.limits.title}, {channel.limits.text:,} ")


def test_there_are_no_other_rows() -> None:
    assert table("channel").keys() == CHANNELS.keys()


@every_channel
def test_the_steps_were_taken(channel: Channel) -> None:
    assert re.fullmatch("[a-z]+", channel.name)
    module = importlib.import_module(f"chalicelib.channels.{channel.name}")
    assert type(channel).__module__ == module.__name__, "a channel is one file of its name"
    assert CHANNELS[channel.name] is channel
    assert CONTACT_FIELDS[channel.contact_field] is channel.contact
    assert 0 < channel.limits.title <= channel.limits.text
    assert channel.address_pause("1") >= 0 < (channel.rate or 1)
    express_seconds = join_parts()["Resources"]["DeliverExpress"]["Properties"]["Timeout"]
    assert 0 < channel.longest_send_seconds() <= express_seconds - AFTER_SEND_SECONDS
    assert f"less than the {express_seconds - AFTER_SEND_SECONDS:g} s" in TEXT


@every_channel
def test_its_example_is_an_address_in_its_normal_form_and_nonsense_is_none(channel: Channel) -> None:
    normal = channel.address_of(channel.contact.example)
    assert normal is not None
    assert len(normal) <= channel.contact.max_length
    assert channel.address_of(normal) == normal
    assert channel.sandbox(normal) is None
    for wrong in (None, "", " ", "\ud800", "nonsense of no kind"):
        assert channel.address_of(wrong) is None


@every_channel
def test_the_api_and_the_alarms_know_it(channel: Channel) -> None:
    models = SCHEMA["components"]["schemas"]
    assert channel.contact_field in models["ContactIn"]["properties"]
    assert channel.contact_field in models["ContactOut"]["properties"]
    enums = [each["properties"]["type"]["enum"] for each in models.values() if _has_type(each)]
    assert enums
    assert all(channel.name in enum for enum in enums)
    watched = {
        (each["Value"], resource["Properties"]["MetricName"])
        for resource in join_parts()["Resources"].values()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
        for each in resource["Properties"].get("Dimensions", [])
        if each["Name"] == "channel"
    }
    assert {(channel.name, "latency"), (channel.name, "not_taken")} <= watched
    shown = join_parts()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for metric in ("accepted", "sent", "latency", "not_taken"):
        assert f'"{metric}", "lane", "express", "channel", "{channel.name}"' in shown


def _has_type(model: dict[str, dict[str, dict[str, list[str]]]]) -> bool:
    """Whether its `type` is a channel; that of a template's variable is another thing."""
    return "mail" in model.get("properties", {}).get("type", {}).get("enum", ())


@every_channel
@pytest.mark.parametrize("name", Sandbox)
def test_its_addresses_of_the_sandbox_are_in_the_document(channel: Channel, name: Sandbox) -> None:
    columns = [cell.strip() for cell in TEXT.split("| name |", 1)[1].splitlines()[0].split("|")]
    given = table("name")[name][columns.index(channel.name)].strip("`")
    normal = channel.address_of(given)
    assert normal is not None
    assert channel.sandbox(normal) == name


def test_the_figures_of_the_document_are_those_of_the_code() -> None:
    assert (FIRST_PAUSE_SECONDS[Lane.EXPRESS], FIRST_PAUSE_SECONDS[Lane.REGULAR]) == (3, 30)
    assert "after 3 s (express) or 30 s (regular)" in TEXT
    assert (LONGEST_PAUSE_SECONDS, WAIT_AT_MOST_SECONDS) == (15 * 60, 24 * 3600)
    assert f"sent, after {SLOW_SECONDS:g} seconds" in TEXT
    assert CHATS_EACH == 10**15
    assert min(CHATS.values()) == 9_001_000_000_000_000_000


def test_what_the_document_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    later = {"templates.md"}
    for link in links:
        if not link.startswith("https://") and link not in later:
            assert Path(DOCUMENT.parent, link).is_file(), link

"""From a ledger to money, by the list prices and assumptions of prices.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra.definitions import queue_definitions
from infra.template_parts import join_parts
from tests.cost.ledger import Amount, Ledger, Line

FILE = Path(__file__).with_name("prices.yaml")
MILLION = 1_000_000
IDLE_POLLING = Line("all queues", "sqs", "ReceiveMessage, empty", "all queues", is_polling=True)

PARTS = {
    "DynamoDB writes": ["dynamodb_write_units"],
    "DynamoDB reads": ["dynamodb_read_units"],
    "SQS": ["sqs_requests", "sqs_fair_queue_requests"],
    "Lambda": ["lambda_requests", "lambda_gb_seconds"],
    "API Gateway": ["api_requests"],
    "Logs": ["log_gigabytes"],
    "Secrets": ["secret_requests", "secret_months"],
}
"""How a bill is shown: each part, and the prices in it."""


@dataclass(frozen=True)
class PriceList:
    """What stands in prices.yaml."""

    date: date
    region: str
    currency: str
    prices: Mapping[str, Mapping[str, Any]]
    assumptions: Mapping[str, Mapping[str, Any]]

    def price(self, name: str) -> float:
        """Of one, not of a million."""
        return float(self.prices[name]["price"]) / MILLION

    def assumed(self, name: str) -> float:
        return float(self.assumptions[name]["value"])


@cache
def price_list() -> PriceList:
    """The one price list."""
    return PriceList(**yaml.safe_load(FILE.read_text("utf-8")))


def polled_queues() -> list[str]:
    """The queues that Lambda asks; that of the mail events only where mail goes by SES."""
    return [variable for variable in queue_definitions() if not variable.startswith("MAIL_EVENTS")]


def idle_polling(hours: float) -> Ledger:
    """What Lambda asks the queues while there is nothing in them."""
    known = price_list()
    polls = len(polled_queues()) * known.assumed("pollers") * hours * 3600 / known.assumed("poll_seconds")
    return Ledger({IDLE_POLLING: Amount(polls)})


def money(ledger: Ledger) -> dict[str, float]:
    """The price of each part of a ledger."""
    used = _usage(ledger)
    known = price_list()
    return {part: sum(used[name] * known.price(name) for name in names) for part, names in PARTS.items()}


def money_of_secrets_in_a_month() -> float:
    """What the secrets cost by being there."""
    return price_list().assumed("secrets") * price_list().price("secret_months")


def _usage(ledger: Ledger) -> dict[str, float]:
    everything = ledger.total()
    from_queues = ledger.total(lambda line: line.service == "sqs").requests
    return {
        "dynamodb_write_units": everything.writes,
        "dynamodb_read_units": everything.reads,
        "sqs_requests": from_queues,
        # Which of them the surcharge is for is not said plainly: all that carry messages, to be safe.
        "sqs_fair_queue_requests": from_queues - ledger.total(lambda line: line == IDLE_POLLING).requests,
        "lambda_requests": sum(ledger.invocations.values()),
        "lambda_gb_seconds": _gigabyte_seconds(ledger),
        "api_requests": ledger.invocations.get("api", 0),
        "log_gigabytes": _log_bytes(ledger) / 1e9,
        "secret_requests": ledger.total(lambda line: line.service == "secretsmanager").requests,
        "secret_months": 0,
    }


def _gigabyte_seconds(ledger: Ledger) -> float:
    known = price_list()
    used = 0.0
    senders = sum(stage_of(function) == "deliver" for function in ledger.invocations)
    assert senders <= 1, "which lane sent how much is not in a ledger of two"
    for function, runs in ledger.invocations.items():
        milliseconds = runs * known.assumed(f"{stage_of(function)}_milliseconds")
        if stage_of(function) == "deliver":
            milliseconds += ledger.sends * known.assumed("send_milliseconds")
        used += milliseconds / 1000 * _memory(function) / 1024
    return used


def _log_bytes(ledger: Ledger) -> float:
    known = price_list()
    of_invocations = sum(
        runs * (known.assumed(f"{stage_of(function)}_log_bytes") + known.assumed("platform_log_bytes"))
        for function, runs in ledger.invocations.items()
    )
    return of_invocations + ledger.total(_is_run).requests * known.assumed("run_log_bytes")


def _is_run(line: Line) -> bool:
    """A frequency's next run moves on when those before it are made."""
    return (line.operation, line.target) == ("UpdateItem", "frequencies")


def stage_of(function: str) -> str:
    """A function's name without its lane."""
    return function.removesuffix("_express").removesuffix("_regular")


@cache
def _memory(function: str) -> int:
    """A function's memory in MB, as the template has it."""
    resource = "APIHandler" if function == "api" else function.title().replace("_", "")
    return int(join_parts()["Resources"][resource]["Properties"]["MemorySize"])

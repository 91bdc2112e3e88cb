"""The rest of what is priced: trouble, idle time, prices; and that no function scans."""

from typing import Any

import pytest

from chalicelib.domain.lanes import Lane
from infra.template_parts import join_parts
from tests.cost import bill, recurring, report, scenarios
from tests.cost.ledger import Amount, Ledger, Line

# A line's length varies with the numbers in it; what is assumed is to be a little more than what is measured.
LOG_ALLOWANCE = 1.5


@pytest.mark.parametrize(
    "section",
    [
        report.introduction,
        report.others_section,
        report.rights_section,
        report.idle_section,
        report.panel_section,
        report.prices_section,
    ],
)
def test_the_document_says_what_is_counted(section: Any) -> None:
    assert section() in report.DOCUMENT.read_text("utf-8"), "`make cost` writes docs/costs.md anew"


def test_the_document_has_nothing_else() -> None:
    written = report.DOCUMENT.read_text("utf-8")
    headings = [line for line in written.splitlines() if line.startswith("#")]
    assert [each.lstrip("# ") for each in headings] == [
        "What it costs",
        "The regular lane",
        "The express lane",
        "What goes wrong, and what is large",
        "Who asks",
        "Runs and times, the regular lane",
        "Runs and times, the express lane",
        "An idle hour",
        "The panel",
        "Prices and assumptions",
    ]
    assert len(headings) == len(report.SECTIONS)


def test_an_idle_minute_is_thirty_three_queries_that_find_nothing() -> None:
    minute = recurring.idle_minute().ledger
    assert {line.operation for line in minute.lines} == {"Query"}
    assert minute.of("tick").billed == Amount(requests=16, reads=16 * 0.5, writes=0)
    assert minute.of("sweep").billed == Amount(requests=17, reads=17 * 0.5, writes=0)
    assert minute == minute.of("tick") + minute.of("sweep")


def test_frequencies_that_are_not_due_cost_nothing() -> None:
    assert recurring.idle_minute(report.MANY).ledger == recurring.idle_minute().ledger


def test_a_caller_who_was_checked_a_moment_ago_costs_no_further_request() -> None:
    for who in scenarios.callers():
        first, later = (scenarios.rights(who, earlier).ledger.by_functions for earlier in (0, 1))
        assert later == Amount(requests=1, reads=1, writes=0), who  # of the notification that is asked for
        assert first.requests > later.requests, who


def test_a_retry_costs_a_claim_an_outcome_and_a_batch() -> None:
    extra = scenarios.retried(Lane.REGULAR).ledger - report.single(Lane.REGULAR)
    assert extra.by_functions.writes <= 3
    assert extra.by_functions.requests <= 5


def test_a_text_is_written_once_and_read_once() -> None:
    extra = scenarios.dispatch(Lane.REGULAR, 1, scenarios.LARGE_TEXT).ledger - report.single(Lane.REGULAR)
    kilobytes = len((scenarios.LARGE_TEXT[len(scenarios.TEXT) :]).encode()) / 1024
    assert extra.by_functions.writes == pytest.approx(kilobytes, abs=2)
    assert extra.by_functions.reads == pytest.approx(kilobytes / 4, abs=2)


def test_what_is_assumed_of_logs_is_measured() -> None:
    logged = {
        **recurring.idle_minute().log_bytes,
        **scenarios.swept(Lane.REGULAR).log_bytes,
        **scenarios.dispatch(Lane.REGULAR, 20).log_bytes,
        "run": recurring.logged_by_run(Lane.REGULAR),
    }
    for function, measured in logged.items():
        assumed = bill.price_list().assumed(f"{bill.stage_of(function)}_log_bytes")
        assert measured <= assumed <= measured * LOG_ALLOWANCE, (function, measured)


def test_no_function_may_scan() -> None:
    """What a role does not allow, no line of code can do."""
    roles = {
        name: body["Properties"]["Policies"]
        for name, body in join_parts()["Resources"].items()
        if body.get("Type") == "AWS::IAM::Role"
    }
    allowed = [action for policies in roles.values() for action in _actions(policies)]
    assert "dynamodb:Query" in allowed
    assert not [each for each in allowed if each.endswith("Scan") or "*" in each or "PartiQL" in each]


def _actions(policies: list[dict[str, Any]]) -> list[str]:
    return [
        action
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    ]


# Money.


def test_each_thing_used_has_its_price() -> None:
    line = Line("deliver_regular", "dynamodb", "UpdateItem", "users_notifications")
    queue = Line("api", "sqs", "SendMessageBatch", "fan out regular")
    secret = Line("deliver_regular", "secretsmanager", "GetSecretValue", "link")
    ledger = Ledger({line: Amount(2, 4, 3), queue: Amount(5), secret: Amount(7)}, {"api": 11}, 0)
    prices = bill.price_list().price
    memory = 1  # GB, of the API's function
    seconds = 11 * bill.price_list().assumed("api_milliseconds") / 1000
    logged = 11 * (
        bill.price_list().assumed("api_log_bytes") + bill.price_list().assumed("platform_log_bytes")
    )
    assert bill.money(ledger) == pytest.approx(
        {
            "DynamoDB writes": 3 * prices("dynamodb_write_units"),
            "DynamoDB reads": 4 * prices("dynamodb_read_units"),
            "SQS": 5 * (prices("sqs_requests") + prices("sqs_fair_queue_requests")),
            "Lambda": 11 * prices("lambda_requests") + seconds * memory * prices("lambda_gb_seconds"),
            "API Gateway": 11 * prices("api_requests"),
            "Logs": logged / 1e9 * prices("log_gigabytes"),
            "Secrets": 7 * prices("secret_requests"),
        }
    )


def test_a_sending_function_is_paid_for_the_time_of_its_sends() -> None:
    runs, sends = {"deliver_regular": 2.0}, 20
    idle, busy = bill.money(Ledger({}, runs, 0)), bill.money(Ledger({}, runs, sends))
    seconds = sends * bill.price_list().assumed("send_milliseconds") / 1000
    memory = 0.5  # GB
    extra = seconds * memory * bill.price_list().price("lambda_gb_seconds")
    assert busy["Lambda"] - idle["Lambda"] == pytest.approx(extra)


def test_a_run_is_paid_for_its_line_in_the_log() -> None:
    line = Line("fan_out_regular", "dynamodb", "UpdateItem", "frequencies")
    logged = 25 * bill.price_list().assumed("run_log_bytes")
    assert bill.money(Ledger({line: Amount(25)}))["Logs"] == pytest.approx(
        logged / 1e9 * bill.price_list().price("log_gigabytes")
    )


def test_idle_polling_is_of_every_queue_and_has_no_surcharge() -> None:
    polling = bill.idle_polling(hours=1)
    assert polling.billed.requests == 8 * 5 * 3600 / 20
    assert polling.by_functions.requests == 0
    assert bill.money(polling)["SQS"] == pytest.approx(
        polling.billed.requests * bill.price_list().price("sqs_requests")
    )


def test_each_queue_is_read_by_one_function_with_a_maximum_concurrency() -> None:
    """So it is polled by as many as is assumed."""
    events = [
        event
        for body in join_parts()["Resources"].values()
        for event in body["Properties"].get("Events", {}).values()
    ]
    limited = [
        event for event in events if "MaximumConcurrency" in event["Properties"].get("ScalingConfig", {})
    ]
    assert len(limited) - 1 == len(bill.polled_queues()) == 8  # the last is asked only where mail goes by SES


def test_every_price_is_in_the_bill_and_has_a_source() -> None:
    known = bill.price_list()
    assert sorted(name for names in bill.PARTS.values() for name in names) == sorted(known.prices)
    assert all(each["source"].startswith("https://aws.amazon.com/") for each in known.prices.values())
    assert all(each["reason"] for each in known.assumptions.values())
    declared = join_parts()["Resources"].values()
    assert known.assumed("secrets") == sum(
        each.get("Type") == "AWS::SecretsManager::Secret" for each in declared
    )

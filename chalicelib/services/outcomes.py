"""Outcomes: what becomes of a recipient by what the channel answered."""

from datetime import datetime

from chalicelib.domain.backoff import WAIT_AT_MOST_SECONDS, attempt_limit, retry_pause
from chalicelib.domain.lanes import Lane
from chalicelib.domain.results import Accepted, Permanent, RateLimited, Retryable, SendResult
from chalicelib.domain.statuses import Status
from chalicelib.domain.times import later, parse
from chalicelib.observability import GIVEN_UP, REFUSED, RETRIED, SENT, UNSUBSCRIBED, WRONG_CONTACT, Metric
from chalicelib.tables.users_notifications import Outcome, UsersNotification


def outcome_of(row: UsersNotification, result: SendResult, lane: Lane, now: datetime) -> Outcome:
    """The outcome of a sending."""
    attempts = int(row.attempts)
    match result:
        case Accepted(provider_id):
            return Outcome(Status.SENT, now, attempts + 1, provider_id=provider_id)
        case Permanent(reason):
            return Outcome(Status.FAILED, now, attempts + 1, reason)
        case RateLimited(reason) if now >= later(parse(row.due_at), WAIT_AT_MOST_SECONDS):
            return Outcome(Status.FAILED, now, attempts, f"given up: {reason}")
        case RateLimited(reason, seconds):
            return Outcome(Status.QUEUED, now, attempts, reason, not_before=later(now, seconds))
        case Retryable(reason) if attempts + 1 >= attempt_limit(lane):
            return Outcome(Status.FAILED, now, attempts + 1, f"given up: {reason}")
        case Retryable(reason):
            pause = retry_pause(lane, attempts + 1)
            return Outcome(Status.QUEUED, now, attempts + 1, reason, not_before=later(now, pause))


def metric_of(status: Status, result: SendResult | None) -> Metric:
    """As what an outcome is counted."""
    if status is Status.FAILED:
        return REFUSED if isinstance(result, Permanent) else GIVEN_UP
    return {
        Status.SENT: SENT,
        Status.QUEUED: RETRIED,
        Status.UNSUBSCRIBED: UNSUBSCRIBED,
        Status.WRONG_CONTACT: WRONG_CONTACT,
    }[status]

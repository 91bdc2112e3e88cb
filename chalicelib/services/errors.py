"""What a use case refuses, and why: the edges turn it into their own language (HTTP, a command's exit)."""


class RefusedError(Exception):
    """The base of all refusals; nothing was changed."""


class InvalidFieldError(RefusedError):
    """A field's value cannot be accepted."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class RejectedLinesError(RefusedError):
    """Some lines of a list cannot be accepted, and so nothing of it: their numbers and reasons."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        super().__init__(f"{len(lines)} lines were not accepted")
        self.lines = lines


class TooManyError(RefusedError):
    """More than a limit allows."""


class ConflictingRepeatError(RefusedError):
    """An Idempotency-Key came again with another body."""


class NotAuthenticatedError(RefusedError):
    """Nobody is known by these credentials; says what was wrong with their form, not which part."""


class NotFoundError(RefusedError):
    """There is no such thing, or none that may be seen."""


class MissingError(Exception):
    """What a message names is not there: it was written before the message, so somebody has removed it."""


class AlreadyThereError(RefusedError):
    """There is one of that name already."""


class ForbiddenError(RefusedError):
    """It is known who asks, and they may not."""


class ConflictError(RefusedError):
    """The state of a thing does not allow it; says which."""


class OutdatedError(RefusedError):
    """What is to be changed is not as the client has read it."""


class TooManyRequestsError(RefusedError):
    """A limit for a time is used up; it is free again after `retry_after_seconds`. `limit`: of requests."""

    def __init__(self, reason: str, retry_after_seconds: int, limit: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds, self.limit = retry_after_seconds, limit


class OutsideUnavailableError(Exception):
    """A service outside, without which this cannot be answered, is out of reach."""

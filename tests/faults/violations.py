"""How a run says that something does not hold."""


class ViolationError(BaseException):
    """One of the seven points does not hold. No `except Exception` of the product may swallow it."""


def demand(holds: bool, point: int, what: str) -> None:
    """Raise ViolationError unless it holds."""
    if not holds:
        raise ViolationError(f"point {point}: {what}")


def require(holds: bool, what: str) -> None:
    """Raise ViolationError for what no service of AWS would take."""
    if not holds:
        raise ViolationError(what)

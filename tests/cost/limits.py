"""What a dispatch may cost at most: cost grows with recipients only, and slowly."""

from tests.cost.ledger import Amount

SLOPE = Amount(requests=2.8, reads=2.5, writes=2.5)
"""For each delivered recipient of a dispatch in full batches. Claim and outcome alone are two requests and
two write units, the question who has unsubscribed is one read unit: a batch or a chunk shares the rest."""

FIXED = Amount(requests=25, reads=12, writes=15)
"""Of a dispatch, beside its recipients."""


def exceeded(spent: Amount, limit: Amount) -> list[str]:
    """What is over its limit, in words."""
    pairs = {
        "requests": (spent.requests, limit.requests),
        "read units": (spent.reads, limit.reads),
        "write units": (spent.writes, limit.writes),
    }
    return [f"{name}: {found:g}, at most {most:g}" for name, (found, most) in pairs.items() if found > most]

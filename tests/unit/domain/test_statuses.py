"""Statuses, their letters and their counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.statuses import LETTERS, TERMINAL, Status, count_by_status, status_of_letter


def test_who_waits_or_is_being_sent_is_not_final() -> None:
    assert set(Status) - TERMINAL == {Status.QUEUED, Status.UNSENT, Status.SENDING}
    assert all(status.is_terminal == (status in TERMINAL) for status in Status)


def test_every_final_status_has_a_letter_of_its_own() -> None:
    assert set(LETTERS) == TERMINAL | {Status.UNSENT}
    assert len(set(LETTERS.values())) == len(LETTERS)
    assert all(len(letter) == 1 for letter in LETTERS.values())


@pytest.mark.parametrize("status", LETTERS)
def test_a_letter_stands_for_its_status_also_when_cancelled(status: Status) -> None:
    assert status_of_letter(LETTERS[status]) is status
    in_cancelled = status if status.is_terminal else Status.CANCELLED
    assert status_of_letter(LETTERS[status], is_cancelled=True) is in_cancelled


def test_no_letter_is_queued_and_of_a_cancelled_dispatch_cancelled() -> None:
    assert status_of_letter(None) is Status.QUEUED
    assert status_of_letter(None, is_cancelled=True) is Status.CANCELLED


@pytest.mark.parametrize(
    ("status", "reached"),
    [
        (Status.QUEUED, True),
        (Status.SENDING, True),
        (Status.SENT, True),
        (Status.FAILED, True),
        (Status.CANCELLED, True),
        (Status.UNSENT, False),
        (Status.UNSUBSCRIBED, False),
        (Status.WRONG_CONTACT, False),
    ],
)
def test_the_flag_is_sent_to_queue(status: Status, reached: bool) -> None:
    assert status.is_sent_to_queue is reached


@given(
    st.lists(st.sampled_from(sorted(LETTERS.values())), max_size=300),
    st.integers(min_value=0, max_value=1000),
    st.booleans(),
)
def test_counts_add_up_to_the_recipients(letters: list[str], unlettered: int, is_cancelled: bool) -> None:
    recipients = len(letters) + unlettered
    counts = count_by_status(letters, recipients, is_cancelled=is_cancelled)
    assert sum(counts.values()) == recipients
    assert set(counts) == {str(status) for status in (*LETTERS, Status.QUEUED)}
    if is_cancelled:
        assert counts["cancelled"] == unlettered + letters.count("c") + letters.count("u")
        assert counts["queued"] == counts["unsent"] == 0
    else:
        assert (counts["queued"], counts["unsent"]) == (unlettered, letters.count("u"))
    assert counts["sent"] == letters.count("s")

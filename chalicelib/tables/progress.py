"""Progress: for each chunk of a dispatch one item, an attribute a position, the status letter its value.

Setting a letter twice changes nothing, so the counts are exact however often a message is worked.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from chalicelib.domain.statuses import LETTERS, Status
from chalicelib.tables.base import ConditionFailedError, Table


class Progress(Table):
    class Meta:
        table_name = ""

    table_variable = "PROGRESS_TABLE"

    dispatch_id = UnicodeAttribute(hash_key=True)
    chunk = NumberAttribute(range_key=True)
    expires_at = NumberAttribute(null=True)


def _path(position: int) -> Path:
    return Path(f"p{position}")


def set_letters(
    dispatch_id: str,
    chunk: int,
    statuses: Mapping[int, Status],
    expires_at: int,
    erased: Iterable[int] = (),
) -> None:
    """Record the status of some positions of a chunk, in one write.

    A final status overwrites; unsent only fills an empty place: a late unsent must not hide a final status.
    So do the positions of `erased` users, as cancelled: their rows are gone, their letters tell what was.
    """
    actions: list[Action] = [Progress.expires_at.set(Progress.expires_at | expires_at)]
    for position, status in statuses.items():
        path, letter = _path(position), LETTERS[status]
        actions.append(path.set(letter) if status.is_terminal else path.set(path | letter))
    for position in erased:
        path = _path(position)
        actions.append(path.set(path | LETTERS[Status.CANCELLED]))
    Progress.change(dispatch_id, chunk, actions=actions)


def clear_unsent_letter(dispatch_id: str, chunk: int, position: int) -> None:
    """Forget that a recipient was unsent, if no final status has taken the letter's place."""
    path = _path(position)
    with suppress(ConditionFailedError):  # already cleared, or final by now: both are what is wanted
        Progress.change(dispatch_id, chunk, actions=[path.remove()], condition=path == LETTERS[Status.UNSENT])


def reopen_failed_letter(dispatch_id: str, chunk: int, position: int, expires_at: int) -> None:
    """A failed recipient is unsent again; if another letter stands there by now, that is the newer truth."""
    path = _path(position)
    with suppress(ConditionFailedError):
        Progress.change(
            dispatch_id,
            chunk,
            actions=[path.set(LETTERS[Status.UNSENT]), Progress.expires_at.set(expires_at)],
            condition=path == LETTERS[Status.FAILED],
        )


def letters_of_chunks(dispatch_id: str) -> Iterator[tuple[int, dict[int, str]]]:
    """(chunk, position → letter) of every chunk that has any letter, in order."""
    connection = Progress._get_connection()
    start_key = None
    while True:
        page = connection.query(dispatch_id, exclusive_start_key=start_key, consistent_read=True)
        for item in page["Items"]:
            yield int(item["chunk"]["N"]), _letters(item)
        start_key = page.get("LastEvaluatedKey")
        if not start_key:
            return


def letters_of_chunk(dispatch_id: str, chunk: int) -> dict[int, str]:
    """Position → letter of one chunk."""
    item = (
        Progress._get_connection()
        .get_item(*Progress._serialize_keys(dispatch_id, chunk), consistent_read=True)
        .get("Item", {})
    )
    return _letters(item)


def _letters(item: dict[str, dict[str, str]]) -> dict[int, str]:
    return {int(name[1:]): next(iter(value.values())) for name, value in item.items() if name[0] == "p"}

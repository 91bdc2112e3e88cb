"""Lists of user ids as text: what is read, and which line is refused for what."""

import csv
import io
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.id_lists import UnreadableListError, read_ids, sort_lines, without_ids

A, B = UUID(int=0xA), UUID("4e0e0e4e-5d2b-4f2e-9d34-6d2f1f3b2a11")


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n",
        f"{A}\n{B}",
        f"{A.hex}\r\n{B.hex}\r\n",
        f"{A}\r{B}\r",
        f"\ufeff{str(A).upper()}\n{B.hex.upper()}\n",
        f'"{A}"\n"{B}"\n',
        f"\n\n  {A}  \n\n\t{B}\n \n",
        f"user_id\n{A}\n{B}\n",
        f"\ufeffUser_ID\r\n{A}\r\n{B}\r\n",
        f'name,user_id,email\nAnna,{A},a@example.com\n"Boris, the second",{B},\n',
        f"name;user_id\nAnna;{A}\nBoris;{B}\n",
        f"user_id\tname\n{A}\tAnna\n{B}\t\n",
        f'user_id,note\n{A},"two\nlines"\n{B},\n',
    ],
)
def test_one_a_line_or_a_column_in_whatever_way_it_was_written(text: str) -> None:
    assert read_ids(text.encode()) == [A.bytes, B.bytes]


@given(st.lists(st.uuids(), max_size=30), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    users: list[UUID], has_others: bool, ends: str, is_quoted: bool
) -> None:
    written = io.StringIO()
    writer = csv.writer(
        written, lineterminator=ends, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    )
    writer.writerow(["user_id", "name"] if has_others else ["user_id"])
    for user in users:
        writer.writerow([str(user), 'a "b", c'] if has_others else [user.hex])
    assert read_ids(written.getvalue().encode()) == [user.bytes for user in users]


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        ("nobody", [(1, "'nobody' is not a UUID")]),
        (f"{A}\nx\n\n{B}\ny", [(2, "'x' is not a UUID"), (5, "'y' is not a UUID")]),
        (f"{A},{B}\n", [(1, "has 2 columns, and no header says which is user_id")]),
        (f"name,user_id\n{A}\nAnna,{B}", [(2, "'' is not a UUID")]),
        (f"name,user_id\nAnna,\nBoris,{B}", [(2, "'' is not a UUID")]),
        (f"id\n{A}\n", [(1, "'id' is not a UUID")]),
        (f"{{{A}}}", [(1, f"'{{{A}}}' is not a UUID")]),
        (f"urn:uuid:{A}", [(1, f"'{f'urn:uuid:{A}'[:40]}' is not a UUID")]),
        (f"{str(A)[:-1]}", [(1, f"'{str(A)[:-1]}' is not a UUID")]),
        (f"{str(A).replace('-', '', 1)}", [(1, f"'{str(A).replace('-', '', 1)}' is not a UUID")]),
        ("٣" * 32, [(1, f"'{'٣' * 32}' is not a UUID")]),
        ("x" * 200_000, [(1, "field larger than field limit (131072)")]),
    ],
)
def test_a_line_that_is_no_id_is_named_with_its_reason(text: str, rejected: list[tuple[int, str]]) -> None:
    with pytest.raises(UnreadableListError) as refused:
        read_ids(text.encode())
    assert refused.value.rejected == rejected


def test_what_is_not_utf_8_is_named_by_its_line() -> None:
    with pytest.raises(UnreadableListError) as refused:
        read_ids(f"{A}\n".encode() + "имя".encode("cp1251"))
    assert refused.value.rejected == [(2, "is not UTF-8")]


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    try:
        found = read_ids(data)
    except UnreadableListError as error:
        found = []
        rejected = error.rejected
    else:
        rejected = []
    assert bool(rejected) or all(len(each) == 16 for each in found)


@pytest.mark.parametrize("text", ["", "\n\n", "user_id\n", "\ufeff"])
def test_a_list_may_have_nobody(text: str) -> None:
    assert read_ids(text.encode()) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("{0}\n{1}\n", ""),
        ("{0}\nnobody\n{1}\n", "nobody\n"),
        ("user_id,name\n\n{0},Anna\nnobody,Boris\n{1},Clara\n", "user_id,name\n\nnobody,Boris\n"),
        ("\ufeffuser_id\nnobody\n", "\ufeffuser_id\nnobody\n"),
        ("{0}\n{0},{1}\n", "{0},{1}\n"),
        ('{0}\n"{1}\n{0}\n', '"{1}\n{0}\n'),
        ('{0}\n"two\nlines"\n{1}', '"two\nlines"\n'),
    ],
)
def test_without_ids_there_is_what_has_to_be_mended(text: str, left: str) -> None:
    ids = [str(UUID(int=number)) for number in (1, 2)]
    assert without_ids(text.format(*ids)) == left.format(*ids)


@given(
    st.booleans(), st.lists(st.sampled_from([str(UUID(int=1)), f"{UUID(int=2)},x", "nobody", "nobody,x", ""]))
)
def test_what_is_left_has_no_id_and_every_line_without(has_header: bool, lines: list[str]) -> None:
    text = "\n".join(["user_id,name", *lines] if has_header else lines)
    _, rejected = sort_lines(text.encode())
    again, still = sort_lines(without_ids(text).encode())
    assert (again, len(still)) == ([], len(rejected))

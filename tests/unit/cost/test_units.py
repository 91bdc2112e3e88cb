"""What a request costs, on the worked examples of the AWS documentation.

Pages of the DynamoDB developer guide (docs.aws.amazon.com/amazondynamodb/latest/developerguide/):
read-write-operations.html, CapacityUnitCalculations.html, GSI.html, LSI.html, Constraints.html,
WorkingWithItems.html; and aws.amazon.com/sqs/pricing/.
"""

from typing import Any

import pytest

from tests.cost.units import (
    Index,
    Item,
    index_write_units,
    item_read_units,
    item_size,
    query_read_units,
    sqs_requests,
    value_size,
    write_units,
)

KB = 1024


def of_size(size: int) -> Item:
    """An item of so many bytes, its one name included."""
    item = {"x": {"S": "." * (size - 1)}}
    assert item_size(item) == size
    return item


# Sizes.


def test_a_shirt_of_23_bytes() -> None:
    """Constraints.html, "Item size": shirt-color R and shirt-size M are 23 bytes in all."""
    assert item_size({"shirt-color": {"S": "R"}, "shirt-size": {"S": "M"}}) == 23


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "Anna"}, 4),
        ({"S": "Анна"}, 8),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "27"}, 2),
        ({"N": "123"}, 3),
        ({"N": "1200"}, 2),
        ({"N": "0.0034"}, 2),
        ({"N": "-27"}, 3),
        ({"N": "1" * 38}, 20),
        ({"B": b"\0" * 1600}, 1600),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["mail", "telegram"]}, 12),
        ({"NS": ["27", "123"]}, 5),
        ({"BS": [b"ab", b"c"]}, 3),
        ({"L": []}, 3),
        ({"M": {}}, 3),
        ({"L": [{"S": "ab"}, {"N": "7"}]}, 3 + 1 + 2 + 1 + 2),
        ({"M": {"at": {"S": "ab"}}}, 3 + 1 + 2 + 2),
        ({"M": {"a": {"L": [{"BOOL": True}]}}}, 3 + 1 + 1 + (3 + 1 + 1)),
    ],
)
def test_each_type_has_its_size(value: dict[str, Any], size: int) -> None:
    """CapacityUnitCalculations.html: UTF-8 bytes; a byte for two significant digits, and one; raw bytes; one
    for null and Boolean; three for a list or a map, and one for each of its elements."""
    assert value_size(value) == size


def test_an_unknown_type_is_no_guess() -> None:
    with pytest.raises(ValueError, match="no DynamoDB type"):
        value_size({"X": 1})


# Reads.


@pytest.mark.parametrize(
    ("size", "strong", "eventual"),
    [
        (1, 1, 0.5),
        (3500, 1, 0.5),  # "reading a 3,500-byte item consumes the same throughput as reading a 4 KB item"
        (4 * KB, 1, 0.5),
        (4 * KB + 1, 2, 1),
        (8 * KB, 2, 1),  # "if your item size is 8 KB, you require 2 read units … 1 if eventually consistent"
        (10 * KB, 3, 1.5),  # "an item of 10 KB: DynamoDB rounds the item size to 12 KB"
    ],
)
def test_a_read_is_rounded_up_to_4_kb(size: int, strong: float, eventual: float) -> None:
    """read-write-operations.html, GetItem."""
    assert item_read_units([of_size(size)], consistent=True) == strong
    assert item_read_units([of_size(size)], consistent=False) == eventual


def test_a_missing_item_costs_the_least() -> None:
    """read-write-operations.html: a read of what does not exist takes one unit, or a half."""
    assert item_read_units([None], consistent=True) == 1
    assert item_read_units([None], consistent=False) == 0.5


def test_a_batch_rounds_each_item() -> None:
    """read-write-operations.html, BatchGetItem: 1.5 KB and 6.5 KB are 12 KB (4 + 8), not 8."""
    items = [of_size(1536), of_size(6656)]
    assert item_read_units(items, consistent=True) == 12 / 4
    assert item_read_units([*items, None], consistent=True) == 12 / 4 + 1


def test_a_query_rounds_the_sum() -> None:
    """read-write-operations.html, Query: 10 items of 40.8 KB in all are 44 KB; 1,500 of 64 bytes 96 KB."""
    assert query_read_units([of_size(4178)] * 10, consistent=True) == 44 / 4
    assert query_read_units([of_size(64)] * 1500, consistent=True) == 96 / 4  # 93.75 KB, rounded up


def test_a_query_of_an_index_counts_its_entries() -> None:
    """LSI.html, read capacity units: four entries of 200 bytes are 800 bytes, rounded up to 4 KB."""
    assert query_read_units([of_size(200)] * 4, consistent=True) == 1
    assert query_read_units([of_size(200)] * 4, consistent=False) == 0.5


def test_a_query_that_finds_nothing_costs_the_least() -> None:
    """read-write-operations.html: charged "even if no data exists"."""
    assert query_read_units([], consistent=False) == 0.5


# Writes.


@pytest.mark.parametrize(
    ("size", "units"),
    [
        (500, 1),  # "a 500-byte item is rounded to 1 KB"
        (KB, 1),
        (1536, 2),  # "a 1.5 KB item to 2 KB"
        (3584, 4),  # BatchWriteItem: 500 bytes and 3.5 KB are 5 KB (1 + 4), not 4
    ],
)
def test_a_write_is_rounded_up_to_1_kb(size: int, units: int) -> None:
    """read-write-operations.html, PutItem and BatchWriteItem."""
    assert write_units(None, of_size(size)) == units


def test_an_update_counts_the_larger_of_before_and_after() -> None:
    """read-write-operations.html, UpdateItem: the larger, even if a part of the attributes is changed."""
    assert write_units(of_size(500), of_size(3 * KB)) == 3
    assert write_units(of_size(3 * KB), of_size(500)) == 3


def test_a_delete_counts_what_was_there() -> None:
    """read-write-operations.html, DeleteItem: nothing there is one unit."""
    assert write_units(of_size(1536), None) == 2
    assert write_units(None, None) == 1


def test_a_failed_condition_counts_what_it_found() -> None:
    """WorkingWithItems.html, conditional writes: by the size of the existing item, or one unit."""
    found = of_size(300 * KB)
    assert write_units(found, found) == 300
    assert write_units(None, None) == 1


# Indexes: GSI.html, "Write capacity units", rule by rule.

INDEX = Index(keys=("mark", "at"), projected=frozenset({"id", "mark", "at", "note"}))
ABSENT = {"id": {"S": "1"}, "mark": {"S": "a"}, "text": {"S": "x"}}
PRESENT = {**ABSENT, "at": {"S": "1"}}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        pytest.param(None, PRESENT, 1, id="a new item"),
        pytest.param(ABSENT, PRESENT, 1, id="a key that was undefined"),
        pytest.param(PRESENT, {**PRESENT, "at": {"S": "2"}}, 2, id="a changed key: delete and put"),
        pytest.param(PRESENT, ABSENT, 1, id="a key that is removed"),
        pytest.param(PRESENT, None, 1, id="a deleted item"),
        pytest.param(None, ABSENT, 0, id="a new item without the key"),
        pytest.param(ABSENT, {**ABSENT, "text": {"S": "y"}}, 0, id="not in it before or after"),
        pytest.param(PRESENT, {**PRESENT, "note": {"S": "y"}}, 1, id="a projected attribute"),
        pytest.param(PRESENT, {**PRESENT, "text": {"S": "y"}}, 0, id="what isn't projected"),
    ],
)
def test_an_index_costs_when_its_entry_changes(before: Item | None, after: Item | None, units: int) -> None:
    assert index_write_units(INDEX, before, after) == units


def test_an_entry_is_as_large_as_what_it_holds() -> None:
    """GSI.html: "larger index entries require additional write capacity units"."""
    large = {**PRESENT, "text": {"S": "x" * 5 * KB}}
    assert index_write_units(INDEX, None, large) == 1
    assert index_write_units(Index(INDEX.keys, None), None, large) == 6
    noted = {**PRESENT, "note": {"S": "x" * 2 * KB}}
    assert index_write_units(INDEX, noted, {**noted, "at": {"S": "2"}}) == 6


# SQS.


@pytest.mark.parametrize(("size", "requests"), [(0, 1), (64 * KB, 1), (64 * KB + 1, 2), (256 * KB, 4)])
def test_sqs_bills_each_64_kb(size: int, requests: int) -> None:
    """aws.amazon.com/sqs/pricing: an action with a payload of 256 KB is billed as four requests."""
    assert sqs_requests(size) == requests

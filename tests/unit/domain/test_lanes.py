"""Lanes and shards."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.lanes import SHARDS, Lane, shard_key, shard_keys
from tests.support.factories import user_ids


def test_the_flag_of_a_notification_says_its_lane() -> None:
    assert Lane.of(is_express=True) is Lane.EXPRESS
    assert Lane.of(is_express=False) is Lane.REGULAR


@given(st.sampled_from(Lane), st.text())
def test_whatever_is_marked_is_found_by_its_lane(lane: Lane, entity_id: str) -> None:
    assert shard_key(lane, entity_id) in shard_keys(lane)
    assert shard_key(lane, entity_id) == shard_key(lane, entity_id)


def test_the_lanes_have_no_shard_in_common() -> None:
    assert not set(shard_keys(Lane.EXPRESS)) & set(shard_keys(Lane.REGULAR))


def test_entities_spread_evenly_over_the_shards() -> None:
    shards = Counter(shard_key(Lane.REGULAR, user) for user in user_ids(4000))
    assert len(shards) == SHARDS
    assert max(shards.values()) < 1.2 * 4000 / SHARDS

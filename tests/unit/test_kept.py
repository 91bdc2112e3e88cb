"""What a process remembers for a while."""

from chalicelib.domain.times import later
from chalicelib.kept import Kept
from tests.support.factories import START


def test_a_value_is_kept_for_its_time() -> None:
    kept: Kept[str] = Kept(seconds=10)
    kept.put("a", "1", START)
    assert kept.get("a", later(START, 9.9)) == "1"
    assert kept.get("a", later(START, 10)) is None
    assert kept.get("b", START) is None


def test_of_too_many_the_oldest_goes() -> None:
    kept: Kept[int] = Kept(entries=2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        kept.put(key, value, START)
    assert [kept.get(key, START) for key in "abc"] == [3, None, 4]

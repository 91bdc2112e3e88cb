"""What a process remembers."""

import time

import pytest

from chalicelib.memory import Memory


def test_a_value_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    memory: Memory[str] = Memory(seconds=10, size=5)
    memory.put("a", "1")
    moment[0] += 9.9
    assert memory.get("a") == "1"
    moment[0] += 0.1
    assert memory.get("a") is None


def test_of_too_many_the_oldest_goes() -> None:
    memory: Memory[int] = Memory(seconds=10, size=2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        memory.put(key, value)
    assert [memory.get(key) for key in "abc"] == [3, None, 4]
    memory.forget()
    assert memory.get("a") is None

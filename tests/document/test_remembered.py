from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from localsessions.adapters.document import Remembered


def test_what_was_used_longest_ago_is_forgotten() -> None:
    memory: Remembered[str, int | None] = Remembered(2)
    assert memory.put("a", 1) == 1
    memory.put("b", None)
    assert memory.get("a") == 1  # used
    memory.put("c", 3)
    assert [name in memory for name in "abc"] == [True, False, True]
    assert memory.get("b", "unknown") == "unknown"


def test_a_value_may_be_none_and_is_known_all_the_same() -> None:
    memory: Remembered[str, int | None] = Remembered(2)
    memory.put("a", None)
    assert memory.get("a", "unknown") is None
    assert memory.pop("a") is None
    assert memory.get("a", "unknown") == "unknown"
    assert memory.pop("a") is None


def test_many_threads_keep_no_more_than_is_asked_for() -> None:
    memory: Remembered[int, int] = Remembered(10)

    def use(first: int) -> None:
        for number in range(first, first + 500):
            memory.put(number, number)
            assert memory.get(number, number) == number
            memory.pop(number - 3)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(use, 250 * one) for one in range(4)]:
            done.result()
    assert len(memory) <= 10

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from localsessions.adapters.document import InOrder, finished


def test_a_cancelled_act_is_finished_before_the_cancellation_is_raised() -> None:
    began, done = threading.Event(), threading.Event()

    def act() -> None:
        began.set()
        time.sleep(0.05)
        done.set()

    async def cancelled() -> bool:
        task = asyncio.create_task(finished(act))
        await asyncio.to_thread(began.wait)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return done.is_set()

    assert asyncio.run(cancelled())


def test_an_error_after_a_cancellation_is_the_cancellation() -> None:
    began, go_on = threading.Event(), threading.Event()

    def act() -> None:
        began.set()
        go_on.wait()
        raise OSError("full")

    async def cancelled() -> None:
        task = asyncio.create_task(finished(act))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_what_the_act_raises_is_raised() -> None:
    def act() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        asyncio.run(finished(act))


def test_acts_on_one_thing_are_done_in_the_order_of_the_calls() -> None:
    done: list[int] = []

    def act(number: int) -> None:
        time.sleep(0.002 * (number % 3 == 0))
        done.append(number)

    async def all_at_once() -> None:
        ordered = InOrder()
        await asyncio.gather(
            *(ordered.finished("s", lambda number=number: act(number)) for number in range(60))  # type: ignore[misc]
        )
        assert ordered._last == {}

    asyncio.run(all_at_once())
    assert done == [*range(60)]


def test_an_act_that_failed_holds_up_none_after_it() -> None:
    def fail() -> None:
        raise OSError("full")

    async def two() -> object:
        ordered = InOrder()
        first, second = await asyncio.gather(
            ordered.finished("s", fail),
            ordered.finished("s", lambda: "done"),
            return_exceptions=True,
        )
        assert isinstance(first, OSError)
        return second

    assert asyncio.run(two()) == "done"

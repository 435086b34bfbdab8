"""Awaiting what a folder's engine does: its threads, and what other programs do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from contract.acts import Following, until

from localsessions import AsyncSessionStore, ConflictError, Session
from localsessions._local import searching
from localsessions._local.engine import LocalEngine
from localsessions.engine import Follower


def watching() -> list[str]:
    return [
        one.name
        for one in threading.enumerate()
        if one.name == "localsessions-feed" or type(one).__module__.startswith("watchdog")
    ]


def test_an_edit_that_another_program_overtakes_is_a_conflict(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder) as store:
            await store.create("a")
            with pytest.raises(ConflictError):  # noqa: PT012
                async with store.edit("a") as session:
                    session.title = "mine"
                    (folder / "a.json").write_text('{"title": "theirs"}')
            assert (await store.load("a")).title == "theirs"

    asyncio.run(run())


@pytest.mark.parametrize("when", ["notice", "follow", "changes"])
def test_a_task_cancelled_while_it_begins_leaves_no_thread(
    when: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call in the worker thread goes on, and is over before the task is or after it."""
    inside, leave = threading.Event(), threading.Event()
    act = getattr(LocalEngine, when)

    def slowly(engine: LocalEngine, *given: object, **named: object) -> object:
        if threading.current_thread().name != "localsessions-feed":
            inside.set()
            leave.wait(120)
        return act(engine, *given, **named)

    async def run(*, is_late: bool) -> None:
        inside.clear()
        leave.clear()
        async with AsyncSessionStore(folder) as store:
            with monkeypatch.context() as patch:
                patch.setattr(LocalEngine, when, slowly)
                follower = Following(store)
                await until(inside.is_set)
                follower.task.cancel()
                if not is_late:
                    leave.set()
                with pytest.raises(asyncio.CancelledError):
                    await follower.task
                leave.set()
            await until(lambda: not watching())
            await store.create(f"after {when} {is_late}")
            assert follower.told == []

    asyncio.run(run(is_late=True))
    asyncio.run(run(is_late=False))
    assert watching() == []


def test_a_store_closed_while_a_loop_begins_leaves_no_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = LocalEngine.follow
    stores: list[AsyncSessionStore] = []

    def close_before(engine: LocalEngine, follower: Follower) -> None:
        stores[0].store.close()
        follow(engine, follower)

    monkeypatch.setattr(LocalEngine, "follow", close_before)

    async def run() -> None:
        stores.append(AsyncSessionStore(folder))
        with pytest.raises(ValueError, match="is closed"):
            await anext(stores[0].changes(follow=True))
        assert watching() == []

    asyncio.run(run())


def test_what_another_program_does_comes_as_it_happens(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder) as store:
            await store.create("a")
            follower = Following(store)
            await until(watching)
            (folder / "b.json").write_text('{"title": "B"}')
            await until(lambda: ("b", "created", "external") in follower.said())
            assert watching().count("localsessions-feed") == 1
        await follower.task
        assert watching() == []

    asyncio.run(run())


def test_a_cancelled_search_is_given_up_in_its_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_BATCH", 1)
    reached, may_go_on, read = threading.Event(), threading.Event(), list[int]()

    def on_progress(done: int, _total: int) -> None:
        read.append(done)
        reached.set()
        may_go_on.wait(30)

    async def search_and_cancel() -> None:
        async with AsyncSessionStore(folder) as store:
            await store.create_many(Session(session_id=f"s{number}") for number in range(9))
            task = asyncio.create_task(store.search("words", on_progress=on_progress))
            await asyncio.to_thread(reached.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_go_on.set()

    asyncio.run(search_and_cancel())
    assert read == [1]

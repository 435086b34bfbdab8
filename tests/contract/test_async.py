"""AsyncSessionStore: every verb of SessionStore, off the event loop, on every engine."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from contract.acts import Following, until, user
from contract.conftest import NewPlace, NewThreads
from contract.places import Place
from localsessions import (
    AsyncSessionStore,
    ChangesExpiredError,
    Finding,
    LockTimeoutError,
    Session,
    SessionChange,
    SessionNotFoundError,
    SessionStore,
)


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def editing() -> int:
    return sum("localsessions-edit" in one.name for one in threading.enumerate())


async def refused(store: AsyncSessionStore) -> str:
    try:
        return await store.repair(Finding("permissions", "folder", "others may write", "chmod"))
    except ValueError as error:
        return str(error)


async def size_of_raw(store: AsyncSessionStore) -> object:
    return (await store.raw("a"))[:1]


async def last_change_twice(store: AsyncSessionStore) -> str:
    return str(await store.last_change() == await store.last_change())


CALLS: list[tuple[str, Callable[[AsyncSessionStore], Awaitable[object]]]] = [
    ("create", lambda store: store.create("b", title="t", user_id="u", agent_id="g", ttl=9)),
    ("get_or_create", lambda store: store.get_or_create("a", title="unused")),
    ("get", lambda store: store.get("none")),
    ("load", lambda store: store.load("a")),
    ("save", lambda store: store.save(Session(session_id="c"))),
    ("create_many", lambda store: store.create_many([Session(session_id="e", title="many")])),
    ("save_many", lambda store: store.save_many([Session(session_id="f")], on_conflict="merge")),
    ("delete_many", lambda store: store.delete_many(["e", "none"], user_id="u")),
    ("append", lambda store: store.append("a", user("parser"))),
    ("upsert_run", lambda store: store.upsert_run("a", {"run_id": "r"}, user("x"))),
    ("runs", lambda store: store.runs("a", status="none")),
    ("history", lambda store: store.history("a", 1)),
    ("context", lambda store: store.context("a", "so?")),
    ("switch_agent", lambda store: store.switch_agent("a", "coder", "why")),
    ("rename", lambda store: store.rename("a", "made", made=True)),
    ("pin", lambda store: store.pin("a", pinned=True)),
    ("archive", lambda store: store.archive("a", archived=True)),
    ("tag", lambda store: store.tag("a", "x", "y", remove=["x"])),
    ("fork", lambda store: store.fork("a", at=0, new_id="d")),
    ("tail", lambda store: store.tail("a", 1)),
    ("raw", size_of_raw),
    ("adopt", lambda store: store.adopt("a", lambda _data: None)),
    ("list", lambda store: store.list(order="created_at", limit=2, fresh=True)),
    ("count", lambda store: store.count(user_id="u")),
    ("groups", lambda store: store.groups("tag")),
    ("search", lambda store: store.search("parser", limit=1)),
    ("resolve", lambda store: store.resolve("a")),
    ("short_ids", lambda store: store.short_ids(["a", "b"])),
    ("cleanup", lambda store: store.cleanup(max_age=9e5, dry_run=True)),
    ("purge_expired", lambda store: store.purge_expired(dry_run=True)),
    ("save_checkpoint", lambda store: store.save_checkpoint("a", {"n": 1})),
    ("checkpoints", lambda store: store.checkpoints("a")),
    ("load_checkpoint", lambda store: store.load_checkpoint("a")),
    ("delete_checkpoint", lambda store: store.delete_checkpoint("a", "none")),
    ("clear_checkpoints", lambda store: store.clear_checkpoints("a")),
    ("delete", lambda store: store.delete("b")),
    ("trash", lambda store: store.trash()),
    ("restore", lambda store: store.restore("b")),
    ("empty_trash", lambda store: store.empty_trash(max_age=1)),
    ("deletions", lambda store: store.deletions(["b"])),
    ("forget_deletions", lambda store: store.forget_deletions()),
    ("verify", lambda store: store.verify()),
    ("repair", refused),
    ("last_change", last_change_twice),
    ("reindex", lambda store: store.reindex()),
    ("stats", lambda store: store.stats()),
]


def test_the_calls_cover_every_verb() -> None:
    awaited = {
        name for name, verb in vars(AsyncSessionStore).items() if inspect.iscoroutinefunction(verb)
    }
    assert {name for name, _ in CALLS} == (awaited & public(SessionStore)) - {"close", "watch"}


def test_each_verb_does_what_its_twin_does(new_place: NewPlace) -> None:
    """The same calls on both, one after the other; what differs by nature is taken out."""

    def plain(value: object) -> object:
        if isinstance(value, Session):
            return value.session_id, value.title, value.revision, len(value.messages)
        return value if isinstance(value, str | int | None) else type(value).__name__

    async def run() -> tuple[list[object], list[str], list[str]]:
        kinds: list[object] = []
        async with new_place().open_async() as store:
            await store.create("a")
            for _, call in CALLS:
                kinds.append(plain(await call(store)))
            titles = [one.session_id for one in await store.list(limit=9)]
            sync = store.store
            assert (store.save_dir, store.path("x")) == (sync.save_dir, sync.path("x"))
            return kinds, sorted(titles), [repr(store), f"Async{sync!r}"]

    kinds, listed, names = asyncio.run(run())
    assert listed == ["a", "b", "c", "d", "f"]
    assert names[0] == names[1]

    class Now:
        """The blocking store behind the same awaiting calls."""

        def __init__(self, store: SessionStore) -> None:
            self.store = store

        def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
            async def verb(*args: object, **options: object) -> object:
                return getattr(self.store, name)(*args, **options)

            return verb

    with new_place().open() as twin:
        twin.create("a")
        expected = [plain(asyncio.run(call(Now(twin)))) for _, call in CALLS]  # type: ignore[arg-type]
    assert kinds == expected


def test_fifty_appends_at_once_lose_nothing(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            await asyncio.gather(*(store.append("a", user(str(n))) for n in range(50)))
            said = {message["content"] for message in (await store.load("a")).messages}
            assert said == {str(number) for number in range(50)}
            assert (await store.load("a")).revision == 51

    asyncio.run(run())


def test_edit_stores_and_an_exception_stores_nothing(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            async with store.edit("a") as session:
                session.title = "edited"
                await asyncio.sleep(0)
            assert (await store.load("a")).title == "edited"
            with pytest.raises(KeyError, match="inside"):  # noqa: PT012
                async with store.edit("a") as session:
                    session.title = "lost"
                    raise KeyError("inside")
            assert (await store.load("a")).title == "edited"
            await store.append("a", user("the lock is free"))
            with pytest.raises(SessionNotFoundError):
                async with store.edit("nobody"):
                    pass

    asyncio.run(run())


def test_an_edit_that_is_no_activity_leaves_its_time(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            long_ago = datetime(2020, 1, 1, tzinfo=UTC)
            await store.save(Session(session_id="a", last_activity=long_ago))
            async with store.edit("a", is_activity=False) as session:
                session.title = "edited"
            assert (await store.load("a")).last_activity == long_ago

    asyncio.run(run())


def test_a_cancelled_edit_stores_nothing_and_frees_the_lock(place: Place) -> None:
    async def run() -> None:
        async with place.open_async(lock_timeout=5) as store:
            await store.create("a")
            inside = asyncio.Event()

            async def edit() -> None:
                async with store.edit("a") as session:
                    session.title = "lost"
                    inside.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(edit())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await store.append("a", user("free"))
            assert (await store.load("a")).title is None

    asyncio.run(run())


def test_an_edit_cancelled_while_it_waits_for_the_lock_leaves_it_free(place: Place) -> None:
    async def run() -> None:
        async with place.open_async(lock_timeout=5) as store:
            await store.create("a")

            async def edit() -> None:
                async with store.edit("a") as session:
                    session.title = "never"

            async with store.edit("a") as held:
                waiting = asyncio.create_task(edit())
                while editing() < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert editing() == 2  # its thread still waits, and the loop did not
                held.title = "held"
            await store.append("a", user("free"))
            assert (await store.load("a")).title == "held"

    asyncio.run(run())


def test_the_same_session_inside_an_edit_is_waited_for_in_vain(place: Place) -> None:
    async def run() -> None:
        async with place.open_async(lock_timeout=0.05) as store:
            await store.create("a")
            await store.create("b")
            async with store.edit("a") as session:
                with pytest.raises(LockTimeoutError):
                    await store.append("a", user("x"))
                await store.append("b", user("x"))
                session.title = "stored"
            assert (await store.load("a")).title == "stored"

    asyncio.run(run())


def test_the_loop_runs_on_while_a_verb_waits(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            async with store.edit("a") as session:
                waiting = asyncio.create_task(store.append("a", user("after")))
                ticks = 0
                while ticks < 50:
                    await asyncio.sleep(0)
                    ticks += 1
                assert not waiting.done()
                session.title = "first"
            await waiting
            loaded = await store.load("a")
            assert (loaded.title, len(loaded.messages)) == ("first", 1)

    asyncio.run(run())


def test_closing_twice_is_nothing(place: Place) -> None:
    async def run() -> None:
        store = place.open_async()
        await store.close()
        await store.close()
        with pytest.raises(ValueError, match="is closed"):
            await store.list()

    asyncio.run(run())


def test_without_follow_the_changes_end_where_there_is_no_more(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            number = await store.last_change()
            for turn in range(300):  # more than are asked for at once
                await store.append("a", user(str(turn)))
            ranges = [change.new_messages async for change in store.changes(number)]
            assert ranges == [(turn, turn + 1) for turn in range(300)]
            assert [change async for change in store.changes(await store.last_change())] == []
            with pytest.raises(ValueError, match="follow=True"):
                await anext(store.changes())
            with pytest.raises(ChangesExpiredError):
                await anext(store.changes(0))

    asyncio.run(run())


def test_changes_come_as_they_happen_in_order_and_once(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store, place.open_async() as other:
            await store.create("a")
            number = await store.last_change()
            await store.append("a", user("0"))
            follower, another = Following(store, number), Following(store)
            for turn in range(1, 300):
                await (store, other)[turn % 2].append("a", user(str(turn)))
            await other.create("b")
            await until(lambda: follower.said()[-1:] == another.said()[-1:] != [])
            await until(lambda: ("b", "created", "another store") in follower.said())
            await store.delete("a")
            await until(lambda: ("a", "deleted", "this store") in another.said())
            await until(lambda: ("a", "deleted", "this store") in follower.said())
            ranges = [one.new_messages for one in follower.told[:-2]]
            assert ranges == [(turn, turn + 1) for turn in range(300)]
            assert [one.origin for one in follower.told[:-2]] == [
                "this store",
                *("another store", "this store") * 149,
                "another store",
            ]
        # Closing the store ends the loops.
        await asyncio.gather(follower.task, another.task)
        assert new_threads() == []

    asyncio.run(run())


def test_leaving_the_loop_early_leaves_no_thread(place: Place, new_threads: NewThreads) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            number = await store.last_change()
            await store.create("a")
            await store.create("b")
            async with contextlib.aclosing(store.changes(number, follow=True)) as changes:
                async for change in changes:
                    assert change.session_id == "a"
                    assert new_threads()
                    break
            assert new_threads() == []
            with pytest.raises(KeyError):  # noqa: PT012
                async with contextlib.aclosing(store.changes(number, follow=True)) as changes:
                    async for change in changes:
                        raise KeyError(change.session_id)
            assert new_threads() == []

    asyncio.run(run())


def test_a_loop_that_is_only_forgotten_leaves_no_thread(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            number = await store.last_change()
            await store.create("a")
            async for _ in store.changes(number, follow=True):
                break
            gc.collect()
            await until(lambda: not new_threads())

    asyncio.run(run())


def test_a_task_cancelled_while_it_waits_leaves_no_thread(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            begin = await store.last_change()
            follower, goes_on = Following(store, begin), Following(store, begin)
            await until(new_threads)
            await store.create("a")
            await until(lambda: follower.told and goes_on.told)
            follower.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await follower.task
            await store.create("b")
            await until(lambda: len(goes_on.told) == 2)
            goes_on.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await goes_on.task
            assert (len(follower.told), new_threads()) == (1, [])

    asyncio.run(run())


def test_a_slow_reader_holds_up_nobody_and_loses_nothing(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            quick = Following(store, await store.last_change())
            slow = store.changes(follow=True)
            first: asyncio.Task[SessionChange] = asyncio.create_task(anext(slow))
            await until(new_threads)
            while not first.done():
                await store.append("a", user("first"))
            begun = (await first).new_messages
            assert begun is not None
            for _ in range(400):
                await store.append("a", user("x"))
            count = len((await store.load("a")).messages)
            await until(lambda: quick.told and quick.told[-1].new_messages == (count - 1, count))
            async with contextlib.aclosing(slow):
                for turn in range(begun[1], count):
                    assert (await anext(slow)).new_messages == (turn, turn + 1)

    asyncio.run(run())


def test_what_is_not_known_is_raised_out_of_the_loop(place: Place, new_threads: NewThreads) -> None:
    async def run() -> None:
        async with place.open_async() as store, place.open_async() as other:
            await store.create("a")
            number = await store.last_change()
            for unknown in (number + 1, 0):
                with pytest.raises(ChangesExpiredError):
                    await anext(store.changes(unknown, follow=True))
            assert new_threads() == []
            follower = Following(store, number)
            await store.append("a", user("x"))
            await until(lambda: follower.told)
            await other.reindex()
            with pytest.raises(ChangesExpiredError):
                await follower.task
            assert new_threads() == []

    asyncio.run(run())


def test_a_closed_store_has_no_changes(place: Place, new_threads: NewThreads) -> None:
    async def run() -> None:
        store = place.open_async()
        begun = store.changes(follow=True)
        await store.close()
        for changes in (begun, store.changes(follow=True)):
            with pytest.raises(ValueError, match="is closed"):
                await anext(changes)
        assert new_threads() == []

    asyncio.run(run())

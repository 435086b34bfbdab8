"""AsyncSessionStore: every verb of SessionStore, off the event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from localsessions import (
    AsyncSessionStore,
    ConflictError,
    LockTimeoutError,
    Session,
    SessionNotFoundError,
    SessionStore,
)

EXTRA = {"aclose"}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")} - EXTRA


def editing() -> int:
    return sum("localsessions-edit" in one.name for one in threading.enumerate())


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_every_verb_is_there() -> None:
    assert public(AsyncSessionStore) == public(SessionStore)


@pytest.mark.parametrize("name", sorted({"__init__", *public(SessionStore)}))
def test_each_verb_has_the_same_signature(name: str) -> None:
    ours, theirs = (vars(kind)[name] for kind in (AsyncSessionStore, SessionStore))
    if isinstance(theirs, property):
        assert isinstance(ours, property)
        ours, theirs = ours.fget, theirs.fget
    one, other = inspect.signature(ours), inspect.signature(theirs)
    assert list(one.parameters.values()) == list(other.parameters.values())
    assert str(one.return_annotation).replace("AsyncIterator", "Iterator") == str(
        other.return_annotation
    )


CALLS: list[tuple[str, Callable[[AsyncSessionStore], Awaitable[object]]]] = [
    ("create", lambda store: store.create("b", title="t", user_id="u", agent_id="g", ttl=9)),
    ("get", lambda store: store.get("none")),
    ("load", lambda store: store.load("a")),
    ("save", lambda store: store.save(Session(session_id="c"))),
    ("append", lambda store: store.append("a", user("parser"))),
    ("upsert_run", lambda store: store.upsert_run("a", {"run_id": "r"}, user("x"))),
    ("switch_agent", lambda store: store.switch_agent("a", "coder", "why")),
    ("rename", lambda store: store.rename("a", "made", made=True)),
    ("pin", lambda store: store.pin("a", pinned=True)),
    ("archive", lambda store: store.archive("a", archived=True)),
    ("tag", lambda store: store.tag("a", "x", "y", remove=["x"])),
    ("fork", lambda store: store.fork("a", at=0, new_id="d")),
    ("tail", lambda store: store.tail("a", 1)),
    ("list", lambda store: store.list(order="created_at", limit=2, fresh=True)),
    ("count", lambda store: store.count(user_id="u")),
    ("search", lambda store: store.search("parser", limit=1)),
    ("resolve", lambda store: store.resolve("a")),
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
    ("verify", lambda store: store.verify()),
    ("reindex", lambda store: store.reindex()),
    ("stats", lambda store: store.stats()),
]


def test_the_calls_cover_every_verb() -> None:
    awaited = {
        name for name, verb in vars(AsyncSessionStore).items() if inspect.iscoroutinefunction(verb)
    }
    assert {name for name, _ in CALLS} == (awaited & public(SessionStore)) - {"close"}


def test_each_verb_does_what_its_twin_does(tmp_path: Path) -> None:
    """The same calls on both, one after the other; what differs by nature is taken out."""

    def plain(value: object) -> object:
        if isinstance(value, Session):
            return value.session_id, value.title, value.revision, len(value.messages)
        return value if isinstance(value, str | int | None) else type(value).__name__

    async def run() -> tuple[list[object], list[str], list[str]]:
        kinds: list[object] = []
        async with AsyncSessionStore(tmp_path / "async", durability="fast") as store:
            await store.create("a")
            for _, call in CALLS:
                kinds.append(plain(await call(store)))
            titles = [one.session_id for one in await store.list(limit=9)]
            return kinds, sorted(titles), [store.save_dir, store.path("x"), repr(store)]

    kinds, listed, names = asyncio.run(run())
    assert listed == ["a", "b", "c", "d"]
    folder = str(tmp_path / "async")
    assert names == [folder, f"{folder}/x.json", f"AsyncSessionStore('{folder}')"]

    class Now:
        """The blocking store behind the same awaiting calls."""

        def __init__(self, store: SessionStore) -> None:
            self.store = store

        def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
            async def verb(*args: object, **options: object) -> object:
                return getattr(self.store, name)(*args, **options)

            return verb

    with SessionStore(tmp_path / "sync", durability="fast") as twin:
        twin.create("a")
        expected = [plain(asyncio.run(call(Now(twin)))) for _, call in CALLS]  # type: ignore[arg-type]
    assert kinds == expected


def test_fifty_appends_at_once_lose_nothing(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder, durability="fast") as store:
            await store.create("a")
            await asyncio.gather(*(store.append("a", user(str(n))) for n in range(50)))
            said = {message["content"] for message in (await store.load("a")).messages}
            assert said == {str(number) for number in range(50)}
            assert (await store.load("a")).revision == 51

    asyncio.run(run())


def test_edit_stores_and_an_exception_stores_nothing(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder) as store:
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


def test_a_cancelled_edit_stores_nothing_and_frees_the_lock(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder, lock_timeout=5) as store:
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


def test_an_edit_cancelled_while_it_waits_for_the_lock_leaves_it_free(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder, lock_timeout=5) as store:
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


def test_the_same_session_inside_an_edit_is_waited_for_in_vain(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder, lock_timeout=0.05) as store:
            await store.create("a")
            await store.create("b")
            async with store.edit("a") as session:
                with pytest.raises(LockTimeoutError):
                    await store.append("a", user("x"))
                await store.append("b", user("x"))
                session.title = "stored"
            assert (await store.load("a")).title == "stored"

    asyncio.run(run())


def test_the_loop_runs_on_while_a_verb_waits(folder: Path) -> None:
    async def run() -> None:
        async with AsyncSessionStore(folder) as store:
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


def test_closing_twice_is_nothing(folder: Path) -> None:
    async def run() -> None:
        store = AsyncSessionStore(folder)
        await store.close()
        await store.close()
        with pytest.raises(ValueError, match="is closed"):
            await store.list()

    asyncio.run(run())

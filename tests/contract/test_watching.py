"""Who watches is told of exactly what happened, in order and once."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import pytest

from contract.acts import user, wait_until
from contract.conftest import NewThreads
from contract.places import Place
from localsessions import AsyncSessionStore, ChangesExpiredError, SessionChange, SessionStore

Said = tuple[str, str, str]
_ends = itertools.count(1)


class Told:
    """A watch that writes down what it is told."""

    def __init__(self, store: SessionStore, since: int | None = None) -> None:
        self.changes: list[SessionChange] = []
        self.errors: list[tuple[Exception, SessionChange | None]] = []
        self.end = ""
        self._store = store
        self.watch = store.watch(self.on_change, since=since, on_error=self.on_error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.watch.close()

    def on_change(self, change: SessionChange) -> None:
        self.changes.append(change)

    def on_error(self, error: Exception, change: SessionChange | None) -> None:
        self.errors.append((error, change))

    def said(self) -> list[Said]:
        return [(one.session_id, one.kind, one.origin) for one in list(self.changes)]

    def until(self, *said: Said) -> None:
        """Wait until this was told."""
        wait_until(lambda: set(said) <= set(self.said()))

    def all(self) -> list[Said]:
        """Return all that was told until a session that is made now, the last of all, is told."""
        self.end = self._store.create(f"end{next(_ends)}").session_id
        self.until((self.end, "created", "this store"))
        assert [one.number for one in self.changes] == sorted({one.number for one in self.changes})
        assert self.errors == []
        return [one for one in self.said() if not one[0].startswith("end")]


@pytest.fixture
def told(store: SessionStore) -> Iterator[Told]:
    """Somebody who watches a store with the sessions a and b."""
    store.create("a", title="A")
    store.create("b", title="B")
    with Told(store) as made:
        yield made


# -- beginning and ending ----------------------------------------------------------------------


def test_there_is_a_thread_from_the_first_watch_to_the_last_close(
    store: SessionStore, new_threads: NewThreads
) -> None:
    assert (new_threads(), store.stats().watcher) == ([], "off")
    for _ in range(3):
        one = store.watch(lambda change: None)
        made = new_threads()
        assert made
        assert store.stats().watcher != "off"
        two = store.watch(lambda change: None)
        assert new_threads() == made
        one.close()
        assert new_threads() == made
        two.close()
        assert (new_threads(), store.stats().watcher) == ([], "off")


def test_closing_twice_is_nothing(store: SessionStore, new_threads: NewThreads) -> None:
    with store.watch(lambda change: None) as watch:
        watch.close()
        watch.close()
    assert watch.closed
    assert new_threads() == []


def test_closing_the_store_ends_every_watch(place: Place, new_threads: NewThreads) -> None:
    store = place.open()
    one, two = Told(store), Told(store)
    store.close()
    assert (new_threads(), one.watch.closed, two.watch.closed) == ([], True, True)
    one.watch.close()
    with pytest.raises(ValueError, match="is closed"):
        store.watch(lambda change: None)
    with place.open() as again:
        again.create("a")
    assert one.changes == two.changes == []


def test_a_watch_that_closes_itself_is_told_no_more(
    store: SessionStore, new_threads: NewThreads
) -> None:
    told: list[str] = []

    def once(change: SessionChange) -> None:
        told.append(change.session_id)
        watch.close()
        watch.close()

    watch = store.watch(once)
    for number in range(3):
        store.create(f"s{number}")
    wait_until(lambda: watch.closed and not new_threads())
    store.create("later")
    assert told == ["s0"]


def test_a_callback_may_close_the_store(place: Place, new_threads: NewThreads) -> None:
    store = place.open()
    errors: list[Exception] = []
    store.watch(lambda change: store.close(), on_error=lambda error, _: errors.append(error))
    with place.open() as other:
        other.create("a")
        wait_until(lambda: not new_threads())
    assert errors == []


def test_close_waits_for_the_call_that_goes_on_and_no_other_follows(store: SessionStore) -> None:
    """Also where another watch goes on, so that the thread does not end."""
    inside, leave = threading.Event(), threading.Event()
    calls: list[str] = []

    def slowly(change: SessionChange) -> None:
        inside.set()
        leave.wait(120)
        calls.append(change.session_id)

    with Told(store) as goes_on, store.watch(slowly) as watch:
        store.create("a")
        store.create("b")
        assert inside.wait(120)
        closing = threading.Thread(target=watch.close)
        closing.start()
        wait_until(lambda: watch.closed)
        closing.join(0.05)
        assert closing.is_alive()
        leave.set()
        closing.join(120)
        assert calls == ["a"]
        goes_on.until(("b", "created", "this store"))
        assert calls == ["a"]


def test_a_callback_may_open_and_close_watches(
    store: SessionStore, new_threads: NewThreads
) -> None:
    inner: list[Told] = []

    def open_one(change: SessionChange) -> None:
        if change.session_id == "a" and not inner:
            inner.append(Told(store))
        if change.session_id == "b":
            inner[0].watch.close()

    with store.watch(open_one), Told(store) as outer:
        store.create("a")
        wait_until(lambda: inner)
        store.append("a", user("x"))
        inner[0].until(("a", "modified", "this store"))
        store.create("b")
        wait_until(lambda: inner[0].watch.closed)
        store.create("c")
        outer.until(("c", "created", "this store"))
        assert ("c", "created", "this store") not in inner[0].said()
    assert new_threads() == []


def test_the_last_watch_may_be_followed_by_another_in_its_callback(
    store: SessionStore, other: SessionStore, new_threads: NewThreads
) -> None:
    followers: list[Told] = []

    def hand_over(change: SessionChange) -> None:
        watch.close()
        followers.append(Told(store, since=change.number))

    watch = store.watch(hand_over)
    other.create("a")
    other.create("b")
    wait_until(lambda: followers)
    followers[0].until(("b", "created", "another store"))
    assert followers[0].said() == [("b", "created", "another store")]
    followers[0].watch.close()
    wait_until(lambda: not new_threads())


def test_a_store_that_is_forgotten_ends_its_thread(place: Place, new_threads: NewThreads) -> None:
    store = place.open()
    store.watch(lambda change: None)
    with pytest.warns(ResourceWarning, match="was not closed"):  # noqa: PT031
        del store
        gc.collect()
    assert new_threads() == []


def test_closing_is_no_error_whatever_the_thread_does_just_then(place: Place) -> None:
    errors: list[Exception] = []
    for number in range(30):
        store = place.open()
        store.watch(lambda change: None, on_error=lambda error, _: errors.append(error))
        store.create(f"s{number}")
        store.close()
    assert errors == []


# -- positions ---------------------------------------------------------------------------------


def test_since_tells_what_happened_since_and_goes_on(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    number = store.last_change()
    store.append("a", user("one"))
    other.append("a", user("two"))
    other.create("b")
    with Told(store, since=number) as told:
        store.delete("b")
        assert told.all() == [
            ("a", "modified", "this store"),
            ("a", "modified", "another store"),
            ("b", "created", "another store"),
            ("b", "deleted", "this store"),
        ]
        assert told.watch.number == told.changes[-1].number


def test_a_second_watch_is_told_since_its_own_position_though_nothing_happens(
    told: Told, store: SessionStore
) -> None:
    number = store.last_change()
    store.rename("a", "renamed")
    told.until(("a", "modified", "this store"))
    with Told(store, since=number) as second, Told(store) as third:
        second.until(("a", "modified", "this store"))
        store.rename("b", "too")
        expected = [("a", "modified", "this store"), ("b", "modified", "this store")]
        assert second.all() == expected
        assert told.all() == expected
        third.until(expected[1])
        assert third.said()[0] == expected[1]


def test_a_number_that_is_not_known_is_refused(
    store: SessionStore, new_threads: NewThreads
) -> None:
    number = store.last_change()
    for unknown in (number + 1, number - 1, 0, -1):
        with pytest.raises(ChangesExpiredError):
            store.watch(lambda change: None, since=unknown)
    assert new_threads() == []


# -- callbacks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyError, SystemExit, KeyboardInterrupt])
def test_an_exception_in_a_callback_is_handed_over_and_the_next_change_is_told(
    kind: type[BaseException], store: SessionStore, other: SessionStore
) -> None:
    seen: list[str] = []
    errors: list[tuple[Exception, SessionChange | None]] = []

    def fail(change: SessionChange) -> None:
        seen.append(change.session_id)
        if change.session_id == "a":
            raise kind("a")

    with store.watch(fail, on_error=lambda error, change: errors.append((error, change))):
        other.create("a")
        other.create("b")
        wait_until(lambda: seen == ["a", "b"])
    if issubclass(kind, Exception):
        ((error, change),) = errors
        assert isinstance(error, kind)
        assert change is not None
        assert change.session_id == "a"


def test_on_error_may_fail_too(
    store: SessionStore, other: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def fail(change: SessionChange) -> None:
        seen.append(change.session_id)
        raise KeyError(change.session_id)

    def fail_again(error: Exception, change: SessionChange | None) -> None:
        raise OSError("on_error is no better")

    with store.watch(fail, on_error=fail_again):
        other.create("a")
        other.create("b")
        wait_until(lambda: seen == ["a", "b"])
    assert "on_error is no better" in caplog.text


def test_without_on_error_the_log_says_it(
    store: SessionStore, other: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(change: SessionChange) -> None:
        raise KeyError("the callback's own")

    with caplog.at_level(logging.WARNING, "localsessions"), store.watch(fail), Told(store) as told:
        other.create("a")
        told.until(("a", "created", "another store"))
    assert "the callback's own" in caplog.text


def test_a_slow_callback_loses_nothing(store: SessionStore) -> None:
    store.create("a")
    first, go_on = threading.Event(), threading.Event()
    counts: list[tuple[int, int] | None] = []

    def slowly(change: SessionChange) -> None:
        first.set()
        go_on.wait(120)
        counts.append(change.new_messages)

    with store.watch(slowly):
        store.append("a", user("0"))
        assert first.wait(120)
        for number in range(1, 300):
            store.append("a", user(str(number)))
        store.create("b")
        assert {one.session_id for one in store.list()} == {"a", "b"}
        go_on.set()
        wait_until(lambda: len(counts) > 300)
    assert counts == [*((number, number + 1) for number in range(300)), None]


def test_a_callback_may_call_every_verb(store: SessionStore, other: SessionStore) -> None:
    """What it does itself is told as well, after what it was told of."""
    store.create("log")
    sizes: list[int] = []

    def answer(change: SessionChange) -> None:
        if change.session_id != "log":
            store.append("log", user(change.session_id))
            sizes.append(len(store.list(fresh=True)))

    with store.watch(answer), Told(store) as told:
        other.create("a")
        told.until(("log", "modified", "this store"))
        assert told.said() == [
            ("a", "created", "another store"),
            ("log", "modified", "this store"),
        ]
    assert sizes == [2]


# -- what is told ------------------------------------------------------------------------------


def test_each_verb_is_told_once_as_of_this_store(told: Told, store: SessionStore) -> None:
    store.append("a", user("x"))
    store.fork("a", new_id="f")
    store.rename("a", "renamed")
    store.rename("a", "renamed")
    store.delete("a")
    store.restore("a")
    store.delete("b")
    assert told.all() == [
        (session_id, kind, "this store")
        for session_id, kind in [
            ("a", "modified"),
            ("f", "created"),
            ("a", "modified"),
            ("a", "deleted"),
            ("a", "created"),
            ("b", "deleted"),
        ]
    ]
    assert told.changes[0].new_messages == (0, 1)
    assert told.changes[2].changed["title"] == ("A", "renamed")


def test_every_append_of_many_threads_is_told_once_and_by_whom(
    store: SessionStore, other: SessionStore
) -> None:
    for number in range(4):
        store.create(f"s{number}")
    count = 40

    def append(writer: SessionStore, shift: int) -> None:
        for turn in range(count):
            writer.append(f"s{(turn + shift) % 4}", user("x"))

    with Told(store) as told, Told(other) as there:
        writers = [
            threading.Thread(target=append, args=[one, shift])
            for one in (store, other)
            for shift in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert set(told.all()) == {
            (f"s{number}", "modified", origin)
            for number in range(4)
            for origin in ("this store", "another store")
        }
        there.until((told.end, "created", "another store"))
    ranges = defaultdict(list)
    for change in told.changes[:-1]:
        ranges[change.session_id].append(change.new_messages)
    assert ranges == {
        f"s{number}": [(at, at + 1) for at in range(2 * count)] for number in range(4)
    }
    own = sum(one.origin == "this store" for one in told.changes[:-1])
    assert own == 4 * count
    assert [(one.number, one.session_id) for one in told.changes] == [
        (one.number, one.session_id) for one in there.changes
    ]


async def awaited(change: SessionChange) -> None:
    raise AssertionError(change)


@pytest.mark.parametrize("callback", [None, "print", awaited])
def test_what_cannot_be_called_back_is_refused_at_once(
    store: SessionStore, callback: Callable[[SessionChange], object]
) -> None:
    with pytest.raises(TypeError, match="callback must"):
        store.watch(callback)
    if callback is not None:
        with pytest.raises(TypeError, match="on_error must"):
            store.watch(print, on_error=callback)  # type: ignore[arg-type]
    assert store.stats().watcher == "off"


# -- what is not known ---------------------------------------------------------------------------


def test_a_log_that_is_lost_is_told_and_the_watch_goes_on(
    told: Told, store: SessionStore, other: SessionStore
) -> None:
    store.rename("a", "before")
    told.until(("a", "modified", "this store"))
    other.reindex()
    wait_until(lambda: told.errors)
    ((error, change),) = told.errors
    assert (type(error), change) == (ChangesExpiredError, None)
    told.errors.clear()
    told.changes.clear()
    store.rename("a", "after")
    assert told.all() == [("a", "modified", "this store")]
    assert told.changes[0].changed["title"] == ("before", "after")


def test_a_log_that_is_lost_while_changes_are_told_is_told_once(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    first = store.last_change()
    store.rename("a", "renamed")
    told: list[str | None] = []

    def on_change(change: SessionChange) -> None:
        told.append(change.session_id)
        if len(told) == 1:
            other.reindex()

    def on_error(error: Exception, change: SessionChange | None) -> None:
        assert isinstance(error, ChangesExpiredError)
        # List again, and nothing falls between that and what is told from now on.
        titles.append(store.list().items[0].title)
        told.append(None)

    titles: list[str] = []
    with store.watch(on_change, since=first, on_error=on_error):
        wait_until(lambda: None in told)
        store.rename("a", "again")
        store.create("end")
        wait_until(lambda: told[-1] == "end")
    assert told == ["a", None, "a", "end"]
    assert titles == ["renamed"]


# -- where somebody awaits -----------------------------------------------------------------------


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  other threads set no event of this loop
            await asyncio.sleep(0.002)


@pytest.fixture(params=["function", "coroutine function"])
def is_awaited(request: pytest.FixtureRequest) -> bool:
    """Whether the callbacks of a test are awaited."""
    return bool(request.param == "coroutine function")


class Awaiting:
    """Callbacks of both kinds that write down what they are told, and in which task."""

    def __init__(self, *, is_awaited: bool) -> None:
        self.told: list[SessionChange] = []
        self.errors: list[tuple[Exception, SessionChange | None]] = []
        self.running = 0
        self.on_change = self._await_change if is_awaited else self._change
        self.on_error = self._await_error if is_awaited else self._error

    def said(self) -> list[Said]:
        return [(one.session_id, one.kind, one.origin) for one in self.told]

    def _change(self, change: SessionChange) -> None:
        assert asyncio.get_running_loop().is_running()
        self.told.append(change)

    async def _await_change(self, change: SessionChange) -> None:
        self.running += 1
        assert self.running == 1, "the one before is awaited first"
        await asyncio.sleep(0)
        self._change(change)
        self.running -= 1

    def _error(self, error: Exception, change: SessionChange | None) -> None:
        self.errors.append((error, change))

    async def _await_error(self, error: Exception, change: SessionChange | None) -> None:
        await asyncio.sleep(0)
        self._error(error, change)


def test_who_awaits_is_told_in_the_loop_in_order_and_once(
    is_awaited: bool, place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store, place.open_async() as other:
            await store.create("a")
            awaiting = Awaiting(is_awaited=is_awaited)
            watch = await store.watch(awaiting.on_change, on_error=awaiting.on_error)
            for turn in range(300):
                await (store, other)[turn % 2].append("a", user(str(turn)))
            await until(lambda: len(awaiting.told) == 300)
            assert [one.new_messages for one in awaiting.told] == [
                (turn, turn + 1) for turn in range(300)
            ]
            assert watch.number == awaiting.told[-1].number
            await watch.close()
            await watch.close()
            assert watch.closed
            await store.create("later")
            assert (len(awaiting.told), awaiting.errors, new_threads()) == (300, [], [])

    asyncio.run(run())


def test_who_awaits_goes_on_from_a_number(is_awaited: bool, place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store, place.open_async() as other:
            await store.create("a")
            number = await store.last_change()
            await other.append("a", user("x"))
            awaiting = Awaiting(is_awaited=is_awaited)
            async with await store.watch(awaiting.on_change, since=number):
                await store.delete("a")
                await until(lambda: len(awaiting.told) == 2)
            assert awaiting.said() == [
                ("a", "modified", "another store"),
                ("a", "deleted", "this store"),
            ]
            for unknown in (await store.last_change() + 1, 0):
                with pytest.raises(ChangesExpiredError):
                    await store.watch(awaiting.on_change, since=unknown)

    asyncio.run(run())


def test_an_awaited_watch_may_be_closed_by_its_callback(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            told: list[str] = []

            async def once(change: SessionChange) -> None:
                told.append(change.session_id)
                await watch.close()
                await watch.close()

            watch = await store.watch(once)
            for number in range(3):
                await store.create(f"s{number}")
            await until(lambda: watch.closed and not new_threads())
            await store.create("later")
            assert told == ["s0"]

    asyncio.run(run())


def test_closing_an_awaited_watch_waits_for_the_call_that_goes_on(place: Place) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            inside, leave = asyncio.Event(), asyncio.Event()
            calls: list[str] = []

            async def slowly(change: SessionChange) -> None:
                inside.set()
                await leave.wait()
                calls.append(change.session_id)

            watch = await store.watch(slowly)
            await store.create("a")
            await store.create("b")
            await inside.wait()
            closing = asyncio.create_task(watch.close())
            for _ in range(50):
                await asyncio.sleep(0)
            assert (watch.closed, closing.done()) == (True, False)
            leave.set()
            await closing
            assert calls == ["a"]

    asyncio.run(run())


def test_closing_the_store_ends_an_awaited_watch(
    is_awaited: bool, place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        awaiting = Awaiting(is_awaited=is_awaited)
        store = place.open_async()
        watch = await store.watch(awaiting.on_change, on_error=awaiting.on_error)
        await store.create("a")
        await until(lambda: awaiting.told)
        await store.close()
        await until(lambda: watch.closed)
        await watch.close()
        assert (awaiting.said(), awaiting.errors) == ([("a", "created", "this store")], [])
        assert new_threads() == []
        with pytest.raises(ValueError, match="is closed"):
            await store.watch(awaiting.on_change)

    asyncio.run(run())


def test_an_awaited_callback_may_close_the_store(place: Place, new_threads: NewThreads) -> None:
    async def run() -> None:
        errors: list[Exception] = []
        store = place.open_async()

        async def close(change: SessionChange) -> None:
            await store.close()

        watch = await store.watch(close, on_error=lambda error, _: errors.append(error))
        async with place.open_async() as other:
            await other.create("a")
            await until(lambda: watch.closed and not new_threads())
        assert errors == []

    asyncio.run(run())


def test_an_error_of_an_awaited_callback_is_handed_over_and_the_next_change_is_told(
    is_awaited: bool, place: Place
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            awaiting = Awaiting(is_awaited=is_awaited)

            def fail(change: SessionChange) -> None:
                awaiting.told.append(change)
                if change.session_id == "a":
                    raise KeyError("a")

            async def fail_later(change: SessionChange) -> None:
                await asyncio.sleep(0)
                fail(change)

            on_change = fail_later if is_awaited else fail
            async with await store.watch(on_change, on_error=awaiting.on_error):
                await store.create("a")
                await store.create("b")
                await until(lambda: len(awaiting.told) == 2)
            ((error, change),) = awaiting.errors
            assert isinstance(error, KeyError)
            assert change == awaiting.told[0]

    asyncio.run(run())


def test_an_error_that_nobody_hears_is_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            seen: list[str] = []

            def fail(change: SessionChange) -> None:
                seen.append(change.session_id)
                raise KeyError("the callback's own")

            async def fail_again(error: Exception, change: SessionChange | None) -> None:
                raise OSError("on_error is no better")

            async with await store.watch(fail), await store.watch(fail, on_error=fail_again):
                await store.create("a")
                await store.create("b")
                await until(lambda: len(seen) == 4)

    with caplog.at_level(logging.WARNING, "localsessions"):
        asyncio.run(run())
    assert "the callback's own" in caplog.text
    assert "on_error is no better" in caplog.text


def test_a_log_that_is_lost_is_told_to_who_awaits_and_the_watch_goes_on(
    is_awaited: bool, place: Place
) -> None:
    async def run() -> None:
        async with place.open_async() as store, place.open_async() as other:
            awaiting = Awaiting(is_awaited=is_awaited)
            async with await store.watch(awaiting.on_change, on_error=awaiting.on_error):
                await store.create("a")
                await until(lambda: awaiting.told)
                await other.reindex()
                await until(lambda: awaiting.errors)
                await store.rename("a", "after")
                await until(lambda: len(awaiting.told) == 2)
            ((error, change),) = awaiting.errors
            assert (type(error), change) == (ChangesExpiredError, None)
            assert awaiting.said()[1] == ("a", "modified", "this store")

    asyncio.run(run())


def test_a_watch_that_is_only_forgotten_ends_with_the_loop(
    place: Place, new_threads: NewThreads
) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.watch(lambda change: None)
            await store.create("a")

    asyncio.run(run())
    assert new_threads() == []


@pytest.mark.parametrize("callback", [None, "print"])
def test_what_cannot_be_called_in_a_loop_is_refused_at_once(
    place: Place, callback: Callable[[SessionChange], object]
) -> None:
    async def run(store: AsyncSessionStore) -> None:
        with pytest.raises(TypeError, match="callback must"):
            await store.watch(callback)
        if callback is not None:
            with pytest.raises(TypeError, match="on_error must"):
                await store.watch(print, on_error=callback)  # type: ignore[arg-type]
        await store.close()

    asyncio.run(run(place.open_async()))

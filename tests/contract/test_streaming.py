"""A message that grows: what readers and followers see of it, and what is left of it."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.acts import user
from contract.places import Opener, Place
from localsessions import (
    LockTimeoutError,
    SessionNotFoundError,
    SessionStore,
    UnstorableValueError,
    streaming,
)

PAST = datetime(2020, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(streaming, "time", made)
    return made


def said(store: SessionStore) -> Any:
    return store.tail("a", 1)[0]["content"]


def statuses(store: SessionStore) -> list[str | None]:
    return [run.status for run in store.runs("a")]


# -- while it grows ------------------------------------------------------------------------------


def test_readers_and_followers_see_it_grow(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    number = store.last_change()
    with store.streaming("a") as draft:
        assert (said(other), statuses(other)) == ("", ["RUNNING"])
        for text in ("Hel", "lo"):
            draft.write(text)
            draft.flush()
        assert (said(other), statuses(other)) == ("Hello", ["RUNNING"])
    assert (said(other), statuses(other)) == ("Hello", ["COMPLETED"])
    told = [change.messages for change in other.changes(number)]
    place = (0, draft.message["id"])
    assert [[(one.position, one.id, one.what) for one in some or ()] for some in told] == [
        [(*place, "added")],
        [(*place, "changed")],
        [(*place, "changed")],
        [],  # only the run says something else
    ]


def test_it_is_flushed_ten_times_a_second_at_most(store: SessionStore, clock: Clock) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        begun = store.load("a").revision
        for _ in range(1000):
            draft.write("x")
            clock.now += 1 / 1024
        flushes = store.load("a").revision - begun
        assert flushes == 9
        assert said(store) == "x" * (flushes * 103 + 1)
    assert said(store) == "x" * 1000
    assert store.load("a").revision == begun + flushes + 1


def test_it_is_flushed_when_64_kilobytes_have_gathered(store: SessionStore, clock: Clock) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        for _ in range(63):
            draft.write("索" * 341)  # 1,023 bytes
        assert said(store) == ""
        draft.write("索" * 362)  # one byte is lacking
        assert said(store) == ""
        draft.write(".")
        assert said(store) == "索" * (63 * 341 + 362) + "."


def test_a_slow_disk_is_asked_less_often(
    store: SessionStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flushing takes a twentieth of the time at most."""
    store.create("a")
    change = store.engine.change

    def slowly(*arguments: Any) -> Any:
        clock.now += 0.5
        return change(*arguments)

    monkeypatch.setattr(store.engine, "change", slowly)
    with store.streaming("a") as draft:
        begun = store.load("a").revision
        for _ in range(990):
            clock.now += 0.01
            draft.write("x")
        assert store.load("a").revision == begun
        clock.now += 0.11
        draft.write("x")
        assert store.load("a").revision == begun + 1


def test_what_others_say_meanwhile_stays(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    with store.streaming("a") as first, other.streaming("a") as second:
        for number in range(10):
            first.write(f"1.{number} ")
            first.flush()
            second.write(f"2.{number} ")
            second.flush()
            other.append("a", user(str(number)))
    texts = [one["content"] for one in store.load("a").messages]
    assert texts[0] == "".join(f"1.{number} " for number in range(10))
    assert texts[1] == "".join(f"2.{number} " for number in range(10))
    assert texts[2:] == [str(number) for number in range(10)]
    assert statuses(store) == ["COMPLETED", "COMPLETED"]


def test_two_threads_may_let_two_messages_of_one_run_grow(store: SessionStore) -> None:
    store.create("a")

    def say(name: str) -> None:
        with store.streaming("a", {"role": "assistant", "id": name, "run_id": "r"}) as draft:
            both.wait()
            for _ in range(20):
                draft.write(name)
                draft.flush()
            both.wait()

    both = threading.Barrier(2)
    threads = [threading.Thread(target=say, args=[name]) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = {one["content"] for one in store.load("a").messages}
    assert texts == {"x" * 20, "y" * 20}
    assert store.load("a").runs == [{"run_id": "r", "status": "COMPLETED"}]


def test_an_edit_of_what_is_growing_stays_and_the_rest_goes_behind_it(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        draft.write("Helo")
        draft.flush()
        with other.edit("a") as session:
            session.title = "mended"
            session.messages[0]["content"] = "Hello"
        draft.write(", you")
    assert (store.load("a").title, said(store)) == ("mended", "Hello, you")
    assert draft.message["content"] == "Hello, you"


def test_a_message_that_was_taken_away_comes_back_whole(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        draft.write("Hel")
        draft.flush()
        with other.edit("a") as session:
            session.messages, session.runs = [user("no")], []
        draft.write("lo")
    assert [one["content"] for one in store.load("a").messages] == ["no", "Hello"]
    assert statuses(store) == ["COMPLETED"]


# -- what it is made of --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "grown"),
    [
        ({}, {"content": "Hi!"}),
        ({"content": None}, {"content": "Hi!"}),
        ({"content": "> "}, {"content": "> Hi!"}),
        ({"content": []}, {"content": [{"type": "text", "text": "Hi!"}]}),
        (
            {"content": [{"type": "thinking", "thinking": "so"}]},
            {"content": [{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "Hi!"}]},
        ),
        (
            {"content": [{"type": "output_text", "text": "", "annotations": []}]},
            {"content": [{"type": "output_text", "text": "Hi!", "annotations": []}]},
        ),
        ({"parts": []}, {"parts": [{"text": "Hi!"}]}),
        (
            {"parts": [{"text": "so", "thought": True}]},
            {"parts": [{"text": "so", "thought": True}, {"text": "Hi!"}]},
        ),
    ],
)
def test_the_text_goes_where_the_shape_has_it(
    store: SessionStore, begun: dict[str, Any], grown: dict[str, Any]
) -> None:
    store.create("a")
    with store.streaming("a", {"role": "assistant", **begun}) as draft:
        draft.write("H")
        draft.flush()
        draft.write("i!")
    (message,) = store.load("a").messages
    assert {key: message[key] for key in message.keys() & {"content", "parts"}} == grown


def test_other_fields_are_set_and_a_new_content_replaces_the_old_one(store: SessionStore) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        draft.write("old")
        draft.update({"tool_calls": [{"id": "c"}], "content": "new"})
        draft.write("er")
        assert draft.message["content"] == "newer"
    (message,) = store.load("a").messages
    assert (message["content"], message["tool_calls"]) == ("newer", [{"id": "c"}])
    assert message == draft.message


def test_a_run_that_was_there_says_afterwards_what_it_said(store: SessionStore) -> None:
    store.create("a")
    store.upsert_run("a", {"run_id": "r", "status": "RUNNING", "model": "m"}, user("hi"))
    with store.streaming("a", {"role": "assistant", "run_id": "r"}) as draft:
        draft.write("hello")
    assert store.load("a").runs == [{"run_id": "r", "status": "RUNNING", "model": "m"}]
    assert [one["run_id"] for one in store.load("a").messages] == ["r", "r"]


# -- what is left of it --------------------------------------------------------------------------


def test_an_error_in_the_block_keeps_what_was_said(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    with pytest.raises(KeyError), store.streaming("a") as draft:  # noqa: PT012
        draft.write("half an ")
        draft.write("ans")
        raise KeyError
    assert (said(other), statuses(other)) == ("half an ans", ["INTERRUPTED"])
    (found,) = other.runs(status="interrupted")
    assert (found.session_id, found.run_id) == ("a", draft.run_id)
    assert other.runs(status="COMPLETED") == ()


def test_a_draft_that_nobody_kept_is_interrupted(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    draft = store.streaming("a").__enter__()
    draft.write("half")
    draft.flush()
    assert (statuses(store), statuses(other)) == (["RUNNING"], ["RUNNING"])
    del draft
    assert (statuses(store), statuses(other)) == (["INTERRUPTED"], ["INTERRUPTED"])


def test_a_store_that_was_closed_leaves_it_interrupted(place: Place, other: SessionStore) -> None:
    with place.open() as store:
        store.create("a")
        draft = store.streaming("a").__enter__()
        draft.write("half")
        draft.flush()
    assert (said(other), statuses(other)) == ("half", ["INTERRUPTED"])
    with pytest.raises(ValueError, match="is closed"):
        draft.flush()


def test_the_next_one_puts_the_record_right(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    store.streaming("a").__enter__()
    assert [run["status"] for run in store.load("a").runs] == ["RUNNING"]
    with other.streaming("a"):
        assert [run["status"] for run in store.load("a").runs] == ["INTERRUPTED", "RUNNING"]
    assert "streaming" not in store.load("a").runs[0]


def test_an_interrupted_one_goes_on(store: SessionStore, other: SessionStore) -> None:
    store.create("a")
    with pytest.raises(KeyError), store.streaming("a") as draft:  # noqa: PT012
        draft.write("half")
        raise KeyError
    (run,) = other.runs("a", status="INTERRUPTED")
    (message,) = [one for one in other.history("a") if one["run_id"] == run.run_id]
    with other.streaming("a", message) as draft:
        draft.write(" and whole")
    assert [one["content"] for one in store.load("a").messages] == ["half and whole"]
    assert statuses(store) == ["COMPLETED"]


def test_runs_are_found_in_all_sessions(store: SessionStore) -> None:
    for name in "ab":
        store.create(name, user_id=name)
        store.upsert_run(name, {"run_id": "r", "status": "PAUSED"}, user("x"))
    found = [(run.session_id, run.record["run_id"]) for run in store.runs(status="paused")]
    assert sorted(found) == [("a", "r"), ("b", "r")]
    assert [run.session_id for run in store.runs(user_id="a")] == ["a"]
    session = store.load("b")
    session.last_activity = PAST
    store.save(session)
    assert [run.session_id for run in store.runs()] == ["a", "b"]
    since = PAST + timedelta(days=1)
    assert [run.session_id for run in store.runs(since=since)] == ["a"]


# -- what goes wrong -----------------------------------------------------------------------------


def test_what_cannot_begin_says_so(store: SessionStore) -> None:
    with pytest.raises(SessionNotFoundError), store.streaming("a"):
        raise AssertionError
    store.create("a")
    with pytest.raises(ValueError, match="needs a role"):
        store.streaming("a", {"content": "x"})
    with pytest.raises(TypeError, match="run_id must be a str"):
        store.streaming("a", {"role": "assistant", "run_id": 1})
    with pytest.raises(UnstorableValueError), store.streaming("a", {"role": "x", "n": {1}}):
        raise AssertionError
    assert store.load("a").messages == []
    draft = store.streaming("a")
    with pytest.raises(ValueError, match="has not begun"):
        draft.write("x")
    with draft:
        pass
    for act in (draft.flush, lambda: draft.write("x"), lambda: draft.update({})):
        with pytest.raises(ValueError, match="has ended"):
            act()
    with pytest.raises(ValueError, match="has begun already"):
        draft.__enter__()


def test_a_wrong_text_or_field_spoils_nothing(store: SessionStore) -> None:
    store.create("a")
    with store.streaming("a") as draft:
        draft.write("one ")
        wrong: Any = 1
        with pytest.raises(TypeError, match="text must be a str"):
            draft.write(wrong)
        with pytest.raises(ValueError, match="cannot be changed"):
            draft.update({"id": "x"})
        draft.update({"cost": float("nan")})
        with pytest.raises(UnstorableValueError):
            draft.flush()
        draft.write("two")
    assert (said(store), statuses(store)) == ("one two", ["COMPLETED"])


def test_a_session_that_is_locked_is_written_to_later(make_store: Opener, clock: Clock) -> None:
    store, other = make_store(lock_timeout=0), make_store()
    store.create("a")
    with store.streaming("a") as draft:
        clock.now += 1
        with other.edit("a") as session:
            held = threading.Thread(target=draft.write, args=["Hel"])
            held.start()
            held.join()
            reason = draft.delayed_by
            assert isinstance(reason, LockTimeoutError)
            session.title = "edited"
        draft.write("lo")
        assert said(store) == ""  # it is not asked at once again
        clock.now += 1
        draft.write("!")
        assert said(store) == "Hello!"
        assert draft.delayed_by is None
    assert store.load("a").title == "edited"


def test_a_session_that_is_locked_at_the_end_says_so(make_store: Opener) -> None:
    store, other = make_store(lock_timeout=0), make_store()
    store.create("a")
    draft = store.streaming("a").__enter__()
    draft.write("Hello")
    with other.edit("a") as session:
        session.title = "edited"
        refused: list[type] = []

        def end() -> None:
            try:
                draft.__exit__(None, None, None)
            except LockTimeoutError as error:
                refused.append(type(error))

        ending = threading.Thread(target=end)
        ending.start()
        ending.join()
    assert refused == [LockTimeoutError]
    assert statuses(store) == ["INTERRUPTED"]
    with store.streaming("a", draft.message) as again:
        assert again.message["content"] == "Hello"
    assert (said(other), statuses(other)) == ("Hello", ["COMPLETED"])


def test_a_session_that_is_deleted_meanwhile_takes_nothing_more(
    store: SessionStore, other: SessionStore
) -> None:
    store.create("a")
    with pytest.raises(SessionNotFoundError) as caught, store.streaming("a") as draft:  # noqa: PT012
        draft.write("half")
        draft.flush()
        other.delete("a")
        draft.write(" lost")
        draft.flush()
    assert any("was not marked" in note for note in caught.value.__notes__)
    assert store.get("a") is None
    assert draft.message["content"] == "half lost"
    assert (store.restore("a").messages[0]["content"], statuses(store)) == ("half", ["INTERRUPTED"])


def test_a_flush_that_fails_after_it_was_written_says_nothing_twice(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C does, or a connection that is lost while it confirms."""
    store.create("a")
    change, fails = store.engine.change, [True]

    def written(*arguments: Any) -> Any:
        change(*arguments)
        if fails.pop():
            raise KeyboardInterrupt
        fails.append(False)

    with store.streaming("a") as draft:
        draft.write("Hel")
        monkeypatch.setattr(store.engine, "change", written)
        with pytest.raises(KeyboardInterrupt):
            draft.flush()
        fails.append(False)
        draft.write("lo")
    assert said(store) == "Hello"


# -- awaited -------------------------------------------------------------------------------------


def test_it_grows_for_code_that_awaits(place: Place, other: SessionStore) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            async with store.streaming("a") as draft:
                assert statuses(other) == ["RUNNING"]
                await draft.write("Hel")
                await draft.flush()
                assert said(other) == "Hel"
                draft.update({"model": "m"})
                await draft.write("lo")
                assert (draft.message["content"], draft.delayed_by) == ("Hello", None)
            assert (said(other), statuses(other)) == ("Hello", ["COMPLETED"])
            assert other.load("a").messages == [draft.message]
            assert draft.run_id == draft.stream.run_id

    asyncio.run(run())


@pytest.mark.parametrize("where", ["writing", "waiting"])
def test_a_cancelled_task_keeps_what_it_said(place: Place, other: SessionStore, where: str) -> None:
    async def run() -> None:
        async with place.open_async() as store:
            await store.create("a")
            begun = asyncio.Event()

            async def say() -> None:
                async with store.streaming("a") as draft:
                    begun.set()
                    await draft.write("half")
                    while where == "writing":
                        await draft.write("x")
                        await draft.flush()
                    await asyncio.Event().wait()

            task = asyncio.create_task(say())
            await begun.wait()
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert said(other).startswith("half")
            assert statuses(other) == ["INTERRUPTED"]
            await store.append("a", user("free"))

    asyncio.run(run())


def test_a_task_that_is_cancelled_before_it_begins_leaves_no_running_run(
    place: Place, other: SessionStore, make_store: Opener
) -> None:
    async def run() -> None:
        async with place.open_async(lock_timeout=5) as store:
            await store.create("a")
            waiting = store.store._streams._open

            async def say() -> None:
                async with store.streaming("a"):
                    raise AssertionError

            async with store.edit("a"):
                task = asyncio.create_task(say())
                while not waiting:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert statuses(other) == ["INTERRUPTED"]

    asyncio.run(run())

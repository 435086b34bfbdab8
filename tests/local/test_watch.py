"""Who watches is told of what other programs did, in order and once, whatever the hints did."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import needs
import opened
import pytest
from inside import local
from killing import DIED, DIES
from patience import replace
from proof.counting import tried

from localsessions import ChangesExpiredError, SessionChange, SessionStore
from localsessions._local import watcher as watcher_room
from localsessions._local.index import News
from localsessions._local.index.database import Database
from localsessions._local.watcher import Hints, Watcher

TORN = '{"title": "to'

Said = tuple[str, str, str]
Start = Callable[..., "subprocess.Popen[str]"]
AsOtherUser = Callable[[Path, Callable[[], object]], object]


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def write(folder: Path, session_id: str, title: str, messages: int = 0) -> Path:
    """Write a file as an editor does that replaces it."""
    path = folder / f"{session_id}.json"
    new = folder.parent / f"{session_id}.new"
    new.write_text(json.dumps({"title": title, "messages": [user("x")] * messages}))
    replace(new, path)
    return path


def threads() -> list[str]:
    """The names of the threads that a watch has; those of other kinds are not ours."""
    return [
        one.name
        for one in threading.enumerate()
        if one.name == "localsessions-feed" or type(one).__module__.startswith("watchdog")
    ]


def descriptors() -> int:
    gc.collect()
    return opened.descriptors()


class Told:
    """A watch that writes down what it is told."""

    def __init__(
        self, store: SessionStore, since: int | None = None, *, hearing_errors: bool = True
    ) -> None:
        self.changes: list[SessionChange] = []
        self.errors: list[tuple[Exception, SessionChange | None]] = []
        self._ends = 0
        on_error = self.on_error if hearing_errors else None
        self.watch = store.watch(self.on_change, since=since, on_error=on_error)

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

    def all(self, folder: Path) -> list[Said]:
        """Return all that was told until an edit that is made now, the last of all, is told."""
        assert self._end(folder), self.errors
        assert [one.number for one in self.changes] == sorted({one.number for one in self.changes})
        return [one for one in self.said() if not one[0].startswith("end")]

    def settled(self, folder: Path) -> None:
        """Wait until an edit is told: with the index lost again meanwhile, it is in the list."""
        while not self._end(folder):
            pass
        self.changes.clear()

    def _end(self, folder: Path) -> bool:
        self._ends += 1
        errors, end = len(self.errors), (f"end{self._ends}", "created", "external")
        write(folder, end[0], "the end")
        wait_until(lambda: end in self.said() or len(self.errors) > errors)
        return end in self.said()


@pytest.fixture
def told(store: SessionStore, folder: Path) -> Iterator[Told]:
    """Somebody who watches a store with the sessions a and b."""
    store.create("a", title="A")
    store.create("b", title="B")
    with Told(store) as made:
        yield made


@pytest.fixture
def other(folder: Path) -> Iterator[SessionStore]:
    with SessionStore(folder) as opened:
        yield opened


# -- the thread --------------------------------------------------------------------------------


def test_there_is_a_thread_from_the_first_watch_to_the_last_close(store: SessionStore) -> None:
    store.create("a")
    list(store.changes(store.last_change()))
    assert threads() == []
    assert store.stats().watcher == "off"
    before = descriptors()
    for _ in range(3):
        one = store.watch(lambda change: None)
        two = store.watch(lambda change: None)
        assert threads().count("localsessions-feed") == 1
        assert store.stats().watcher == "events"
        one.close()
        assert threads().count("localsessions-feed") == 1
        two.close()
        assert threads() == []
        assert store.stats().watcher == "off"
    assert descriptors() == before


def test_an_edit_by_another_program_takes_four_transactions_of_the_index_at_most(
    told: Told, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    real = Database._transact

    def transact(self: Database, *arguments: Any, **named: Any) -> Any:
        counted.append(threading.current_thread().name)
        return real(self, *arguments, **named)

    write(folder, "s", "made")
    wait_until(lambda: told.changes)
    monkeypatch.setattr(Database, "_transact", transact)
    counts: list[int] = []
    for number in range(6):
        told.changes.clear()
        counted.clear()
        write(folder, "s", f"edited {number}")
        wait_until(lambda: told.changes)
        time.sleep(0.3)  # until what follows the callback is over
        counts.append(len(counted))
    # A busy machine may look twice at one edit: some edit of the six is looked at once.
    assert 1 <= min(counts) <= 4


def test_closing_the_store_leaves_no_descriptor(folder: Path) -> None:
    before = descriptors()
    store = SessionStore(folder)
    one, two = Told(store), Told(store)
    store.close()
    assert (threads(), one.watch.closed, two.watch.closed) == ([], True, True)
    assert descriptors() == before


def test_a_look_while_the_store_is_being_closed_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SessionStore(folder)
    engine, told = local(store), Told(store)
    looker, close, changes = engine.feed._looker, engine.feed.close, engine.changes
    assert looker is not None
    asked = threading.Event()

    def ask(since: int, limit: int) -> Sequence[SessionChange]:
        try:
            return changes(since, limit)
        finally:
            asked.set()

    def close_after_a_look() -> None:
        for _ in range(2):  # when the second begins, the first is over
            asked.clear()
            looker.wake_all()
            assert asked.wait(120)
        close()

    wait_until(lambda: not looker._wakes_all)
    monkeypatch.setattr(engine, "changes", ask)
    monkeypatch.setattr(engine.feed, "close", close_after_a_look)
    store.close()
    assert told.errors == []


def test_who_begins_at_the_end_of_a_look_is_told_though_nothing_happens(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, heard, second = store.last_change(), threading.Event(), list[Told]()
    with store.watch(lambda change: heard.set()):
        looker = local(store).feed._looker
        assert looker is not None
        is_absent = looker.is_absent

        def begin_another() -> bool:
            if heard.is_set() and not second:
                second.append(Told(store, since=number))
            return is_absent()

        monkeypatch.setattr(looker, "is_absent", begin_another)
        store.create("a")
        wait_until(lambda: second)
        second[0].until(("a", "created", "this store"))


def test_who_begins_while_the_thread_of_the_last_one_ends_is_told_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That thread is in the middle of a look, and must not wake whom another thread wakes."""
    engine, told = local(store), list[str]()
    news, changes = engine.reconciler.news, engine.changes
    looking, go_on = threading.Event(), threading.Event()
    asking: list[threading.Thread] = []
    last = store.watch(lambda change: None)
    looker = engine.feed._looker
    assert looker is not None
    old = looker._thread

    def news_late(since: int) -> News:
        if threading.current_thread() is old:
            looking.set()
            go_on.wait(120)
        return news(since)

    def ask_together(since: int, limit: int) -> Sequence[SessionChange]:
        found = changes(since, limit)
        if found:
            asking.append(threading.current_thread())
            wait_until(lambda: len(asking) > 1 or not old.is_alive())
        return found

    monkeypatch.setattr(engine.reconciler, "news", news_late)
    store.create("a")
    assert looking.wait(120)
    closing = threading.Thread(target=last.close)
    closing.start()
    wait_until(lambda: engine.feed._looker is None)
    with store.watch(lambda change: told.append(change.session_id)):
        monkeypatch.setattr(engine, "changes", ask_together)
        store.create("b")
        wait_until(lambda: asking)
        go_on.set()
        closing.join()
        store.create("end")
        wait_until(lambda: "end" in told)
    assert told == ["b", "end"]


def test_without_a_thread_to_be_had_watching_fails_and_works_later(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "localsessions-feed":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="start new thread"):
        store.watch(lambda change: None)
    monkeypatch.undo()
    assert threads() == []
    with Told(store) as told:
        store.create("a")
        told.until(("a", "created", "this store"))


# -- origins -----------------------------------------------------------------------------------


def test_another_object_and_another_process_are_another_store(
    told: Told, other: SessionStore, folder: Path, start: Start
) -> None:
    other.rename("a", "by another object")
    child = start("write_messages.py", folder, "b", "w", 3)
    child.communicate("\n")
    expected = [("a", "modified", "another store"), *[("b", "modified", "another store")] * 3]
    assert told.all(folder) == expected


def test_an_editor_is_external(told: Told, folder: Path) -> None:
    write(folder, "a", "edited", messages=2)
    told.until(("a", "modified", "external"))
    (folder / "b.json").unlink()
    told.until(("b", "deleted", "external"))
    (folder / "a.json").rename(folder / "c.json")
    assert sorted(told.all(folder)) == [
        ("a", "deleted", "external"),
        ("a", "modified", "external"),
        ("b", "deleted", "external"),
        ("c", "created", "external"),
    ]
    assert told.changes[0].changed == {"title": ("A", "edited"), "message_count": (0, 2)}
    assert told.changes[0].new_messages == (0, 2)


def test_what_only_touches_a_file_is_not_told(told: Told, folder: Path) -> None:
    path = folder / "a.json"
    os.utime(path)
    path.chmod(0o640)
    shutil.copy2(path, folder.parent / "copy")
    replace(folder.parent / "copy", path)
    (folder / "notes.txt").write_text("no session")
    assert told.all(folder) == []


def test_an_edit_just_before_a_verb_is_told_before_it(
    told: Told, store: SessionStore, folder: Path
) -> None:
    for number in range(20):
        write(folder, "a", f"edited {number}", messages=number)
        store.append("a", user("mine"))
    both = [("a", "modified", "external"), ("a", "modified", "this store")]
    assert told.all(folder) == both * 20
    ranges = [one.new_messages for one in told.changes if one.origin == "this store"]
    assert ranges == [(number, number + 1) for number in range(20)]


def test_an_edit_just_before_a_deletion_is_told_before_it(
    told: Told, store: SessionStore, folder: Path
) -> None:
    for _ in range(10):
        write(folder, "a", "edited")
        store.delete("a")
        write(folder, "a", "A")
        told.until(("a", "created", "external"))
        told.changes.clear()
    write(folder, "a", "edited")
    store.delete("a")
    assert told.all(folder) == [("a", "modified", "external"), ("a", "deleted", "this store")]


@pytest.mark.parametrize(
    "delete",
    [
        lambda store: store.delete("a"),
        lambda store: store.delete_many(["a"]),
        lambda store: store.cleanup(max_age=0),
    ],
    ids=["delete", "delete_many", "cleanup"],
)
def test_an_edit_before_a_deletion_is_told_though_others_see_the_file_gone_first(
    told: Told,
    store: SessionStore,
    other: SessionStore,
    folder: Path,
    delete: Callable[[SessionStore], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = local(store).index.record_removals

    def record_late(*arguments: Any) -> None:
        other.list(fresh=True)
        record(*arguments)

    monkeypatch.setattr(local(store).index, "record_removals", record_late)
    os.utime(write(folder, "a", "edited"), (0, 0))
    delete(store)
    told_of = [said for said in told.all(folder) if said[0] == "a"]
    assert told_of == [("a", "modified", "external"), ("a", "deleted", "this store")]


@pytest.mark.parametrize("verb", ["delete", "delete_many"])
def test_a_deletion_in_the_middle_of_an_editors_save_is_the_stores(
    verb: str,
    told: Told,
    store: SessionStore,
    other: SessionStore,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The editor renames the file away, and another store looks, before it puts a new one there."""
    drop, settle = local(store).growth.drop_spares, local(store).reconciler.log_held

    def rename_away(session_ids: Sequence[str]) -> None:
        (folder / "a.json").rename(folder / "a.json~")
        other.list(fresh=True)
        drop(session_ids)

    def put_back(session_ids: Sequence[str]) -> None:
        settle(session_ids)
        write(folder, "a", "edited")

    monkeypatch.setattr(local(store).growth, "drop_spares", rename_away)
    monkeypatch.setattr(local(store).reconciler, "log_held", put_back)
    assert getattr(store, verb)(*(["a"] if verb == "delete" else [["a"]]))
    assert told.all(folder)[-1] == ("a", "deleted", "this store")


def test_deleting_and_restoring_under_a_busy_watch_is_never_external(
    folder: Path, store: SessionStore, other: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed looks in the middle of each verb: after the rename, before its record."""
    store.create("a")
    write(folder, "x", "X")

    def late(room: SessionStore, looking: SessionStore, name: str) -> None:
        verb = getattr(local(room).reconciler, name)

        def after_a_look(session_id: str) -> None:
            local(looking).reconciler.sweep()
            assert local(looking).reconciler.log_waiting() == {"a"}
            verb(session_id)

        monkeypatch.setattr(local(room).reconciler, name, after_a_look)

    for name in ("record_removal", "record_return"):
        late(store, other, name)
        late(other, store, name)
    with Told(store) as told:
        for room in (store, other):
            room.delete("a")
            room.restore("a")
        assert told.all(folder) == [
            ("a", kind, origin)
            for origin in ("this store", "another store")
            for kind in ("deleted", "created")
        ]


def test_a_verb_whose_time_is_looked_into_is_told_once(
    folder: Path, store: SessionStore, other: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the rename and the record another store sees the new file, and waits."""
    store.create("a")
    record = local(store).reconciler.record

    def late(*arguments: object) -> None:
        local(other).reconciler.sweep()
        assert "a" in local(other).reconciler.log_waiting()
        record(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(local(store).reconciler, "record", late)
    with Told(other) as told:
        store.append("a", user("x"))
        write(folder, "a", "edited", messages=1)
        store.append("a", user("y"))
        assert told.all(folder) == [
            ("a", "modified", "another store"),
            ("a", "modified", "external"),
            ("a", "modified", "another store"),
        ]


# -- unreadable --------------------------------------------------------------------------------


def test_a_sweep_that_meets_a_save_half_way_is_no_reason_to_tell_it(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a", "old")
    store.list(fresh=True)
    reconciler, number = local(store).reconciler, store.last_change()
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 60_000_000_000)
    (folder / "a.json").write_text(TORN)
    time.sleep(0.05)  # its times can be believed, and it is still young
    reconciler.sweep()
    assert reconciler.log_waiting() == {"a"}
    write(folder, "a", "new")
    reconciler.sweep()
    reconciler.log_waiting()
    assert [one.kind for one in store.changes(number)] == ["modified"]


@pytest.mark.parametrize("leave", ["torn", "gone"])
def test_what_another_thread_meets_half_way_is_not_told_with_what_was_looked_at(
    leave: str, folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "a", "old")
    store.list(fresh=True)
    reconciler, number = local(store).reconciler, store.last_change()
    catch_up = reconciler.catch_up

    def overtaken(session_ids: Sequence[str]) -> set[str]:
        write(folder, "a", "new")
        busy = catch_up(session_ids)
        if leave == "torn":
            (folder / "a.json").write_text(TORN)
        else:
            (folder / "a.json").unlink()
        reconciler.sweep()
        return busy

    (folder / "a.json").write_text(TORN)
    reconciler.sweep()
    monkeypatch.setattr(reconciler, "catch_up", overtaken)
    assert reconciler.log_waiting() == {"a"}
    monkeypatch.setattr(reconciler, "catch_up", catch_up)
    write(folder, "a", "newer")
    reconciler.sweep()
    reconciler.log_waiting()
    assert {one.kind for one in store.changes(number)} == {"modified"}


def test_a_file_becomes_unreadable_and_readable_again(told: Told, folder: Path) -> None:
    path = folder / "a.json"
    path.write_text(TORN)
    told.until(("a", "unreadable", "external"))
    (change,) = told.changes
    assert change.unreadable is not None
    assert (change.unreadable.line, dict(change.changed)) == (1, {})
    write(folder, "a", "A", messages=1)
    assert told.all(folder) == [("a", "unreadable", "external"), ("a", "readable", "external")]
    assert told.changes[1].changed == {"message_count": (0, 1)}


def test_a_save_half_done_is_no_news(
    told: Told, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 20_000_000_000)
    # Nor is it old, however long the machine stops here.
    monkeypatch.setattr("localsessions._local.files.reading._is_settled", lambda _: False)
    path = folder / "a.json"
    text = json.dumps({"title": "saved slowly", "messages": [user("x")] * 50})
    with path.open("w") as file:
        for at in range(0, len(text), 50):
            file.write(text[at : at + 50])
            file.flush()
            time.sleep(0.002)
    assert told.all(folder) == [("a", "modified", "external")]


def test_an_editor_that_takes_the_old_file_away_first_is_told_as_one_change(
    told: Told, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 20_000_000_000)
    (folder / "a.json").rename(folder / "a.json~")
    wait_until(lambda: local(store).index.get("a") is None)
    write(folder, "a", "saved")
    told.until(("a", "modified", "external"))
    monkeypatch.undo()
    assert told.all(folder) == [("a", "modified", "external")]
    assert told.changes[0].changed == {"title": ("A", "saved")}


# -- the folder itself -------------------------------------------------------------------------


@pytest.mark.needs("open files that go")
def test_a_folder_that_is_made_again_is_watched_again(
    told: Told, store: SessionStore, folder: Path
) -> None:
    while folder.exists():  # what is open there may be made, or go, while it is removed
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write(folder, "c", "C")
    wait_until(lambda: told.errors)
    wait_until(lambda: {one.session_id for one in store.list()} == {"c"})
    store.rename("c", "C, of ours")  # makes .localsessions again, and with it the index once more
    told.settled(folder)
    assert store.stats().watcher == "events"
    write(folder, "d", "D")
    assert told.all(folder)[-1] == ("d", "created", "external")
    assert [type(error) for error, _ in told.errors] == [ChangesExpiredError] * len(told.errors)


@pytest.mark.needs("open files that go")
def test_a_folder_that_is_away_for_a_moment_is_no_news(
    told: Told, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.feed._GRACE", 20.0)
    away, looker = folder.parent / "away", local(store).feed._looker
    assert looker is not None
    for _ in range(5):
        folder.rename(away)
        away.rename(folder)
    folder.rename(away)
    for _ in range(3):  # it looks, and looks again
        local(store).feed.wake()
        wait_until(lambda: not looker.awake.is_set())
    wait_until(lambda: local(store).feed.state[0] == "polling")
    away.rename(folder)
    wait_until(lambda: store.stats().watcher == "events")
    assert told.all(folder) == []
    assert told.errors == []


@pytest.mark.needs("open files that go")
def test_a_folder_that_goes_for_a_moment_while_changes_are_told_is_no_news(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its log is asked for just then, it is not there."""
    monkeypatch.setattr("localsessions._local.feed._GRACE", 20.0)
    away = folder.parent / "away"
    seen: list[str] = []
    errors: list[Exception] = []

    def on_change(change: SessionChange) -> None:
        seen.append(change.session_id)
        if change.session_id == "a":
            folder.rename(away)

    with store.watch(on_change, on_error=lambda error, _: errors.append(error)):
        store.create("a")
        wait_until(lambda: local(store).feed.state[0] == "polling")
        away.rename(folder)
        wait_until(lambda: local(store).feed.state[0] == "events")
        store.create("b")
        wait_until(lambda: seen == ["a", "b"])
    assert errors == []


def other_folder(path: Path) -> None:
    with SessionStore(path) as made:
        made.create("b", title="other B")
        made.create("c", title="other C")


@pytest.mark.needs("open files that go")
def test_a_folder_swapped_for_another_is_listed_again(
    told: Told, store: SessionStore, folder: Path
) -> None:
    other_folder(folder.parent / "other")
    folder.rename(folder.parent / "away")
    (folder.parent / "other").rename(folder)
    wait_until(lambda: told.errors)
    assert {one.session_id: one.title for one in store.list()} == {"b": "other B", "c": "other C"}
    assert told.all(folder) == []
    assert [type(error) for error, _ in told.errors] == [ChangesExpiredError]


@pytest.mark.needs("links")
def test_a_symlink_that_leads_elsewhere_is_listed_again(folder: Path) -> None:
    for name in ("one", "two"):
        other_folder(folder.parent / name)
    (folder.parent / "two" / "c.json").unlink()
    folder.symlink_to("one")
    with SessionStore(folder) as store, Told(store) as told:
        write(folder, "b", "edited")
        told.until(("b", "modified", "external"))
        link = folder.parent / "link"
        link.symlink_to("two")
        link.replace(folder)
        wait_until(lambda: told.errors)
        assert [one.session_id for one in store.list()] == ["b"]
        assert told.all(folder)[1:] == []
        assert [type(error) for error, _ in told.errors] == [ChangesExpiredError]


@pytest.mark.needs("modes")
def test_a_folder_that_may_not_be_read_is_told_once_and_recovers(
    folder: Path, as_other_user: AsOtherUser
) -> None:
    folder.parent.chmod(0o777)

    def act() -> object:
        with SessionStore(folder) as store, Told(store) as told:
            write(folder, "a", "A")
            told.until(("a", "created", "external"))
            folder.chmod(0o000)
            wait_until(lambda: told.errors)
            wait_until(lambda: local(store).feed.state[0] == "polling")
            reason = local(store).feed.state[1]
            looks = local(store).feed._looker
            assert looks is not None
            for _ in range(2):  # it looks again and again, and says it once
                checked = looks._check_at
                wait_until(lambda at=checked: looks._check_at > at)  # type: ignore[misc]
            errors = [type(error).__name__ for error, _ in told.errors]
            folder.chmod(0o700)
            wait_until(lambda: local(store).feed.state[0] == "events")
            write(folder, "b", "B")
            return errors, "Permission denied" in reason, told.all(folder), len(told.errors)

    assert as_other_user(folder, act) == (
        ["PermissionError"],
        True,
        [("a", "created", "external"), ("b", "created", "external")],
        1,
    )


# -- hints -------------------------------------------------------------------------------------


def test_hints_that_never_come_are_made_up_for(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watcher, "take", lambda self: Hints(frozenset(), everything=False))
    monkeypatch.setattr("localsessions._local.feed._RESCAN", 0.05)
    monkeypatch.setattr("localsessions._local.feed._TICK", 0.02)
    store.create("a")
    with Told(store) as told:
        store.append("a", user("x"))
        told.until(("a", "modified", "this store"))
        write(folder, "b", "B")
        told.until(("b", "created", "external"))
        (folder / "b.json").unlink()
        assert told.all(folder) == [
            ("a", "modified", "this store"),
            ("b", "created", "external"),
            ("b", "deleted", "external"),
        ]


def test_hints_that_come_twice_or_for_nothing_change_nothing(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Watcher.take
    store.create("a")
    names = frozenset({"a.json", "none.json", "x\x00y.json", ".json", "b.json", "CON.json"})
    monkeypatch.setattr(
        Watcher, "take", lambda self: Hints(names | take(self).names, everything=False)
    )
    with Told(store) as told:
        store.append("a", user("x"))
        write(folder, "b", "B")
        store.append("a", user("x"))
        told.until(("b", "created", "external"))
        write(folder, "b", "C")
        assert sorted(told.all(folder)) == [
            ("a", "modified", "this store"),
            ("a", "modified", "this store"),
            ("b", "created", "external"),
            ("b", "modified", "external"),
        ]
        assert told.errors == []


def test_where_no_events_are_to_be_had_the_folder_is_polled(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "limit reached")

    monkeypatch.setattr(watcher_room, "_open", refuse)
    store.create("a")
    with Told(store) as told:
        stats = store.stats()
        assert stats.watcher == "polling"
        why = "max_user_instances" if needs.is_here("inotify") else "limit reached"
        assert why in stats.watcher_reason
        write(folder, "b", "B")
        told.until(("b", "created", "external"))
        store.delete("a")
        (folder / "b.json").unlink()
        assert told.all(folder)[1:] == [
            ("a", "deleted", "this store"),
            ("b", "deleted", "external"),
        ]
        monkeypatch.undo()
        monkeypatch.setattr(watcher_room, "_RETRY_EVERY", 0)
        looker = local(store).feed._looker
        assert looker is not None
        looker.watcher._retry_at = 0.0
        wait_until(lambda: store.stats().watcher == "events")
        write(folder, "c", "C")
        assert told.all(folder)[-1] == ("c", "created", "external")
    assert store.stats().watcher_reason == ""


def test_a_look_that_fails_is_told_once_and_tried_again(
    told: Told, store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.feed._TICK", 0.01)
    failures: list[str] = []

    def fail(session_ids: object) -> set[str]:
        failures.append("")
        raise OSError

    monkeypatch.setattr(local(store).reconciler, "catch_up", fail)
    write(folder, "c", "C")
    wait_until(lambda: len(failures) > 10)
    monkeypatch.undo()
    assert told.all(folder) == [("c", "created", "external")]
    assert [(type(error), change) for error, change in told.errors] == [(OSError, None)]


REPLACE_MANY = """
import os, sys
folder, sessions, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for turn in range(times):
    # One file under many names: a new one each time would be brought to the disk by ext4.
    with open(f"{folder}.{turn}", "w") as file:
        file.write('{"title": "%d", "messages": []}' % turn)
    for number in range(sessions):
        os.link(f"{folder}.{turn}", f"{folder}.new")
        os.replace(f"{folder}.new", f"{folder}/s{number}.json")
"""


def hold_the_interpreter_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    """No thread runs meanwhile, so that nobody takes events from the kernel's queue."""
    if sys.platform == "win32":
        kernel = ctypes.PyDLL("kernel32")  # keeps the interpreter's lock
        handle = ctypes.c_void_p(int(getattr(child, "_handle")))  # noqa: B009
        assert kernel.WaitForSingleObject(handle, -1) == 0
        return
    libc = ctypes.PyDLL(None)  # keeps the interpreter's lock
    nobody_cares = ctypes.create_string_buffer(256)
    flags = os.WEXITED | os.WNOWAIT
    assert libc.waitid(os.P_PID, child.pid, nobody_cares, flags) == 0


def test_a_buffer_of_windows_that_ran_over_means_everything(folder: Path) -> None:
    # Wine says it by an error instead: watchdog then ends, and the watch begins anew.
    heard: list[str | None] = []
    events: queue.Queue[object] = queue.Queue()
    emitter = SimpleNamespace(_reader=SimpleNamespace(_buf_queue=events))
    watcher_room._mend_reader(emitter, heard.append)
    events.put((b"of one event", False))
    assert heard == []
    events.put((b"", False))
    assert (heard, events.qsize()) == ([None], 2)
    if os.name == "posix":
        return
    folder.mkdir()
    engine = watcher_room._Observed(str(folder), heard.append)
    (real,) = engine._observer.emitters
    getattr(real, "_reader")._buf_queue.put((b"", False))  # noqa: B009  (watchdog has these parts)
    engine.stop()
    assert len(heard) > 1


def test_a_change_is_told_while_others_come_all_the_time(
    told: Told, store: SessionStore, folder: Path
) -> None:
    told.settled(folder)
    sweeps, over = local(store).reconciler.sweeps, threading.Event()

    def write_on() -> None:
        for number in itertools.count():
            write(folder, "b", f"edited {number}")
            if over.wait(0.1):
                return

    writing = threading.Thread(target=write_on)
    writing.start()
    write(folder, "a", "edited")
    told.until(("a", "modified", "external"))
    over.set()
    writing.join()
    assert local(store).reconciler.sweeps == sweeps


def test_an_event_of_windows_is_told_at_once_although_more_are_coming() -> None:
    """watchdog asks for events until none came for a second, and tells all of them then."""
    events: queue.Queue[object] = queue.Queue()
    emitter = SimpleNamespace(_reader=SimpleNamespace(_buf_queue=events))
    watcher_room._mend_reader(emitter, lambda _: None)
    for number in range(3):
        events.put((b"of one event", bool(number % 2)))
    with pytest.raises(queue.Empty):  # what it was given before may be its first
        events.get(timeout=120)
    for number in range(3):
        assert events.get(timeout=120) == (b"of one event", bool(number % 2))
        with pytest.raises(queue.Empty):
            events.get(timeout=120)
    with pytest.raises(queue.Empty):
        events.get(timeout=0.001)


def test_when_the_queue_of_events_runs_over_nothing_is_lost(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many as Linux' queue of all events and Windows' buffer of 64,000 bytes cannot hold.
    sessions, times = 500, 40 if os.name == "posix" else 8
    events: list[str | None] = []
    notice = Watcher._notice

    def count(self: Watcher, name: str | None) -> None:
        events.append(name)
        notice(self, name)

    monkeypatch.setattr(Watcher, "_notice", count)
    for number in range(sessions):
        write(folder, f"s{number}", "before")
    with Told(store) as told:
        command = [sys.executable, "-c", REPLACE_MANY, str(folder), str(sessions), str(times)]
        child = subprocess.Popen(command)
        hold_the_interpreter_until_it_ends(child)
        assert child.wait() == 0
        told.until(*((f"s{number}", "modified", "external") for number in range(sessions)))
        assert set(told.all(folder)) == {
            (f"s{number}", "modified", "external") for number in range(sessions)
        }
        assert events.count(None) >= 1
        assert len(events) < sessions * times
    tried("watching", "files replaced while events ran over, none missed", sessions * times)
    titles = dict.fromkeys((f"s{number}" for number in range(sessions)), "before")
    for change in told.changes[:-1]:
        was, now = change.changed["title"]
        assert was == titles[change.session_id]  # none twice, none left out between
        titles[change.session_id] = str(now)
    assert set(titles.values()) == {str(times - 1)}
    with SessionStore(shutil.copytree(folder, folder.parent / "copy", ignore=rooms)) as rebuilt:
        listed, anew = (
            {one.session_id: (one.title, one.size_bytes) for one in each.list(limit=9999)}
            for each in (store, rebuilt)
        )
    assert listed == anew


def rooms(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".")]


# -- the index ---------------------------------------------------------------------------------


def lose(folder: Path) -> None:
    for path in (folder / ".localsessions").glob("index.sqlite3*"):
        path.unlink()


def garble(folder: Path) -> None:
    for path in (folder / ".localsessions").glob("index.sqlite3*"):
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(b"\xa5" * size)


def reindex(folder: Path) -> None:
    with SessionStore(folder) as another:
        another.reindex()


HARMS = [pytest.param(lose, marks=pytest.mark.needs("open files that go")), garble, reindex]


@pytest.mark.parametrize("harm", HARMS)
def test_an_index_that_is_lost_is_told_and_the_watch_goes_on(
    harm: Callable[[Path], None], told: Told, store: SessionStore, folder: Path
) -> None:
    store.rename("a", "before")
    told.until(("a", "modified", "this store"))
    harm(folder)
    wait_until(lambda: told.errors)
    told.changes.clear()
    write(folder, "a", "after")
    store.append("b", user("x"))
    assert set(told.all(folder)) == {
        ("a", "modified", "external"),
        ("b", "modified", "this store"),
    }
    assert [(type(error), change) for error, change in told.errors] == [(ChangesExpiredError, None)]
    change = next(one for one in told.changes if one.session_id == "a")
    assert change.changed["title"] == ("before", "after")


@pytest.mark.parametrize("harm", HARMS)
def test_an_index_that_is_lost_while_changes_are_told_is_told_once(
    harm: Callable[[Path], None], store: SessionStore, folder: Path
) -> None:
    """The next batch is asked for before anybody has looked at the folder again."""
    store.create("a")
    first = store.last_change()
    store.rename("a", "renamed")
    told: list[str | None] = []

    def on_change(change: SessionChange) -> None:
        told.append(change.session_id)
        if len(told) == 1:
            harm(folder)

    def on_error(error: Exception, change: SessionChange | None) -> None:
        assert isinstance(error, ChangesExpiredError)
        # List again, and nothing falls between that and what is told from now on.
        titles.append(store.list().items[0].title)
        told.append(None)

    titles: list[str] = []
    with store.watch(on_change, since=first, on_error=on_error):
        wait_until(lambda: None in told)
        store.rename("a", "again")
        write(folder, "end", "the end")
        wait_until(lambda: told[-1] == "end")
    assert told == ["a", None, "a", "end"]
    assert titles == ["renamed"]


# -- fork --------------------------------------------------------------------------------------

FORKING = """
import os, sys, threading, time
from localsessions import SessionStore

folder, times = sys.argv[1], int(sys.argv[2])
store = SessionStore(folder, durability="fast")
store.create("a"), store.create("parents")
heard = []
store.watch(lambda change: heard.append(os.getpid()))
over = threading.Event()


def write():
    while not over.is_set():
        store.append("parents", {"role": "user", "content": "x"})
        store.delete("parents"), store.restore("parents")


writer = threading.Thread(target=write)
writer.start()
for number in range(times):
    if child := os.fork():
        deadline = time.monotonic() + 120
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(child, 9)
            time.sleep(0.001)
        print("ended", ended[1], flush=True)
        continue
    heard.clear()
    told = []
    assert store.stats().watcher == "off"
    store.append("a", {"role": "user", "content": "x"})
    with store.watch(told.append):
        assert store.stats().watcher == "events"
        made = store.create(f"child{number}").session_id
        while made not in [one.session_id for one in told]:
            time.sleep(0.002)
    assert {one.session_id for one in store.list()} >= {"a", made}
    assert [one.origin for one in told if one.session_id == made] == ["this store"]
    assert heard == [], "the parent's callback in the child"
    assert store.stats().watcher == "off"
    if number % 2:
        store.close()
        os._exit(0)
    sys.exit()
over.set()
writer.join()
assert set(heard) == {os.getpid()}
store.close()
"""


@pytest.mark.needs("fork")
def test_a_forked_child_uses_the_store_and_watches_by_itself(folder: Path) -> None:
    times = 12
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(folder), str(times)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    assert done.stdout.split("\n") == ["ended 0"] * times + [""]
    assert done.returncode == 0


def test_a_process_that_forgets_its_watch_ends(folder: Path) -> None:
    script = (
        "import sys; from localsessions import SessionStore\n"
        "store = SessionStore(sys.argv[1]); store.watch(print); store.create('a')\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    assert subprocess.run(command, timeout=120, stdout=subprocess.DEVNULL).returncode == 0


def test_what_watchdog_starts_keeps_no_process_from_ending(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader of Windows is a daemon where the thread that starts it is one."""
    from watchdog.observers import Observer

    started: list[bool] = []
    start = getattr(Observer, "start")  # noqa: B009  (which class it is differs by system)

    def told(self: Any) -> None:
        started.append(threading.current_thread().daemon)
        start(self)

    monkeypatch.setattr(Observer, "start", told)
    folder.mkdir()
    watcher_room._Observed(str(folder), lambda _: None).stop()
    assert started == [True]


def test_a_process_ends_whose_thread_stopped_with_a_mutex_in_hand(folder: Path) -> None:
    script = """
import collections, operator, sys, threading
from localsessions import SessionStore
store = SessionStore(sys.argv[1])
store.create("a")
taken = threading.Event()
# Nothing of this script: what a function of it holds alive is not finalized.
acts = [store.engine.index._database._lock.acquire, taken.set, threading.Event().wait]
acting = map(operator.call, acts)
threading.Thread(target=collections.deque, args=[acting], daemon=True).start()
taken.wait()
"""
    command = [sys.executable, "-c", script, str(folder)]
    assert subprocess.run(command, timeout=120, stdout=subprocess.DEVNULL).returncode == 0


def test_a_writer_killed_before_it_recorded_is_told_once_as_external(
    told: Told, folder: Path
) -> None:
    script = (
        "import os, sys; from localsessions import SessionStore\n"
        "store = SessionStore(sys.argv[1])\n"
        f"end = lambda *_: {DIES}\n"
        "store.engine.index.record = store.engine.index.record_turn = end\n"
        "store.rename('a', 'written')\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert killed.returncode == DIED
    assert told.all(folder) == [("a", "modified", "external")]
    assert told.changes[0].changed == {"title": ("A", "written")}


# -- the price ---------------------------------------------------------------------------------


def test_while_nothing_happens_nothing_is_done(store: SessionStore, folder: Path) -> None:
    for number in range(20):
        write(folder, f"s{number}", "T")
    with Told(store) as told:
        assert told.all(folder) == []
        looker = local(store).feed._looker
        assert looker is not None
        wait_until(lambda: looker.is_live and not looker._to_keep)

        def state() -> tuple[object, ...]:
            counters = store.stats().counters
            work = counters["sweeps"], counters["files_read"]
            return descriptors(), threading.active_count(), work, sizes(folder)

        before, used = state(), time.process_time()
        started = time.monotonic()
        time.sleep(2.2)  # what is measured
        elapsed = time.monotonic() - started
        busy = time.process_time() - used
        assert state() == before
        assert busy < 0.05 * elapsed


def sizes(folder: Path) -> dict[str, int]:
    found = {}
    for path in (folder / ".localsessions").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.stat().st_size
    return found


def test_a_listing_of_a_watched_store_sweeps_no_more(
    told: Told, store: SessionStore, folder: Path
) -> None:
    assert told.all(folder) == []
    looker = local(store).feed._looker
    assert looker is not None
    wait_until(lambda: looker.is_live)
    before = local(store).reconciler.sweeps
    for _ in range(50):
        store.list()
    assert local(store).reconciler.sweeps == before

"""The file of one session: what the verbs make of it, also against other programs."""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import time
from datetime import timedelta
from pathlib import Path

import calls
import pytest
from inside import local
from pydantic import JsonValue

from localsessions import (
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    Session,
    SessionExistsError,
    SessionStore,
    UnreadableSessionError,
)


def user(text: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"role": "user", "content": text, **more}


def said(session: Session) -> object:
    return session.model_dump(), session.extra


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def edit_outside(path: Path, **fields: JsonValue) -> None:
    """What an editor does: the file is written in place."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


# -- create ----------------------------------------------------------------------------------


def test_a_created_session_is_a_readable_file_at_once(store: SessionStore, folder: Path) -> None:
    made = store.create("a", user_id="u", agent_id="g", title="t", metadata={"k": [1]}, ttl=60)

    stored = json.loads((folder / "a.json").read_text())
    assert stored["session_id"] == "a"
    assert (stored["user_id"], stored["agent_id"], stored["title"]) == ("u", "g", "t")
    assert (stored["metadata"], stored["ttl"], stored["revision"]) == ({"k": [1]}, 60, 1)
    assert made.expires_at == made.created_at + timedelta(seconds=60)
    assert said(store.load("a")) == said(made)


@pytest.mark.needs("open files that go")
def test_a_twin_is_found_by_a_store_that_has_not_listed_yet(folder: Path) -> None:
    with SessionStore(folder) as first:
        first.create("Notes")
        (folder / "Other.json").write_text("{}")
        for name in os.listdir(folder / ".localsessions"):
            if "sqlite3" in name:
                os.unlink(folder / ".localsessions" / name)
    with SessionStore(folder) as second:
        for twin in ("notes", "other"):
            with pytest.raises(SessionExistsError):
                second.create(twin)


def test_a_twin_whose_file_is_gone_is_none(store: SessionStore, folder: Path) -> None:
    store.create("Notes")
    (folder / "Notes.json").unlink()
    assert store.create("notes").session_id == "notes"


# -- load ------------------------------------------------------------------------------------


def test_a_file_torn_by_an_editor_is_waited_for(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The editor goes on while the reader waits, and that is as long as the machine likes."""
    store.create("a", title="whole")
    path = folder / "a.json"
    whole = path.read_text()
    pauses: list[float] = []

    def go_on(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            path.write_text(whole)

    path.write_text(whole[: len(whole) // 2])
    os.utime(path, (time.time() + 3600, time.time() + 3600))  # young, however slow the machine is
    monkeypatch.setattr("localsessions._local.reading._PATIENCE", 3600.0)
    monkeypatch.setattr("localsessions._local.reconciling.time.sleep", go_on)
    assert store.load("a").title == "whole"
    assert len(pauses) == 3


def test_a_file_that_stays_torn_is_waited_for_no_longer_than_a_moment(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a", title="whole")
    path = folder / "a.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    passed = time.monotonic()

    def pass_by(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr("localsessions._local.reconciling.time.monotonic", lambda: passed)
    monkeypatch.setattr("localsessions._local.reconciling.time.sleep", pass_by)
    began = passed
    with pytest.raises(UnreadableSessionError):
        store.load("a")
    assert 0.2 <= passed - began < 0.25


# -- save ------------------------------------------------------------------------------------


def test_an_unchanged_session_is_not_written(store: SessionStore, folder: Path) -> None:
    store.create("a", title="t")
    store.append("a", user("one"))
    before = identity(folder / "a.json")
    session = store.load("a")
    assert store.save(session).revision == 2
    with store.edit("a"):
        pass
    store.rename("a", "t")
    store.pin("a", pinned=False)
    store.tag("a")
    assert identity(folder / "a.json") == before


def test_an_unchanged_hand_made_file_keeps_its_layout(store: SessionStore, folder: Path) -> None:
    folder.joinpath("a.json").write_text('{"messages":[],   "title":"by hand"}')
    before = identity(folder / "a.json")
    store.save(store.load("a"))
    store.rename("a", "by hand")
    assert identity(folder / "a.json") == before


def test_an_edit_by_another_program_is_never_overwritten(store: SessionStore, folder: Path) -> None:
    session = store.create("a", title="mine")
    edit_outside(folder / "a.json", title="theirs")
    session.title = "mine again"
    with pytest.raises(ConflictError, match="changed by someone else") as caught:
        store.save(session)
    assert caught.value.expected is not None
    assert caught.value.found is not None
    assert (caught.value.expected.title, caught.value.found.title) == ("mine", "theirs")
    assert store.load("a").title == "theirs"


def test_an_edit_that_leaves_size_and_time_as_they_were_is_seen(
    store: SessionStore, folder: Path
) -> None:
    path = folder / "a.json"
    session = store.create("a", title="mine!")
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"mine!", b"their"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    session.title = "again"
    with pytest.raises(ConflictError):
        store.save(session)
    assert store.load("a").title == "their"


def test_an_edit_within_one_tick_of_a_clock_that_stands_is_seen(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coarsest file system: every write gives the same size, times and inode."""
    path = folder / "a.json"
    path.write_text('{"title": "mine!", "messages": []}')
    loaded = store.load("a")
    before = local(store).folder.fingerprint("a")
    path.write_text('{"title": "their", "messages": []}')
    monkeypatch.setattr(local(store).folder, "fingerprint", lambda _: before)
    loaded.title = "again"
    with pytest.raises(ConflictError):
        store.save(loaded)
    assert json.loads(path.read_text())["title"] == "their"


def test_a_file_that_was_only_touched_is_no_conflict(store: SessionStore, folder: Path) -> None:
    session = store.create("a")
    os.utime(folder / "a.json")
    session.title = "t"
    assert store.save(session).revision == 2


def test_a_file_that_became_unreadable_is_not_overwritten(
    store: SessionStore, folder: Path
) -> None:
    session = store.create("a")
    (folder / "a.json").write_text("{torn")
    session.title = "t"
    with pytest.raises(UnreadableSessionError):
        store.save(session)
    assert (folder / "a.json").read_text() == "{torn"


def test_a_newer_format_is_read_and_never_written(store: SessionStore, folder: Path) -> None:
    path = folder / "a.json"
    path.write_text('{"format": "localsessions/2", "title": "later", "new": 1, "messages": []}')
    before = path.read_bytes()
    session = store.load("a")
    assert (session.title, session.extra) == ("later", {"new": 1})
    assert store.list(fresh=True).items[0].title == "later"
    session.title = "older"
    for verb in (lambda: store.save(session), lambda: store.append("a", user("x"))):
        with pytest.raises(FormatVersionError, match="localsessions/2"):
            verb()
    assert path.read_bytes() == before


# -- edit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["edit", "delete", "tear"])
def test_a_program_that_knows_no_locks_loses_nothing_to_an_edit(
    act: str, store: SessionStore, folder: Path
) -> None:
    path = folder / "a.json"
    store.create("a", title="before")
    faults = (ConflictError, UnreadableSessionError)
    with pytest.raises(faults), store.edit("a") as session:  # noqa: PT012
        session.title = "mine"
        if act == "edit":
            edit_outside(path, title="theirs")
        elif act == "delete":
            path.unlink()
        else:
            path.write_text("{torn")
    if act == "edit":
        assert store.load("a").title == "theirs"
    else:
        assert path.exists() == (act == "tear")


# -- append, runs, agents ----------------------------------------------------------------------


def test_append_keeps_what_another_program_appended(store: SessionStore, folder: Path) -> None:
    store.create("a")
    edit_outside(folder / "a.json", messages=[user("theirs")], unknown={"kept": [1]})
    store.append("a", user("mine"))
    session = store.load("a")
    assert [one["content"] for one in session.messages] == ["theirs", "mine"]
    assert session.extra == {"unknown": {"kept": [1]}}


# -- the store itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"durability": "maybe"}, {"lock_timeout": -1}, {"lock_timeout": float("nan")}]
)
def test_arguments_out_of_range_are_refused_without_a_trace(
    wrong: dict[str, object], folder: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SessionStore(folder, **wrong)  # type: ignore[arg-type]
    gc.collect()
    assert not folder.exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        SessionStore(tmp_path / "file")


def test_the_store_says_where_it_is(store: SessionStore, folder: Path) -> None:
    assert store.save_dir == str(folder)
    assert store.path("a") == str(folder / "a.json")
    assert repr(store) == f"SessionStore({str(folder)!r})"


def test_fast_durability_keeps_every_verb(folder: Path) -> None:
    with SessionStore(folder, durability="fast") as store:
        store.create("a")
        store.append("a", user("x"))
        assert len(store.load("a").messages) == 1


def test_stats_count_sessions_bytes_and_work(store: SessionStore, folder: Path) -> None:
    store.create("a")
    store.append("a", user("x"), user("y"))
    store.create("b")
    store.delete("b")
    (folder / "c.json").write_text("{torn")
    store.list(fresh=True)

    stats = store.stats()
    assert (stats.sessions, stats.unreadable, stats.messages, stats.trashed) == (2, 1, 2, 1)
    assert stats.size_bytes == sum((folder / name).stat().st_size for name in ("a.json", "c.json"))
    assert stats.derived_bytes["index"] > 0
    assert stats.save_dir == str(folder)
    assert stats.counters["files_written"] == 3
    assert stats.counters["sweeps"] >= 1


@pytest.mark.needs("another user")
def test_a_folder_that_cannot_be_written_can_be_read(folder: Path, tmp_path: Path) -> None:
    with SessionStore(folder) as store:
        store.create("a", title="t")
        store.append("a", user("parser"))
        store.save_checkpoint("a", [1])
    for entry in (folder, *folder.rglob("*")):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)

    def look(pipe: multiprocessing.connection.Connection) -> None:
        os.setgid(1234)
        os.setuid(1234)
        with SessionStore(folder) as store:
            pipe.send(
                (
                    store.load("a").title,
                    store.list().items[0].message_count,
                    [hit.position for hit in store.search("parser")],
                    store.load_checkpoint("a").data,
                    store.verify(),
                )
            )
            for verb in (
                lambda: store.append("a", user("x")),
                lambda: store.create("b"),
                lambda: store.delete("a"),
            ):
                try:
                    verb()
                except PermissionError as error:
                    pipe.send(str(error))

    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=look, args=[there])
    process.start()
    there.close()
    assert here.recv() == ("t", 1, [0], [1], [])
    assert all(str(folder) in here.recv() for _ in range(3))
    process.join()
    assert (folder / "a.json").read_text().count("parser") == 1


# -- calls that fail -----------------------------------------------------------------------------


def test_what_cannot_be_opened_now_is_not_restored(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    store.delete("s")
    real = calls.real("open")

    def many_open(path: str, *arguments: int, **named: int) -> int:
        if path.endswith("s.json"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        fd: int = real(path, *arguments, **named)
        return fd

    with monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "open", many_open)
        with pytest.raises(OSError, match="Too many"):
            store.restore("s")
    assert not (folder / "s.json").exists()
    assert store.restore("s").session_id == "s"


@pytest.mark.needs("folder syncs")
def test_a_restored_session_that_the_disk_did_not_confirm_is_listed_at_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    store.delete("s")
    assert store.count() == 0
    monkeypatch.setattr("localsessions._local.reconciling._SWEEP_SHARE", 1e9)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(DurabilityUnknownError):
            store.restore("s")
    assert store.count() == 1
    assert store.load("s").session_id == "s"


def failing(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_deletion_that_cannot_be_recorded_is_done_and_found_by_the_next_look(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    since = store.last_change()
    monkeypatch.setattr("localsessions._local.reconciling._SWEEP_SHARE", 1e9)
    rename, lstat, renamed = os.replace, os.lstat, []

    def replace(source: str, target: str) -> None:
        rename(source, target)
        renamed.append(source)

    def look(path: str) -> os.stat_result:
        if path in renamed:
            renamed.clear()
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return lstat(path)

    with monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "replace", replace)
        calls.put_in_place_of(patched, "lstat", look)
        assert store.delete("s")
    assert store.list().items == ()
    assert [(one.session_id, one.kind) for one in store.changes(since)] == [("s", "deleted")]


def test_a_session_whose_making_was_interrupted_when_it_was_there_is_listed_at_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.list()
    monkeypatch.setattr("localsessions._local.reconciling._SWEEP_SHARE", 1e9)
    rename = calls.real("replace")

    def interrupted(source: str, target: str) -> None:
        rename(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        calls.put_in_place_of(patched, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.create("s")
    assert [one.session_id for one in store.list().items] == ["s"]

"""The verbs on one session: what each promises, also against other writers."""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from inside import local
from pydantic import JsonValue

from localsessions import (
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    Session,
    SessionExistsError,
    SessionNotFoundError,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)

Verb = Callable[[SessionStore], object]


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


def test_metadata_is_copied(store: SessionStore) -> None:
    given: dict[str, JsonValue] = {"list": [1]}
    made = store.create("a", metadata=given)
    given["list"] = 2
    assert made.metadata == {"list": [1]}


def test_made_ids_are_new_and_sort_by_time(store: SessionStore) -> None:
    made = [store.create().session_id for _ in range(5)]
    assert all(one.startswith("sess_") for one in made)
    assert len(set(made)) == 5
    assert [one[:17] for one in made] == sorted(one[:17] for one in made)


@pytest.mark.parametrize("ttl", [None, 0, -5])
def test_without_a_ttl_nothing_expires(ttl: float | None, store: SessionStore) -> None:
    assert store.create("a", ttl=ttl).expires_at is None


def test_creating_twice_is_refused_and_changes_nothing(store: SessionStore, folder: Path) -> None:
    store.create("a", title="first")
    before = (folder / "a.json").read_bytes()
    with pytest.raises(SessionExistsError, match="exists already") as caught:
        store.create("a", title="second")
    assert caught.value.existing == "a"
    assert (folder / "a.json").read_bytes() == before


@pytest.mark.parametrize(
    ("first", "second"),
    [("Notes", "notes"), ("straße", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("\u0130", "i\u0307")],
)
def test_ids_that_macos_or_windows_cannot_tell_apart_are_refused(
    first: str, second: str, store: SessionStore
) -> None:
    store.create(first)
    with pytest.raises(SessionExistsError, match="would share one file") as caught:
        store.create(second)
    assert (caught.value.session_id, caught.value.existing) == (second, first)
    assert store.count() == 1


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


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a\\b", "a\0b", "x" * 201])
def test_an_id_that_no_file_can_have_is_refused(session_id: str, store: SessionStore) -> None:
    for verb in (store.create, store.load, store.get, store.delete, store.path):
        with pytest.raises(ValueError, match="session_id"):
            verb(session_id)


def test_what_cannot_be_stored_never_reaches_the_disk(store: SessionStore, folder: Path) -> None:
    with pytest.raises(UnstorableValueError, match=r"metadata\.x"):
        store.create("a", metadata={"x": float("nan")})
    assert not (folder / "a.json").exists()


# -- load ------------------------------------------------------------------------------------


def test_loading_hands_out_copies(store: SessionStore) -> None:
    store.create("a")
    store.append("a", user("one"))
    first, second = store.load("a"), store.load("a")
    first.messages.clear()
    first.metadata["x"] = 1
    assert second.messages
    assert said(store.load("a")) == said(second)


def test_what_is_not_there_is_none_or_an_error(store: SessionStore) -> None:
    assert store.get("nobody") is None
    for verb in (store.load, lambda one: store.append(one, user("x")), store.fork, store.pin):
        with pytest.raises(SessionNotFoundError, match="nobody"):
            verb("nobody")
    with pytest.raises(LookupError), store.edit("nobody"):
        pass


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


def test_saving_moves_revision_and_times_and_can_be_repeated(store: SessionStore) -> None:
    session = store.create("a")
    created = session.last_activity
    for number in range(1, 4):
        session.messages = [*session.messages, user(str(number))]
        assert store.save(session) is session
        assert session.revision == number + 1
        assert said(store.load("a")) == said(session)
    assert session.last_activity >= created
    assert session.updated_at >= session.last_activity


def test_an_activity_that_was_set_by_hand_is_kept(store: SessionStore) -> None:
    session = store.create("a")
    session.last_activity = datetime(2020, 1, 1, tzinfo=UTC)
    store.save(session)
    assert store.load("a").last_activity == datetime(2020, 1, 1, tzinfo=UTC)


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


def test_a_session_never_loaded_makes_a_new_file(store: SessionStore) -> None:
    assert store.save(Session(session_id="a", title="t")).revision == 1
    assert store.load("a").title == "t"


def test_a_session_never_loaded_never_replaces_one(store: SessionStore) -> None:
    store.create("a", title="kept")
    with pytest.raises(ConflictError, match="exists already") as caught:
        store.save(Session(session_id="a", title="other"))
    assert caught.value.expected is None
    assert caught.value.found is not None
    assert caught.value.found.title == "kept"
    assert store.load("a").title == "kept"


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


def test_a_deleted_session_is_not_brought_back_by_a_save(store: SessionStore, folder: Path) -> None:
    session = store.create("a")
    store.delete("a")
    session.title = "t"
    with pytest.raises(ConflictError, match="was deleted") as caught:
        store.save(session)
    assert caught.value.found is None
    assert not (folder / "a.json").exists()


def test_a_file_that_became_unreadable_is_not_overwritten(
    store: SessionStore, folder: Path
) -> None:
    session = store.create("a")
    (folder / "a.json").write_text("{torn")
    session.title = "t"
    with pytest.raises(UnreadableSessionError):
        store.save(session)
    assert (folder / "a.json").read_text() == "{torn"


def test_a_refused_value_leaves_session_and_file_as_they_were(store: SessionStore) -> None:
    session = store.create("a")
    session.messages = [user("one", odd={1, 2})]  # type: ignore[arg-type]
    with pytest.raises(UnstorableValueError, match=r"messages\[0\]\.odd"):
        store.save(session)
    assert (session.revision, store.load("a").messages) == (1, [])
    session.messages = [user("one")]
    assert store.save(session).revision == 2


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


def test_edit_stores_what_the_block_made(store: SessionStore) -> None:
    store.create("a")
    with store.edit("a") as session:
        session.state["step"] = 1
        session.messages.append(user("in place"))
    assert store.load("a").state == {"step": 1}
    assert store.load("a").revision == 2


def test_an_edit_that_is_no_activity_leaves_its_time(store: SessionStore) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    store.save(Session(session_id="a", created_at=long_ago, last_activity=long_ago))
    with store.edit("a", is_activity=False) as session:
        session.state["step"] = 1
    assert (store.load("a").last_activity, store.load("a").state) == (long_ago, {"step": 1})
    with store.edit("a") as session:
        session.state["step"] = 2
    assert store.load("a").last_activity > long_ago


def test_an_exception_in_the_block_stores_nothing(store: SessionStore, folder: Path) -> None:
    store.create("a")
    before = identity(folder / "a.json")
    with pytest.raises(KeyError), store.edit("a") as session:  # noqa: PT012
        session.title = "half done"
        raise KeyError("x")
    assert identity(folder / "a.json") == before
    store.append("a", user("the lock is free again"))


def test_other_sessions_may_be_changed_inside_and_the_same_may_not(store: SessionStore) -> None:
    store.create("a")
    store.create("b")
    with store.edit("a") as session:
        with store.edit("b") as other:
            other.title = "inner"
        store.append("b", user("too"))
        for verb in (lambda: store.append("a", user("x")), lambda: store.rename("a", "x")):
            with pytest.raises(RuntimeError, match="being edited by this thread"):
                verb()
        session.title = "outer"
    assert (store.load("a").title, store.load("b").title) == ("outer", "inner")


def test_somebody_elses_edit_is_waited_for_and_no_longer_than_said(folder: Path) -> None:
    with SessionStore(folder, lock_timeout=0.05) as store, SessionStore(folder) as other:
        store.create("a")
        inside, done = threading.Event(), threading.Event()

        def hold() -> None:
            with other.edit("a") as session:
                session.title = "theirs"
                inside.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        inside.wait()
        with pytest.raises(LockTimeoutError, match=r"0\.05 s") as caught:
            store.append("a", user("x"))
        assert (caught.value.timeout, caught.value.session_id) == (0.05, "a")
        assert store.load("a").title is None  # readers wait for nobody
        done.set()
        holder.join()
        assert store.load("a").title == "theirs"


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


def test_threads_that_edit_lose_nothing(folder: Path) -> None:
    with SessionStore(folder, durability="fast") as store:
        store.create("a")

        def count() -> None:
            for _ in range(20):
                with store.edit("a") as session:
                    known = session.state.get("count", 0)
                    assert isinstance(known, int)
                    session.state["count"] = known + 1

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.load("a").state == {"count": 80}
        assert store.load("a").revision == 81


# -- append, runs, agents ----------------------------------------------------------------------


def test_append_adds_at_the_end_and_says_what_is_stored(store: SessionStore) -> None:
    store.create("a")
    given = user("one", parts=[1])
    (first,) = store.append("a", given)
    given["parts"] = []
    store.append("a", user("two", id="mine", created_at="yesterday"), {"role": "tool"})

    messages = store.load("a").messages
    assert [one["role"] for one in messages] == ["user", "user", "tool"]
    assert messages[0] == first
    assert first["parts"] == [1]
    assert str(first["id"]).startswith("msg_")
    assert (messages[1]["id"], messages[1]["created_at"]) == ("mine", "yesterday")


def test_append_creates_nothing_and_wants_a_role(store: SessionStore, folder: Path) -> None:
    with pytest.raises(SessionNotFoundError):
        store.append("a", user("x"))
    assert not (folder / "a.json").exists()
    store.create("a")
    for wrong in ({"content": "x"}, {"role": 1}):
        with pytest.raises(ValueError, match="role"):
            store.append("a", user("good"), wrong)
    assert store.append("a") == ()
    assert store.load("a").revision == 1


def test_append_keeps_what_another_program_appended(store: SessionStore, folder: Path) -> None:
    store.create("a")
    edit_outside(folder / "a.json", messages=[user("theirs")], unknown={"kept": [1]})
    store.append("a", user("mine"))
    session = store.load("a")
    assert [one["content"] for one in session.messages] == ["theirs", "mine"]
    assert session.extra == {"unknown": {"kept": [1]}}


def test_a_run_takes_the_place_of_its_former_self(store: SessionStore) -> None:
    store.create("a")
    store.upsert_run("a", {"run_id": "r1", "status": "RUNNING"}, user("go", run_id="wrong"))
    store.upsert_run("a", {"run_id": "r2"})
    store.upsert_run("a", {"run_id": "r1", "status": "DONE"}, {"role": "assistant"})

    session = store.load("a")
    assert session.runs == [{"run_id": "r1", "status": "DONE"}, {"run_id": "r2"}]
    assert [one["run_id"] for one in session.messages] == ["r1", "r1"]
    with pytest.raises(ValueError, match="run_id"):
        store.upsert_run("a", {"id": "r3"})
    with pytest.raises(ValueError, match="role"):
        store.upsert_run("a", {"run_id": "r3"}, {"content": "x"})
    assert store.load("a").revision == 4


def test_agents_switch_and_the_switch_is_recorded(store: SessionStore) -> None:
    created = store.create("a")
    assert store.switch_agent("a", "coder", "asked") is True
    assert store.switch_agent("a", "coder") is False
    assert store.switch_agent("a", "writer") is True

    session = store.load("a")
    switches = session.agent_context["switches"]
    assert isinstance(switches, list)
    assert session.current_agent == "writer"
    assert [(one["from"], one["to"], one["reason"]) for one in switches] == [  # type: ignore[call-overload, index]
        (None, "coder", "asked"),
        ("coder", "writer", None),
    ]
    assert session.last_activity == created.last_activity
    assert store.list().items[0].current_agent == "writer"


# -- small changes -----------------------------------------------------------------------------


def test_a_title_that_a_person_set_is_never_overwritten_by_a_made_one(store: SessionStore) -> None:
    store.create("a")
    assert store.rename("a", "made", made=True).title == "made"
    assert store.rename("a", "made anew", made=True).title == "made"
    assert store.rename("a", "by hand").title == "by hand"
    assert store.rename("a", "made", made=True).title == "by hand"
    assert store.rename("a", None).title == ""
    store.append("a", user("What is this?"))
    assert store.list().items[0].title == "What is this?"


def test_tags_stand_once_in_the_order_of_adding(store: SessionStore) -> None:
    store.create("a")
    assert store.tag("a", "x", "y", "x").tags == ("x", "y")
    assert store.tag("a", "z", "y", remove=["x"]).tags == ("y", "z")
    assert store.tag("a", remove=["y", "none"]).tags == ("z",)


def test_pin_and_archive_are_no_activity_and_can_be_taken_back(store: SessionStore) -> None:
    active = store.create("a").last_activity
    assert store.pin("a").pinned is True
    assert store.archive("a").status == "archived"
    assert store.pin("a", pinned=False).pinned is False
    assert store.archive("a", archived=False).status == "active"
    assert store.load("a").last_activity == active


# -- fork and tail -----------------------------------------------------------------------------


def a_talk(store: SessionStore) -> None:
    store.create("a", title="talk", metadata={"k": 1}, ttl=60)
    store.upsert_run("a", {"run_id": "r1"}, user("zero", id="m0"), user("one", id="m1"))
    store.upsert_run("a", {"run_id": "r2"}, user("two", id="m2"))
    store.pin("a")
    store.archive("a")


@pytest.mark.parametrize(
    ("at", "count", "runs"),
    [(None, 3, ["r1", "r2"]), ("m1", 2, ["r1"]), (0, 1, ["r1"]), (2, 3, ["r1", "r2"])],
)
def test_a_fork_has_the_messages_up_to_one_of_them(
    at: str | int | None, count: int, runs: list[str], store: SessionStore
) -> None:
    a_talk(store)
    before = store.load("a")
    fork = store.fork("a", at=at, new_id="b")

    assert [one["id"] for one in fork.messages] == ["m0", "m1", "m2"][:count]
    assert [one["run_id"] for one in fork.runs] == runs
    assert fork.forked_from == {
        "session_id": "a",
        "message_id": f"m{count - 1}",
        "message_count": count,
    }
    assert (fork.pinned, fork.status, fork.revision, fork.title) == (False, "active", 1, "talk")
    assert fork.metadata == {"k": 1}
    assert fork.expires_at == fork.created_at + timedelta(seconds=60)
    assert fork.created_at > before.created_at
    assert said(store.load("b")) == said(fork)
    assert said(store.load("a")) == said(before)


def test_a_fork_shares_nothing_with_its_source(store: SessionStore) -> None:
    a_talk(store)
    fork = store.fork("a")
    assert fork.session_id.startswith("sess_")
    fork.messages[0]["content"] = "changed"
    store.save(fork)
    assert store.load("a").messages[0]["content"] == "zero"


@pytest.mark.parametrize("at", ["nothing", 3, -1])
def test_a_fork_at_no_message_is_refused(at: str | int, store: SessionStore) -> None:
    a_talk(store)
    with pytest.raises(LookupError, match="message"):
        store.fork("a", at=at)
    assert store.count() == 1


def test_a_fork_onto_a_session_is_refused(store: SessionStore) -> None:
    a_talk(store)
    with pytest.raises(SessionExistsError):
        store.fork("a", new_id="a")


def test_a_fork_of_nothing_is_empty(store: SessionStore) -> None:
    store.create("a")
    fork = store.fork("a")
    assert fork.forked_from == {"session_id": "a", "message_id": None, "message_count": 0}


@pytest.mark.parametrize(("n", "found"), [(0, []), (1, ["m2"]), (3, ["m0", "m1", "m2"])])
def test_tail_is_the_last_messages_in_order(n: int, found: list[str], store: SessionStore) -> None:
    a_talk(store)
    assert [one["id"] for one in store.tail("a", n)] == found
    assert len(store.tail("a", 100)) == 3
    with pytest.raises(ValueError, match="n must be"):
        store.tail("a", -1)


def test_a_message_that_contains_itself_is_refused_and_others_are_copied(
    store: SessionStore,
) -> None:
    store.create("s")
    said: list[JsonValue] = ["mine"]
    message: dict[str, JsonValue] = {"role": "user", "content": said}
    (kept,) = store.append("s", message)
    said.append(message)
    assert kept["content"] == ["mine"]
    with pytest.raises(UnstorableValueError, match="deeper than 200 levels"):
        store.append("s", message)
    assert store.load("s").messages == [kept]


# -- the store itself --------------------------------------------------------------------------


VERBS: list[Verb] = [
    lambda store: store.create("b"),
    lambda store: store.get("a"),
    lambda store: store.load("a"),
    lambda store: store.save(Session(session_id="c")),
    lambda store: store.append("a", user("x")),
    lambda store: store.upsert_run("a", {"run_id": "r"}),
    lambda store: store.switch_agent("a", "x"),
    lambda store: store.rename("a", "x"),
    lambda store: store.pin("a"),
    lambda store: store.archive("a"),
    lambda store: store.tag("a", "x"),
    lambda store: store.fork("a"),
    lambda store: store.tail("a", 1),
    lambda store: store.list(),
    lambda store: store.count(),
    lambda store: store.search("x"),
    lambda store: store.resolve("a"),
    lambda store: store.delete("a"),
    lambda store: store.restore("a"),
    lambda store: store.trash(),
    lambda store: store.empty_trash(),
    lambda store: store.cleanup(max_age=0),
    lambda store: store.purge_expired(),
    lambda store: store.save_checkpoint("a", 1),
    lambda store: store.checkpoints("a"),
    lambda store: store.load_checkpoint("a"),
    lambda store: store.delete_checkpoint("a", "x"),
    lambda store: store.clear_checkpoints("a"),
    lambda store: store.verify(),
    lambda store: store.reindex(),
    lambda store: store.stats(),
]


def test_every_verb_of_a_closed_store_is_refused(folder: Path) -> None:
    with SessionStore(folder) as store:
        unchanged = store.create("a")
    store.close()
    before = identity(folder / "a.json")
    save: Verb = lambda store: store.save(unchanged)  # noqa: E731
    for verb in (*VERBS, save):
        with pytest.raises(ValueError, match="is closed"):
            verb(store)
    with pytest.raises(ValueError, match="is closed"), store.edit("a"):
        pass
    assert identity(folder / "a.json") == before
    assert sorted(os.listdir(folder)) == [".localsessions", "a.json"]


def test_a_forgotten_store_warns(folder: Path) -> None:
    store = SessionStore(folder)
    with pytest.warns(ResourceWarning, match="SessionStore.*was not closed"):  # noqa: PT031
        del store
        gc.collect()


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
    assert repr(store) == f"SessionStore('{folder}')"


def test_sessions_survive_closing(folder: Path) -> None:
    with SessionStore(folder) as store:
        store.create("a", title="t")
        made = store.append("a", user("x"))
    with SessionStore(folder) as store:
        assert store.load("a").messages == list(made)
        assert store.list().items[0].title == "t"


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
    assert stats.index_bytes > 0
    assert stats.save_dir == str(folder)
    assert stats.counters["files_written"] == 3
    assert stats.counters["sweeps"] >= 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs another uid")
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


def test_a_title_means_its_session_whatever_its_case_and_a_prefix_as_well_is_ambiguous(
    store: SessionStore,
) -> None:
    store.create("a1", title="Fix the Parser")
    store.create("untitled")
    assert store.resolve("fix the parser") == "a1"
    store.create("fix the parser 2")
    with pytest.raises(ValueError, match="more than one"):
        store.resolve("fix the parser")


@pytest.mark.parametrize("reference", ["???", "\ud800", "-"])
def test_a_reference_without_words_means_no_untitled_session(
    store: SessionStore, reference: str
) -> None:
    store.create("untitled")
    with pytest.raises(SessionNotFoundError):
        store.resolve(reference)


# -- calls that fail -----------------------------------------------------------------------------


def test_what_cannot_be_opened_now_is_not_restored(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    store.delete("s")
    call = os.open

    def many_open(path: str, *arguments: int, **named: int) -> int:
        if path.endswith("s.json"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return call(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", many_open)
        with pytest.raises(OSError, match="Too many"):
            store.restore("s")
    assert not (folder / "s.json").exists()
    assert store.restore("s").session_id == "s"


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
        patched.setattr(os, "replace", replace)
        patched.setattr(os, "lstat", look)
        assert store.delete("s")
    assert store.list().items == ()
    assert [(one.session_id, one.kind) for one in store.changes(since)] == [("s", "deleted")]


def test_a_session_whose_making_was_interrupted_when_it_was_there_is_listed_at_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.list()
    monkeypatch.setattr("localsessions._local.reconciling._SWEEP_SHARE", 1e9)
    rename = os.replace

    def interrupted(source: str, target: str) -> None:
        rename(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.create("s")
    assert [one.session_id for one in store.list().items] == ["s"]

"""agentscope's sessions over the store: what both of them do, and the files of JSONSession."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import calls
import pytest

from localsessions import (
    ConflictError,
    LockTimeoutError,
    Session,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.adapters import agentscope
from localsessions.adapters.agentscope import JSONSession, SessionBase, SqliteSession, StateModule
from localsessions.adapters.agentscope.modules import Snapshots, State

Make = Callable[[], SessionBase]
Start = Callable[..., "subprocess.Popen[str]"]


class Note(StateModule):
    """A module whose state is one value."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        self.unregistered = "untouched"
        self.register_state("value", lambda given: given, lambda given: given)


class Duck:
    """A module that extends nothing."""

    def __init__(self, state: State) -> None:
        self.state = state

    def state_dict(self) -> State:
        return self.state

    def load_state_dict(self, state_dict: State) -> None:
        self.state = state_dict


def save(session: SessionBase, session_id: str, **modules: Any) -> None:
    assert asyncio.run(session.save_session_state(session_id, **modules)) is None


def load(session: SessionBase, session_id: str, *allow: bool, **modules: Any) -> None:
    assert asyncio.run(session.load_session_state(session_id, *allow, **modules)) is None


@pytest.fixture
def session(folder: Path) -> Iterator[JSONSession]:
    made = JSONSession(save_dir=folder)
    yield made
    made.close()


@pytest.fixture(params=["json", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what makes a new session object over the same storage, of either kind."""
    if request.param == "json":
        return lambda: JSONSession(save_dir=tmp_path / "made" / "sessions")
    return lambda: SqliteSession(tmp_path / "made" / "sessions.db")


@pytest.fixture
def info(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def said(records: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in records.records if record.levelno == level]


# -- the interface ---------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_document() -> None:
    """S1: names, order and defaults of the parameters; both backends have them too."""
    assert agentscope.__all__ == ["JSONSession", "SessionBase", "SqliteSession", "StateModule"]
    for kind in (SessionBase, JSONSession, SqliteSession):
        saving = inspect.signature(kind.save_session_state).parameters
        loading = inspect.signature(kind.load_session_state).parameters
        assert list(saving) == ["self", "session_id", "state_modules_mapping"]
        assert list(loading) == ["self", "session_id", "allow_not_exist", "state_modules_mapping"]
        assert loading["allow_not_exist"].default is True
        assert inspect.iscoroutinefunction(kind.save_session_state)
        assert inspect.iscoroutinefunction(kind.load_session_state)


def test_users_may_subclass_the_base() -> None:
    """S1: a storage of one's own."""

    class InMemory(SessionBase):
        def __init__(self) -> None:
            self.kept: dict[str, dict[str, State]] = {}

        async def save_session_state(self, /, session_id: str, **modules: Any) -> None:
            self.kept[session_id] = {name: one.state_dict() for name, one in modules.items()}

        async def load_session_state(
            self, /, session_id: str, allow_not_exist: bool = True, **modules: Any
        ) -> None:
            for name, one in modules.items():
                one.load_state_dict(self.kept[session_id][name])

    mine, note = InMemory(), Note("kept")
    save(mine, "s", note=note)
    note.value = None
    load(mine, "s", note=note)
    assert note.value == "kept"
    with pytest.raises(TypeError, match="abstract"):
        SessionBase()  # type: ignore[abstract]


def test_the_folder_is_the_working_directory_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: ``save_dir="."``; S4: the path is ``<save_dir>/<session_id>.json``."""
    monkeypatch.chdir(tmp_path)
    session = JSONSession()
    assert session._get_save_path("alice") == os.path.join(".", "alice.json")
    save(session, "alice", note=Note(1))
    assert (tmp_path / "alice.json").is_file()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="'alice'"):
        load(session, "alice", False, note=Note())
    save(session, "bob", note=Note(1))
    assert (tmp_path / "elsewhere" / "bob.json").is_file()
    session.close()


def test_the_session_id_of_the_constructor_warns_and_is_not_used(folder: Path) -> None:
    """S3: the first positional argument; silent without it."""
    with pytest.warns(DeprecationWarning, match=r"session_id='old'.*deprecated") as warned:
        session = JSONSession("old", folder)
    assert warned[0].filename == __file__
    save(session, "new", note=Note(1))
    session.close()
    assert [path.name for path in folder.glob("*.json")] == ["new.json"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        JSONSession(save_dir=folder)


def test_the_path_is_that_of_the_store_and_asking_makes_nothing(
    folder: Path, session: JSONSession
) -> None:
    """S4: of every id, those with characters that some system cannot hold included."""
    ids = ["alice", "a b", "наталья", "a.b@c", "what?", "con", ".hidden", "e\u0301"]
    paths = [session._get_save_path(one) for one in ids]
    assert not folder.exists()
    with SessionStore(folder) as store:
        assert paths == [store.path(one) for one in ids]
    assert paths[0] == str(folder / "alice.json")


@pytest.mark.needs("open files that go")
def test_a_save_makes_the_folder_with_those_above_it(tmp_path: Path) -> None:
    """S5: nested too."""
    session = JSONSession(save_dir=tmp_path / "a" / "b")
    save(session, "s", note=Note(1))
    assert (tmp_path / "a" / "b" / "s.json").is_file()
    shutil.rmtree(tmp_path / "a")
    save(session, "t", note=Note(2))
    assert (tmp_path / "a" / "b" / "t.json").is_file()
    with SessionStore(tmp_path / "a" / "b") as store:
        assert [each.session_id for each in store.list()] == ["t"]
    session.close()


def test_the_file_holds_each_state_under_its_name_readable(
    folder: Path, session: JSONSession
) -> None:
    """S6: UTF-8 JSON, text not escaped."""
    save(session, "s", one=Note("Покажи файлы 文件 🙂"), two=Note({"b": 1, "a": [2]}))
    text = (folder / "s.json").read_text("utf-8")
    assert "Покажи файлы 文件 🙂" in text
    modules = json.loads(text)["modules"]
    assert modules == {
        "one": {"value": "Покажи файлы 文件 🙂"},
        "two": {"value": {"b": 1, "a": [2]}},
    }


# -- saving and loading ----------------------------------------------------------------------


def test_many_modules_are_restored_in_place(make: Make) -> None:
    """S7: unregistered attributes stay, a second save overwrites."""
    one, two = Note([1]), Note({"k": "v"})
    save(make(), "s", one=one, two=two)
    save(make(), "s", one=Note([2]), two=two)
    one.value = two.value = None
    one.unregistered = "mine"
    load(make(), "s", one=one, two=two)
    assert (one.value, two.value, one.unregistered) == ([2], {"k": "v"}, "mine")


def test_a_save_is_a_snapshot_of_the_instant_of_the_call(make: Make) -> None:
    """S7: what the module does while the disk is waited for is not in it."""
    note = Note([["first"]])

    async def act() -> None:
        session = make()
        saving = asyncio.ensure_future(session.save_session_state("s", note=note))
        await asyncio.sleep(0)  # the snapshot is taken; the thread may not have begun
        note.value[0].append("second")
        await saving
        await session.load_session_state("s", note=note)

    asyncio.run(act())
    assert note.value == [["first"]]


def test_tuples_and_enums_are_saved_as_json_dumps_would(make: Make) -> None:
    """S7: agentscope's rule for a state; keys that are no texts would come back changed."""
    from enum import IntEnum, StrEnum

    class Colour(StrEnum):
        RED = "red"

    class Size(IntEnum):
        LARGE = 3

    note = Note((1, Colour.RED, {"flag": True, "size": Size.LARGE}))
    save(make(), "s", note=note)
    load(make(), "s", note=note)
    assert note.value == [1, "red", {"flag": True, "size": 3}]
    assert type(note.value[1]) is str
    with pytest.raises(UnstorableValueError, match="a key must be a text"):
        save(make(), "s", note=Note({1: "a"}))


@pytest.mark.parametrize("kind", ["sessions", "sessions.db"])
def test_another_process_loads_what_this_one_saved(tmp_path: Path, start: Start, kind: str) -> None:
    """S8."""
    saving = start("agentscope_session.py", "save", tmp_path / kind, "s", "pair", 3)
    out, _ = saving.communicate("go\n", timeout=120)
    assert out.split() == ["ready", "1", "2", "3"]
    loading = start("agentscope_session.py", "load", tmp_path / kind, "s", "pair")
    assert loading.communicate(timeout=120)[0] == "3\n"


def test_a_missing_session_is_skipped_with_a_log_line_and_nothing_is_made(
    make: Make, tmp_path: Path, info: pytest.LogCaptureFixture
) -> None:
    """S9, S20: allowed unless told."""
    note = Note("as it was")
    load(make(), "nobody", note=note)
    assert note.value == "as it was"
    assert list(tmp_path.iterdir()) == []
    assert any("'nobody'" in line for line in said(info, logging.INFO))


def test_a_missing_session_is_an_error_where_it_is_not_allowed(make: Make, tmp_path: Path) -> None:
    """S9, S20: the second positional argument is ``allow_not_exist``."""
    with pytest.raises(ValueError, match="'nobody'"):
        load(make(), "nobody", False, note=Note())
    assert list(tmp_path.iterdir()) == []
    save(make(), "somebody", note=Note())
    with pytest.raises(ValueError, match="'nobody'"):
        load(make(), "nobody", False, note=Note())
    load(make(), "nobody", note=Note())


def test_a_load_of_a_missing_session_makes_nothing_in_a_folder_that_is_there(folder: Path) -> None:
    """S9: the folder may be anyone's."""
    folder.mkdir()
    load(JSONSession(save_dir=folder), "nobody", note=Note())
    assert list(folder.iterdir()) == []


def test_a_module_that_was_never_saved_stays_as_it_is_with_a_warning(
    session: JSONSession, info: pytest.LogCaptureFixture
) -> None:
    """S10, D2: an agent that was added after the first save can be loaded with the others."""
    save(session, "s", old=Note("saved"))
    old, new = Note(), Note("as it was")
    load(session, "s", new=new, old=old)
    assert (old.value, new.value) == ("saved", "as it was")
    assert ["'new'" in line for line in said(info, logging.WARNING)] == [True]


def test_a_strict_session_raises_for_a_missing_module_before_it_loads_any(folder: Path) -> None:
    """S10, D2: an option of the constructor."""
    strict = JSONSession(save_dir=folder, strict=True)
    save(strict, "s", old=Note("saved"))
    old = Note("as it was")
    with pytest.raises(ValueError, match="'new'"):
        load(strict, "s", old=old, new=Note())
    strict.close()
    assert old.value == "as it was"


def test_success_is_logged_with_the_session(make: Make, info: pytest.LogCaptureFixture) -> None:
    """S11: INFO, on saving and on loading."""
    save(make(), "alice", note=Note())
    load(make(), "alice", note=Note())
    assert sum("'alice'" in line for line in said(info, logging.INFO)) == 2
    assert said(info, logging.WARNING) == []


def test_agents_carry_their_context_over_sessions_and_can_be_shared(make: Make) -> None:
    """S12: the key is the name in the call; one object may stand in several sessions."""
    shared, friday, monday = Note(["known to all"]), Note("friday"), Note("monday")
    save(make(), "alice", friday_of_user=friday, shared=shared)
    save(make(), "bob", friday_of_user=monday, shared=shared)
    one, two, both = Note(), Note(), Note()
    load(make(), "alice", friday_of_user=one)
    load(make(), "bob", friday_of_user=two, shared=both)
    assert (one.value, two.value, both.value) == ("friday", "monday", ["known to all"])


def test_a_save_of_one_module_keeps_the_others(make: Make) -> None:
    """S13, D1: saving merges by the name of the module."""
    save(make(), "s", one=Note(1), two=Note(2))
    save(make(), "s", two=Note(22), three=Note(3))
    notes = {name: Note() for name in ("one", "two", "three")}
    load(make(), "s", **notes)
    assert {name: note.value for name, note in notes.items()} == {"one": 1, "two": 22, "three": 3}


def test_a_module_is_replaced_whole(make: Make) -> None:
    """S13: the merge goes by module, not into its state."""
    save(make(), "s", duck=Duck({"a": 1, "b": 2}))
    save(make(), "s", duck=Duck({"a": 3}))
    duck = Duck({})
    load(make(), "s", duck=duck)
    assert duck.state == {"a": 3}


def test_a_module_is_whatever_has_the_two_verbs(make: Make) -> None:
    """S14: no isinstance check."""
    save(make(), "s", duck=Duck({"quack": [1, 2]}))
    duck = Duck({})
    load(make(), "s", duck=duck)
    assert duck.state == {"quack": [1, 2]}


def test_an_argument_that_is_no_module_is_refused_by_its_name(make: Make, tmp_path: Path) -> None:
    """S14: later versions of agentscope have ``user_id=``, which is no module."""
    for act in (save, load):
        with pytest.raises(TypeError, match="user_id= must be a module"):
            act(make(), "s", user_id="alice", note=Note())
    with pytest.raises(TypeError, match=r"state_dict\(\) of module 'duck' must return a dict"):
        save(make(), "s", duck=Duck([]))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_module_may_have_the_name_of_a_field_of_the_format(session: JSONSession) -> None:
    """S12: modules stand apart from the session's own fields."""
    names = [*Session.model_fields, "self"]
    names.remove("session_id")
    save(session, "s", **{name: Note(name) for name in names})
    notes = {name: Note() for name in names}
    load(session, "s", **notes)
    assert [note.value for note in notes.values()] == names


# -- concurrency and faults ------------------------------------------------------------------


def test_a_state_that_is_not_json_leaves_everything_as_it_was(make: Make) -> None:
    """S15: a serialisation that fails tears nothing, and names the place."""
    save(make(), "s", note=Note("good"))
    for bad in (float("nan"), b"bytes", {1, 2}, object()):
        with pytest.raises(UnstorableValueError, match=r"other\.value\.deep"):
            save(make(), "s", note=Note("new"), other=Note({"deep": bad}))
    note = Note()
    load(make(), "s", note=note)
    assert note.value == "good"


def test_a_first_save_that_fails_makes_no_session(folder: Path, session: JSONSession) -> None:
    """S15."""
    with pytest.raises(UnstorableValueError):
        save(session, "s", note=Note(float("inf")))
    assert list(folder.glob("*.json")) == []


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b'{"note": {"value": ',
        b"[1, 2]",
        b'{"note": {"value": NaN}}',
        b'{"note": "text", "messages": 3}',
    ],
    ids=["empty", "torn", "a list", "NaN", "no session"],
)
def test_a_broken_file_is_an_error_and_stays_as_it_is(
    folder: Path, session: JSONSession, broken: bytes
) -> None:
    """S15: never skipped, never overwritten by a load, nor by a save."""
    folder.mkdir()
    (folder / "s.json").write_bytes(broken)
    note = Note("as it was")
    for allow in (True, False):
        with pytest.raises(UnreadableSessionError):
            load(session, "s", allow, note=note)
    with pytest.raises(UnreadableSessionError):
        save(session, "s", note=note)
    assert (folder / "s.json").read_bytes() == broken
    assert note.value == "as it was"


@pytest.mark.parametrize("kind", ["sessions", "sessions.db"])
def test_four_processes_lose_no_module_and_never_wait_in_vain(
    tmp_path: Path, start: Start, kind: str
) -> None:
    """S15, S21: each saves a module of its own into one session; no "database is locked"."""
    children = [
        start("agentscope_session.py", "save", tmp_path / kind, "s", f"module_{number}", 25)
        for number in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=240)
        assert child.returncode == 0
    session = (
        SqliteSession(tmp_path / kind)
        if kind.endswith(".db")
        else JSONSession(None, tmp_path / kind)
    )
    ducks = {f"module_{number}": Duck({}) for number in range(4)}
    load(session, "s", **ducks)
    assert [duck.state["first"] for duck in ducks.values()] == [25] * 4
    if isinstance(session, JSONSession):
        session.close()


@pytest.mark.parametrize("kind", ["sessions", "sessions.db"])
def test_readers_see_whole_states_while_a_writer_saves_and_is_killed(
    tmp_path: Path, start: Start, kind: str
) -> None:
    """S15: kill -9 in the middle of a save; what was acknowledged is there."""
    watcher = None
    for _ in range(3):
        writer = start("agentscope_session.py", "forever", tmp_path / kind, "s", "pair")
        assert writer.stdout is not None
        saved = int(writer.stdout.readline())
        if watcher is None:
            watcher = start("agentscope_session.py", "watch", tmp_path / kind, "s", "pair")
            assert watcher.stdout is not None
            assert watcher.stdout.readline() == "ready\n"
        while saved < 20:
            saved = int(writer.stdout.readline())
        writer.kill()
        out = writer.stdout.read()
        acknowledged = [saved, *(int(line) for line in out.splitlines(True) if line.endswith("\n"))]
        loading = start("agentscope_session.py", "load", tmp_path / kind, "s", "pair")
        found = int(loading.communicate(timeout=120)[0])
        assert found in (acknowledged[-1], acknowledged[-1] + 1)
    assert watcher is not None
    looks, _ = watcher.communicate("stop\n", timeout=120)
    assert (watcher.returncode, int(looks) > 0) == (0, True)


def test_a_later_save_is_not_overwritten_by_an_earlier_one_that_was_slower(
    folder: Path, session: JSONSession
) -> None:
    """S15: the threads of two saves may come to the lock in any order."""
    note = Note(0)
    save(session, "s", note=note)

    async def act(store: SessionStore) -> None:
        with store.edit("s"):
            saves = []
            for number in range(1, 6):
                note.value = number
                saves.append(asyncio.ensure_future(session.save_session_state("s", note=note)))
                await asyncio.sleep(0)
        await asyncio.gather(*saves)

    with SessionStore(folder) as store:
        for _ in range(20):
            asyncio.run(act(store))
            assert store.load("s").modules["note"] == {"value": 5}


def test_an_earlier_snapshot_writes_only_what_no_later_one_has_written() -> None:
    """S15: by module; what failed was not written."""
    snapshots = Snapshots()
    first = snapshots.take("s", {"a": Note(1), "b": Note(1)})
    second = snapshots.take("s", {"a": Note(2)})
    third = snapshots.take("s", {"b": Note(3)})
    elsewhere = snapshots.take("t", {"a": Note(4)})
    with snapshots.writing(second) as states:
        assert states == {"a": {"value": 2}}
    with pytest.raises(OSError, match="full"), snapshots.writing(third):
        raise OSError("the disk is full")
    with snapshots.writing(first) as states:
        assert states == {"b": {"value": 1}}
    with snapshots.writing(elsewhere) as states:
        assert states == {"a": {"value": 4}}
    assert (snapshots._written, snapshots._unwritten) == ({}, set())


def test_a_save_that_is_cancelled_before_its_thread_begins_is_finished(make: Make) -> None:
    session: Any = make()
    note = Note(1)

    async def act() -> None:
        loop, let_go = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, let_go.wait, 60)
        saving = asyncio.create_task(session.save_session_state("s", note=note))
        await asyncio.sleep(0)
        saving.cancel()
        await asyncio.sleep(0)
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await saving
        await busy

    asyncio.run(act())
    assert session._snapshots._unwritten == set()
    note.value = 0
    load(make(), "s", False, note=note)
    assert note.value == 1


def test_a_save_that_gets_no_thread_is_not_waited_for(make: Make) -> None:
    session: Any = make()

    async def act() -> None:
        executor = ThreadPoolExecutor(1)
        executor.shutdown()
        asyncio.get_running_loop().set_default_executor(executor)
        with pytest.raises(RuntimeError, match="after shutdown"):
            await session.save_session_state("s", note=Note(1))

    asyncio.run(act())
    assert session._snapshots._unwritten == set()


def test_the_event_loop_goes_on_while_a_save_waits_for_the_lock(
    folder: Path, session: JSONSession
) -> None:
    """S15: the lock is inside, and waited for in a thread."""
    save(session, "s", note=Note(1))

    async def act(store: SessionStore) -> list[str]:
        order = []
        held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with store.edit("s"):
                held.set()
                let_go.wait(60)

        holding = asyncio.create_task(asyncio.to_thread(hold))
        await asyncio.to_thread(held.wait, 60)
        saving = asyncio.create_task(session.save_session_state("s", note=Note(2)))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not saving.done()
        order.append("the loop goes on")
        let_go.set()
        await saving
        order.append("saved")
        await holding
        return order

    with SessionStore(folder) as store:
        assert asyncio.run(act(store)) == ["the loop goes on", "saved"]


def test_many_tasks_save_and_load_one_session_at_once(make: Make) -> None:
    """S15: all names are kept."""

    async def act() -> dict[str, Note]:
        session = make()
        names = [f"module_{number}" for number in range(20)]
        await asyncio.gather(
            *(session.save_session_state("s", **{name: Note(name)}) for name in names)
        )
        notes = {name: Note() for name in names}
        await session.load_session_state("s", True, **notes)
        return notes

    assert {name: note.value for name, note in asyncio.run(act()).items()} == {
        f"module_{number}": f"module_{number}" for number in range(20)
    }


def test_a_program_that_takes_no_lock_and_writes_meanwhile_is_read_again(
    folder: Path, session: JSONSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S15: neither its modules nor ours are lost; if it never rests, ConflictError."""
    save(session, "s", ours=Note(1))
    edit = SessionStore.edit
    writes = 1

    @contextmanager
    def edit_beside(store: SessionStore, session_id: str) -> Iterator[Session]:
        nonlocal writes
        with edit(store, session_id) as edited:
            if writes:
                writes -= 1
                document = json.loads((folder / "s.json").read_bytes())
                document["modules"]["theirs"] = {"value": writes}
                (folder / "s.json").write_text(json.dumps(document))
            yield edited

    monkeypatch.setattr(SessionStore, "edit", edit_beside)
    save(session, "s", ours=Note(2))
    with SessionStore(folder) as store:
        assert store.load("s").modules == {"ours": {"value": 2}, "theirs": {"value": 0}}
    writes = 1_000_000
    with pytest.raises(ConflictError):
        save(session, "s", ours=Note(3))


def test_a_lock_that_is_never_let_go_is_an_error(folder: Path) -> None:
    """S15: not waited for without end."""
    session = JSONSession(save_dir=folder, lock_timeout=0.05)
    save(session, "s", note=Note(1))
    with SessionStore(folder) as store, store.edit("s"), pytest.raises(LockTimeoutError):
        save(session, "s", note=Note(2))
    session.close()


# -- ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "a/b", "../up", "/etc/passwd", "a\\b", "a\0b", "x" * 201, "\ud83d", 7]
)
def test_an_id_that_is_a_path_is_refused(folder: Path, session: JSONSession, bad: Any) -> None:
    """S16: ValueError whose text says session_id; nothing is made."""
    for act in (save, load):
        with pytest.raises(ValueError, match="session_id"):
            act(session, bad, note=Note())
    assert not folder.exists()


@pytest.mark.parametrize(
    "good", ["a b", "наталья", "会话 一", "a.b.c", "me@example.org", "what?", "con"]
)
def test_ids_of_every_script_work(folder: Path, session: JSONSession, good: str) -> None:
    """S16: and the store lists them."""
    save(session, good, note=Note(good))
    note = Note()
    load(session, good, False, note=note)
    assert note.value == good
    with SessionStore(folder) as store:
        assert [each.session_id for each in store.list()] == [good]


def test_a_hidden_file_is_nobodys_session(folder: Path, session: JSONSession) -> None:
    """S16: the session of that id has another name."""
    folder.mkdir()
    (folder / ".env.json").write_text('{"note": {"value": "secret"}}')
    note = Note("as it was")
    load(session, ".env", note=note)
    assert note.value == "as it was"


@pytest.mark.parametrize("bad", ["", 7, None, "\ud83d"])
def test_a_row_needs_an_id_that_is_a_text(tmp_path: Path, bad: Any) -> None:
    """S16: a key of a table may be any text, a path too."""
    session = SqliteSession(tmp_path / "s.db")
    for act in (save, load):
        with pytest.raises(ValueError, match="session_id"):
            act(session, bad, note=Note())
    save(session, "../a/b", note=Note(1))
    load(session, "../a/b", False, note=Note())


def test_what_json_can_carry_comes_back_equal(make: Make) -> None:
    """S17: lone surrogates, integers of any size, signed zeros, the order of keys."""
    value = {"z": "half \ud83d of a pair", "a": 2**90, "m": [-0.0, 1e300, True, None, "🙂"]}
    save(make(), "s", note=Note(value))
    note = Note()
    load(make(), "s", note=note)
    assert (note.value, list(note.value), repr(note.value["m"][0])) == (
        value,
        ["z", "a", "m"],
        "-0.0",
    )


def test_a_file_with_a_lone_surrogate_stays_utf_8(folder: Path, session: JSONSession) -> None:
    """S17: it is escaped."""
    save(session, "s", note=Note("half \ud83d of a pair"))
    assert rb"half \ud83d of a pair" in (folder / "s.json").read_bytes()
    (folder / "s.json").read_text("utf-8")


def test_a_hundred_nested_modules_are_saved_and_loaded(make: Make) -> None:
    """S31: and what is nested deeper than a file may be is refused before the disk is touched."""

    def nested(depth: int, value: Any) -> tuple[StateModule, Note]:
        outer: StateModule = (inner := Note(value))
        for _ in range(depth - 1):
            around = StateModule()
            around.inner = outer
            outer = around
        return outer, inner

    save(make(), "s", deep=nested(100, "at the bottom")[0])
    outer, inner = nested(100, None)
    load(make(), "s", deep=outer)
    assert inner.value == "at the bottom"
    save(make(), "s", deep=nested(198, "as deep as it goes")[0])
    with pytest.raises(UnstorableValueError, match="nested deeper than 200"):
        save(make(), "s", deep=nested(200, None)[0])


# -- an ordinary session of the store --------------------------------------------------------


def test_the_store_lists_deletes_restores_and_cleans_what_was_saved(
    folder: Path, session: JSONSession
) -> None:
    """S30: the end of the life cycle is the store's; a deleted session is missing to a load."""
    save(session, "old", note=Note(1))
    save(session, "new", note=Note(2))
    with SessionStore(folder) as store:
        assert {each.session_id for each in store.list()} == {"old", "new"}
        store.delete("old")
        note = Note("as it was")
        load(session, "old", note=note)
        assert note.value == "as it was"
        store.restore("old")
        load(session, "old", note=note)
        assert note.value == 1
        with store.edit("old") as edited:
            edited.last_activity -= timedelta(days=2)
        report = store.cleanup(max_age=timedelta(days=1))
        assert [action.session_id for action in report.deleted] == ["old"]
        assert [each.session_id for each in store.list()] == ["new"]
    with pytest.raises(ValueError, match="'old'"):
        load(session, "old", False, note=Note())


def test_what_else_a_session_holds_stays(folder: Path, session: JSONSession) -> None:
    """S13, D1: messages, metadata and fields of a newer version; a save is activity."""
    with SessionStore(folder) as store:
        made = store.create("s", user_id="alice", title="A chat", metadata={"tier": "premium"})
        store.append("s", {"role": "user", "content": "Hi"})
        path = Path(store.path("s"))
        path.write_text(path.read_text().replace('"title"', '"later": {"deep": 1},\n  "title"'))
        save(session, "s", note=Note(1))
        found = store.load("s")
    assert (found.user_id, found.title, found.metadata) == ("alice", "A chat", {"tier": "premium"})
    assert ([m["content"] for m in found.messages], found.extra) == (["Hi"], {"later": {"deep": 1}})
    assert found.modules == {"note": {"value": 1}}
    assert found.last_activity >= made.last_activity


def test_a_field_of_a_newer_version_is_no_module(session: JSONSession, folder: Path) -> None:
    """S18, D13: a file with a format is the store's, whatever else it holds."""
    folder.mkdir()
    (folder / "s.json").write_text('{"format": "localsessions/1", "note": {"value": 1}}')
    with pytest.raises(ValueError, match="'note'"):
        load(JSONSession(save_dir=folder, strict=True), "s", note=Note())
    save(session, "s", other=Note(2))
    with SessionStore(folder) as store:
        found = store.load("s")
    assert (found.modules, found.extra) == ({"other": {"value": 2}}, {"note": {"value": 1}})


def test_a_save_is_one_rename_and_a_load_writes_nothing(
    folder: Path, session: JSONSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S26: 200 small sessions saved at once; counted, since times depend on the machine."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> None:
        call = calls.real(name)

        def count(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return call(*arguments, **options)

        calls.put_in_place_of(monkeypatch, name, count)

    async def save_all(value: int) -> None:
        await asyncio.gather(
            *(session.save_session_state(f"s{n}", note=Note(value)) for n in range(200))
        )

    save(session, "warm", note=Note(0))
    for name in ("replace", "rename", "fsync", "fdatasync"):
        if hasattr(os, name):
            counted(name)
    asyncio.run(save_all(1))
    first = Counter(counts)
    assert session._opened is not None
    counts.clear()
    asyncio.run(save_all(2))
    assert first["replace"] + first["rename"] == 200
    assert counts["replace"] + counts["rename"] == 200
    assert counts["fsync"] + counts["fdatasync"] <= 2 * 200
    assert session._opened.stats().counters["files_written"] == 1 + 2 * 200
    counts.clear()
    for number in range(200):
        load(session, f"s{number}", note=Note())
    assert not counts
    assert len(list(folder.glob("*.json"))) == 201


def test_the_folder_is_opened_once_and_closed_when_the_session_is_dropped(folder: Path) -> None:
    """S26: no open file for each save; nothing has to be closed by the caller, who may."""
    session = JSONSession(save_dir=folder)
    save(session, "s", note=Note(1))
    store = weakref.ref(session._opened)
    save(session, "t", note=Note(1))
    assert session._opened is store()
    session.close()
    session.close()
    gc.collect()
    assert store() is None
    save(session, "s", note=Note(2))
    opened = session._opened
    assert opened is not None
    del session
    gc.collect()
    assert opened._closed


def test_options_that_are_none_are_refused_when_they_are_given(folder: Path) -> None:
    """S2: options of the constructor."""
    with pytest.raises(ValueError, match="lock_timeout"):
        JSONSession(save_dir=folder, lock_timeout=-1)
    with pytest.raises(ValueError, match="lock_timeout"):
        SqliteSession(folder / "s.db", lock_timeout=float("nan"))
    for no_file in ("", ":memory:"):
        with pytest.raises(ValueError, match="sqlite_path"):
            SqliteSession(no_file)
    with pytest.raises(ValueError, match="durability"):
        JSONSession(save_dir=folder, durability="slow")  # type: ignore[arg-type]


def test_the_example_remembers_both_users_and_what_they_share_in_another_process(
    tmp_path: Path,
) -> None:
    """S8, S12: the flow of the document, run twice as a person would."""
    example = Path(__file__).parents[2] / "examples" / "agentscope_sessions.py"
    command = [sys.executable, "-W", "error", str(example), str(tmp_path / "sessions")]
    for run in (1, 2):
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"alice: the sky is blue ({run})",
            f"Friday: You told me {run} so far; together you told us {2 * run - 1}.",
            f"bob: grass is green ({run})",
            f"Friday: You told me {run} so far; together you told us {2 * run}.",
            f"alice.json: friday_of_user, saved {run} times",
            f"bob.json: friday_of_user, saved {run} times",
            f"shared.json: notebook, saved {run} times",
        ]

"""SessionManager and the limit of live sessions, beneath: locks, looks and plans of the index."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from inside import local

from localsessions import LockTimeoutError, SessionManager, SessionStore
from localsessions._local.files.locks import stripe_of

HOLD_ROOM = Path(__file__).parent / "programs" / "hold_room.py"
Start = Callable[..., "subprocess.Popen[str]"]


def test_who_is_killed_holding_the_room_holds_up_nobody(
    folder: Path, store: SessionStore, start: Start
) -> None:
    """R5: the lock is the system's and goes with its process."""
    child = start(HOLD_ROOM, folder, "s")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with SessionStore(folder, lock_timeout=0) as impatient:
        with pytest.raises(LockTimeoutError, match="whole"):
            impatient.create("other", max_live=10)
        impatient.create("without a limit")
        child.kill()
        child.wait()
        impatient.create("other", max_live=10)
        assert impatient.count() == 2


def test_creating_inside_an_edit_never_waits_in_a_circle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5: the lock of the limit is the innermost: who holds it waits for no other one."""
    other = next(f"s{n}" for n in range(9999) if stripe_of(f"s{n}") == stripe_of("edited"))
    inner = next(f"s{n}" for n in range(9999) if stripe_of(f"s{n}") != stripe_of("edited"))
    is_waiting = threading.Event()
    with SessionStore(folder, lock_timeout=5) as store:
        lock = local(store).folder.lock

        def say_and_lock(*session_ids: str) -> AbstractContextManager[None]:
            if other in session_ids:
                is_waiting.set()
            return lock(*session_ids)

        monkeypatch.setattr(local(store).folder, "lock", say_and_lock)
        store.create("edited")
        thread = threading.Thread(target=store.create, args=[other], kwargs={"max_live": 10})
        with store.edit("edited"):
            thread.start()
            assert is_waiting.wait(60)
            store.create(inner, max_live=10)
        thread.join()
        assert store.count(live=True) == 3


def test_deleting_finds_what_was_copied_in_just_now(
    folder: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16: nothing of a user stays, though no look at the folder is due."""
    sessions = SessionManager(store)

    async def use() -> None:
        made = await sessions.create_session("u", "a")
        assert await sessions.get_active_session_count() == 1
        monkeypatch.setattr(local(store).reconciler, "_is_due", lambda: False)
        for name in ("copy", "another"):
            (folder / f"{name}.json").write_bytes((folder / f"{made.session_id}.json").read_bytes())
        assert await sessions.delete_user_sessions("u") == 3

    asyncio.run(use())
    assert [*folder.glob("*.json")] == []


def test_counting_opens_no_row_of_a_session_that_is_live(store: SessionStore) -> None:
    """R24: counting is independent of content: the plan names covering indexes only."""
    plans: list[str] = []
    for user_id in (None, "u"):
        statements: list[str] = []
        store.count(user_id=user_id, live=True)
        connection = local(store).index._database._connection
        assert connection is not None
        connection.set_trace_callback(statements.append)
        store.count(user_id=user_id, live=True)
        connection.set_trace_callback(None)
        (query,) = [one for one in statements if "count(*)" in one]
        plans += [str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert not [plan for plan in plans if plan.startswith("SCAN sessions") and "INDEX" not in plan]
    assert sum("COVERING INDEX" in plan for plan in plans) == 2

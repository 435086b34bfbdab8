"""A process killed at any moment leaves whole files, and all that it acknowledged."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from localsessions import SessionStore

Start = Callable[..., "subprocess.Popen[str]"]
KILLS = 20
SESSIONS = 3


def acknowledged_until_killed(
    child: subprocess.Popen[str], seconds: float
) -> tuple[dict[str, int], bool]:
    """Kill a saver some time after its first acknowledgement; return its last ones.

    Returns:
        The last number acknowledged, by session, and whether the child was alive to the end.
    """
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)  # the moment of the kill is what is random here
    was_alive = child.poll() is None
    child.kill()
    rest = child.stdout.read()  # not communicate(), which forgets what readline() read ahead
    child.wait()
    lines = (first + rest).splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {session_id: int(number) for session_id, number in whole}, was_alive


def test_a_process_killed_while_saving_tears_nothing_and_loses_nothing_acknowledged(
    folder: Path, start: Start
) -> None:
    names = [f"s{number}" for number in range(SESSIONS)]
    with SessionStore(folder) as store:
        for name in names:
            session = store.create(name)
            session.state["number"] = 0
            store.save(session)
    chance = random.Random(20260102)
    known = dict.fromkeys(names, 0)
    orphans = 0
    tmp = folder / ".localsessions" / "tmp"
    kills = 0
    while kills < KILLS or not orphans:  # until one has met a save
        kills += 1
        child = start("save_for_ever.py", folder, SESSIONS)
        acknowledged, was_alive = acknowledged_until_killed(child, chance.uniform(0, 0.02))
        assert was_alive
        known |= acknowledged
        orphans += len(list(tmp.iterdir()))
        with SessionStore(folder) as store:
            assert list(tmp.iterdir()) == []
            for name, number in known.items():
                state = store.load(name).state
                found = state["number"]
                # One more may have been written than could be acknowledged.
                assert found in (number, number + 1)
                assert state.get("filling", []) == [f"{found:08}"] * (1500 if found else 0)
                assert isinstance(found, int)
                known[name] = found
            listed = store.list(fresh=True).items
            assert {one.session_id: one.revision for one in listed} == {
                name: store.load(name).revision for name in names
            }
            assert store.verify() == []

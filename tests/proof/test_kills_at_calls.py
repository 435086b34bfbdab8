"""Killed, or interrupted by Ctrl-C, at the N-th call: at every call of every verb.

A process that is killed has not made the call; its folder is then opened by another. Ctrl-C comes
in the middle of the call, which is done; the process lives, and its store must go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore
from proof.counting import sized, tried
from proof.course import ALIKE, DISTINCT, Course, course_of, every, step_of
from proof.injecting import Call, Injection, Zygote

ATTACK = "calls that fail"
SMALL = ("append", "append, and again", "create", "delete with checkpoints", "create_many")


def verbs() -> list[Any]:
    return [
        pytest.param(one, marks=[] if one in SMALL else [pytest.mark.proof])
        for one in (*DISTINCT, *ALIKE)
    ]


def attacked(course: Course) -> list[Call]:
    """Return the calls to strike at: all that act, and a sample of those that SQLite makes."""
    acting = [call for call in course.calls if not call.only_looks]
    ours = [call for call in acting if not call.of_index]
    of_index = [call for call in acting if call.of_index]
    step = step_of(course.name)
    return every(step, ours, course.name) + every(sized(30, 8) * step, of_index, course.name)


@pytest.mark.parametrize("name", verbs())
def test_a_process_killed_at_a_call_leaves_the_old_version_or_the_new_one(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    course = course_of(warm, name, tmp_path / "sessions")

    struck(course, "signal=KILL", "kills at calls")


@pytest.mark.parametrize("name", verbs())
def test_ctrl_c_at_a_call_loses_nothing_and_leaves_nothing_over(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    course = course_of(warm, name, tmp_path / "sessions")

    struck(course, "signal=INT", "Ctrl-Cs at calls")


def struck(course: Course, fault: str, what: str) -> None:
    calls = attacked(course)
    found = [course.faults(Injection(call.name, call.number, fault)) for call in calls]
    assert [fault for faults in found for fault in faults or ()] == []
    done = sum(one is not None for one in found)
    assert done >= 0.5 * len(found)
    tried(ATTACK, what, done)
    tried(ATTACK, f"{what} left out by the sample", len(course.calls) - done)


def test_the_lock_of_a_killed_process_is_free(warm: Zygote, tmp_path: Path) -> None:
    course = course_of(warm, "append", tmp_path / "sessions")
    renaming = next(call for call in course.calls if call.name == "rename")

    with course.attempt(Injection("rename", renaming.number, "signal=KILL")) as child:
        assert child is not None
        assert child.ended is None
        with SessionStore(child.folder, lock_timeout=0) as store:
            assert store.rename("s", "after").title == "after"

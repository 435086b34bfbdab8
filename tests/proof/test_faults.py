"""The N-th call fails: every call of every verb to the system, once and for ever.

strace makes a call of a process fail that has a store open; see ``course`` for what must hold
afterwards. Errors of network file systems, which tell of a failure after they have done it, are
made in the process itself.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import calls
import pytest

from localsessions import DurabilityUnknownError, SessionError, SessionStore
from proof.attacked import READS, Ended
from proof.counting import IS_FULL, sized, tried
from proof.course import ALIKE, DISTINCT, course_of, every, step_of
from proof.injecting import Call, Injection, Zygote
from proof.verbs import VERBS, message, prepared, said, sound, with_checkpoints

ATTACK = "calls that fail"
SMALL = ("append", "append, and again", "create", "delete with checkpoints", "create_many")
# What each call may say by its manual page; flock's EACCES means that somebody else has the lock.
ERRORS = {
    "openat": ("EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR"),
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "ENOSPC", "EINTR"),
    "pread64": ("EIO",),
    "pwrite64": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "rmdir": ("EIO", "EACCES"),
    "mkdir": ("EIO", "ENOSPC", "EACCES"),
    "close": ("EIO", "EINTR"),
    "fstat": ("EIO",),
    "newfstatat": ("EIO", "EACCES"),
    "stat": ("EIO", "EACCES"),
    "lstat": ("EIO", "EACCES"),
    "fchmod": ("EIO", "EACCES"),
    "chmod": ("EIO", "EACCES"),
    "utimensat": ("EIO", "EACCES"),
    "flock": ("EIO", "EINTR"),
    "fcntl": ("EIO",),
    "ftruncate": ("EIO", "ENOSPC"),
    "getdents64": ("EIO",),
    "lseek": ("EIO",),
    "mmap": ("EIO",),
}
FOR_EVER = ("EIO", "ENOSPC", "EMFILE")
# These leave alone what cannot be read, and bring back what could not be read when it went.
LOOKING = ("cleanup", "purge_expired", "repair", "restore", "restore with checkpoints")


def full(names: tuple[str, ...], small: tuple[str, ...]) -> list[Any]:
    """Return parameters of which only some are for every run of the tests."""
    return [pytest.param(one, marks=[] if one in small else [pytest.mark.proof]) for one in names]


def once(call: Call) -> list[Injection]:
    """Return the ways in which a call can fail once; the small size knows two errors."""
    errors = [one for one in ERRORS.get(call.name, ()) if IS_FULL or one in ("EIO", "ENOSPC")]
    return [Injection(call.name, call.number, f"error={one}") for one in errors]


def for_ever(call: Call) -> list[Injection]:
    """Return the ways in which a call and all after it can fail.

    Unlocking cannot fail for ever in a process that goes on; see ``LockFile.let_go``.
    """
    errors = [one for one in ERRORS.get(call.name, ()) if one in FOR_EVER]
    if call.name == "flock" and call.number > 1:
        return []
    return [Injection(call.name, call.number, f"error={one}", for_ever=True) for one in errors]


@pytest.mark.parametrize("name", full((*DISTINCT, *ALIKE), SMALL))
def test_a_call_that_fails_once_leaves_the_old_version_or_the_new_one(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    course = course_of(warm, name, tmp_path / "sessions")
    ours = [call for call in course.calls if not call.of_index]
    calls = every(step_of(name), ours, name)

    found = [course.faults(one) for call in calls for one in once(call)]

    assert [fault for faults in found for fault in faults or ()] == []
    report(found, sum(len(once(call)) for call in ours), name, calls)


@pytest.mark.parametrize("name", full(DISTINCT, ("create",)))
def test_a_call_that_fails_for_ever_leaves_the_old_version_or_the_new_one(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    course = course_of(warm, name, tmp_path / "sessions")
    ours = [call for call in course.calls if not call.of_index]
    acting = [call for call in ours if not call.only_looks]

    injections = [one for call in acting[:: sized(3, 1)] for one in for_ever(call)]
    if name in LOOKING:
        injections = [one for one in injections if not is_truth(one)]
    found = [course.faults(one) for one in injections]

    assert [fault for faults in found for fault in faults or ()] == []
    report(found, sum(len(for_ever(call)) for call in ours), name, acting)


@pytest.mark.parametrize("name", full((*DISTINCT, *ALIKE), ("append",)))
def test_a_fault_of_the_index_never_reaches_the_caller(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    course = course_of(warm, name, tmp_path / "sessions")
    calls = [call for call in course.calls if call.of_index]
    step = sized(8, 1 if name in ("append", "create") else 6 if name in DISTINCT else 24)

    found: list[list[str] | None] = []
    told: list[str] = []
    for one in (one for call in every(step, calls, name) for one in once(call)[:1]):
        with course.attempt(one) as child:
            if child is None or not child.hit_index:
                found.append(None)
                continue
            found.append([])
            living = child.ask("sound")
            if child.ended is None or child.ended["said"] != "done":
                told.append(f"{one}: {child.ended}")
            if said(child.folder) != course.allowed[-1]:
                told.append(f"{one}: {said(child.folder)}")
            if living.get("answer", ()) not in (as_json(course.allowed[-1]), None):
                told.append(f"{one}: the living store says {str(living)[-800:]}")

    assert told == []
    report(found, len(calls), name, calls)


def report(found: list[list[str] | None], whole: int, name: str, calls: list[Call]) -> None:
    """Count what was tried; what did not come to its call was not."""
    done = sum(one is not None for one in found)
    assert done >= 0.5 * len(found)
    tried(ATTACK, "injections", done)
    tried(ATTACK, "injections left out by the sample", max(0, whole - done))
    tried(ATTACK, "verbs", 1)
    tried(ATTACK, "different calls", len({call.name for call in calls}))


# -- verbs that read -----------------------------------------------------------------------------


def world(folder: Path) -> int:
    """Make a folder in which somebody was busy after the index was made; return its last change."""
    with_checkpoints(folder)
    with SessionStore(folder) as store:
        for name in "tuv":
            store.create(name, title=name)
            store.append(name, message(1))
        store.delete("t")
        since = store.last_change()
    path = folder / "u.json"
    path.write_text(path.read_text().replace('"title": "u"', '"title": "edited"'))
    (folder / "v.json").unlink()
    (folder / "lost.checkpoints").mkdir()
    (folder / "x.json").write_text('{"title": "by hand"}')
    return since


CHANGES = [["u", "modified"], ["v", "deleted"], ["x", "created"]]


@pytest.mark.parametrize("name", full(tuple(READS), ("changes, fresh", "checkpoints", "trash")))
def test_a_verb_that_reads_gives_the_right_answer_or_an_error(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    prepared_folder, folder = tmp_path / "sessions", tmp_path / "attempt"
    since = world(prepared_folder)
    shutil.copytree(prepared_folder, folder)
    calls, right = warm.course(folder, name, since)
    ours = [call for call in calls if not call.of_index]

    found: list[list[str] | None] = []
    first = list(READS).index(name) % 3
    acting = [call for call in ours if IS_FULL and not call.only_looks]
    injections = [one for call in ours[first::3] for one in once(call)]
    injections += [one for call in acting[first::3] for one in for_ever(call) if not is_truth(one)]
    for one in injections:
        shutil.rmtree(folder)
        shutil.copytree(prepared_folder, folder)
        with warm.child(folder, name, since) as child:
            if not child.suffer(one):
                found.append(None)
                continue
            found.append([f"{one}: {fault}" for fault in faults_of_reading(child, right, one)])
        with SessionStore(folder) as store:
            later = [[told.session_id, told.kind] for told in store.changes(since, fresh=True)]
        assert sorted(later) == CHANGES, one

    assert [fault for faults in found for fault in faults or ()] == []
    report(found, sum(len(once(call)) for call in ours), name, ours)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["list", "count", "search", "changes, fresh", "verify", "stats"])
def test_a_fault_of_the_index_gives_a_reader_no_wrong_answer(
    name: str, warm: Zygote, tmp_path: Path
) -> None:
    """What may be lost with an index is the log of changes, and then an error says so."""
    prepared_folder, folder = tmp_path / "sessions", tmp_path / "attempt"
    since = world(prepared_folder)
    shutil.copytree(prepared_folder, folder)
    calls, right = warm.course(folder, name, since)
    of_index = [call for call in calls if call.of_index]

    found: list[list[str] | None] = []
    for one in (one for call in of_index[::8] for one in once(call)[:1]):
        shutil.rmtree(folder)
        shutil.copytree(prepared_folder, folder)
        with warm.child(folder, name, since) as child:
            if not child.suffer(one) or not child.hit_index:
                found.append(None)
                continue
            assert child.ended is not None
            answers = [child.ended, child.ask("again"), child.ask("told"), child.ask("sound")]
        expected = [right, right, {"said": "done", "answer": CHANGES}, answers[3]]
        found.append(
            [
                f"{one}: {answer} instead of {wanted}"
                for answer, wanted in zip(answers, expected, strict=True)
                if answer != wanted and answer["said"] != "ChangesExpiredError"
            ]
        )
        assert answers[3]["said"] == "done", (one, answers[3])

    assert [fault for faults in found for fault in faults or ()] == []
    report(found, len(of_index), name, of_index)


def is_truth(injection: Injection) -> bool:
    """Tell whether files are unreadable indeed, and said to be: the disk reads none of them."""
    return injection.fault == "error=EIO" and injection.call in ("openat", "read", "close", "fstat")


# These go by what the last look at the folder found; whatever cannot be read has no words.
BY_THE_LAST_LOOK = ("verify", "resolve", "search")


def faults_of_reading(child: Any, right: Ended, one: Injection) -> Iterator[str]:
    ended = child.ended
    if child.name in BY_THE_LAST_LOOK and one.fault in ("error=EIO", "error=EACCES"):
        child.ask("sound")
        ended = right if ended["said"] in ("done", "SessionNotFoundError") else ended
    if ended["said"] == "raw" or (ended["said"] != "done" and not ended["names"]):
        yield f"an error that is not documented, or names nothing: {ended}"
    if ended["said"] == "done" and ended != right:
        yield f"a wrong answer: {ended} instead of {right}"
    if (again := child.ask("again")) != right:
        yield f"a wrong answer afterwards: {again} instead of {right}"
    if (told := child.ask("told")).get("answer") != CHANGES:
        yield f"changes that were none: {told}"
    if (living := child.ask("sound"))["said"] != "done":
        yield f"the living store is not sound: {living}"


# -- errors that are told after the call was done ------------------------------------------------

LYING = ("replace", "fsync", "unlink", "mkdir", "rmdir", "rename")


class Liar:
    """Does the N-th of the calls that change something, and says that it failed."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.was_reached = False

    def instead_of(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def lying(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            self.left -= 1
            if self.left == 0:
                self.was_reached = True
                path = arguments[0] if isinstance(arguments[0], str) else None
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return answer

        return lying


@pytest.mark.parametrize("name", full(tuple(VERBS), (*SMALL, "restore", "save", "fork")))
def test_an_error_that_is_told_after_the_call_was_done_loses_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "sessions"
    allowed = prepared(name, first)
    number, was_reached = 0, True
    while was_reached:
        number += 1
        folder = tmp_path / f"attempt-{number}"
        if first.exists():
            shutil.copytree(first, folder)
        liar = Liar(number)
        with SessionStore(folder) as store:
            with monkeypatch.context() as patched:
                for call in LYING:
                    calls.put_in_place_of(patched, call, liar.instead_of(calls.real(call)))
                error = error_of(lambda store=store: VERBS[name].act(store))  # type: ignore[misc]
            was_reached = liar.was_reached
            living = sound(store)
        assert living == said(folder), (number, error)
        assert living in allowed, (number, error)
        if error is None or is_visible(error):
            assert living != allowed[0] or allowed[0] == allowed[-1], (number, error)
    tried(ATTACK, "errors told after the call was done", number - 1)


def error_of(act: Callable[[], object]) -> Exception | None:
    try:
        act()
    except (OSError, SessionError, ExceptionGroup) as error:
        return error
    return None


def is_visible(error: Exception) -> bool:
    every = error.exceptions if isinstance(error, ExceptionGroup) else [error]
    return any(isinstance(one, DurabilityUnknownError) for one in every)


def test_a_session_whose_rename_was_done_and_said_to_have_failed_can_be_saved_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as store:
        session = store.create("s")
        session.title = "first"
        with monkeypatch.context() as patched:
            calls.put_in_place_of(patched, "replace", Liar(1).instead_of(calls.real("replace")))
            with pytest.raises(DurabilityUnknownError):
                store.save(session)
        session.title = "second"

        store.save(session)

        assert store.load("s").title == "second"


def as_json(state: object) -> object:
    return json.loads(json.dumps(state))

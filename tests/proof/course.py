"""A verb gone through call by call: prepared once, copied for each attempt, and judged.

What is promised, whatever call fails: the folder says what it said before and an error tells of
it, or what it says after the verb; one of the verb's halves only with an error. The error is a
documented one and names what it is about. The process lives on: nothing is left open, its store
answers what another store does, and the verb done again does what it did not do.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proof.attacked import OPEN, Ended
from proof.injecting import Attacked, Call, Injection, Zygote
from proof.verbs import VERBS, State, prepared, said

__all__ = ["ALIKE", "DISTINCT", "Course", "course_of", "every", "step_of"]

DISTINCT = (
    "append", "create", "delete with checkpoints", "save, merging", "fork",
    "restore with checkpoints", "cleanup", "empty_trash with checkpoints", "save_checkpoint",
    "delete_checkpoint", "clear_checkpoints", "append, and again",
    "create_many", "save_many", "delete_many with checkpoints", "bring", "leave",
)  # fmt: skip
"""Verbs of which each goes a way of its own: all their calls are attacked."""

ALIKE = tuple(name for name in (OPEN, *VERBS) if name not in DISTINCT)
"""Verbs that go the way of another: every third call is attacked, each time another third."""

# These look at the files, leave alone what cannot be read, and do it the next time.
_LEAVE_ALONE = ("repair", "purge_expired")
# Done again after a half, these write once more than when they are done once.
_GOES_ON = ("save, merging", "streaming")
_PARTING = ("delete with checkpoints", "delete_many with checkpoints")
_UNREADABLE = ("error=EIO", "error=EACCES")


def step_of(name: str) -> int:
    """Return which share of a verb's calls is attacked in one run: each, or every so many."""
    return 1 if name in DISTINCT else 12 if name == "repair" else 3  # it looks at everything twice


@dataclass(frozen=True)
class Course:
    """One verb, what it starts from, what may be said of the folder afterwards, and its calls."""

    zygote: Zygote
    name: str
    prepared: Path
    allowed: list[State]
    calls: list[Call]

    @contextmanager
    def attempt(self, injection: Injection) -> Iterator[Attacked | None]:
        """Let a child perform the verb; None when it did not come to the call."""
        folder = _copied(self.prepared)
        with self.zygote.child(folder, self.name) as child:
            yield child if child.suffer(injection) else None
        shutil.rmtree(folder, ignore_errors=True)

    def faults(self, injection: Injection) -> list[str] | None:
        """Return what is wrong after an attempt; None when it did not come to the call."""
        with self.attempt(injection) as child:
            if child is None:
                return None
            return [f"{self.name}, {injection}: {one}" for one in self._judged(child, injection)]

    def _judged(self, child: Attacked, injection: Injection) -> Iterator[str]:
        ended = child.ended
        # The process itself is asked first: another store would mend the index for it.
        living = child.ask("sound") if ended else None
        if ended:
            yield from _of_process(child, injection)
        try:
            state = said(child.folder)
        except AssertionError as error:
            yield f"the folder is not sound: {error}"
            return
        left_alone = self.name in _LEAVE_ALONE and injection.fault in _UNREADABLE
        if state not in self.allowed and not left_alone:
            yield f"a third state, after {ended}: {json.dumps(state)[:500]}"
            return
        if living and living != _as_answer(state) and living.get("answer", state) is not None:
            yield f"the living store says something else: {str(living)[-800:]}"
        if ended:
            yield from self._of_end(child, ended, state, injection)

    def _of_end(
        self, child: Attacked, ended: Ended, state: State, injection: Injection
    ) -> Iterator[str]:
        is_old = state == self.allowed[0]
        is_new = state == self.allowed[-1]
        if ended["said"] == "done":
            if self.name in _LEAVE_ALONE and injection.fault in _UNREADABLE:
                yield from self._again(child, state)
            elif not is_new:
                yield f"it was done, the error not told: {json.dumps(state)[:500]}"
        elif ended["said"] == "KeyboardInterrupt":
            yield from self._again(child, state)
        elif ended["visible"] and is_old:
            yield f"nothing is visible, but the error says so: {ended}"
        elif not ended["visible"] and is_new and not is_old:
            yield f"it was done, but an error says that it was not: {ended}"
        elif not ended["visible"]:
            yield from self._again(child, state)

    def _again(self, child: Attacked, state: State) -> Iterator[str]:
        """Do it again; nothing is in its way any more."""
        if state == self.allowed[-1] or (state != self.allowed[0] and self.name in _GOES_ON):
            return
        again = child.ask("again")
        if self.name in _PARTING and state != self.allowed[0]:
            again = child.ask("repair")  # the session is gone; its checkpoints need the repair
        if again["said"] != "done":
            yield f"the second time: {again}"
        elif said(child.folder) != self.allowed[-1]:
            yield f"not done the second time: {json.dumps(said(child.folder))[:500]}"


def _of_process(child: Attacked, injection: Injection) -> Iterator[str]:
    ended = child.ended
    assert ended is not None
    if ended["said"] == "raw":
        yield f"an error that is not documented: {ended['text'][-800:]}"
    elif ended["said"] not in ("done", "KeyboardInterrupt") and not ended["names"]:
        yield f"an error that names nothing: {ended}"
    before, after = child.ask("count")["answer"]
    # A call of close that is skipped closes nothing. Ctrl-C in the call that opens a file comes
    # before Python has put the descriptor anywhere.
    if injection.call == "close" or (injection.call, injection.fault) == ("openat", "signal=INT"):
        return
    if before != after:
        yield f"left open: {sorted(set(after) - set(before))}"


def _as_answer(state: State) -> Ended:
    return {"said": "done", "answer": json.loads(json.dumps(state))}


def _copied(prepared_folder: Path) -> Path:
    folder = prepared_folder.with_name(f"{prepared_folder.name}-attempt")
    shutil.rmtree(folder, ignore_errors=True)
    if prepared_folder.exists():
        shutil.copytree(prepared_folder, folder)
    return folder


def course_of(zygote: Zygote, name: str, folder: Path) -> Course:
    """Prepare a verb in ``folder`` and learn the calls it makes."""
    if name == OPEN:
        prepared("append", folder)
        allowed = [said(folder)]
    else:
        allowed = prepared(name, folder)
    copied = _copied(folder)
    calls, _ = zygote.course(copied, name)
    return Course(zygote, name, folder, allowed, calls)


def every(step: int, calls: Iterable[Call], name: str) -> list[Call]:
    """Return each ``step``-th call, for verbs that follow each other beginning with another."""
    return list(calls)[(ALIKE.index(name) if name in ALIKE else 0) % step :: step]

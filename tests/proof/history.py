"""What each caller did and saw, written down as it happens so that a kill loses none of it.

A file of lines a caller: when a call begins and when it has ended, by the finest clock that
all processes share. A line is one write, so a killed process leaves whole lines.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from localsessions import Session, SessionSummary
from proof.linearizability import Call, check
from proof.register import INITIAL, OK, RowOf, State, Version, parts, step, with_message

__all__ = ["Recorder", "assert_linearizable", "read", "rows_of", "version_of", "violations"]

T = TypeVar("T")
READS = ("load", "give up", "list", "count")


def version_of(session: Session) -> Version:
    """Return what a session says, in the words of the register."""
    version = Version(session.title or "", 0, "", session.revision)
    for message in session.messages:
        version = with_message(version, str(message["content"]))
    return version


def row_of(summary: SessionSummary) -> RowOf:
    """Return what a listing says of a session."""
    return summary.title, summary.message_count, summary.revision


def rows_of(summaries: Iterable[SessionSummary]) -> dict[str, RowOf]:
    """Return what a listing says, by session."""
    return {one.session_id: row_of(one) for one in summaries}


class Recorder:
    """Writes down the calls of one caller, of all its threads.

    Args:
        folder: Where the histories of all callers are.
        who: The caller's name, another one each time.
    """

    def __init__(self, folder: Path, who: str) -> None:
        self.who = who
        self._numbers = itertools.count()
        self._fd = os.open(folder / who, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def close(self) -> None:
        os.close(self._fd)

    def mark(self) -> str:
        """Return a text that no other call has."""
        return f"{self.who}.{next(self._numbers)}"

    def call(
        self, verb: str, session_id: str | None, argument: object, act: Callable[[], T]
    ) -> T | None:
        """Call, and write down when and what came of it; an exception is a result as well.

        What is raised as no ``Exception`` (Ctrl-C, a cancelled task) goes on; the outcome is
        unknown then.
        """
        number = self.begin(verb, session_id, argument)
        try:
            result = act()
        except Exception as error:
            self.end(number, type(error).__name__, str(error))
            return None
        self.end(number, OK, result)
        return result

    def begin(self, verb: str, session_id: str | None, argument: object) -> str:
        number = self.mark()
        self._write(["begin", number, verb, session_id, argument, time.perf_counter_ns()])
        return number

    def end(self, number: str, ended: str, value: object) -> None:
        self._write(["end", number, time.perf_counter_ns(), ended, _told(value)])

    def _write(self, entry: list[Any]) -> None:
        os.write(self._fd, (json.dumps(entry) + "\n").encode())


def _told(value: object) -> object:
    if isinstance(value, Session):
        return version_of(value)
    if isinstance(value, SessionSummary):
        return row_of(value)
    return value


def read(folder: Path, names: Iterable[str]) -> dict[str, list[Call]]:
    """Return all calls that were written down, by session; a listing is a call on each."""
    histories: dict[str, list[Call]] = {name: [] for name in names}
    for path in sorted(folder.iterdir()):
        begun: dict[str, list[Any]] = {}
        ended: dict[str, list[Any]] = {}
        for line in path.read_text("utf-8").splitlines():
            kind, number, *entry = json.loads(line)
            (begun if kind == "begin" else ended)[number] = entry
        for number, (verb, session_id, argument, start) in begun.items():
            for name in histories if session_id is None else [session_id]:
                call = _call(verb, name, argument, start, ended.get(number), path.name)
                if call.is_known or verb not in READS:
                    histories[name].append(call)
    return histories


def _call(
    verb: str, name: str, argument: object, start: int, ended: list[Any] | None, who: str
) -> Call:
    given = _hashable(argument)
    if verb == "save" and isinstance(given, tuple):
        given = given[0], Version(*given[1])
    if ended is None:
        return Call(verb, given, None, start, who=who)
    end, kind, value = ended
    if kind == OK and verb == "list":
        value = value.get(name, "absent")
    value = _hashable(value)
    versions = ("create", "load", "save", "edit", "give up", "restore")
    if verb in versions and kind == OK and isinstance(value, tuple):
        value = Version(*value)
    return Call(verb, given, (kind, value), start, end, who)


def _hashable(value: object) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def violations(histories: dict[str, list[Call]], initial: State = INITIAL) -> list[str]:
    """Return, of each session whose calls have no legal order, how far it goes."""
    found = []
    for name, calls in histories.items():
        verdict = check(parts(calls), initial, step)
        if not verdict.is_linearizable:
            found.append(f"session {name}: {verdict}")
    return found


def without_trace(histories: dict[str, list[Call]], folder: Path) -> dict[str, list[Call]]:
    """Leave out the calls without a result whose message is in no file: they never took effect.

    A search would have to try each of them everywhere. What is deleted is in the trash.
    """
    texts = "".join(path.read_text("utf-8") for path in folder.rglob("*.json"))
    return {
        name: [
            call
            for call in calls
            if call.is_known or call.verb not in ("append", "edit") or f'"{call.argument}"' in texts
        ]
        for name, calls in histories.items()
    }


def assert_linearizable(
    folder: Path, names: Iterable[str], store: Path | None = None
) -> tuple[int, int]:
    """Find that the calls on each session have a legal order.

    Args:
        folder: Where the histories are.
        names: The sessions.
        store: Where the sessions are, if nothing was removed from it for good; see
            ``without_trace``.

    Returns:
        How many histories and how many calls, for counting.
    """
    histories = read(folder, names)
    if store is not None:
        histories = without_trace(histories, store)
    found = violations(histories)
    assert not found, "\n\n".join(found)
    return len(histories), sum(map(len, histories.values()))

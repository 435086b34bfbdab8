"""Callers who write and read for some time, and say what they did and what was logged of it.

They run in processes that ``nursery`` makes. They begin together: a new interpreter takes its
time, and those who are early would be alone.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localsessions import SessionStore
from localsessions.models import Message

__all__ = ["begin", "read_for", "told", "write_for"]


class Heard(logging.Handler):
    """Keeps the text of each warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def write_for(folder: str, place: str, who: str, names: Sequence[str], seconds: float) -> None:
    """Add messages to the sessions, each with a text of its own, in one way after the other."""
    chance = random.Random(who)
    done: list[tuple[str, str]] = []

    def write(store: SessionStore) -> None:
        name, mark = chance.choice(names), f"{who}.{len(done)}"
        message: Message = {"role": "user", "content": mark}
        way = len(done) % 4
        if way == 0:
            with store.edit(name) as session:
                session.messages = [*session.messages, message]
        elif way == 1:
            store.upsert_run(name, {"run_id": mark}, message)
        else:
            store.append(name, message)
        done.append((name, mark))

    _go_on(folder, place, who, seconds, write)
    _say(place, who, done)


def read_for(folder: str, place: str, who: str, names: Sequence[str], seconds: float) -> None:
    """Look at the sessions in one way after the other; they only grow."""
    largest = dict.fromkeys(names, 0)
    looks: list[str] = []

    def read(store: SessionStore) -> None:
        name = names[len(looks) % len(names)]
        ways: list[Callable[[], int]] = [
            lambda: len(store.load(name).messages),
            lambda: next(
                one.message_count for one in store.list(limit=100) if one.session_id == name
            ),
            lambda: max(largest[name], len(store.tail(name, 5))),
            lambda: next(
                one.message_count
                for one in store.list(limit=100, fresh=True)
                if one.session_id == name
            ),
        ]
        size = ways[len(looks) // len(names) % len(ways)]()
        assert size >= largest[name], f"{name}: {size} messages after {largest[name]}"
        largest[name] = size
        looks.append(name)

    _go_on(folder, place, who, seconds, read)
    _say(place, who, looks)


_warnings = Heard()


def _go_on(
    folder: str, place: str, who: str, seconds: float, act: Callable[[SessionStore], None]
) -> None:
    logging.getLogger("localsessions").addHandler(_warnings)
    with SessionStore(folder, lock_timeout=60) as store:
        ready = Path(place) / f"{who}.ready"
        ready.touch()
        while not (Path(place) / "go").exists():
            time.sleep(0.005)
        ready.unlink()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act(store)


def _say(place: str, who: str, done: object) -> None:
    (Path(place) / f"{who}.said").write_text(json.dumps([done, _warnings.texts]), "utf-8")


def begin(place: Path, count: int) -> None:
    """Let them go, once so many are there; wait until all have begun."""
    _wait_for(lambda: len(list(place.glob("*.ready"))) == count)
    (place / "go").touch()
    _wait_for(lambda: not list(place.glob("*.ready")))
    (place / "go").unlink()


def _wait_for(come: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not come():
        assert time.monotonic() < deadline, "somebody did not come"
        time.sleep(0.005)


def told(place: Path) -> tuple[dict[str, list[list[str]]], list[str]]:
    """Return what each one did, and all warnings."""
    done, warnings = {}, []
    for path in sorted(place.glob("*.said")):
        done[path.stem], heard = json.loads(path.read_text("utf-8"))
        warnings += heard
    return done, warnings

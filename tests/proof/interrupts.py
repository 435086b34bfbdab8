"""A caller whom Ctrl-C meets at random, again and again, and who goes on working.

The signal comes from a timer, at a moment of some milliseconds that is drawn each time; its
handler raises ``KeyboardInterrupt`` wherever the interpreter happens to be.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from inside import local

from localsessions import SessionStore
from proof.history import Recorder
from proof.work import Worker

__all__ = ["work_interrupted"]


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def work_interrupted(
    folder: str, histories: str, who: str, names: Sequence[str], times: int, seed: int
) -> None:
    """Work until so many verbs were interrupted; after each find that nothing was left taken.

    Each life of a store is one recorder, so that a history knows who never got an answer.
    """
    signal.signal(signal.SIGALRM, interrupt)
    chance = random.Random(seed)
    recorder = Recorder(Path(histories), who)
    with SessionStore(folder, lock_timeout=5) as store:
        worker = Worker(store, recorder, names, f"{who} {seed}")
        met = 0
        while met < times:
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.006))
                # Python swallows what is raised while it finalizes an object, Ctrl-C as well.
                waiting_until = time.monotonic() + 1
                while time.monotonic() < waiting_until:
                    worker.act()
            except KeyboardInterrupt:
                met += 1
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0)
            find_nothing_taken(store, names)


def find_nothing_taken(store: SessionStore, names: Sequence[str]) -> None:
    """Find no transaction open and no lock held by this process, but what others hold."""
    for database in (local(store).index._database, local(store).texts._database):
        connection = database._connection
        assert connection is None or not connection.in_transaction, "a transaction stayed open"
        assert database._lock.acquire(blocking=False)
        database._lock.release()
    for stripe in local(store).folder._locks._stripes.values():
        assert stripe._owner is None, "a lock has an owner"
        assert not stripe._mutex.locked(), "a mutex is taken"
        assert not stripe.file.is_held, "a file is locked"

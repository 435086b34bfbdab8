"""Callers whose clock is wrong: ahead, behind, or jumping between the two."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self
from unittest import mock

from localsessions import SessionStore
from proof.history import Recorder
from proof.work import Worker

__all__ = ["YEAR", "clock", "work_at_another_time"]

YEAR = 365 * 86400
WHERE_INSTANTS_ARE_MADE = (
    "localsessions.models.instants.datetime",
    "localsessions.store.datetime",
    "localsessions._local.deleting.datetime",
)


@contextlib.contextmanager
def clock(skew: Callable[[], float]) -> Iterator[None]:
    """Let this process's time be so many seconds off, asked anew each time."""
    now, now_ns = time.time, time.time_ns

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=skew())

    def skewed() -> float:
        return now() + skew()

    def skewed_ns() -> int:
        return now_ns() + int(skew() * 1e9)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch("time.time", skewed))
        stack.enter_context(mock.patch("time.time_ns", skewed_ns))
        for name in WHERE_INSTANTS_ARE_MADE:
            stack.enter_context(mock.patch(name, Skewed))
        yield


def work_at_another_time(
    folder: str, histories: str, who: str, names: Sequence[str], calls: int, skews: Sequence[float]
) -> None:
    """Do so many verbs by a clock that is one of these seconds off, another at each look."""
    chance = random.Random(who)
    recorder = Recorder(Path(histories), who)
    with clock(lambda: chance.choice(skews)), SessionStore(folder, lock_timeout=60) as store:
        worker = Worker(store, recorder, names, who, keeps=True)
        for _ in range(calls):
            worker.act()

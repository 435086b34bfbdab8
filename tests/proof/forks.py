"""A process that forks in the middle of its threads' verbs, again and again."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from localsessions import SessionStore
from proof.history import Recorder
from proof.work import Worker

__all__ = ["fork_at_work"]

THREADS = 3
PATIENCE = 60


def fork_at_work(folder: str, histories: str, who: str, names: Sequence[str], times: int) -> None:
    """Fork so often while threads use one store; each child works on with what it inherited."""
    recorder = Recorder(Path(histories), who)
    done = threading.Event()
    with SessionStore(folder, lock_timeout=PATIENCE) as store:

        def act(number: int) -> None:
            worker = Worker(store, recorder, names, f"{who} {number}")
            while not done.is_set():
                worker.act()

        threads = [threading.Thread(target=act, args=[number]) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        endings = [child_of(store, histories, f"{who}-{number}", names) for number in range(times)]
        done.set()
        for thread in threads:
            thread.join()
    assert endings == [0] * times, endings


def child_of(store: SessionStore, histories: str, who: str, names: Sequence[str]) -> int:
    """Fork, let the child work with the inherited store and with a new one; return its status."""
    if (pid := os.fork()) == 0:
        signal.alarm(PATIENCE)  # a deadlock is an ending, too
        faulthandler.dump_traceback_later(PATIENCE / 2, file=2)  # and says where
        try:
            work_on(store, Recorder(Path(histories), who), names)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def work_on(store: SessionStore, recorder: Recorder, names: Sequence[str]) -> None:
    with SessionStore(store.save_dir, lock_timeout=PATIENCE) as own:
        for used in (store, own):
            worker = Worker(used, recorder, names, recorder.who)
            for _ in range(5):
                worker.act()

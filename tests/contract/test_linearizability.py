"""What threads see of a session, through one store or two, has a legal order.

The search, and that it finds each anomaly, is tests/proof/test_linearizability.py; processes too.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from proof.history import Recorder, assert_linearizable
from proof.work import Worker

from contract.places import Opener
from localsessions import SessionStore

THREADS, CALLS = 8, 30


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
@pytest.mark.parametrize("stores", [1, 2], ids=["one store", "two stores"])
def test_what_threads_see_has_a_legal_order(
    stores: int, names: list[str], make_store: Opener, tmp_path: Path, switching: None
) -> None:
    recorder = Recorder(tmp_path, "w")
    work([make_store(lock_timeout=60) for _ in range(stores)], recorder, names)
    recorder.close()
    _, calls = assert_linearizable(tmp_path, names)
    assert calls > THREADS * CALLS // 2  # saving what nobody has loaded is none


def work(stores: Sequence[SessionStore], recorder: Recorder, names: list[str]) -> None:
    ready = threading.Barrier(THREADS)

    def act(number: int) -> None:
        worker = Worker(stores[number % len(stores)], recorder, names, number)
        ready.wait()
        for _ in range(CALLS):
            worker.act()

    threads = [threading.Thread(target=act, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

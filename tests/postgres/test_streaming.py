"""A message that grows on a server: its process is killed, and its connections are cut."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cluster
import needs
import psycopg
import pytest
from killing import kill

from localsessions import SessionStore

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")

PROGRAM = Path(__file__).parents[1] / "programs" / "say.py"


def statuses(store: SessionStore) -> list[str | None]:
    return [run.status for run in store.runs("s")]


def test_a_killed_process_leaves_what_was_flushed_last(address: str) -> None:
    with SessionStore(address) as store:
        store.create("s")
        pipe = subprocess.PIPE
        command = [sys.executable, str(PROGRAM), address, "s"]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            run_id = process.stdout.readline().strip()
            process.stdin.write("one\n")
            process.stdin.flush()
            assert process.stdout.readline() == "flushed\n"
            assert statuses(store) == ["RUNNING"]
            kill(process.pid)
        assert store.tail("s", 1)[0]["content"] == "one"
        wait = 100
        while statuses(store) == ["RUNNING"] and wait:  # until the server has noticed
            wait -= 1
        (run,) = store.runs(status="INTERRUPTED")
        assert run.run_id == run_id


def test_connections_that_are_cut_lose_nothing(lone: cluster.Cluster) -> None:
    """For a moment the run may seem to be left; the next flush says that it goes on."""
    address = lone.address(store="s")
    with SessionStore(address) as store, SessionStore(address) as other:
        store.create("s")
        with store.streaming("s") as draft:
            draft.write("Hel")
            draft.flush()
            with psycopg.connect(lone.address(), autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'localsessions'"
                )
            draft.write("lo")
            draft.flush()
            assert other.tail("s", 1)[0]["content"] == "Hello"
            draft.write("!")
        assert other.tail("s", 1)[0]["content"] == "Hello!"
        assert statuses(other) == ["COMPLETED"]


def test_a_stream_holds_one_connection_and_only_while_it_lasts(lone: cluster.Cluster) -> None:
    address = lone.address(store="t")
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state = 'idle in transaction' AND backend_xmin IS NULL AND backend_xid IS NULL"
    )
    with (
        SessionStore(address) as store,
        psycopg.connect(lone.address(), autocommit=True) as admin,
    ):
        store.create("s")
        with store.streaming("s"), store.streaming("s"):
            assert admin.execute(waiting).fetchall() == [(1,)]
        end = time.monotonic() + 30  # the server ends a connection soon, not at once
        while admin.execute(waiting).fetchall() != [(0,)] and time.monotonic() < end:
            time.sleep(0.01)
        assert admin.execute(waiting).fetchall() == [(0,)]

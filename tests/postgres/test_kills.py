"""Servers that are killed under load: what was acknowledged is there once, and nothing twice.

``make proof`` kills fifty times.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

import cluster
import needs
import psycopg
import pytest
from proof.counting import sized, tried
from proof.history import assert_linearizable
from proof.nursery import Nursery
from proof.work import work

from localsessions import SessionStore
from postgres.turns import take_turns

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres", "fork", "signals")

CALLERS = 8
NAMES = ["one", "one", "two"]


@pytest.mark.parametrize("names", [["s"], ["s", "t", "u"]], ids=["one session", "several"])
def test_what_eight_processes_see_has_a_legal_order(
    names: list[str], address: str, tmp_path: Path
) -> None:
    with SessionStore(address), Nursery() as nursery:
        for number in range(CALLERS):
            calls = sized(25, 200)
            nursery.start(work, address, str(tmp_path), f"w{number}", names, calls)
        assert nursery.wait() == [0] * CALLERS
    checked, calls = assert_linearizable(tmp_path, names)
    assert calls > CALLERS * 10
    tried("servers", "histories found linearizable", checked)
    tried("servers", "calls in these histories", calls)


@pytest.mark.timeout(1800)
def test_a_server_that_is_killed_loses_nothing_and_does_nothing_twice(
    lone: cluster.Cluster, tmp_path: Path
) -> None:
    address, kills = lone.address(store="s"), sized(12, 50)
    make(address)
    with Nursery() as nursery:
        for number in range(CALLERS):
            nursery.start(take_turns, address, str(tmp_path), f"w{number}", NAMES)
        wait_for(lambda: len({*callers(tmp_path)}) == CALLERS)  # each has begun
        for _ in range(kills):
            before = acknowledged(tmp_path)
            wait_for(lambda before=before: acknowledged(tmp_path) > before + 2 * CALLERS)
            lone.kill()
            lone.start()
        (tmp_path / "over").touch()
        assert nursery.wait() == [0] * CALLERS
    compare(address, tmp_path)
    tried("servers", "kills of a server under load", kills)


@pytest.mark.timeout(600)
def test_a_promoted_standby_has_all_that_was_acknowledged(tmp_path: Path) -> None:
    """With ``synchronous_commit=remote_apply``; what is lost without it, docs/postgres.md says."""
    primary = cluster.Cluster({"synchronous_commit": "remote_apply"})
    standby = None
    try:
        standby = cluster.Cluster({"synchronous_commit": "local"}, base=primary)
        with psycopg.connect(primary.address(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")
        hosts = f"{primary.folder},{standby.folder}"
        address = f"postgresql:///tests?host={hosts}&user=tests&target_session_attrs=read-write"
        make(address)
        with Nursery() as nursery:
            for number in range(CALLERS):
                nursery.start(take_turns, address, str(tmp_path), f"w{number}", NAMES)
            wait_for(lambda: len({*callers(tmp_path)}) == CALLERS)
            wait_for(lambda: acknowledged(tmp_path) > 10 * CALLERS)
            primary.kill()
            standby.promote()
            with psycopg.connect(standby.address(), autocommit=True) as admin:
                admin.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
                admin.execute("SELECT pg_reload_conf()")
            seen = acknowledged(tmp_path)
            wait_for(lambda: acknowledged(tmp_path) > seen + 3 * CALLERS)
            (tmp_path / "over").touch()
            assert nursery.wait() == [0] * CALLERS
        compare(address, tmp_path)
    finally:
        primary.remove()
        if standby is not None:
            standby.remove()


def make(address: str) -> None:
    with SessionStore(address) as store:
        for name in {*NAMES}:
            store.create(name)


def lines(place: Path) -> list[list[str]]:
    texts = [file.read_text().splitlines() for file in place.glob("w*")]
    return [found for text in texts for line in text if len(found := line.split(" ")) == 3]


def callers(place: Path) -> list[str]:
    return [mark.partition(".")[0] for mark, _, _ in lines(place)]


def acknowledged(place: Path) -> int:
    return sum(outcome == "done" for _, outcome, _ in lines(place))


def wait_for(condition: object, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nobody goes on"
        time.sleep(0.02)


def compare(address: str, place: Path) -> None:
    """Compare what is stored with what the callers were told."""
    outcomes = defaultdict(set)
    for mark, outcome, name in lines(place):
        outcomes[outcome].add((mark, name))
    with SessionStore(address) as store:
        there: Counter[tuple[str, str]] = Counter()
        for name in {*NAMES}:
            session = store.load(name)
            there.update((str(one["content"]), name) for one in session.messages)
            assert session.revision == len(session.messages) + 1
        assert store.verify() == []
    assert max(there.values()) == 1
    assert outcomes["done"] <= there.keys()
    assert not outcomes["refused"] & there.keys()
    assert len(there) <= len(outcomes["done"]) + len(outcomes["unknown"])

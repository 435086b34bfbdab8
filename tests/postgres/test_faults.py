"""What goes wrong: nothing is lost, nothing is done twice, and each error says what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cluster
import needs
import psycopg
import pytest

from localsessions import ConflictError, LockTimeoutError, SessionStore, StoreUnavailableError
from localsessions._postgres.committing import Committing
from localsessions._postgres.connections import Connection, pipelined
from localsessions._postgres.version import Version
from localsessions.engine import Change

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(store: SessionStore, name: str = "a") -> list[object]:
    return [message["content"] for message in store.load(name).messages]


@contextmanager
def admin(server: cluster.Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.address(), autocommit=True) as connection:
        yield connection


def cut(server: cluster.Cluster) -> int:
    """End all connections of stores, as a server or a network may."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'localsessions'"
    )
    with admin(server) as connection:
        return len(connection.execute(query).fetchall())


def test_a_connection_that_is_lost_between_two_verbs_is_not_noticed(store: SessionStore) -> None:
    store.create("a")
    for turn in range(3):
        assert cut(cluster.shared())
        store.append("a", user(str(turn)))
        assert cut(cluster.shared())
        assert said(store) == [str(one) for one in range(turn + 1)]


def test_a_connection_that_is_lost_inside_edit_loses_nothing(store: SessionStore) -> None:
    store.create("a")
    with store.edit("a") as session:
        session.state["step"] = 1
        assert cut(cluster.shared())
    assert store.load("a").state == {"step": 1}
    assert store.load("a").revision == 2


def test_who_wrote_meanwhile_is_not_overwritten(store: SessionStore, address: str) -> None:
    """With the connection the lock was lost, too, and others may write."""
    store.create("a")

    def edit() -> None:
        with store.edit("a") as session:
            session.state["step"] = 1
            assert cut(cluster.shared())
            with pytest.raises(RuntimeError, match="being edited"):
                store.append("a", user("mine"))
            _append_from_elsewhere(address)

    with pytest.raises(ConflictError, match="nothing was written"):
        edit()
    assert (store.load("a").state, said(store)) == ({}, ["theirs"])


def _append_from_elsewhere(address: str) -> None:
    """Append as another process would: threads of this one wait for each other."""
    code = (
        "import sys; from localsessions import SessionStore\n"
        "with SessionStore(sys.argv[1]) as store:\n"
        "    store.append('a', {'role': 'user', 'content': 'theirs'})"
    )
    subprocess.run([sys.executable, "-c", code, address], check=True, timeout=60)


def test_a_change_that_is_cut_is_done_once(store: SessionStore) -> None:
    store.create("a")
    cuts = iter([True, True, False])

    def apply(session: object) -> None:
        if next(cuts):
            assert cut(cluster.shared())
        session.messages = [*session.messages, user("once")]  # type: ignore[attr-defined]

    store.engine.change("a", Change(apply))
    assert said(store) == ["once"]
    assert [one.new_messages for one in store.changes(store.last_change())] == []


def test_a_commit_that_is_lost_is_done_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was lost before the server had committed."""
    real, left = Committing.learn, [1]

    def learn(self: Committing, connection: Connection, versions: Iterable[Version]) -> list[str]:
        if left and left.pop():
            cut(cluster.shared())
        return real(self, connection, versions)

    monkeypatch.setattr(Committing, "learn", learn)
    written_once(store)
    assert not left


def test_a_commit_whose_answer_is_lost_is_done_once(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server had committed, and could not say so."""
    left = [1]

    @contextmanager
    def losing(connection: Connection) -> Iterator[None]:
        with pipelined(connection):
            yield
        if left and left.pop():
            cut(cluster.shared())
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("localsessions._postgres.committing.pipelined", losing)
    written_once(store)
    assert not left


def written_once(store: SessionStore) -> None:
    """Add a message while the connection is lost; it is there once, and told once."""
    before = store.last_change()
    store.create("a")
    store.append("a", user("once"))
    assert said(store) == ["once"]
    assert [one.kind for one in store.changes(before)] == ["created", "modified"]


def test_all_connections_in_use_are_waited_for_and_then_told(address: str) -> None:
    with SessionStore(f"{address}&connections=1", lock_timeout=0.2) as store:
        store.create("a")
        begun, over = threading.Event(), threading.Event()

        def edit() -> None:
            with store.edit("a"):
                store.list()  # who holds one gets another
                begun.set()
                over.wait(60)

        thread = threading.Thread(target=edit)
        thread.start()
        begun.wait(60)
        with pytest.raises(StoreUnavailableError, match=r"in use.*connections="):
            store.list()
        over.set()
        thread.join()
        assert store.count() == 1


def test_who_holds_a_session_is_waited_for_and_then_told(address: str) -> None:
    with SessionStore(address) as store, SessionStore(address, lock_timeout=0.1) as other:
        store.create("a")
        with store.edit("a"):
            failed: list[BaseException] = []

            def append() -> None:
                try:
                    other.append("a", user("x"))
                except LockTimeoutError as error:
                    failed.append(error)

            thread = threading.Thread(target=append)
            thread.start()
            thread.join()
        assert [type(one) for one in failed] == [LockTimeoutError]


def test_a_server_that_restarts_is_waited_for(lone: cluster.Cluster) -> None:
    with SessionStore(lone.address(store="s"), lock_timeout=60) as store:
        store.create("a")
        lone.stop()
        starting = threading.Timer(1, lone.start)
        starting.start()
        store.append("a", user("x"))
        starting.join()
        assert said(store) == ["x"]


def test_a_server_that_stays_away_is_told_with_a_remedy(lone: cluster.Cluster) -> None:
    with SessionStore(lone.address(store="s"), lock_timeout=0.2) as store:
        store.create("a")
        told: list[Exception] = []
        with store.watch(lambda _: None, on_error=lambda error, _: told.append(error)):
            lone.stop()
            for verb in (lambda: store.append("a", user("x")), store.list, lambda: store.load("a")):
                with pytest.raises(StoreUnavailableError, match="try again") as caught:
                    verb()
                assert isinstance(caught.value, ConnectionError)
            deadline = time.monotonic() + 60
            while not told and time.monotonic() < deadline:
                time.sleep(0.01)
            lone.start()
            store.append("a", user("y"))
        assert [type(one) for one in told[:1]] == [StoreUnavailableError]
        assert said(store) == ["y"]


def test_a_server_in_another_encoding_is_refused(lone: cluster.Cluster) -> None:
    options = ("--encoding=LATIN1", "--template=template0", "--locale=C")
    lone.run("createdb", "-h", str(lone.folder), "-U", "tests", *options, "latin")
    with pytest.raises(StoreUnavailableError, match=r"LATIN1.*--encoding=UTF8"):
        SessionStore(lone.address("latin"))


def test_an_old_server_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda _: 120_018))
    with pytest.raises(StoreUnavailableError, match=r"PostgreSQL 12.*13.*upgrade"):
        SessionStore(address)


def test_newer_tables_are_refused_and_older_ones_migrated(
    lone: cluster.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localsessions._postgres import schema

    with SessionStore(lone.address(store="s")) as store:
        store.create("a")
    more = "ALTER TABLE localsessions.sessions ADD COLUMN mood text"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, more))
    monkeypatch.setattr(schema, "VERSION", len(schema.MIGRATIONS))
    with SessionStore(lone.address(store="s")) as store:
        assert store.load("a").session_id == "a"
    with admin(lone) as connection:
        connection.execute("SELECT mood FROM localsessions.sessions")
    monkeypatch.undo()
    with pytest.raises(StoreUnavailableError, match=r"version 2.*upgrade localsessions"):
        SessionStore(lone.address(store="s"))


@pytest.mark.parametrize("has_schema", [False, True])
def test_who_waits_for_another_that_makes_the_tables_finds_them(
    lone: cluster.Cluster, has_schema: bool
) -> None:
    """Its connection knows from before the wait that there are none."""
    from localsessions._postgres import schema

    with admin(lone) as maker, admin(lone) as looking, ThreadPoolExecutor(1) as threads:
        if has_schema:
            maker.execute("CREATE SCHEMA localsessions")
        maker.execute("BEGIN")
        maker.execute("SELECT pg_advisory_xact_lock(%s)", [schema._LOCK])
        opening = threads.submit(SessionStore, lone.address(store="s"))
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not looking.execute(waiting).fetchall() and not opening.done():
            time.sleep(0.01)
        schema.prepare(maker, "")
        with opening.result() as store:
            assert store.create("a").session_id == "a"


def test_a_user_with_the_least_privileges_can_do_all(lone: cluster.Cluster) -> None:
    """Those that docs/postgres.md names."""
    with SessionStore(lone.address(store="s")) as store:
        store.create("a")
    with admin(lone) as connection:
        for line in (
            "CREATE ROLE app LOGIN",
            "GRANT USAGE ON SCHEMA localsessions TO app",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA localsessions TO app",
            "CREATE ROLE reader LOGIN",
            "GRANT USAGE ON SCHEMA localsessions TO reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA localsessions TO reader",
        ):
            connection.execute(line.encode())
    with SessionStore(lone.address(store="s").replace("user=tests", "user=app")) as store:
        store.append("a", user("x"))
        store.create("b")
        store.save_checkpoint("a", {})
        assert store.delete("b")
        assert store.restore("b").session_id == "b"
        store.delete("b")
        assert len(store.empty_trash()) == 1
        assert store.reindex() == 1
        assert store.verify() == []
    with SessionStore(lone.address(store="s").replace("user=tests", "user=reader")) as store:
        assert said(store) == ["x"]
        assert store.search("x")
        for verb in (lambda: store.append("a", user("y")), lambda: store.create("c")):
            with pytest.raises(PermissionError, match="docs/postgres"):
                verb()


def test_clocks_that_differ_leave_nothing_in_the_trash(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted is dated by the server, and an age is counted from the server's time."""
    from datetime import datetime, timedelta
    from unittest import mock

    from localsessions import store as verbs
    from localsessions._postgres import deleting

    late = mock.Mock(wraps=datetime)
    late.now.side_effect = lambda zone: datetime.now(zone) - timedelta(hours=1)
    store.create("a")
    store.delete("a")
    monkeypatch.setattr(verbs, "datetime", late)
    monkeypatch.setattr(deleting, "datetime", late)
    assert store.empty_trash(max_age=60) == []
    assert len(store.empty_trash(max_age=0)) == 1

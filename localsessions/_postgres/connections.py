"""Connections: those of one engine to its server. No thread stands behind them.

A thread that holds none waits while all are in use; a thread that holds one gets another beyond the
limit, since others may wait for what it does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import psycopg

from localsessions._postgres.address import Address
from localsessions._postgres.faults import (
    is_lost,
    is_passing,
    is_refusal,
    is_unprepared,
    meaning_of,
)
from localsessions.errors import StoreUnavailableError

__all__ = ["Connection", "Connections", "Row", "commit", "execute", "pipelined"]

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
Row: TypeAlias = "tuple[Any, ...]"
T = TypeVar("T")

_OLDEST_SERVER = 130_000
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_TRIES = 10
_PREPARED_AFTER = 3
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"


class Connections:
    """The connections of one engine.

    Args:
        address: Where the server is.
        patience: How many seconds to wait for a free connection, or for a server that is away.
        is_fast: Whether a commit need not wait for the disk.
    """

    def __init__(self, address: Address, *, patience: float, is_fast: bool) -> None:
        self.address = address
        self.patience = patience
        self._is_fast = is_fast
        self._prepares = True
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.Condition()
        self._idle: list[Connection] = []
        self._holding: dict[int, int] = {}
        self._closed = False

    def close(self) -> None:
        """Close the connections that nobody uses; the others close when they are given back."""
        self._forget_parent()
        with self._guard:
            self._closed, idle, self._idle = True, self._idle, []
            self._guard.notify_all()
        for one in idle:
            one.close()

    def _forget_parent(self) -> None:
        # A forked child must not use the parent's sockets; psycopg leaves them open there.
        if self._pid != os.getpid():
            was_closed = self._closed
            self._reset()
            self._closed = was_closed

    # -- a connection ------------------------------------------------------------------------

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """Give a connection to the block; one that is lost, or left in a transaction, is closed."""
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        self._forget_parent()
        me, most = threading.get_ident(), self.address.connections
        with self._guard:
            if me not in self._holding and not self._guard.wait_for(
                lambda: len(self._holding) < most, self.patience
            ):
                reason = f"all its {most} connections were in use for {self.patience:g} s"
                remedy = "make fewer calls at once, or give connections= in the address"
                raise StoreUnavailableError(self.address.shown, reason, remedy)
            self._holding[me] = self._holding.get(me, 0) + 1
            connection = self._idle.pop() if self._idle else None
        try:
            return connection or self.connect()
        # After an error or Ctrl-C the place that was counted has no connection: with each such call
        # there would be one fewer, until all calls wait for ever.
        except BaseException:
            self._let_go(me)
            raise

    def _give_back(self, connection: Connection) -> None:
        is_clean = not connection.closed and (
            connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
        )
        with self._guard:
            keeps = is_clean and not self._closed and len(self._idle) < self.address.connections
            if keeps:
                self._idle.append(connection)
        if not keeps:
            connection.close()
        self._let_go(threading.get_ident())

    def _let_go(self, thread: int) -> None:
        with self._guard:
            left = self._holding.pop(thread, 1) - 1
            if left:
                self._holding[thread] = left
            self._guard.notify()

    def connect(self) -> Connection:
        """Return a new connection, which the caller closes."""
        options: dict[str, Any] = {"connect_timeout": "10", **self.address.options}
        options.setdefault("application_name", "localsessions")
        connection = psycopg.connect(**{**options, "client_encoding": "UTF8"}, autocommit=True)
        connection.prepare_threshold = _PREPARED_AFTER if self._prepares else None
        return connection

    def refuse_unfit(self, connection: Connection) -> None:
        """Refuse a server that cannot keep sessions.

        Raises:
            StoreUnavailableError: It is too old, or its database is not in UTF-8.
        """
        version = connection.info.server_version
        if version < _OLDEST_SERVER:
            reason = f"it is PostgreSQL {version // 10_000}, and 13 is the oldest that will do"
            raise StoreUnavailableError(self.address.shown, reason, "upgrade the server")
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            reason = f"its database is in {encoding}, which cannot hold every text"
            remedy = "make one with: createdb --encoding=UTF8 --template=template0 NAME"
            raise StoreUnavailableError(self.address.shown, reason, remedy)

    def first(self, act: Callable[[Connection], T]) -> T:
        """Do the first act of an engine: a server that does not answer is not waited for."""
        try:
            with self.one() as connection:
                return act(connection)
        except psycopg.errors.CannotConnectNow:
            return self.again(act)
        except psycopg.Error as error:
            raise meaning_of(error, self.address) from None

    # -- acts --------------------------------------------------------------------------------

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Return what a query finds; ask again where the connection was lost."""
        return self.again(lambda one: execute(one, query, values).fetchall())

    def done(self, act: Callable[[Connection], T]) -> T:
        """Do an act in a transaction; it must do no harm if it is done twice."""

        def transact(connection: Connection) -> T:
            try:
                self.begin(connection)
                found = act(connection)
                connection.execute("COMMIT")
                return found
            finally:
                self.end(connection)

        return self.again(transact)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that writes."""
        connection.execute(_BEGIN)
        if self._is_fast:
            connection.execute("SET LOCAL synchronous_commit = off")

    def again(self, act: Callable[[Connection], T], session_id: str | None = None) -> T:
        """Do an act with a connection; again, where it was lost or the server asks for it.

        Raises:
            StoreUnavailableError: The server did not answer for all of ``patience``.
        """

        def attempt() -> T:
            with self.one() as connection:
                return act(connection)

        return self.tried(attempt, session_id)

    def tried(self, attempt: Callable[[], T], session_id: str | None = None) -> T:
        """Do what ``again`` does for an attempt that takes its connection itself."""
        deadline, pause, tries = time.monotonic() + self.patience, _SHORTEST_PAUSE, 0
        while True:
            try:
                return attempt()
            except psycopg.Error as error:
                tries += 1
                self.refuse_hopeless(error, session_id)
                is_over = tries >= _TRIES and not is_lost(error)
                if is_over or time.monotonic() > deadline:
                    raise meaning_of(error, self.address, session_id) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def refuse_hopeless(self, error: psycopg.Error, session_id: str | None = None) -> None:
        """Raise what an error means, unless the act may be done again."""
        if is_unprepared(error):
            self._prepares = False  # a pooler hands the transactions to several servers
            self.drop_idle()
        elif is_lost(error) and not is_refusal(error):
            self.drop_idle()  # they were lost at the same time
        elif not is_passing(error):
            raise meaning_of(error, self.address, session_id) from None

    def end(self, connection: Connection) -> None:
        """Take back what was not committed; a connection that is lost has done so."""
        status = connection.pgconn.transaction_status
        if status == psycopg.pq.TransactionStatus.IDLE or connection.closed:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses."""
        with self._guard:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send the statements of the block without waiting for each; an answer is waited for."""
    if not psycopg.Pipeline.is_supported():
        yield
        return
    failed: BaseException | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except BaseException as error:  # noqa: BLE001  (of two errors psycopg logs the second)
                failed = error
    except psycopg.Error:
        if failed is None:
            raise
    if failed is not None:
        raise failed


def commit(connection: Connection) -> None:
    """Commit, and wait until the server has confirmed it."""
    with pipelined(connection):
        connection.execute("COMMIT")


def execute(
    connection: Connection, query: str, values: Sequence[object] = ()
) -> psycopg.Cursor[Row]:
    """Execute a statement; bytes and numbers come back in binary."""
    cursor = connection.cursor(binary=True)
    return cursor.execute(query.encode(), values)

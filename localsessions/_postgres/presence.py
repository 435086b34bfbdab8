"""Presence: a lock at the server for each store that is at work, so that others see when it ended.

The lock is that of a transaction which waits on a connection of its own: the server lets it go when
the process or its connection ends, and a pooler hands such a connection to nobody else. The
transaction does nothing, so it holds up neither a vacuum nor the numbers of changes.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from localsessions._postgres.connections import Connection, execute
from localsessions._postgres.place import Place
from localsessions.models.ids import random_hex

__all__ = ["Presence"]

_NAME = re.compile(r"[0-9a-f]{32}")
_STAYS = "SET LOCAL idle_in_transaction_session_timeout = 0"
_LOCK = "SELECT pg_advisory_xact_lock(%s)"
_IS_FREE = "SELECT pg_try_advisory_xact_lock(%s)"


class Presence:
    """Who is at work in one store."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._count = 0
        self._name = ""
        self._connection: Connection | None = None

    @contextmanager
    def shown(self) -> Iterator[str]:
        """Be present while the block runs; blocks may overlap, and all have the same name.

        A connection that is lost during a block is not made again before the next block.
        """
        name = self._come()
        try:
            yield name
        finally:
            self._go(name)

    def _come(self) -> str:
        if self._pid != os.getpid():  # a forked child must not use its parent's connection
            self._reset()
        with self._guard:
            if self._connection is None or self._connection.closed:
                self._name = self._name or random_hex(16)
                self._connection = self._place.connections.tried(self._locked)
            self._count += 1
            return self._name

    def _locked(self) -> Connection:
        connection = self._place.connections.connect()
        try:
            connection.execute("BEGIN")
            execute(connection, _LOCK, [self._key(self._name)]).fetchall()
            # Last: a transaction whose last statement was a SELECT keeps its snapshot, and with it
            # every row that others delete.
            connection.execute(_STAYS)
        # After an error or Ctrl-C, nothing else knows the connection: it would hold the lock until
        # this process ends.
        except BaseException:
            connection.close()
            raise
        return connection

    def _go(self, name: str) -> None:
        if self._pid != os.getpid():
            return
        with self._guard:
            if name == self._name and self._connection is not None:
                self._count -= 1
                if not self._count:
                    self._end()

    def close(self) -> None:
        """Be present no longer, whatever runs. Idempotent."""
        if self._pid == os.getpid():
            with self._guard:
                self._end()

    def _end(self) -> None:
        connection, self._connection, self._name, self._count = self._connection, None, "", 0
        if connection is not None:
            # The server lets the lock go before it answers; of a connection that is closed, later.
            with suppress(psycopg.Error):  # it is lost already
                connection.execute("ROLLBACK")
            connection.close()

    def is_present(self, name: str) -> bool:
        """Tell whether a store is present.

        Raises:
            StoreUnavailableError: The server does not answer.
        """
        if not _NAME.fullmatch(name):
            return False
        return self._place.connections.rows(_IS_FREE, [self._key(name)]) != [(True,)]

    def _key(self, name: str) -> int:
        return self._place.key(f"\0present {name}")

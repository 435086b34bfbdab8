"""Place: one store on its server, as every room of the engine uses it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from localsessions._codec.names import file_stem
from localsessions._postgres.connections import Connection, Connections, execute
from localsessions._postgres.holding import Holding, key_of
from localsessions._postgres.schema import open_store, prepare
from localsessions.errors import UnstorableValueError

__all__ = ["Place", "new_act", "wait_at_most"]

_FOREVER = 60.0  # a lock that is no session's is held for as long as a commit takes


class Place:
    """One store on its server.

    Attributes:
        store: The number of the store in its database.
        shown: The address, without a password.
        connections: The connections to the server.
        holding: Which thread of this process changes a session.
        lock_timeout: How many seconds to wait for a session that somebody else changes.
        most_bytes: A session that takes more is unreadable.
        writer: What this engine is called in the log of changes.
        channel: Where the server tells that something changed.
    """

    def __init__(self, connections: Connections, *, lock_timeout: float, most_bytes: int) -> None:
        self.connections = connections
        self.shown = connections.address.shown
        self.lock_timeout = lock_timeout
        self.most_bytes = most_bytes
        self.writer = uuid4()
        self.store = self._open()
        self.channel = f"localsessions_{self.store}"
        self.holding = Holding(self.shown, lock_timeout)
        self.known_terms: set[str] = set()

    def _open(self) -> int:
        def make(connection: Connection) -> int:
            self.connections.refuse_unfit(connection)
            prepare(connection, self.shown)
            return open_store(connection, self.connections.address.store)

        return self.connections.first(make)

    def location(self, session_id: str) -> str:
        """Return where a session is, for people.

        Raises:
            ValueError: No session can have that id.
        """
        return f"{self.shown}/{file_stem(session_id)}"

    def refuse_large(self, session_id: str, size_bytes: int) -> None:
        """Refuse to store what is too large to be read again.

        Raises:
            UnstorableValueError: It is too large.
        """
        if size_bytes > self.most_bytes:
            limit = f"{self.most_bytes}; open the store with a larger max_file_bytes"
            reason = f"it takes {size_bytes} bytes, the limit is {limit}"
            raise UnstorableValueError("", reason, session_id=session_id)

    def key(self, session_id: str) -> int:
        """Return the number by which the server locks a session."""
        return key_of(self.store, session_id)

    def lock(self, connection: Connection, session_id: str) -> None:
        """Take the lock of a session at the server until the transaction ends.

        Raises:
            psycopg.errors.LockNotAvailable: Somebody else held it all the time.
        """
        wait_at_most(connection, self.lock_timeout)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [self.key(session_id)])
        wait_at_most(connection, _FOREVER)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        return self.connections.rows(query, values)


def wait_at_most(connection: Connection, seconds: float) -> None:
    """Say how long the statements of a transaction wait for a lock."""
    limit = f"{max(1, round(seconds * 1000))}ms"  # 0 would mean for ever
    execute(connection, "SELECT set_config('lock_timeout', %s, true)", [limit])


def new_act() -> UUID:
    """Return what an act is called, and the version that it writes."""
    return uuid4()

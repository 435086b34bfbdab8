"""Committing: versions are written and committed, and it is found out whether they were.

If the connection is lost while the server commits, the log of changes says whether it did: the
lock of the session is taken first, so that the former transaction has ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg

from localsessions._codec.names import folded
from localsessions._postgres.connections import Connection, execute, pipelined
from localsessions._postgres.faults import Lost, is_lost
from localsessions._postgres.place import Place
from localsessions._postgres.statements import ARE_LOGGED, INSERT, TERMS, UPDATE
from localsessions._postgres.texts import grams_of, terms_of
from localsessions._postgres.version import Version
from localsessions.errors import StoreUnavailableError

__all__ = ["Committing"]

_PAUSE = 0.1
_MOST_KNOWN = 200_000


class Committing:
    """What is written into one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def put(self, connection: Connection, version: Version) -> bool:
        """Write a version and commit it; tell whether what it replaces was there.

        Raises:
            Lost, StoreUnavailableError: As ``commit``.
        """
        return self.put_all(connection, [version])[0]

    def put_all(self, connection: Connection, versions: Sequence[Version]) -> list[bool]:
        """Write versions and commit them; tell of each whether what it replaces was there."""
        if not versions:
            return []
        acts = [one.act for one in versions]
        try:
            with pipelined(connection):
                written = [self.write(connection, one, at) for at, one in enumerate(versions)]
                learned = self.learn(connection, versions)
                connection.execute("COMMIT")
                found = [bool(one.fetchall()) for one in written]
        except psycopg.Error as error:
            logged = self._settled(error, versions[0].session_id, acts)
            return [act in logged for act in acts]
        self.remember(learned)
        return found

    def write(
        self, connection: Connection, version: Version, number: int
    ) -> psycopg.Cursor[tuple[object, ...]]:
        """Write a version inside a transaction; its answer has a row if it was written.

        Args:
            connection: The connection of the transaction.
            version: What to write.
            number: Which of the changes of the transaction it is, from 0.
        """
        store, texts = self._place.store, version.texts
        rows = [
            *(version.summary.message_count, version.gone),
            *(version.positions, version.runs, version.bodies),
            [one.position for one in texts],
            [one.role for one in texts],
            [one.said for one in texts],
            [one.beside for one in texts],
            [one.size for one in texts],
            [" ".join(one.words) for one in texts],
        ]
        logged = self.logged(number, version.session_id, version.kind, version.act, version.changed)
        if version.former is None:
            named = [store, version.session_id, folded(version.session_id), version.act]
            values = [*named, *version.grown, *version.columns, *rows, *logged]
            return execute(connection, INSERT, values)
        put = [version.act, *version.grown, *version.columns]
        replaced = [store, version.session_id, version.former]
        return execute(connection, UPDATE, [*put, *replaced, *rows, *logged])

    def logged(
        self, number: int, session_id: str, kind: str, act: UUID, changed: bytes
    ) -> list[object]:
        """Return what the log of changes is told of a change of a transaction."""
        told = [number, session_id, kind, act, self._place.writer, changed]
        return [*told, self._place.store, self._place.channel]

    def learn(self, connection: Connection, versions: Iterable[Version]) -> list[str]:
        """Add the new words of versions to those of which parts are searched; last of all."""
        rows = [row for version in versions for row in version.texts]
        new = terms_of(rows, self._place.known_terms)
        if new:
            store = self._place.store
            parts = [" ".join(grams_of(store, word)) for word in new]
            execute(connection, TERMS, [store, new, parts])
        return new

    @contextmanager
    def settling(self, session_id: str, act: UUID) -> Iterator[None]:
        """Find out whether the block committed, if it loses the connection.

        Args:
            session_id: A session whose lock the transaction has.
            act: What it logs of that session.

        Raises:
            Lost: The connection was lost, and nothing was committed.
            StoreUnavailableError: It was lost, and whether it was committed is not known.
        """
        try:
            yield
        except psycopg.Error as error:
            self._settled(error, session_id, [act])

    def _settled(self, error: psycopg.Error, session_id: str, acts: Sequence[UUID]) -> set[UUID]:
        """Return which acts of a transaction were committed that lost the connection.

        Raises:
            Lost: None was.
        """
        if not is_lost(error):
            raise error
        logged = self._logged(session_id, acts)
        if not logged:
            raise Lost from None
        return logged

    def _logged(self, session_id: str, acts: Sequence[UUID]) -> set[UUID]:
        """Return which acts are in the log, once the transaction that did them has ended."""
        deadline = time.monotonic() + max(self._place.lock_timeout, 1.0)
        while True:
            try:
                with self._place.connections.connect() as connection:
                    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                    self._place.lock(connection, session_id)
                    rows = execute(connection, ARE_LOGGED, [self._place.store, [*acts]]).fetchall()
                    return {act for (act,) in rows}
            except psycopg.Error as error:
                if time.monotonic() > deadline:
                    raise self._unknown(error, session_id) from None
            time.sleep(_PAUSE)

    def _unknown(self, error: psycopg.Error, session_id: str) -> StoreUnavailableError:
        reason = self._place.connections.address.clean(str(error))
        return StoreUnavailableError(
            self._place.shown, reason, session_id=session_id, is_unknown=True
        )

    def remember(self, terms: Sequence[str]) -> None:
        """Remember words that are in the database now."""
        if len(self._place.known_terms) > _MOST_KNOWN:
            self._place.known_terms.clear()
        self._place.known_terms.update(terms)

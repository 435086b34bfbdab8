"""Many sessions at once: batches, each of which is one transaction.

A batch waits for no lock: a session that another thread or process is changing is set aside, and is
done alone at the end. Each session is whole or absent; a batch that is lost is done again, one
session after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

import psycopg

from localsessions._postgres.connections import Connection, commit, execute
from localsessions._postgres.deleting import Trash
from localsessions._postgres.faults import Lost
from localsessions._postgres.place import Place
from localsessions._postgres.reading import Reader
from localsessions._postgres.row import Stored, with_bodies
from localsessions._postgres.version import Version
from localsessions._postgres.version import version_of as rows_of
from localsessions._postgres.writing import Writer
from localsessions._rules.batches import batches
from localsessions._rules.drafts import Draft, draft_of
from localsessions.engine import Allows
from localsessions.errors import SessionError
from localsessions.models import Session
from localsessions.models.standing import original_of, version_of

__all__ = ["Bulk"]

_REFUSALS = (SessionError, OSError, RuntimeError)
_TRY = """
SELECT name FROM unnest(%s::text[], %s::bigint[]) asked (name, key)
WHERE pg_try_advisory_xact_lock(key)
"""

T = TypeVar("T")


class Bulk:
    """One act on many sessions: which are set aside, and which failed.

    Attributes:
        errors: The error of each session that was not done, by session id.
    """

    def __init__(self, place: Place, reader: Reader, writer: Writer) -> None:
        self._place = place
        self._reader = reader
        self._writer = writer
        self.errors: dict[str, Exception] = {}
        self._aside: list[str] = []

    # -- writing -------------------------------------------------------------------------------

    def write(self, sessions: Sequence[Session], alone: Callable[[Session], object]) -> None:
        """Write the sessions that were changed.

        Args:
            sessions: Each session id at most once.
            alone: Writes a session that was set aside.
        """
        self._refuse_read_only(sessions)
        for batch in batches(self._drafts(sessions), lambda one: len(one.data)):
            with self._held([one.session.session_id for one in batch]) as taken:
                mine = [one for one in batch if one.session.session_id in taken]
                self._together(mine, self._put_all)
        by_id = {one.session_id: one for one in sessions}
        self._each_alone(lambda session_id: alone(by_id[session_id]))

    def _drafts(self, sessions: Sequence[Session]) -> Iterator[Draft]:
        for session in sessions:
            found: list[Draft] = []
            with self._noting(session.session_id):
                draft = draft_of(session, is_activity=True)
                found += [draft] if draft.is_changed else []
            yield from found

    def _put_all(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Write drafts in one transaction; those that it cannot write are set aside."""
        free = self._locked(connection, [one.session.session_id for one in drafts])
        stored = self._reader.many_in(connection, sorted(free))
        written: list[tuple[Draft, Version]] = []
        for draft in drafts:
            session_id = draft.session.session_id
            found = self._version(draft, stored.get(session_id)) if session_id in free else None
            if found is not None:
                written.append((draft, found))
            else:
                self._aside.append(session_id)  # alone it gets its own error
        done = self._writer.committing.put_all(connection, [version for _, version in written])
        for (draft, version), is_put in zip(written, done, strict=True):
            if is_put:
                draft.is_written(version.act)
            else:
                self._aside.append(version.session_id)

    def _version(self, draft: Draft, stored: Stored | None) -> Version | None:
        """Return a draft as rows, if what is stored is what it is based on."""
        session, based = draft.session, version_of(draft.session)
        if based != (stored.version if stored else None):
            return None
        if stored is not None:
            stored = with_bodies(stored, original_of(session))
        version = rows_of(self._place.store, draft, stored)
        is_large = version is None or version.summary.size_bytes > self._place.most_bytes
        return None if is_large else version

    # -- removing ------------------------------------------------------------------------------

    def remove(self, session_ids: Sequence[str], trash: Trash, allows: Allows) -> None:
        """Move sessions to the trash."""
        self._refuse_read_only(session_ids)

        def put_all(connection: Connection, chosen: Sequence[str]) -> None:
            free = self._locked(connection, chosen)
            self._aside += [one for one in chosen if one not in free]
            gone: list[tuple[str, UUID]] = []
            for session_id in filter(free.__contains__, chosen):
                with self._noting(session_id):
                    due = trash.due_in(connection, session_id, allows)
                    if due is not None and trash.put(connection, due, len(gone)):
                        gone.append((session_id, due.act))
            if gone:
                with self._writer.committing.settling(*gone[0]):
                    commit(connection)

        for batch in batches(session_ids, lambda _: 0):
            with self._held(batch) as taken:
                self._together([one for one in batch if one in taken], put_all)
        self._each_alone(
            lambda one: self._writer.held(one, lambda held: trash.delete(held, allows))
        )

    # -- a batch -------------------------------------------------------------------------------

    def _together(self, items: Sequence[T], act: Callable[[Connection, Sequence[T]], None]) -> None:
        """Do a batch in one transaction; if it is lost, its sessions are set aside."""
        if not items:
            return
        aside = [*self._aside]
        try:
            with self._place.connections.one() as connection:
                try:
                    self._place.connections.begin(connection)
                    act(connection, items)
                except psycopg.Error as error:
                    self._place.connections.refuse_hopeless(error)
                    raise Lost from None
                finally:
                    self._place.connections.end(connection)
        except (Lost, psycopg.Error):
            self._aside = aside + [_id_of(one) for one in items]

    @contextmanager
    def _held(self, session_ids: Sequence[str]) -> Iterator[set[str]]:
        """Hold those of some sessions that no other thread holds; set the others aside."""
        keys = {one: self._place.key(one) for one in session_ids}
        taken = self._place.holding.take_free(keys)
        try:
            self._aside += [one for one in session_ids if one not in taken]
            yield taken
        finally:
            for session_id in taken:
                self._place.holding.let_go(keys[session_id])

    def _locked(self, connection: Connection, session_ids: Sequence[str]) -> set[str]:
        """Lock those of some sessions at the server that nobody else has locked."""
        keys = [self._place.key(one) for one in session_ids]
        return {name for (name,) in execute(connection, _TRY, [[*session_ids], keys]).fetchall()}

    def _refuse_read_only(self, concerned: Sequence[object]) -> None:
        """Raise if nothing can be written: one error for all, not one for each session."""
        if concerned:
            query = "UPDATE localsessions.stores SET name = name WHERE false"
            self._place.connections.done(lambda one: execute(one, query))

    # -- one by one ----------------------------------------------------------------------------

    def _each_alone(self, act: Callable[[str], object]) -> None:
        for session_id in self._aside:
            with self._noting(session_id):
                act(session_id)

    @contextmanager
    def _noting(self, session_id: str) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as error:
            if not isinstance(error, SessionError) or error.session_id is None:
                error.add_note(f"session {session_id!r}")
            self.errors[session_id] = error


def _id_of(item: object) -> str:
    return item.session.session_id if isinstance(item, Draft) else str(item)

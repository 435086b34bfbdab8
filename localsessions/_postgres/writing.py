"""Writing a session: one statement replaces exactly the version that was read, or nothing.

A lock at the server makes others wait. That nothing is lost does not rest on it: the statement
names the version that it replaces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeVar

import psycopg

from localsessions._codec.names import folded
from localsessions._postgres.committing import Committing
from localsessions._postgres.connections import Connection, execute, pipelined
from localsessions._postgres.faults import Lost, is_lost
from localsessions._postgres.place import Place
from localsessions._postgres.reading import Reader
from localsessions._postgres.row import Stored, run_of, session_of, with_bodies
from localsessions._postgres.version import version_of as rows_of
from localsessions._rules.drafts import Draft, conflict, draft_of, merged_draft, take_over
from localsessions.engine import Change
from localsessions.errors import (
    LockTimeoutError,
    SessionExistsError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from localsessions.models import PlainSummary, Session
from localsessions.models.standing import original_of, stand, version_of

__all__ = ["Held", "Writer"]

T = TypeVar("T")
_TRIES = 20
_PAUSE = 0.05


class Held(NamedTuple):
    """A session whose lock a transaction has.

    Attributes:
        session_id: Which session.
        connection: The connection of the transaction.
    """

    session_id: str
    connection: Connection


class Writer:
    """Writes the sessions of one store."""

    def __init__(self, place: Place, reader: Reader) -> None:
        self._place = place
        self._reader = reader
        self.committing = Committing(place)

    # -- holding a session ---------------------------------------------------------------------

    def held(self, session_id: str, act: Callable[[Held], T]) -> T:
        """Do an act on a session that nobody else changes meanwhile; again, if it was lost.

        Raises:
            LockTimeoutError: Another thread or process changed it all the time.
        """
        with self._place.holding.hold(session_id, self._place.key(session_id)):
            return self.again(session_id, act)

    def again(self, session_id: str, act: Callable[[Held], T]) -> T:
        """Do an act on a session that this thread holds already."""

        def locked(connection: Connection) -> T:
            with self.locked(connection, session_id) as held:
                return act(held)

        for _ in range(_TRIES):
            try:
                return self._place.connections.again(locked, session_id)
            except Lost:
                time.sleep(_PAUSE)
        reason = "the connection was lost again and again"
        raise StoreUnavailableError(self._place.shown, reason, session_id=session_id)

    @contextmanager
    def editing(self, session_id: str, *, is_activity: bool) -> Iterator[Session]:
        """Pass a session to the block, and store what the block made of it.

        Where the connection is lost during the block, the session is locked again after it, and
        stored if it still is the version that was read.
        """
        path = self._place.location(session_id)
        with self._place.holding.hold(session_id, self._place.key(session_id)), ExitStack() as last:

            def begin() -> tuple[Held, Stored]:
                with ExitStack() as stack:
                    connection = stack.enter_context(self._place.connections.one())
                    held = stack.enter_context(self.locked(connection, session_id))
                    stored = self._reader.whole_in(connection, session_id)
                    last.push(stack.pop_all())
                    return held, stored

            held, stored = self._place.connections.tried(begin, session_id)
            session = session_of(stored, path)
            yield session
            self._store(held, session, is_activity=is_activity)

    @contextmanager
    def locked(self, connection: Connection, session_id: str) -> Iterator[Held]:
        """Take the lock of a session at the server for the block, in a transaction."""
        is_done = False
        try:
            with pipelined(connection):  # what needs no answer goes with what needs one
                self._place.connections.begin(connection)
                self._place.lock(connection, session_id)
                yield Held(session_id, connection)
                is_done = True
        except psycopg.errors.LockNotAvailable:
            path, waited = self._place.location(session_id), self._place.lock_timeout
            raise LockTimeoutError(waited, session_id=session_id, path=path) from None
        except psycopg.Error as error:
            if not (is_done and is_lost(error)):
                raise  # what the block did was committed, or done by another connection
        finally:
            self._place.connections.end(connection)

    # -- the acts ------------------------------------------------------------------------------

    def create(self, held: Held, draft: Draft) -> None:
        """Store a new session."""
        self.put(held, draft, None)

    def replace(self, held: Held, draft: Draft, *, merges: bool) -> None:
        """Store a session over the version that it is based on; see ``Engine.replace``."""
        session, based = draft.session, version_of(draft.session)
        stored = self._found(held, session)
        if stored is None and based is None:
            self.put(held, draft, None)
            return
        if stored is not None and based == stored.version:
            self.put(held, draft, stored)
            return
        theirs = None if stored is None else self._session(stored)
        written, conflicts = None, tuple[str, ...]()
        if merges and theirs is not None and based is not None:
            written, conflicts = merged_draft(session, theirs)
        if written is None:
            path = self._place.location(held.session_id)
            raise conflict(session, theirs, conflicts, path=path)
        self.put(held, written, stored)
        take_over(session, written.session)

    def change(self, held: Held, change: Change) -> PlainSummary:
        """Read, change and write; earlier messages are left out where they can be."""
        stored = self._open(held, change.run_id)
        summary = self._changed(held, stored, change)
        if summary is None:  # what a listing says of it was said by a message that is not here
            stored = self._reader.whole_in(held.connection, held.session_id)
            summary = self._changed(held, stored, change)
        return stored.summary if summary is None else summary

    def adopt(self, held: Held, make: Callable[[bytes], Session | None]) -> Session | None:
        """Replace what is stored by a session that is made of it."""
        stored = self._reader.whole_in(held.connection, held.session_id)
        session = make(stored.data)
        if session is not None:
            session.session_id = held.session_id
            stand(session, None, None)
            self.put(held, draft_of(session, stamps={}), stored)
        return session

    def _store(self, held: Held, session: Session, *, is_activity: bool) -> None:
        """Store a session after a block, unless it is as it was."""
        draft = draft_of(session, is_activity=is_activity)
        if not draft.is_changed:
            return
        try:
            self._store_over(held, draft)
        except Lost:
            self.again(held.session_id, lambda now: self._store_over(now, draft))
        except psycopg.Error as error:
            self._place.connections.refuse_hopeless(error, held.session_id)
            self.again(held.session_id, lambda now: self._store_over(now, draft))

    def _store_over(self, held: Held, draft: Draft) -> None:
        stored = self._found(held, draft.session)
        if stored is None or stored.version != version_of(draft.session):
            theirs = None if stored is None else self._session(stored)
            path = self._place.location(held.session_id)
            raise conflict(draft.session, theirs, path=path)
        self.put(held, draft, stored)

    # -- what is stored ------------------------------------------------------------------------

    def _found(self, held: Held, session: Session) -> Stored | None:
        """Return what is stored; what the session was read from is not read again."""
        try:
            stored = self._reader.alone_in(held.connection, held.session_id)
            if stored.version == version_of(session):
                return with_bodies(stored, original_of(session))
            return self._reader.whole_in(held.connection, held.session_id)
        except SessionNotFoundError:
            return None

    def _open(self, held: Held, run_id: str | None) -> Stored:
        if run_id is None:
            return self._reader.alone_in(held.connection, held.session_id)
        run = run_of({"run_id": run_id}) or b""
        return self._reader.run_in(held.connection, held.session_id, run)

    def _changed(self, held: Held, stored: Stored, change: Change) -> PlainSummary | None:
        session = self._session(stored)
        change.apply(session)
        draft = draft_of(session, is_activity=change.is_activity, only_assigns=change.only_assigns)
        return self.put(held, draft, stored) if draft.is_changed else stored.summary

    def _session(self, stored: Stored) -> Session:
        return session_of(stored, self._place.location(stored.session_id))

    def refuse_twin(self, held: Held) -> None:
        """Refuse a new session if there is one of its id, or of one that is spelled alike."""
        existing = self.twin_in(held.connection, held.session_id)
        if existing is not None:
            raise self._exists(held.session_id, existing)

    def twin_in(self, connection: Connection, session_id: str) -> str | None:
        """Return the session that has this id, or one that is spelled alike."""
        query = "SELECT session_id FROM localsessions.sessions WHERE store = %s AND folded = %s"
        found = execute(connection, query, [self._place.store, folded(session_id)]).fetchall()
        return str(found[0][0]) if found else None

    def _exists(self, session_id: str, existing: str) -> SessionExistsError:
        path = self._place.location(session_id)
        return SessionExistsError(session_id, path=path, existing=existing)

    # -- one version ---------------------------------------------------------------------------

    def put(self, held: Held, draft: Draft, stored: Stored | None) -> PlainSummary | None:
        """Write a draft over what is stored, or as a new session, and commit.

        Returns:
            What a listing says of it now. None if earlier messages are needed for that; then
            nothing was written.

        Raises:
            Lost: The connection was lost, and nothing was written.
            UnstorableValueError: It is too large; nothing was written.
            ConflictError, SessionExistsError: Somebody who takes no lock was faster.
        """
        version = rows_of(self._place.store, draft, stored)
        if version is None:
            return None
        self._place.refuse_large(version.session_id, version.summary.size_bytes)
        if not self.committing.put(held.connection, version):
            self._refuse_overtaken(held, draft, stored)
        draft.is_written(version.act)
        return version.summary

    def _refuse_overtaken(self, held: Held, draft: Draft, stored: Stored | None) -> None:
        if stored is None and version_of(draft.session) is None:
            existing = self.twin_in(held.connection, held.session_id)
            if existing is None:
                raise Lost  # it was deleted just now: there is room again
            raise self._exists(held.session_id, existing)
        found = self._found(held, draft.session)
        theirs = None if found is None else self._session(found)
        raise conflict(draft.session, theirs, path=self._place.location(held.session_id))

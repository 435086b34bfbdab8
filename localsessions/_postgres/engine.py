"""PostgresEngine: sessions in PostgreSQL, for programs on any number of machines.

Each act is one call to a room. What is stored is what would be in a file, so a session can move
from a folder to a server and back, byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import localsessions._codec.explaining
import localsessions._codec.strict
import localsessions._rules.recalling  # noqa: F401
from localsessions._codec import MAX_FILE_BYTES
from localsessions._postgres.address import read_address
from localsessions._postgres.batches import Bulk
from localsessions._postgres.changelog import ChangeLog
from localsessions._postgres.checking import Checking, totals
from localsessions._postgres.checkpoints import Checkpoints
from localsessions._postgres.connections import Connections, execute
from localsessions._postgres.copies import Copies
from localsessions._postgres.deleting import Trash
from localsessions._postgres.feed import Feed
from localsessions._postgres.listing import Listings
from localsessions._postgres.place import Place
from localsessions._postgres.presence import Presence
from localsessions._postgres.reading import Reader
from localsessions._postgres.searching import Search
from localsessions._postgres.writing import Held, Writer
from localsessions._rules.drafts import draft_of
from localsessions.engine import (
    Allows,
    Asked,
    Change,
    Durability,
    Engine,
    Follower,
    Progress,
    Query,
)
from localsessions.errors import SessionLimitError, UnreadableSessionError
from localsessions.models import (
    Arrival,
    Checkpoint,
    Deletion,
    Finding,
    Group,
    Grouping,
    Order,
    Page,
    SearchHit,
    Session,
    SessionChange,
    SessionCopy,
    SessionSummary,
    StoreStats,
    TrashedSession,
)
from localsessions.models.results import checked
from localsessions.models.standing import stand

__all__ = ["PostgresEngine"]

_TRIMS_EACH = 1000


class PostgresEngine(Engine):
    """The sessions of one store on a server; see ``engine`` for the contract of each method.

    Args:
        address: Where the store is, see ``address``; its tables are made if they are not there.
        durability: "full" or "fast", see ``SessionStore``.
        lock_timeout: Seconds to wait for a session that somebody else changes, for a free
            connection, and for a server that went away.
        max_file_bytes: Larger sessions are unreadable.

    Raises:
        ValueError: The address cannot be read.
        StoreUnavailableError: The server does not answer, or cannot keep sessions.
    """

    def __init__(
        self, address: str, *, durability: Durability, lock_timeout: float, max_file_bytes: int
    ) -> None:
        self._connections = Connections(
            read_address(address), patience=lock_timeout, is_fast=durability == "fast"
        )
        try:
            self._place = Place(
                self._connections,
                lock_timeout=lock_timeout,
                most_bytes=min(max_file_bytes, MAX_FILE_BYTES),
            )
        # After an error or Ctrl-C nobody has the engine to close: its connections would stay.
        except BaseException:
            self._connections.close()
            raise
        self.address = self._place.shown
        self._reader = Reader(self._place)
        self._writer = Writer(self._place, self._reader)
        self._deleting = Trash(self._place, self._reader, self._writer)
        self._checkpoints = Checkpoints(self._place, self._writer)
        self._presence = Presence(self._place)
        self._copies = Copies(self._place, self._writer)
        self._listings = Listings(self._place)
        self._searching = Search(self._place, self._listings)
        self._changelog = ChangeLog(self._place)
        self._checking = Checking(self._place, self._reader, self._writer)
        self._feed = Feed(self._place, self._changelog)
        self._written = 0

    def close(self) -> None:
        self._feed.close()  # first: a look that goes on meets nothing that is closed
        self._presence.close()
        self._connections.close()

    # -- one session -------------------------------------------------------------------------

    def location(self, session_id: str) -> str:
        return self._place.location(session_id)

    def read(self, session_id: str, *, last_good: bool = False) -> Session:  # noqa: ARG002
        return self._reader.session(session_id)  # no program leaves a session half written

    def raw(self, session_id: str) -> bytes:
        return self._reader.whole(session_id).data

    def create(self, session: Session, *, max_live: int | None = None) -> None:
        self._place.location(session.session_id)
        draft = draft_of(session, is_activity=False)

        def create(held: Held) -> None:
            if max_live is not None:
                self._refuse_full(held, session, max_live)
            self._writer.create(held, draft)

        self._writer.held(session.session_id, create)
        self._count()

    def _refuse_full(self, held: Held, session: Session, max_live: int) -> None:
        """Refuse a new live session if there are enough; who else counts waits for its end."""
        self._writer.refuse_twin(held)
        key = self._place.key("\0live")
        execute(held.connection, "SELECT pg_advisory_xact_lock(%s)", [key]).fetchall()
        # By another connection: what the lock waited for is committed.
        if self.count(Query(live_at=session.created_at)) >= max_live:
            raise SessionLimitError(max_live, path=self.address)

    def replace(self, session: Session, *, merges: bool = False) -> None:
        self._place.location(session.session_id)
        draft = draft_of(session, is_activity=True)
        if draft.is_changed:
            self._writer.held(
                session.session_id, lambda held: self._writer.replace(held, draft, merges=merges)
            )
            self._count()

    def change(self, session_id: str, change: Change) -> SessionSummary:
        self._place.location(session_id)
        found = self._writer.held(session_id, lambda held: self._writer.change(held, change))
        self._count()
        return checked(found)

    @contextmanager
    def editing(self, session_id: str, *, is_activity: bool) -> Iterator[Session]:
        self._place.location(session_id)
        with self._writer.editing(session_id, is_activity=is_activity) as session:
            yield session
        self._count()

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        self._place.location(session_id)
        return self._writer.held(session_id, lambda held: self._writer.adopt(held, make))

    def tail(self, session_id: str, n: int) -> Session:
        session = self._reader.tail(session_id, n)
        stand(session, None, None)
        return session

    def _count(self) -> None:
        """Let the log of changes be looked at now and then, whether it has grown too long."""
        self._written += 1
        if self._written % _TRIMS_EACH == 0:
            self._changelog.trim()

    # -- many sessions at once ---------------------------------------------------------------

    def create_many(self, sessions: Sequence[Session]) -> Mapping[str, Exception]:
        return self._write_many(sessions, self.create)

    def replace_many(
        self, sessions: Sequence[Session], *, merges: bool = False
    ) -> Mapping[str, Exception]:
        return self._write_many(sessions, lambda one: self.replace(one, merges=merges))

    def _write_many(
        self, sessions: Sequence[Session], alone: Callable[[Session], object]
    ) -> Mapping[str, Exception]:
        bulk = Bulk(self._place, self._reader, self._writer)
        bulk.write(sessions, alone)
        self._changelog.trim()
        return bulk.errors

    def delete_many(self, session_ids: Sequence[str], allows: Allows) -> Mapping[str, Exception]:
        bulk = Bulk(self._place, self._reader, self._writer)
        bulk.remove(session_ids, self._deleting, allows)
        return bulk.errors

    # -- listings ----------------------------------------------------------------------------

    def page(
        self,
        query: Query,
        *,
        order: Order,
        limit: int,
        cursor: str | None,
        fresh: bool,  # noqa: ARG002
    ) -> Page[SessionSummary]:
        return self._listings.page(query, order=order, limit=limit, cursor=cursor)

    def summary(self, session_id: str) -> SessionSummary | None:
        summary = self._reader.summary(session_id)
        return None if summary is None else checked(summary)

    def count(self, query: Query) -> int:
        return self._listings.count(query)

    def groups(self, by: Grouping, query: Query) -> Sequence[Group]:
        return self._listings.groups(by, query)

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:  # noqa: ARG002
        return self._listings.ids(query)

    def named(self, reference: str, limit: int) -> Sequence[str]:
        return self._listings.named(reference, limit)

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        return self._listings.short_ids(session_ids)

    def search(self, text: str, query: Query, asked: Asked) -> Sequence[SearchHit]:
        return self._searching.hits(text, query, asked)

    # -- changes -----------------------------------------------------------------------------

    def notice(self, *, fresh: bool = False) -> None:  # noqa: ARG002
        self._changelog.settle()  # nobody but engines changes anything

    def last_change(self) -> int:
        return self._changelog.last()

    def changes(self, since: int, limit: int) -> Sequence[SessionChange]:
        self._feed.refuse_closed()
        return self._changelog.after(since, limit)

    def follow(self, follower: Follower) -> None:
        self._feed.join(follower)

    def unfollow(self, follower: Follower) -> None:
        self._feed.leave(follower)

    def is_away(self) -> bool:
        return self._feed.is_away()

    # -- the trash ---------------------------------------------------------------------------

    def delete(self, session_id: str, allows: Allows) -> bool:
        self._place.location(session_id)
        return self._writer.held(session_id, lambda held: self._deleting.delete(held, allows))

    def restore(self, session_id: str) -> Session:
        self._place.location(session_id)
        return self._writer.held(session_id, self._deleting.restore)

    def trash(self) -> Sequence[TrashedSession]:
        return self._deleting.items()

    def empty_trash(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        return self._deleting.empty(deleted_until)

    def deletions(self, session_ids: Collection[str]) -> Sequence[Deletion]:
        return self._deleting.deletions(session_ids)

    def forget_deletions(self) -> None:
        self._deleting.forget()

    # -- checkpoints -------------------------------------------------------------------------

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._checkpoints.save(checkpoint)

    def checkpoints(self, session_id: str) -> Sequence[str]:
        return self._checkpoints.ids(session_id)

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None) -> Checkpoint:
        return self._checkpoints.load(session_id, checkpoint_id)

    def delete_checkpoints(self, session_id: str, checkpoint_id: str | None) -> int:
        return self._checkpoints.delete(session_id, checkpoint_id)

    # -- presence ----------------------------------------------------------------------------

    def present(self) -> AbstractContextManager[str]:
        return self._presence.shown()

    def is_present(self, name: str) -> bool:
        return self._presence.is_present(name)

    # -- copies ------------------------------------------------------------------------------

    def copies(self) -> Iterator[SessionCopy | UnreadableSessionError]:
        return self._copies.all()

    def bring(self, copy: SessionCopy, *, dry_run: bool = False) -> Arrival:
        self._place.location(copy.session_id)
        return self._copies.bring(copy, dry_run=dry_run)

    def leaving(self, session_id: str, *, moved_to: str) -> AbstractContextManager[SessionCopy]:
        self._place.location(session_id)
        return self._copies.leaving(session_id, moved_to=moved_to)

    def purged(self) -> Sequence[Deletion]:
        return self._copies.purged()

    def remember(self, deletions: Sequence[Deletion]) -> None:
        self._copies.remember(deletions)

    # -- care --------------------------------------------------------------------------------

    def verify(self, on_progress: Progress | None) -> Sequence[Finding]:
        return list(self._checking.findings(on_progress))

    def repair(self, finding: Finding) -> str:
        return self._checking.repair(finding)

    def reindex(self, on_progress: Progress | None) -> int:
        self._changelog.clear()
        self._checking.renew_all(on_progress)
        return self.count(Query())

    def stats(self) -> StoreStats:
        sessions, messages, size_bytes, trashed, trash_bytes = totals(self._place)
        watcher, reason = self._feed.state
        unreadable = self.count(Query(status="unreadable"))
        return StoreStats(
            save_dir=self.address,
            sessions=sessions,
            unreadable=unreadable,
            messages=messages,
            size_bytes=size_bytes,
            trashed=trashed,
            trash_bytes=trash_bytes,
            last_sweep_seconds=0.0,
            watcher=watcher,
            watcher_reason=reason,
        )

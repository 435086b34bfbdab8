"""LocalEngine: sessions in a folder, each in a readable file; owns folder, index, locks and feed.

This module imports every module that a verb may need, also those that other rooms import at use. So
an open store imports nothing more, and no fork can happen during an import, which would leave the
module locked in the child and hang it; filelock's own fork hooks wait for its import, too.
"""

from __future__ import annotations

import decimal  # noqa: F401
import hashlib  # noqa: F401
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import filelock  # noqa: F401

import localsessions._codec.explaining
import localsessions._codec.strict
import localsessions._rules.recalling  # noqa: F401
from localsessions._codec import MAX_FILE_BYTES, checkpoint
from localsessions._local.batches import Bulk
from localsessions._local.checking import verify
from localsessions._local.copying import Copying
from localsessions._local.deleting import Trash
from localsessions._local.feed import Feed
from localsessions._local.files import SessionFolder
from localsessions._local.growing import Growth
from localsessions._local.index import SessionIndex
from localsessions._local.index.fulltext import FullText
from localsessions._local.listing import Listings, database_in
from localsessions._local.reconciling import Reconciler
from localsessions._local.repairing import repair
from localsessions._local.searching import Search
from localsessions._local.turnstile import working
from localsessions._local.writing import Writer
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
from localsessions.errors import (
    ConflictError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import (
    Arrival,
    Checkpoint,
    Deletion,
    Finding,
    Group,
    Grouping,
    Order,
    Page,
    PlainSummary,
    SearchHit,
    Session,
    SessionChange,
    SessionCopy,
    SessionSummary,
    StoreStats,
    TrashedSession,
    Unreadable,
)
from localsessions.models.results import checked
from localsessions.models.standing import stand

__all__ = ["LocalEngine"]


class LocalEngine(Engine):
    """The sessions of one folder; see ``engine`` for the contract of each method.

    Args:
        save_dir: The folder; created where it does not exist.
        durability: "full" or "fast", see ``SessionStore``.
        lock_timeout: Seconds to wait for a session that another thread or process is changing.
        max_file_bytes: Larger files are unreadable.
    """

    def __init__(
        self, save_dir: str, *, durability: Durability, lock_timeout: float, max_file_bytes: int
    ) -> None:
        _build_models()
        self.folder = SessionFolder(
            save_dir,
            durability=durability,
            lock_timeout=lock_timeout,
            max_file_bytes=min(max_file_bytes, MAX_FILE_BYTES),
        )
        self.address = self.folder.save_dir
        self.index = SessionIndex(database_in(self.folder, "index.sqlite3"))
        self.texts = FullText(database_in(self.folder, "search.sqlite3"))
        self.reconciler = Reconciler(self.folder, self.index)
        self.reader = self.reconciler.reader
        self.listings = Listings(self.reconciler)
        self.growth = Growth(self.reconciler)
        self.writer = Writer(self.reconciler, self.growth)
        self.deleting = Trash(self.reconciler, self.growth)
        self.copying = Copying(self.reconciler, self.growth)
        self.searching = Search(self.reconciler, self.texts)
        self.feed = Feed(self.reconciler)
        self._closed = False

    def close(self) -> None:
        self.feed.close()  # first: a look that goes on meets nothing that is closed
        self._closed = True
        self.folder.spares.drop_all()
        self.folder.presence.close()
        self.index.close()
        self.texts.close()

    # -- one session -------------------------------------------------------------------------

    def location(self, session_id: str) -> str:
        return self.folder.path(session_id)

    def read(self, session_id: str, *, last_good: bool = False) -> Session:
        try:
            return self.reader.session(session_id)
        except UnreadableSessionError:
            kept = self.reader.last_good(session_id) if last_good else None
            if kept is None:
                raise
            return kept

    def raw(self, session_id: str) -> bytes:
        return self.folder.read(session_id).data

    def create(self, session: Session, *, max_live: int | None = None) -> None:
        draft, session_id = draft_of(session, is_activity=False), session.session_id
        with self.folder.lock(session_id):
            self.writer.refuse_existing(session)
            with self._room(session, max_live):
                try:
                    self.writer.write(draft, None)
                except ConflictError:  # a program without locks wrote it first
                    path = self.location(session_id)
                    raise SessionExistsError(session_id, path=path) from None

    @contextmanager
    def _room(self, session: Session, max_live: int | None) -> Iterator[None]:
        """Reserve room for a new live session, inside its lock, until it is in the index."""
        if max_live is None:
            yield
            return
        with self.folder.lock_whole(session.session_id):
            if self.count(Query(live_at=session.created_at)) >= max_live:
                raise SessionLimitError(max_live, path=self.address)
            yield

    def replace(self, session: Session, *, merges: bool = False) -> None:
        draft = draft_of(session, is_activity=True)
        if not draft.is_changed:
            return
        with working(), self.folder.lock(session.session_id):
            if merges:
                self.writer.write_merged(draft)
            else:
                self.writer.write(draft, self.writer.former_of(session))

    def change(self, session_id: str, change: Change) -> SessionSummary:
        with working(), self.folder.lock(session_id):
            return self.writer.change(session_id, change)

    @contextmanager
    def editing(self, session_id: str, *, is_activity: bool) -> Iterator[Session]:
        with self.folder.lock(session_id):
            session = self.reader.session(session_id)
            yield session
            self.writer.store(session, is_activity=is_activity)

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        with self.folder.lock(session_id):
            return self.writer.adopt(session_id, make)

    def tail(self, session_id: str, n: int) -> Session:
        session = self.growth.tail(session_id, n)
        if session is None:
            session = self.reader.session(session_id)
        session.messages = session.messages[-n:]
        stand(session, None, None)
        return session

    # -- many sessions at once ---------------------------------------------------------------

    def create_many(self, sessions: Sequence[Session]) -> Mapping[str, Exception]:
        bulk = Bulk(self.reconciler)
        bulk.write(sessions, self.writer, self.writer.refuse_existing, self.create)
        return bulk.errors

    def replace_many(
        self, sessions: Sequence[Session], *, merges: bool = False
    ) -> Mapping[str, Exception]:
        def replace(session: Session) -> None:
            self.replace(session, merges=merges)

        merged = (ConflictError,) if merges else ()
        bulk = Bulk(self.reconciler)
        bulk.write(sessions, self.writer, self.writer.former_of, replace, merged)
        return bulk.errors

    def delete_many(self, session_ids: Sequence[str], allows: Allows) -> Mapping[str, Exception]:
        bulk = Bulk(self.reconciler)
        bulk.remove(session_ids, self.deleting, allows)
        return bulk.errors

    # -- listings ----------------------------------------------------------------------------

    def page(
        self, query: Query, *, order: Order, limit: int, cursor: str | None, fresh: bool
    ) -> Page[SessionSummary]:
        page = self.listings.page(query, order=order, limit=limit, cursor=cursor, fresh=fresh)
        return Page(tuple(map(checked, page.items)), page.next_cursor)

    def summary(self, session_id: str) -> SessionSummary | None:
        summary = self.listings.summary(session_id)
        return None if summary is None else checked(summary)

    def count(self, query: Query) -> int:
        return self.listings.count(query)

    def groups(self, by: Grouping, query: Query) -> Sequence[Group]:
        return self.listings.groups(by, query)

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:
        return self.listings.ids(query, fresh=fresh)

    def named(self, reference: str, limit: int) -> Sequence[str]:
        return self.listings.named(reference, limit)

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        return self.listings.short_ids(session_ids)

    def search(self, text: str, query: Query, asked: Asked) -> Sequence[SearchHit]:
        return self.searching.hits(text, query, asked)

    # -- changes -----------------------------------------------------------------------------

    def notice(self, *, fresh: bool = False) -> None:
        self.reconciler.refresh(fresh=fresh)
        self.reconciler.ask(self.reconciler.log_waiting)

    def last_change(self) -> int:
        return self.reconciler.ask(self.reconciler.last_change)

    def changes(self, since: int, limit: int) -> Sequence[SessionChange]:
        if self._closed:
            raise ValueError(f"the store of {self.address!r} is closed; open the folder again")
        return self.reconciler.changes(since, limit)

    def follow(self, follower: Follower) -> None:
        self.feed.join(follower)

    def unfollow(self, follower: Follower) -> None:
        self.feed.leave(follower)

    def is_away(self) -> bool:
        return self.feed.is_away()

    # -- the trash ---------------------------------------------------------------------------

    def delete(self, session_id: str, allows: Allows) -> bool:
        with self.folder.lock(session_id):
            is_to_go = self.deleting.is_to_go(session_id, allows)
            if is_to_go:
                self.deleting.put(session_id)
        return is_to_go

    def restore(self, session_id: str) -> Session:
        with self.folder.lock(session_id):
            return self.deleting.restore(session_id)

    def trash(self) -> Sequence[TrashedSession]:
        return self.folder.trash.items()

    def empty_trash(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        return self.deleting.empty(deleted_until)

    def deletions(self, session_ids: Collection[str]) -> Sequence[Deletion]:
        return self.deleting.deletions(frozenset(session_ids))

    def forget_deletions(self) -> None:
        self.deleting.forget()

    # -- checkpoints -------------------------------------------------------------------------

    def save_checkpoint(self, checkpoint_: Checkpoint) -> None:
        encoded, session_id = checkpoint.encode(checkpoint_), checkpoint_.session_id
        with self.folder.lock(session_id):
            if self.folder.fingerprint(session_id) is None:
                raise SessionNotFoundError(session_id, path=self.location(session_id))
            written = self.folder.checkpoints.write(session_id, checkpoint_.checkpoint_id, encoded)
        if written.doubt is not None:
            raise written.doubt

    def checkpoints(self, session_id: str) -> Sequence[str]:
        return [name[9:] for name in reversed(self.folder.checkpoints.names(session_id))]

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None) -> Checkpoint:
        name = self._checkpoint_name(session_id, checkpoint_id)
        try:
            data, path = self.folder.checkpoints.read(session_id, name or "")
        except FileNotFoundError:  # deleted just now
            raise self._no_checkpoint(session_id, checkpoint_id) from None
        return checkpoint.decode(data, session_id, path)

    def delete_checkpoints(self, session_id: str, checkpoint_id: str | None) -> int:
        with self.folder.lock(session_id):
            names = self.folder.checkpoints.names(session_id)
            chosen = [name for name in names if checkpoint_id in (None, name[9:])]
            return sum(self.folder.checkpoints.delete(session_id, name) for name in chosen)

    def _checkpoint_name(self, session_id: str, checkpoint_id: str | None) -> str:
        for name in reversed(self.folder.checkpoints.names(session_id)):
            if checkpoint_id in (None, name[9:]):
                return name
        raise self._no_checkpoint(session_id, checkpoint_id)

    def _no_checkpoint(self, session_id: str, checkpoint_id: str | None) -> SessionNotFoundError:
        wanted = (
            f"a checkpoint {checkpoint_id!r} of session" if checkpoint_id else "a checkpoint of"
        )
        folder = self.folder.checkpoints.folder(session_id)
        return SessionNotFoundError(session_id, path=folder, what=wanted)

    # -- presence ----------------------------------------------------------------------------

    def present(self) -> AbstractContextManager[str]:
        return self.folder.presence.shown()

    def is_present(self, name: str) -> bool:
        return self.folder.presence.is_present(name)

    # -- copies ------------------------------------------------------------------------------

    def copies(self) -> Iterator[SessionCopy | UnreadableSessionError]:
        return self.copying.each()

    def bring(self, copy: SessionCopy, *, dry_run: bool = False) -> Arrival:
        return self.copying.bring(copy, dry_run=dry_run)

    def leaving(self, session_id: str, *, moved_to: str) -> AbstractContextManager[SessionCopy]:
        return self.copying.leaving(session_id, moved_to=moved_to)

    def purged(self) -> Sequence[Deletion]:
        return self.copying.purged()

    def remember(self, deletions: Sequence[Deletion]) -> None:
        self.copying.remember(deletions)

    # -- care --------------------------------------------------------------------------------

    def verify(self, on_progress: Progress | None) -> Sequence[Finding]:
        findings = list(verify(self.reconciler, on_progress))
        self.reconciler.refresh(fresh=True)
        return findings

    def repair(self, finding: Finding) -> str:
        return repair(finding, self.reconciler, self.writer.put)

    def reindex(self, on_progress: Progress | None) -> int:
        self.index.clear()
        self.texts.clear()
        self.reconciler.sweep(on_progress)
        return self.count(Query())

    def stats(self) -> StoreStats:
        sessions, unreadable, messages, size_bytes = self.reconciler.ask(self.index.totals)
        watcher, reason = self.feed.state
        return StoreStats(
            save_dir=self.address,
            sessions=sessions,
            unreadable=unreadable,
            messages=messages,
            size_bytes=size_bytes,
            trashed=len(self.folder.trash.items()),
            trash_bytes=self.folder.trash.bytes_on_disk(),
            last_sweep_seconds=self.reconciler.last_sweep_seconds,
            watcher=watcher,
            watcher_reason=reason,
            derived_bytes=self.folder.bytes_by_part(),
            counters={
                "files_read": self.folder.files_read,
                "files_written": self.folder.files_written,
                "ends_written": self.folder.spares.ends_written,
                **{
                    f"written whole: {why}": count
                    for why, count in self.folder.spares.refusals.items()
                },
                "sweeps": self.reconciler.sweeps,
                "index_rebuilds": self.index.generation,
            },
        )


def _build_models() -> None:
    """Build now what pydantic builds at the first use of a model, and at the first assignment."""
    Unreadable(reason="none")
    session = Session(session_id="first")
    session.title, session.expires_at, session.messages = "first", session.created_at, []
    times = session.model_dump(include={"created_at", "last_activity", "updated_at"})
    checked(PlainSummary(session_id="first", **times))

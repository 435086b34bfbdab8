"""AsyncSessionStore: each verb of SessionStore in a worker thread, one line each.

A cancelled call goes on in its thread: what it writes is whole, it is only not waited for.
asyncio is imported at use: it takes a third of the time that importing the package would.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from pydantic import JsonValue

from localsessions._local.files import Durability
from localsessions._local.reconciling import Progress
from localsessions.models import (
    Checkpoint,
    CleanupReport,
    Finding,
    Message,
    Order,
    Page,
    SearchHit,
    Session,
    SessionChange,
    SessionSummary,
    StoreStats,
    TrashedSession,
)
from localsessions.store import SessionStore

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncSessionStore"]

T = TypeVar("T")

_BATCH = 256


class _Waiter:
    """A listener of the feed that wakes a coroutine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, something: asyncio.Event) -> None:
        self.closed = False
        self.something = something
        self._loop = loop

    def wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.something.set)

    def fail(self, error: Exception) -> None:
        """Nothing: the feed has logged it, and tries again."""


class AsyncSessionStore:
    """The sessions of one folder, for code that awaits.

    Every verb of ``SessionStore``, with its arguments, its promise and its errors; see there.
    The event loop never waits for the disk or for a lock.

    Args:
        save_dir: As for ``SessionStore``, and so are the others.
        durability: See there.
        lock_timeout: See there.
        max_file_bytes: See there.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        lock_timeout: float = 10.0,
        max_file_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._store = SessionStore(
            save_dir,
            durability=durability,
            lock_timeout=lock_timeout,
            max_file_bytes=max_file_bytes,
        )

    @property
    def save_dir(self) -> str:
        """The folder, as an absolute path."""
        return self._store.save_dir

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be."""
        return self._store.path(session_id)

    async def close(self) -> None:
        """Let go of the index. Idempotent."""
        await self._offload(self._store.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._store!r}"

    async def _offload(self, verb: Callable[[], T]) -> T:
        import asyncio

        return await asyncio.to_thread(verb)

    @asynccontextmanager
    async def edit(
        self, session_id: str, *, is_activity: bool = True, user_id: str | None = None
    ) -> AsyncIterator[Session]:
        """Lock the session, load it, hand it over, and store it when the block ends.

        The lock is held by a thread of its own while the block awaits; another verb on the same
        session inside the block waits for it in vain and raises ``LockTimeoutError``.
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        block = self._store.edit(session_id, is_activity=is_activity, user_id=user_id)
        thread = ThreadPoolExecutor(1, "localsessions-edit")
        try:
            try:
                session = await loop.run_in_executor(thread, block.__enter__)
            except asyncio.CancelledError as error:
                # Whenever the thread gets the lock, it lets go of it again and stores nothing.
                thread.submit(block.__exit__, type(error), error, None)
                raise
            try:
                yield session
            except BaseException as error:  # whatever ends the block ends the edit, in its thread
                leave = functools.partial(block.__exit__, type(error), error, error.__traceback__)
                # Shielded: leaving that is cancelled before it begins would keep the lock.
                if not await asyncio.shield(loop.run_in_executor(thread, leave)):
                    raise
            else:
                leave = functools.partial(block.__exit__, None, None, None)
                await asyncio.shield(loop.run_in_executor(thread, leave))
        finally:
            thread.shutdown(wait=False)

    async def create(
        self,
        session_id: str | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        ttl: float | None = None,
        max_live: int | None = None,
    ) -> Session:
        """Make a new session with its file and return it."""
        return await self._offload(
            lambda: self._store.create(
                session_id,
                user_id=user_id,
                agent_id=agent_id,
                title=title,
                metadata=metadata,
                ttl=ttl,
                max_live=max_live,
            )
        )

    async def get(self, session_id: str, *, user_id: str | None = None) -> Session | None:
        """Return a copy of the session as its file says now; None when there is none."""
        return await self._offload(lambda: self._store.get(session_id, user_id=user_id))

    async def load(
        self, session_id: str, *, last_good: bool = False, user_id: str | None = None
    ) -> Session:
        """Return a copy of the session as its file says now, or its last good version."""
        return await self._offload(
            lambda: self._store.load(session_id, last_good=last_good, user_id=user_id)
        )

    async def save(
        self, session: Session, *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Session:
        """Store a session if its file still is what the session was loaded from."""
        return await self._offload(lambda: self._store.save(session, on_conflict=on_conflict))

    async def append(
        self, session_id: str, *messages: Mapping[str, JsonValue], user_id: str | None = None
    ) -> tuple[Message, ...]:
        """Add messages at the end, durably; other writers' messages stay."""
        return await self._offload(
            lambda: self._store.append(session_id, *messages, user_id=user_id)
        )

    async def upsert_run(
        self,
        session_id: str,
        run: Mapping[str, JsonValue],
        *messages: Mapping[str, JsonValue],
        user_id: str | None = None,
    ) -> None:
        """Put a run in the place of the one with its ``run_id``, or at the end."""
        return await self._offload(
            lambda: self._store.upsert_run(session_id, run, *messages, user_id=user_id)
        )

    async def switch_agent(self, session_id: str, agent: str, reason: str | None = None) -> bool:
        """Make another agent the current one and record the switch."""
        return await self._offload(lambda: self._store.switch_agent(session_id, agent, reason))

    async def rename(
        self, session_id: str, title: str | None, *, made: bool = False
    ) -> SessionSummary:
        """Set the title; None removes it, and listings make one of the first user message."""
        return await self._offload(lambda: self._store.rename(session_id, title, made=made))

    async def pin(self, session_id: str, *, pinned: bool = True) -> SessionSummary:
        """Keep the session from every cleanup, or no longer."""
        return await self._offload(lambda: self._store.pin(session_id, pinned=pinned))

    async def archive(self, session_id: str, *, archived: bool = True) -> SessionSummary:
        """Set the status to "archived", or back to "active"."""
        return await self._offload(lambda: self._store.archive(session_id, archived=archived))

    async def tag(self, session_id: str, *tags: str, remove: Sequence[str] = ()) -> SessionSummary:
        """Add tags and remove some; each stands once, in the order of adding."""
        return await self._offload(lambda: self._store.tag(session_id, *tags, remove=remove))

    async def fork(
        self, session_id: str, *, at: str | int | None = None, new_id: str | None = None
    ) -> Session:
        """Make a new session of the messages up to one of them, that one included."""
        return await self._offload(lambda: self._store.fork(session_id, at=at, new_id=new_id))

    async def tail(self, session_id: str, n: int) -> tuple[Message, ...]:
        """Return the last ``n`` messages, in order; fewer when there are not so many."""
        return await self._offload(lambda: self._store.tail(session_id, n))

    async def list(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order: Order = "-last_activity",
        limit: int = 50,
        cursor: str | None = None,
        fresh: bool = False,
    ) -> Page[SessionSummary]:
        """Return a page of summaries, from the index; no unchanged session file is opened."""
        return await self._offload(
            lambda: self._store.list(
                user_id=user_id,
                agent_id=agent_id,
                status=status,
                since=since,
                until=until,
                order=order,
                limit=limit,
                cursor=cursor,
                fresh=fresh,
            )
        )

    async def count(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        live: bool = False,
    ) -> int:
        """Return how many sessions there are, unreadable ones included; as fresh as ``list``."""
        return await self._offload(
            lambda: self._store.count(
                user_id=user_id,
                agent_id=agent_id,
                status=status,
                since=since,
                until=until,
                live=live,
            )
        )

    async def search(
        self,
        text: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        on_progress: Progress | None = None,
    ) -> Sequence[SearchHit]:
        """Find sessions by the words of messages, titles, tags and metadata, the best first."""
        return await self._offload(
            lambda: self._store.search(
                text,
                user_id=user_id,
                agent_id=agent_id,
                status=status,
                since=since,
                until=until,
                limit=limit,
                on_progress=on_progress,
            )
        )

    async def resolve(self, reference: str) -> str:
        """Return the id that a person means: an id, the beginning of one, a title, or "latest"."""
        return await self._offload(lambda: self._store.resolve(reference))

    async def create_many(self, sessions: Iterable[Session]) -> Sequence[Session]:
        """Store new sessions, several times faster than one by one."""
        return await self._offload(lambda: self._store.create_many(sessions))

    async def save_many(
        self, sessions: Iterable[Session], *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Sequence[Session]:
        """Store sessions as ``save`` does each of them, several times faster than one by one."""
        return await self._offload(lambda: self._store.save_many(sessions, on_conflict=on_conflict))

    async def delete_many(
        self, session_ids: Iterable[str], *, user_id: str | None = None
    ) -> Sequence[str]:
        """Move sessions to the trash as ``delete`` does each, several times faster."""
        return await self._offload(lambda: self._store.delete_many(session_ids, user_id=user_id))

    async def delete(self, session_id: str, *, user_id: str | None = None) -> bool:
        """Move the session with its checkpoints to the trash, from where it can be restored."""
        return await self._offload(lambda: self._store.delete(session_id, user_id=user_id))

    async def restore(self, session_id: str) -> Session:
        """Bring the last deleted session of that id back from the trash."""
        return await self._offload(lambda: self._store.restore(session_id))

    async def trash(self) -> Sequence[TrashedSession]:
        """Return the deleted sessions that can be restored, the last deleted first."""
        return await self._offload(self._store.trash)

    async def empty_trash(self, *, max_age: float | timedelta = 0.0) -> Sequence[TrashedSession]:
        """Remove for good what was deleted longer ago than ``max_age`` (seconds)."""
        return await self._offload(lambda: self._store.empty_trash(max_age=max_age))

    async def cleanup(self, *, max_age: float | timedelta, dry_run: bool = False) -> CleanupReport:
        """Move sessions to the trash whose last activity is longer ago than ``max_age``."""
        return await self._offload(lambda: self._store.cleanup(max_age=max_age, dry_run=dry_run))

    async def purge_expired(self, *, dry_run: bool = False) -> CleanupReport:
        """Move sessions to the trash whose ``expires_at`` has passed, but for pinned ones."""
        return await self._offload(lambda: self._store.purge_expired(dry_run=dry_run))

    async def last_change(self) -> int:
        """Return the number of the last change: what ``changes`` goes on from."""
        return await self._offload(self._store.last_change)

    async def changes(self, since: int | None = None) -> AsyncIterator[SessionChange]:
        """Yield each change, in order and once, as it happens, until the store is closed.

        Watches as ``SessionStore.watch`` does, from the first ``anext`` until the iterator is
        closed or collected; leaving an ``async for`` early, close it with
        ``contextlib.aclosing``. A slow reader holds up nobody.

        Args:
            since: Begin after this change; None begins with what happens from now on.

        Raises:
            ChangesExpiredError: What happened since is not known: list again and begin anew.
        """
        import asyncio

        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
        feed = self._store._feed
        try:
            number = await self._offload(lambda: feed.position(since))
            await self._offload(lambda: feed.join(waiter))
            while not waiter.closed:
                waiter.something.clear()
                batch = await self._offload(functools.partial(feed.changes, number, _BATCH))
                for change in batch:
                    number = change.number
                    yield change
                if not batch:
                    await waiter.something.wait()
        finally:
            await self._offload(lambda: feed.leave(waiter))

    async def save_checkpoint(self, session_id: str, data: JsonValue) -> Checkpoint:
        """Store an immutable snapshot beside the session, after all earlier ones."""
        return await self._offload(lambda: self._store.save_checkpoint(session_id, data))

    async def checkpoints(self, session_id: str) -> Sequence[str]:
        """Return the ids of the session's checkpoints, the last saved first."""
        return await self._offload(lambda: self._store.checkpoints(session_id))

    async def load_checkpoint(
        self, session_id: str, checkpoint_id: str | None = None
    ) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved."""
        return await self._offload(lambda: self._store.load_checkpoint(session_id, checkpoint_id))

    async def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove one checkpoint for good; return whether it was there."""
        return await self._offload(lambda: self._store.delete_checkpoint(session_id, checkpoint_id))

    async def clear_checkpoints(self, session_id: str) -> int:
        """Remove all checkpoints of a session for good; return how many there were."""
        return await self._offload(lambda: self._store.clear_checkpoints(session_id))

    async def verify(self, *, on_progress: Progress | None = None) -> Sequence[Finding]:
        """Read every file and compare the index with it; change nothing but the index."""
        return await self._offload(lambda: self._store.verify(on_progress=on_progress))

    async def repair(self, finding: Finding) -> str:
        """Do the repair that a finding names, if it is automatic; return what was done."""
        return await self._offload(lambda: self._store.repair(finding))

    async def reindex(self, *, on_progress: Progress | None = None) -> int:
        """Throw the index away and make it anew from the files; return how many there are."""
        return await self._offload(lambda: self._store.reindex(on_progress=on_progress))

    async def stats(self) -> StoreStats:
        """Return sizes and counts of the store, and what this object has done so far."""
        return await self._offload(self._store.stats)

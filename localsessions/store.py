"""SessionStore: the verbs. Wires the rooms below; what a verb promises is said here.

Every verb that changes a session goes the same way: encode (what cannot be stored never reaches
the disk), lock, compare with what was read, write, index row, unlock. Readers take no lock.
"""

from __future__ import annotations

import copy
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from types import TracebackType, UnionType
from typing import TYPE_CHECKING, Literal, Self, get_args

from pydantic import JsonValue

from localsessions import _codec
from localsessions._local.feed import Feed, OnChange, OnError, Watch
from localsessions._local.files import Durability, SessionFolder, is_session_id
from localsessions._local.growing import Growth, last_messages
from localsessions._local.index import (
    Cursor,
    Filter,
    IndexRow,
    Query,
    SessionIndex,
    listing_of,
)
from localsessions._local.reconciling import Progress, Reconciler
from localsessions._local.writing import Writer, draft_of, refuse_stranger
from localsessions._rules import edits as _edits
from localsessions.errors import (
    ConflictError,
    NotOwnerError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    UnreadableSessionError,
)
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
    Unreadable,
    format_instant,
    made_id,
    utc_now,
)

if TYPE_CHECKING:
    from localsessions._local.batches import Bulk
    from localsessions._local.deleting import Trash

__all__ = ["SessionStore"]

_ORDERS = frozenset(get_args(Order))
_CHANGES = 256
# A listing looks at each row that it returns; where rows keep moving, this often at most.
_LOOKS = 10


class SessionStore:
    """The sessions of one folder.

    Any number of threads, processes and other programs may use the folder at once. Sessions are
    handed out as copies: changing one changes nothing until a verb stores it.

    Verbs that take a ``user_id`` refuse a session of another user with ``NotOwnerError`` and write
    nothing; ``get`` answers None. None does not restrict, and a session without a ``user_id``
    belongs to everybody: whoever writes to it does not become its owner. It is a guard against
    mistakes of a program that serves several users, not against people who can read the folder.

    Args:
        save_dir: The folder; made, private to the user, where it is not there.
        durability: With "full", what a verb has returned from survives a power cut. "fast" keeps
            the promise that a reader sees one whole version, at every instant and after every
            power cut, and gives up the promise that an acknowledged write is durable: a power cut
            may take back the last seconds. It leaves out the sync of the folder, but where the
            version before is kept to be written to: adding to a session costs the same.
        lock_timeout: Seconds to wait for a session that another thread or process is changing;
            0 tries once.
        max_file_bytes: A larger file is unreadable, so that no file can exhaust the memory.

    Raises:
        OSError: The folder cannot be made or is no folder.
        ValueError: An argument is out of its range.

    A folder that cannot be written can be read; verbs that write raise ``PermissionError``.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        lock_timeout: float = 10.0,
        max_file_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._closed = True  # until the folder is open: __del__ runs after a failure too
        if durability not in ("full", "fast"):
            raise ValueError(f'durability must be "full" or "fast", not {durability!r}')
        _refuse_other("save_dir", save_dir, str | os.PathLike, "a path: a str or a Path")
        _refuse_other("lock_timeout", lock_timeout, int | float, "a number of seconds")
        _refuse_other("max_file_bytes", max_file_bytes, int, "a number of bytes")
        if not lock_timeout >= 0:
            raise ValueError(f"lock_timeout must be 0 or more seconds, not {lock_timeout!r}")
        _set_up()
        from localsessions._local.index.fulltext import FullText
        from localsessions._local.last_good import LastGood
        from localsessions._local.text_indexer import TextIndexer

        self._folder = SessionFolder(
            os.fspath(save_dir),
            durability=durability,
            lock_timeout=lock_timeout,
            max_file_bytes=min(max_file_bytes, _codec.MAX_FILE_BYTES),
        )
        writable = self._folder.read_only is None
        private = self._folder.private
        self._index = SessionIndex(os.path.join(private, "index.sqlite3") if writable else None)
        self._texts = FullText(os.path.join(private, "search.sqlite3") if writable else None)
        self._reconciler = Reconciler(self._folder, self._index)
        self._indexer = TextIndexer(self._folder, self._index, self._texts, self._reconciler)
        self._growth = Growth(self._folder, self._index)
        self._last_good = LastGood(self._folder, self._index)
        self._feed = Feed(self._folder, self._reconciler, self._last_good)
        self._writer = Writer(
            self._folder, self._index, self._growth, self._reconciler, self._feed.wake
        )
        self._closed = False

    # -- the store itself --------------------------------------------------------------------

    @property
    def save_dir(self) -> str:
        """The folder, as an absolute path."""
        return self._folder.save_dir

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be.

        Raises:
            ValueError: No file can have that id's name.
        """
        return self._folder.path(session_id)

    def close(self) -> None:
        """End every watch and let go of the index. Idempotent.

        Nothing is written that was not written before.
        """
        if not self._closed:
            self._closed = True
            self._feed.close()
            self._folder.spares.drop_all()
            self._index.close()
            self._texts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            # At exit the threads of a watch are stopped for ever, perhaps with a mutex in hand.
            if not sys.is_finalizing():
                self.close()

    def __repr__(self) -> str:
        folder = getattr(self, "_folder", None)
        return f"SessionStore({folder.save_dir if folder else '?'!r})"

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError(f"{self!r} is closed; open the folder again")

    # -- one session -------------------------------------------------------------------------

    def create(
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
        """Make a new session with its file and return it.

        Args:
            session_id: None makes one that sorts by time, ``sess_...``.
            user_id: Whose session it is.
            agent_id: The agent that it belongs to.
            title: None lets listings make one of the first user message.
            metadata: Anything that is JSON; copied.
            ttl: Seconds until it expires; None or 0 and less mean never.
            max_live: How many live sessions, see ``count``, there may be with this one; None does
                not restrict. Looking and making are one step for all who say so: together they
                never make one too many, in any number of threads and processes. Whoever does
                not say so is not held up.

        Raises:
            SessionLimitError: There are ``max_live`` already, or more.
            SessionExistsError: There is one of that id, or of an id that differs from it by
                letter case or Unicode form only.
            ValueError: No file can have that id's name.
            UnstorableValueError: ``metadata`` cannot be stored without loss.
        """
        _refuse_other_texts(session_id=session_id, user_id=user_id, agent_id=agent_id, title=title)
        _refuse_other("metadata", metadata, Mapping | None, "an object or None")
        _refuse_other("ttl", ttl, int | float | None, "a number of seconds or None")
        _refuse_other("max_live", max_live, int | None, "an int or None")
        if max_live is not None and max_live < 0:
            raise ValueError(f"max_live must be 0 or more, not {max_live}")
        now = utc_now()
        session = Session(
            session_id=made_id("sess") if session_id is None else session_id,
            user_id=user_id,
            agent_id=agent_id,
            title=title,
            metadata=copy.deepcopy(dict(metadata or {})),
            ttl=ttl,
            created_at=now,
            last_activity=now,
            expires_at=_edits.expiry_of(now, ttl),
        )
        return self._create(session, max_live)

    def _create(self, session: Session, max_live: int | None = None) -> Session:
        draft = draft_of(session, is_activity=False)
        with self._lock(session.session_id):
            self._writer.refuse_existing(session)
            with self._room(session.session_id, max_live):
                try:
                    self._writer.write(draft, None)
                except ConflictError:  # a program without locks was faster
                    path = self.path(session.session_id)
                    raise SessionExistsError(session.session_id, path=path) from None
        return session

    @contextmanager
    def _room(self, session_id: str, max_live: int | None) -> Iterator[None]:
        """Hold a place for one more live session, inside its lock, until it is in the index."""
        if max_live is None:
            yield
            return
        with self._folder.lock_whole(session_id):
            if self._count_live(Filter()) >= max_live:
                raise SessionLimitError(max_live, path=self.save_dir)
            yield

    def _count_live(self, which: Filter) -> int:
        now = utc_now()
        return self._reconciler.answer(lambda: self._index.count_live(which, now))

    def get(self, session_id: str, *, user_id: str | None = None) -> Session | None:
        """Return a copy of the session as its file says now; None when there is none.

        Args:
            session_id: Which session.
            user_id: On whose behalf: None as well where it is another user's.

        Raises:
            UnreadableSessionError: The file is there but is no session.
            ValueError: No file can have that id's name.
        """
        try:
            return self.load(session_id, user_id=user_id)
        except (SessionNotFoundError, NotOwnerError):
            return None

    def load(
        self, session_id: str, *, last_good: bool = False, user_id: str | None = None
    ) -> Session:
        """Return a copy of the session as its file says now.

        A file that is being written in place is looked at again for a fifth of a second.

        Args:
            session_id: Which session.
            last_good: Where the file is unreadable, return the last good version that is kept.
                Copies are kept in ``.localsessions/kept`` while anybody watches the store: of
                each session a second after it changed, and of the 64 that were active last when
                the watching began; the newest 1,000, at most 256 MiB together and 32 MiB each.
                One goes when its session is deleted. The version stands on no file: ``save`` does
                not write it over the broken one; delete that one first, to the trash.
            user_id: On whose behalf; None does not restrict.

        Raises:
            SessionNotFoundError: There is none.
            NotOwnerError: It is another user's.
            UnreadableSessionError: The file is there but is no session, and no good version of
                it is kept, or none was asked for.
            ValueError: No file can have that id's name.
        """
        self._refuse_closed()
        try:
            session = self._reconciler.load(session_id)
        except UnreadableSessionError:
            kept = self._last_good.load(session_id) if last_good else None
            if kept is None:
                raise
            session = kept
        refuse_stranger(session, user_id, self._folder)
        return session

    def save(
        self, session: Session, *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Session:
        """Store a session if its file still is what the session was loaded from.

        Moves ``updated_at`` and ``revision`` and, unless you set it, ``last_activity``. A session
        in which nothing changed is not written. One that was never loaded makes a new file.

        With "merge", what somebody else changed meanwhile is kept beside what you changed: their
        messages and yours, their title and your tags. Equal messages that both added stand once
        only where they have the same ``id``. Where both changed one thing differently, or both
        changed the messages and one of them removed or moved some, nothing is written. A file
        that was deleted, or was there before a session that was never loaded, conflicts all the
        same.

        Args:
            session: What to store.
            on_conflict: What to do where the file is not what the session was loaded from.

        Returns:
            The same object, now standing on what was written: it can be changed and saved again.
            After a merge it holds what others changed, too.

        Raises:
            ConflictError: Somebody else changed, deleted or made the file; nothing was written,
                and the session is as it was. After a merge, ``conflicts`` names the places.
            UnreadableSessionError: The file has become unreadable; nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
            FormatVersionError: The file is of a newer format; nothing was written.
            DurabilityUnknownError: Written and visible, but the disk did not confirm.
        """
        _refuse_other("session", session, Session, "a Session, as load() returns")
        _refuse_other_conflict(on_conflict)
        draft = draft_of(session, is_activity=True)
        if not draft.is_changed:
            self._refuse_closed()
            return session
        with self._lock(session.session_id):
            if on_conflict == "merge":
                self._writer.write_merged(draft)
            else:
                self._writer.write(draft, self._writer.former_of(session))
        return session

    @contextmanager
    def edit(
        self, session_id: str, *, is_activity: bool = True, user_id: str | None = None
    ) -> Iterator[Session]:
        """Lock the session, load it, hand it over, and store it when the block ends.

        Reading, changing and writing are one step for everybody else, so nothing is lost and no
        conflict arises. An exception in the block stores nothing. Keep the block short: others
        wait for it. Other sessions may be changed inside, the same one may not.

        Args:
            session_id: An existing session.
            is_activity: Whether a change moves ``last_activity``, and puts cleanup off.
            user_id: On whose behalf; None does not restrict.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Before the block runs.
            NotOwnerError: Before the block runs: it is another user's.
            RuntimeError: This thread is editing the session already.
            ConflictError: After the block: a program that knows no locks wrote the file meanwhile;
                what the block changed was not stored.
        """
        with self._lock(session_id):
            session = self.load(session_id, user_id=user_id)
            yield session
            self._writer.store(session, is_activity=is_activity)

    def append(
        self, session_id: str, *messages: Mapping[str, JsonValue], user_id: str | None = None
    ) -> tuple[Message, ...]:
        """Add messages at the end, durably; other writers' messages stay.

        Args:
            session_id: An existing session; none is created.
            messages: JSON objects with a ``role``; copied. Where absent, ``id`` and
                ``created_at`` are set.
            user_id: On whose behalf; None does not restrict.

        Returns:
            The messages as they are stored.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Nothing was written.
            NotOwnerError: It is another user's; nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
            ValueError: A message has no ``role``.
        """
        now = format_instant(utc_now())
        new = [_edits.message_of(message, now) for message in messages]

        def add(session: Session) -> None:
            session.messages = [*session.messages, *new]

        with self._lock(session_id):
            self._writer.add(session_id, add, user_id=user_id, only_assigns=True)
        return tuple(new)

    def upsert_run(
        self,
        session_id: str,
        run: Mapping[str, JsonValue],
        *messages: Mapping[str, JsonValue],
        user_id: str | None = None,
    ) -> None:
        """Put a run in the place of the one with its ``run_id``, or at the end; add its messages.

        Other runs and their messages stay as they are, whoever wrote them meanwhile. Doing it
        again with the same messages changes nothing.

        Args:
            session_id: An existing session.
            run: A JSON object with a ``run_id``; copied.
            messages: Messages of the run; each gets its ``run_id``. One whose ``id`` the run has
                already takes the place of that one, the others are added.
            user_id: On whose behalf; None does not restrict.

        Raises:
            NotOwnerError: It is another user's; nothing was written.
            ValueError: The run has no ``run_id``, or a message has no ``role``.
        """
        _refuse_other("run", run, Mapping, "an object with a run_id")
        run_id = run.get("run_id")
        if not isinstance(run_id, str):
            raise ValueError("a run needs a run_id, a text")  # noqa: TRY004

        def upsert(session: Session) -> None:
            _edits.upsert_run(session, run_id, run, messages)

        # One with an id may take the place of an earlier one.
        has_ids = any("id" in message for message in messages)
        needed = run_id if has_ids else None
        with self._lock(session_id):
            self._writer.add(session_id, upsert, user_id=user_id, run_id=needed)

    def switch_agent(self, session_id: str, agent: str, reason: str | None = None) -> bool:
        """Make another agent the current one and record the switch.

        Returns:
            False when it is the current one already; then nothing is recorded.
        """
        _refuse_other("agent", agent, str, "a str")
        _refuse_other_texts(reason=reason)
        now = format_instant(utc_now())
        is_switch = False

        def switch_to(session: Session) -> None:
            nonlocal is_switch
            is_switch = _edits.switch_agent(session, agent, reason, now)

        self._change(session_id, switch_to)
        return is_switch

    def rename(self, session_id: str, title: str | None, *, made: bool = False) -> SessionSummary:
        """Set the title; None removes it, and listings make one of the first user message.

        Args:
            session_id: An existing session.
            title: The new title.
            made: The title was made by a program: it is set only where there is none, so that
                no title that a person set is ever overwritten by a made one.
        """
        _refuse_other_texts(title=title)

        def change(session: Session) -> None:
            if not (made and session.title):
                session.title = title

        return self._change(session_id, change)

    def pin(self, session_id: str, *, pinned: bool = True) -> SessionSummary:
        """Keep the session from every cleanup, or no longer."""
        return self._change(session_id, lambda session: setattr(session, "pinned", pinned))

    def archive(self, session_id: str, *, archived: bool = True) -> SessionSummary:
        """Set the status to "archived", or back to "active"."""
        status = "archived" if archived else "active"
        return self._change(session_id, lambda session: setattr(session, "status", status))

    def tag(self, session_id: str, *tags: str, remove: Sequence[str] = ()) -> SessionSummary:
        """Add tags and remove some; each stands once, in the order of adding."""
        _refuse_one_text("remove", remove)
        remove = tuple(remove)
        for tag in (*tags, *remove):
            _refuse_other("a tag", tag, str, "a str")

        def change(session: Session) -> None:
            kept = [tag for tag in (*session.tags, *tags) if tag not in remove]
            session.tags = list(dict.fromkeys(kept))

        return self._change(session_id, change)

    def _change(self, session_id: str, change: Callable[[Session], None]) -> SessionSummary:
        """Change what is no activity: ``last_activity`` stays, so cleanup is not put off."""
        with self._lock(session_id):
            return self._writer.add(session_id, change, is_activity=False)

    def fork(
        self, session_id: str, *, at: str | int | None = None, new_id: str | None = None
    ) -> Session:
        """Make a new session of the messages up to one of them, that one included.

        Modules, state and metadata are copied as they are now; the time to live begins anew. The
        new file says in ``forked_from`` where it comes from.

        Args:
            session_id: An existing session; it stays as it is.
            at: A message's ``id``, or its position from 0; None takes all.
            new_id: The id of the new session; None makes one.

        Raises:
            LookupError: There is no such message.
            SessionExistsError: ``new_id`` is taken.
        """
        _refuse_other("at", at, str | int | None, "a message's id, its position or None")
        _refuse_other_texts(new_id=new_id)
        return self._create(_edits.fork_of(self.load(session_id), at, new_id))

    def tail(self, session_id: str, n: int) -> tuple[Message, ...]:
        """Return the last ``n`` messages, in order; fewer when there are not so many.

        Of a file that a store wrote, or that has been listed, only the ends are read.

        Raises:
            SessionNotFoundError, UnreadableSessionError: As ``load``.
            ValueError: ``n`` is negative.
        """
        _refuse_other("n", n, int, "an int")
        if n < 0:
            raise ValueError(f"n must be 0 or more, not {n}")
        self._refuse_closed()
        if n:
            found = last_messages(session_id, n, self._folder, self._index)
            if found is not None:
                return tuple(found)
        messages = self.load(session_id).messages
        return tuple(messages[len(messages) - n if n < len(messages) else 0 :])

    # -- many sessions at once ---------------------------------------------------------------

    def create_many(self, sessions: Iterable[Session]) -> Sequence[Session]:
        """Store new sessions, several times faster than one by one.

        Each for itself is as with ``create``: whole or not there, durable when the call returns.
        The call as a whole is no transaction: where some are refused, all others are stored, and
        a crash in the middle leaves any of them. 128 sessions at most, and 8 MiB unless one alone
        is larger, share one round of syncs, and the locks are held for that long. One that
        another thread or process is making is set aside and, when the others are stored, waited
        for, ``lock_timeout`` seconds at most.

        Args:
            sessions: New ones, made with ``Session(...)``. Where the ``session_id`` is empty, one
                is made as ``create`` does, and set.

        Returns:
            The same objects, now standing on what was written: to be changed and saved again.

        Raises:
            ExceptionGroup: Some were not stored, the others were. Holds the error of each, which
                names its session: those of ``create``, ``LockTimeoutError``,
                ``DurabilityUnknownError`` where one is visible and perhaps not durable.
            ValueError: One was loaded or stored before, two have the same id, or no file can have
                an id's name; nothing was stored.
            PermissionError: The folder cannot be written; nothing was stored.
        """
        chosen = _sessions(sessions)
        if stored := [one.session_id for one in chosen if one._base is not None]:
            raise ValueError(
                f"session {stored[0]!r} was stored before; save_many() stores what was changed"
            )
        for session in chosen:
            session.session_id = session.session_id or made_id("sess")
        self._refuse_same_ids(chosen)
        bulk = self._bulk()
        bulk.write(chosen, self._writer, self._writer.refuse_existing, self._create)
        bulk.raise_errors([session.session_id for session in chosen], "stored")
        return chosen

    def save_many(
        self, sessions: Iterable[Session], *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Sequence[Session]:
        """Store sessions as ``save`` does each of them, several times faster than one by one.

        Whole, durable and in batches as with ``create_many``; what ``save`` promises of one
        session holds of each. New sessions are stored too. Files are written whole, also where
        something was only added.

        Args:
            sessions: What to store; those in which nothing changed are not written.
            on_conflict: As in ``save``.

        Returns:
            The same objects, now standing on what was written.

        Raises:
            ExceptionGroup: Some were not stored, the others were. Holds the error of each, which
                names its session: those of ``save``, and ``LockTimeoutError``.
            ValueError: Two have the same id, or no file can have an id's name; nothing was stored.
            PermissionError: The folder cannot be written; nothing was stored.
        """
        _refuse_other_conflict(on_conflict)
        chosen = _sessions(sessions)
        self._refuse_same_ids(chosen)

        def save(session: Session) -> None:
            self.save(session, on_conflict=on_conflict)

        merged = (ConflictError,) if on_conflict == "merge" else ()
        bulk = self._bulk()
        bulk.write(chosen, self._writer, self._writer.former_of, save, merged)
        bulk.raise_errors([session.session_id for session in chosen], "stored")
        return chosen

    def delete_many(
        self, session_ids: Iterable[str], *, user_id: str | None = None
    ) -> Sequence[str]:
        """Move sessions to the trash as ``delete`` does each, several times faster.

        In batches as with ``create_many``, and no transaction either. Each goes with its
        checkpoints and can be restored.

        Args:
            session_ids: Which sessions.
            user_id: On whose behalf; None does not restrict.

        Returns:
            Those that were there, in the order given.

        Raises:
            ExceptionGroup: Some were not deleted, the others were. Holds the error of each, which
                names its session: those of ``delete``, and ``LockTimeoutError``.
            ValueError: No file can have an id's name; nothing was deleted.
            PermissionError: The folder cannot be written; nothing was deleted.
        """
        _refuse_one_text("session_ids", session_ids)
        chosen = tuple(dict.fromkeys(session_ids))
        for session_id in chosen:
            _refuse_other("a session_id", session_id, str, "a str")
            self.path(session_id)
        gone: set[str] = set()

        def is_there(session_id: str) -> bool:
            if not self._is_deletable(session_id, user_id):
                return False
            gone.add(session_id)
            return True

        bulk = self._bulk()
        bulk.remove(chosen, self._trash(), is_there)
        bulk.raise_errors(chosen, "deleted")
        return tuple(one for one in chosen if one in gone)

    def _bulk(self) -> Bulk:
        from localsessions._local.batches import Bulk

        self._refuse_closed()
        return Bulk(self._folder, self._reconciler)

    def _refuse_same_ids(self, sessions: Sequence[Session]) -> None:
        known: set[str] = set()
        for session in sessions:
            self.path(session.session_id)
            if session.session_id in known:
                raise ValueError(f"two of the sessions have the id {session.session_id!r}")
            known.add(session.session_id)

    # -- many sessions -----------------------------------------------------------------------

    def list(
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
        """Return a page of summaries, from the index; no unchanged session file is opened.

        What went through this library, in any process, is seen at once; so is what other
        programs did to the sessions that the page returns. Sessions that others added are seen
        when a look at the folder is due: after 20 times what the last one took (5 s at 100,000
        sessions, 6 ms at 100).

        Args:
            user_id: Only this user's; None does not restrict.
            agent_id: Only those of this agent.
            status: Only of this status: "active", "archived", "unreadable" or your own.
            since: Only those active at this instant or later.
            until: Only those whose last activity was before this instant.
            order: What to sort by; ``-`` puts the largest or newest first. Ties go by id.
            limit: How many at most, from 1.
            cursor: ``next_cursor`` of the page before. Nothing is doubled or left out when
                sessions come, go or move meanwhile, but for those that moved themselves.
            fresh: Look at the whole folder first.

        Raises:
            ValueError: The cursor belongs to another listing, a time is naive, or an argument is
                out of its range.
        """
        which = _filter(user_id, agent_id, status, since, until)
        if order not in _ORDERS:
            raise ValueError(f"order must be one of {', '.join(sorted(_ORDERS))}, not {order!r}")
        _refuse_other("limit", limit, int, "an int")
        _refuse_other("cursor", cursor, str | None, "the next_cursor of a page or None")
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        limit = min(limit, 2**31)
        after = None if cursor is None else Cursor.decode(cursor, listing_of(which, order))
        self._refresh(fresh=fresh)
        rows = self._looked_at(lambda: self._index.page(which, order, limit + 1, after))
        items = tuple(row.summary for row in rows[:limit])
        more = self._index.cursor(items[-1], which, order) if len(rows) > limit else None
        return Page(items, more)

    def _looked_at(self, ask: Callable[[], Sequence[IndexRow]]) -> Sequence[IndexRow]:
        """Ask the index until each row that it answers is what its file says."""
        rows: Sequence[IndexRow] = ()
        for _ in range(_LOOKS):
            rows = self._reconciler.answer(ask)
            stale = [row for row in rows if not self._reconciler.look(row)]
            if not stale:
                return rows
            self._reconciler.refresh()
        return [row for row in rows if self._folder.fingerprint(row.summary.session_id)]

    def count(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        live: bool = False,
    ) -> int:
        """Return how many sessions there are, unreadable ones included; as fresh as ``list``.

        Args:
            user_id: As in ``list``, and so are the next four.
            agent_id: See there.
            status: See there.
            since: See there.
            until: See there.
            live: Only those that are neither expired nor archived nor unreadable.
        """
        which = _filter(user_id, agent_id, status, since, until)
        self._refuse_closed()
        if live:
            return self._count_live(which)
        return self._reconciler.answer(lambda: self._index.count(which))

    def search(
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
        """Find sessions by the words of messages, titles, tags and metadata, the best first.

        All words of ``text`` must occur in one message (or in title, tags and metadata together);
        those in double quotes must follow each other. A word is found as a part of longer ones
        too, in any script; one of two letters at the beginning or the end of a word only, one of
        a single letter only as a word. Case and Unicode form do not matter.

        The first search reads every session, later ones only what changed; saving never waits.

        Args:
            text: What to search for.
            user_id: As in ``list``, and so are the next four.
            agent_id: See there.
            status: See there.
            since: See there.
            until: See there.
            limit: How many sessions at most.
            on_progress: Called with (done, of all) while texts are read.

        Raises:
            ValueError: ``text`` holds no letter and no digit.
        """
        from localsessions._local.searching import Search

        _refuse_other("text", text, str, "a str")
        query = Query(text)
        which = _filter(user_id, agent_id, status, since, until)
        self._refuse_closed()
        search = Search(self._index, self._texts, self._reconciler, self._indexer)
        return search.hits(query, which, limit, on_progress)

    def resolve(self, reference: str) -> str:
        """Return the id that a person means: an id, the beginning of one, a title, or "latest".

        Raises:
            SessionNotFoundError: Nothing fits.
            ValueError: More than one session fits, the message names some; or it is empty.
        """
        if not reference:
            raise ValueError("an empty text names no session")
        self._refresh()
        if is_session_id(reference) and self._folder.fingerprint(reference) is not None:
            return reference
        if reference == "latest":
            newest = self.list(limit=1).items
            if not newest:
                raise SessionNotFoundError(reference, path=self.save_dir)
            return newest[0].session_id
        ids: Sequence[str] = ()
        if is_session_id(reference):
            ids = self._reconciler.answer(lambda: self._index.ids_like(reference, 6))
        titled = self._reconciler.answer(lambda: self._index.ids_titled(reference, 6))
        fitting = list(dict.fromkeys([*ids, *titled]))
        if not fitting:
            raise SessionNotFoundError(reference, path=self.save_dir)
        if len(fitting) > 1:
            names = ", ".join(fitting[:5]) + (", ..." if len(fitting) > 5 else "")
            raise ValueError(f"{reference!r} fits more than one session: {names}")
        return fitting[0]

    # -- deleting ----------------------------------------------------------------------------

    def delete(self, session_id: str, *, user_id: str | None = None) -> bool:
        """Move the session with its checkpoints to the trash, from where it can be restored.

        An unreadable file can be deleted so too, since a person asked; not on behalf of a user,
        since nobody can tell whose it is.

        Args:
            session_id: Which session.
            user_id: On whose behalf; None does not restrict.

        Returns:
            False when there is none.

        Raises:
            NotOwnerError: It is another user's.
            UnreadableSessionError: A user was named, and the file is no session.
        """
        with self._lock(session_id):
            is_there = self._is_deletable(session_id, user_id)
            if is_there:
                self._trash().put(session_id)
        return is_there

    def _is_deletable(self, session_id: str, user_id: str | None) -> bool:
        """Tell, inside the lock, whether there is a session, and refuse another user's."""
        if self._folder.fingerprint(session_id) is None:
            return False
        if user_id is not None:
            self.load(session_id, user_id=user_id)
        self._reconciler.look_at(session_id)
        return True

    def _trash(self) -> Trash:
        from localsessions._local.deleting import Trash

        return Trash(self._folder, self._growth, self._reconciler, self._feed.wake)

    def restore(self, session_id: str) -> Session:
        """Bring the last deleted session of that id back from the trash.

        Where the session is there, and only checkpoints of it are in the trash, those come back.

        Raises:
            SessionNotFoundError: It is not in the trash.
            SessionExistsError: There is a session of that id again.
            UnreadableSessionError: It was unreadable when it was deleted; it is back all the same.
        """
        with self._lock(session_id):
            return self._trash().restore(session_id)

    def trash(self) -> Sequence[TrashedSession]:
        """Return the deleted sessions that can be restored, the last deleted first."""
        self._refuse_closed()
        return self._folder.trash.items()

    def empty_trash(self, *, max_age: float | timedelta = 0.0) -> Sequence[TrashedSession]:
        """Remove for good what was deleted longer ago than ``max_age`` (seconds)."""
        self._refuse_closed()
        return self._trash().empty(max_age)

    def cleanup(self, *, max_age: float | timedelta, dry_run: bool = False) -> CleanupReport:
        """Move sessions to the trash whose last activity is longer ago than ``max_age``.

        Goes by the session's own ``last_activity``, never by file times. Pinned, unreadable and
        future-dated sessions are kept. Each session is looked at again inside its lock. Where one
        cannot be looked at or moved, the others are, and its error is raised at the end.

        Args:
            max_age: Seconds, or a timedelta; counted back from the call.
            dry_run: Only say what would be done; the report is the one of a real run.
        """
        from localsessions._rules.retention import cutoff_of

        self._refuse_closed()
        cutoff = cutoff_of(utc_now(), max_age)  # now: what becomes old during the look stays
        return self._clean(cutoff, dry_run=dry_run)

    def purge_expired(self, *, dry_run: bool = False) -> CleanupReport:
        """Move sessions to the trash whose ``expires_at`` has passed, but for pinned ones."""
        return self._clean(None, dry_run=dry_run)

    def _clean(self, cutoff: datetime | None, *, dry_run: bool) -> CleanupReport:
        """Decide by what the files say inside the locks, and do it; without a cutoff by expiry."""
        from localsessions._local.cleaning import Cleanup

        self._refresh(fresh=True)
        cleanup = Cleanup(self._index, self._reconciler, utc_now(), cutoff)
        concerned = cleanup.concerned()
        if dry_run:
            for session_id in concerned:
                cleanup.is_due(session_id)
        elif concerned:
            bulk = self._bulk()
            bulk.remove(concerned, self._trash(), cleanup.is_due)
            bulk.raise_first(concerned)
        return cleanup.report(concerned, dry_run=dry_run)

    # -- changes -----------------------------------------------------------------------------

    def last_change(self) -> int:
        """Return the number of the last change: what ``changes`` goes on from.

        Ask for it before you list, and nothing falls between the list and the changes.
        """
        self._refresh()
        self._reconciler.settle()
        return self._reconciler.answer(self._reconciler.last_change)

    def changes(self, since: int, *, fresh: bool = False) -> Iterator[SessionChange]:
        """Yield what happened after a change, in order, up to now; deletions included.

        What any process does through this library is logged with the write, each write by
        itself. What other programs do is logged when it is noticed: at once where somebody
        watches, else as fresh as ``list``. Several edits between two looks are one change, and
        none where the file is again what it was; so is a file that was only touched.

        The log keeps the last 50,000 changes. Everything that was done while no program used the
        store is found and logged by the next that does.

        Args:
            since: The number of a change that this store told, or ``last_change()``; from an
                earlier run or another process too.
            fresh: Look at the whole folder first.

        Raises:
            ChangesExpiredError: The number is not known: the index was made anew, or too much
                happened since. List again and go on from ``last_change()``.
        """
        _refuse_other("since", since, int, "the number of a change")
        self._refresh(fresh=fresh)
        self._reconciler.settle()
        first = self._reconciler.answer(lambda: self._reconciler.changes(since, _CHANGES))
        return self._following(first)

    def _following(self, changes: Sequence[SessionChange]) -> Iterator[SessionChange]:
        while changes:
            yield from changes
            self._refuse_closed()
            changes = self._reconciler.changes(changes[-1].number, _CHANGES)

    def watch(
        self,
        callback: OnChange,
        *,
        since: int | None = None,
        on_error: OnError | None = None,
    ) -> Watch:
        """Call back with each change, in order and once, until the watch or the store is closed.

        The first watch starts a thread of the store and those of the system's file events; the
        last that is closed ends them. Callbacks run in that thread, one after the other: a slow
        one holds up the others and loses nothing. They may call any verb.

        An edit by another program is usually told within 20 ms. A file that is unreadable is told
        of when nobody has written to it for 40 ms, and one that is gone 40 ms later, so that a
        save half done is no news. Where the system gives no events (limits, a folder that may not
        be read), the folder is polled, and ``stats()`` says why.

        Args:
            callback: Called with a ``SessionChange``.
            since: As in ``changes``; None tells of what happens from now on.
            on_error: Called with (exception, change) when ``callback`` raised, and with
                (exception, None) when the folder cannot be looked at, or when what happened
                meanwhile is not known (``ChangesExpiredError``: list again; the watch goes on
                from now). None logs it. Nothing of this ends the watch.

        Raises:
            ChangesExpiredError: ``since`` is not known.
            TypeError: ``callback`` or ``on_error`` cannot be called, or would have to be awaited.

        A store that is forgotten without being closed ends its watches: keep it.
        """
        self._refuse_closed()
        for name, function in (("callback", callback), ("on_error", on_error)):
            if not callable(function) and not (name == "on_error" and function is None):
                raise TypeError(f"{name} must be a function, not {type(function).__name__}")
            if inspect.iscoroutinefunction(function):
                raise TypeError(
                    f"{name} must not be async, nobody would await it: iterate over "
                    "AsyncSessionStore.changes()"
                )
        return self._feed.watch(callback, on_error, since)

    # -- checkpoints -------------------------------------------------------------------------

    def save_checkpoint(self, session_id: str, data: JsonValue) -> Checkpoint:
        """Store an immutable snapshot beside the session, after all earlier ones.

        Raises:
            SessionNotFoundError: There is no such session.
            UnstorableValueError: A value would be lost or changed, or it takes more than
                ``max_file_bytes``; nothing was written.
        """
        from localsessions._codec import checkpoint as _checkpoints

        made = _checkpoints.made(session_id, data)
        encoded = _checkpoints.encode(made)
        with self._lock(session_id):
            if self._folder.fingerprint(session_id) is None:
                raise SessionNotFoundError(session_id, path=self.path(session_id))
            written = self._folder.checkpoints.write(session_id, made.checkpoint_id, encoded)
        if written.doubt is not None:
            raise written.doubt
        return made

    def checkpoints(self, session_id: str) -> Sequence[str]:
        """Return the ids of the session's checkpoints, the last saved first."""
        self._refuse_closed()
        return [name[9:] for name in reversed(self._folder.checkpoints.names(session_id))]

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None = None) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved.

        Raises:
            SessionNotFoundError: There is no such checkpoint.
            UnreadableSessionError: Its file is no checkpoint.
        """
        from localsessions._codec import checkpoint as _checkpoints

        name = self._checkpoint_name(session_id, checkpoint_id)
        try:
            data, path = self._folder.checkpoints.read(session_id, name)
        except FileNotFoundError:  # deleted just now
            raise self._no_checkpoint(session_id, checkpoint_id) from None
        return _checkpoints.decode(data, session_id, path)

    def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove one checkpoint for good; return whether it was there."""
        with self._lock(session_id):
            try:
                name = self._checkpoint_name(session_id, checkpoint_id)
            except SessionNotFoundError:
                return False
            return self._folder.checkpoints.delete(session_id, name)

    def clear_checkpoints(self, session_id: str) -> int:
        """Remove all checkpoints of a session for good; return how many there were."""
        with self._lock(session_id):
            names = self._folder.checkpoints.names(session_id)
            return sum(self._folder.checkpoints.delete(session_id, name) for name in names)

    def _checkpoint_name(self, session_id: str, checkpoint_id: str | None) -> str:
        self._refuse_closed()
        for name in reversed(self._folder.checkpoints.names(session_id)):
            if checkpoint_id in (None, name[9:]):
                return name
        raise self._no_checkpoint(session_id, checkpoint_id)

    def _no_checkpoint(self, session_id: str, checkpoint_id: str | None) -> SessionNotFoundError:
        wanted = (
            f"a checkpoint {checkpoint_id!r} of session" if checkpoint_id else "a checkpoint of"
        )
        folder = self._folder.checkpoints.folder(session_id)
        return SessionNotFoundError(session_id, path=folder, what=wanted)

    # -- care --------------------------------------------------------------------------------

    def verify(self, *, on_progress: Progress | None = None) -> Sequence[Finding]:
        """Read every file and compare the index with it; change nothing but the index.

        Returns:
            What was found, each with the repair that a person can choose; empty when all is well.
        """
        from localsessions._local.checking import verify

        self._refuse_closed()
        findings = list(verify(self._folder, self._index, self._reconciler, on_progress))
        self._refresh(fresh=True)
        return findings

    def repair(self, finding: Finding) -> str:
        """Do the repair that a finding of ``verify`` names, where that needs no person.

        Looks at everything again inside the lock: where the finding does not hold any more,
        nothing is changed and the answer says so. Nothing but a temp file that nobody writes any
        more is removed; an unreadable file stays as it is, and what can be read of it becomes a
        session of its own.

        Returns:
            What was done, in words.

        Raises:
            ValueError: The finding is not ``automatic``.
            LockTimeoutError: Somebody is changing the session all the time.
            OSError: The folder cannot be written.
        """
        from localsessions._local.repairing import repair

        self._refuse_closed()
        _refuse_other("finding", finding, Finding, "one of those that verify() returns")
        return repair(finding, self._folder, self._reconciler, self._writer.put)

    def reindex(self, *, on_progress: Progress | None = None) -> int:
        """Throw the index away and make it anew from the files; return how many there are."""
        self._refuse_closed()
        self._index.clear()
        self._texts.clear()
        self._reconciler.sweep(on_progress)
        return self._reconciler.answer(lambda: self._index.count(Filter()))

    def stats(self) -> StoreStats:
        """Return sizes and counts of the store, and what this object has done so far."""
        self._refuse_closed()
        sessions, unreadable, messages, size_bytes = self._reconciler.answer(self._index.totals)
        watcher, reason = self._feed.state
        return StoreStats(
            save_dir=self.save_dir,
            sessions=sessions,
            unreadable=unreadable,
            messages=messages,
            size_bytes=size_bytes,
            trashed=len(self._folder.trash.items()),
            index_bytes=self._index.size_bytes() + self._texts.size_bytes(),
            last_sweep_seconds=self._reconciler.last_sweep_seconds,
            watcher=watcher,
            watcher_reason=reason,
            counters={
                "files_read": self._folder.files_read,
                "files_written": self._folder.files_written,
                "ends_written": self._folder.spares.ends_written,
                **{
                    f"written whole: {why}": count
                    for why, count in self._folder.spares.refusals.items()
                },
                "sweeps": self._reconciler.sweeps,
                "index_rebuilds": self._index.generation,
            },
        )

    # -- below all verbs ---------------------------------------------------------------------

    def _lock(self, session_id: str) -> AbstractContextManager[None]:
        self._refuse_closed()
        return self._folder.lock(session_id)

    def _refresh(self, *, fresh: bool = False) -> None:
        self._refuse_closed()
        self._reconciler.refresh(fresh=fresh)


def _set_up() -> None:
    """Do what importing the package put off; a fork in the middle of that would hang the child."""
    # Each is built at its first use, and set up again as the first one is made and assigned to.
    Unreadable(reason="none")
    session = Session(session_id="first")
    session.title, session.expires_at, session.messages = "first", session.created_at, []
    times = session.model_dump(include={"created_at", "last_activity", "updated_at"})
    SessionSummary.model_validate({"session_id": "first", **times})


def _refuse_other(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Refuse an argument of another type by its name, before anything is done with it."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, not {type(value).__name__}")


def _refuse_other_conflict(on_conflict: str) -> None:
    if on_conflict not in ("raise", "merge"):
        raise ValueError(f'on_conflict must be "raise" or "merge", not {on_conflict!r}')


def _refuse_other_texts(**texts: str | None) -> None:
    for name, text in texts.items():
        _refuse_other(name, text, str | None, "a str or None")


def _refuse_one_text(name: str, texts: Iterable[str]) -> None:
    """Refuse a text in the place of several, which would be taken for its letters."""
    _refuse_other(name, texts, Iterable, "several texts, as in a list")
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name} must be several texts, as in [{texts!r}], not one")


def _sessions(sessions: Iterable[Session]) -> tuple[Session, ...]:
    _refuse_other("sessions", sessions, Iterable, "several sessions, as in a list")
    chosen = tuple(sessions)
    for session in chosen:
        _refuse_other("a session", session, Session, "a Session")
    return chosen


def _filter(
    user_id: str | None,
    agent_id: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Filter:
    _refuse_other_texts(user_id=user_id, agent_id=agent_id, status=status)
    for name, instant in (("since", since), ("until", until)):
        _refuse_other(name, instant, datetime | None, "an aware datetime or None")
        if instant is not None and instant.tzinfo is None:
            raise ValueError(f"{name} must be an aware datetime, as in datetime.now(UTC)")
    return Filter(user_id, agent_id, status, since, until)

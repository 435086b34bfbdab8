"""SessionStore: the verbs. They say here what they promise; an engine knows how to keep it.

A verb checks its arguments, decides what must happen, and asks the engine for one act.
"""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from localsessions import models
from localsessions._rules import edits, streams
from localsessions._rules.arguments import (
    refuse_checkpoint_id,
    refuse_conflict_rule,
    refuse_grouping,
    refuse_limit,
    refuse_naive,
    refuse_negative,
    refuse_options,
    refuse_other,
    refuse_other_texts,
    refuse_page,
    sessions_in,
    texts_in,
)
from localsessions._rules.refusals import raise_first, raise_refusals
from localsessions._rules.retention import cutoff_of, verdict
from localsessions.addresses import is_address
from localsessions.engine import Asked, Change, Durability, Engine, IsWanted, Progress, Query
from localsessions.errors import (
    AmbiguousReferenceError,
    NotOwnerError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import expiry_of, format_instant, formatted_now, made_id, utc_now
from localsessions.models.standing import original_of
from localsessions.models.statuses import SKIPPED_STATUSES
from localsessions.streaming import StreamedMessage, Streams
from localsessions.watching import (
    OnChange,
    OnError,
    Watch,
    changes_after,
    changes_as_they_happen,
    refuse_uncallable,
)

if TYPE_CHECKING:
    from localsessions.models import (
        Checkpoint,
        CleanupAction,
        CleanupReport,
        Defaults,
        Deletion,
        Filters,
        Finding,
        Group,
        Grouping,
        Message,
        Order,
        Page,
        SearchHit,
        Session,
        SessionChange,
        SessionRun,
        SessionSummary,
        StoreStats,
        TrashedSession,
        Unfinished,
        Window,
    )

__all__ = ["SessionStore"]

_MOST_BYTES = 256 * 1024 * 1024
_MOST_NEIGHBOURS = 10_000
# Others may create and delete a session again and again.
_TRIES = 100


class SessionStore:
    """The sessions of one folder.

    Any number of threads, processes and other programs may use the folder at once. The store
    returns copies of sessions: a change to a copy reaches the file only when a verb stores it.

    Verbs that take a ``user_id`` refuse a session of another user with ``NotOwnerError`` and write
    nothing; ``get`` returns None. A ``user_id`` of None does not restrict. A session without a
    ``user_id`` belongs to everybody, and writing to it does not make the writer its owner. This
    guards against mistakes of a program that serves several users, not against people who can read
    the folder.

    Args:
        save_dir: The folder. If it is absent, it is created, private to the user. Or the address of
            a PostgreSQL database, ``postgresql://user@host/database?store=NAME``, with the extra
            ``postgres``; see docs/postgres.md. Or an engine that keeps the sessions elsewhere, see
            ``localsessions.engine``: the store closes it, and ignores the other arguments.
        durability: With "full", what a verb did survives a power cut once the verb returns. "fast"
            keeps the promise that a reader sees one whole version, at every instant and after every
            power cut. It gives up the promise that an acknowledged write is durable: a power cut
            may take back the last seconds. "fast" omits the sync of the folder, except where the
            store keeps the previous version to write to it later: adding to a session costs the
            same in both modes.
        lock_timeout: Seconds to wait for a session that another thread or process is changing;
            0 tries once.
        max_file_bytes: A larger file is unreadable, so that no file can exhaust the memory.

    Raises:
        OSError: The folder cannot be made or is no folder.
        StoreUnavailableError: The server does not answer, or cannot keep sessions.
        ImportError: An address is given, and the extra ``postgres`` is not installed.
        ValueError: An argument is out of its range, or the address cannot be read.

    A folder that cannot be written can be read; verbs that write raise ``PermissionError``.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str] | Engine,
        *,
        durability: Durability = "full",
        lock_timeout: float = 10.0,
        max_file_bytes: int = _MOST_BYTES,
    ) -> None:
        self._closed = True  # until the engine is open: __del__ runs after a failure too
        refuse_options(durability, lock_timeout, max_file_bytes)
        if isinstance(save_dir, str | os.PathLike):
            self._engine: Engine = _engine_of(os.fspath(save_dir))(
                os.fspath(save_dir),
                durability=durability,
                lock_timeout=lock_timeout,
                max_file_bytes=max_file_bytes,
            )
            _name_models()
        elif hasattr(save_dir, "address"):
            self._engine = save_dir
        else:
            refuse_other("save_dir", save_dir, str | os.PathLike, "a path: a str or a Path")
        self._streams = Streams(self._engine)
        self._closed = False

    # -- the store itself --------------------------------------------------------------------

    @property
    def save_dir(self) -> str:
        """The folder, as an absolute path."""
        return self._engine.address

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be.

        Raises:
            ValueError: No file name can be made of that id.
        """
        return self._engine.location(session_id)

    def close(self) -> None:
        """End every watch and close the index. Idempotent.

        It writes nothing to the sessions: every verb has already written its changes.
        """
        if not self._closed:
            self._closed = True
            self._engine.close()

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
            # At exit, Python stops the threads of a watch for ever; one may hold a mutex.
            if not sys.is_finalizing():
                self.close()

    def __repr__(self) -> str:
        engine = getattr(self, "_engine", None)
        return f"SessionStore({engine.address if engine else '?'!r})"

    @property
    def engine(self) -> Engine:
        """Where the sessions are kept; see ``localsessions.engine``.

        Raises:
            ValueError: The store is closed.
        """
        if self._closed:
            raise ValueError(f"{self!r} is closed; open the folder again")
        return self._engine

    def _refuse_stranger(self, owned: Session | SessionSummary, user_id: str | None) -> None:
        """Refuse another user's session; None does not restrict."""
        if user_id is not None and owned.user_id not in (None, user_id):
            raise NotOwnerError(owned.session_id, user_id, path=self.path(owned.session_id))

    def _refuse_strange(self, summary: SessionSummary, user_id: str | None) -> None:
        """Refuse another user's session, and an unreadable file: its owner is unknown."""
        owned: SessionSummary | Session = summary
        if user_id is not None and summary.unreadable is not None:
            owned = self.engine.read(summary.session_id)  # raises, unless it is whole by now
        self._refuse_stranger(owned, user_id)

    # -- one session -------------------------------------------------------------------------

    def create(
        self,
        session_id: str | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, object] | None = None,
        ttl: float | None = None,
        max_live: int | None = None,
        messages: Sequence[Mapping[str, object]] = (),
        tags: Sequence[str] = (),
        state: Mapping[str, object] | None = None,
    ) -> Session:
        """Create a new session with its file and return it.

        Args:
            session_id: None makes an id that sorts by time, ``sess_...``.
            user_id: The owner of the session.
            agent_id: The agent that it belongs to.
            title: With None, listings make a title from the first user message.
            metadata: Any JSON object; copied.
            ttl: Seconds until it expires; None, 0 and less mean never.
            max_live: How many live sessions (see ``count``) there may be, this session included;
                None does not restrict. Counting and creating are one step for all callers that
                pass ``max_live``: in any number of threads and processes, they never exceed it
                together. Callers that do not pass it do not wait.
            messages: Its first messages, as ``append`` takes them; copied.
            tags: Its tags; each is kept once.
            state: Its state, any JSON object; copied.

        Raises:
            SessionLimitError: There are ``max_live`` sessions already, or more.
            SessionExistsError: There is a session with that id, or with an id that differs only
                by letter case or Unicode form.
            ValueError: No file name can be made of that id, or a message has no ``role``.
            UnstorableValueError: A value cannot be stored without loss.
        """
        refuse_other_texts(session_id=session_id, user_id=user_id, agent_id=agent_id, title=title)
        refuse_other("metadata", metadata, Mapping | None, "an object or None")
        refuse_other("state", state, Mapping | None, "an object or None")
        refuse_other("messages", messages, Sequence, "a list of messages")
        refuse_other("ttl", ttl, int | float | None, "a number of seconds or None")
        refuse_other("max_live", max_live, int | None, "an int or None")
        if max_live is not None:
            refuse_negative("max_live", max_live)
        now = utc_now()
        fields: dict[str, Any] = {"metadata": metadata or {}, "state": state or {}}
        session = models.Session(
            session_id=made_id("sess") if session_id is None else session_id,
            user_id=user_id,
            agent_id=agent_id,
            title=title,
            metadata=copy.deepcopy(dict(fields["metadata"])),
            state=copy.deepcopy(dict(fields["state"])),
            tags=list(dict.fromkeys(texts_in("tags", tags, "a tag"))),
            messages=[edits.message_of(message, format_instant(now)) for message in messages],
            ttl=ttl,
            created_at=now,
            last_activity=now,
            expires_at=expiry_of(now, ttl),
        )
        self.engine.create(session, max_live=max_live)
        return session

    def get_or_create(self, session_id: str, **defaults: Unpack[Defaults]) -> Session:
        """Return the session or, if there is none, create it; one step for all callers.

        Of any number of threads and processes that call it at once, one creates the session, and
        all return it.

        Args:
            session_id: Which session.
            **defaults: What a new session begins with, see ``Defaults``. A session that exists
                stays as it is; ``user_id`` is then the acting user.

        Raises:
            NotOwnerError: The session is another user's.
            UnreadableSessionError: The file exists but is not a session.
            SessionExistsError: There is a session with an id that differs only by letter case or
                Unicode form.
            SessionLimitError, UnstorableValueError, ValueError: As ``create``.
        """
        refuse_other("session_id", session_id, str, "a str")
        for tries_left in reversed(range(_TRIES)):
            with suppress(SessionNotFoundError):
                return self.load(session_id, user_id=defaults.get("user_id"))
            try:
                return self.create(session_id, **defaults)
            except SessionExistsError as error:
                # Another caller created it first, unless it is another session.
                if error.existing != session_id or not tries_left:
                    raise
        raise AssertionError("unreachable")

    def get(self, session_id: str, *, user_id: str | None = None) -> Session | None:
        """Return a copy of the session as its file is now; None if there is no such session.

        Args:
            session_id: Which session.
            user_id: The acting user. If the session is another user's, the result is None too.

        Raises:
            UnreadableSessionError: The file exists but is not a session.
            ValueError: No file name can be made of that id.
        """
        try:
            return self.load(session_id, user_id=user_id)
        except (SessionNotFoundError, NotOwnerError):
            return None

    def load(
        self, session_id: str, *, last_good: bool = False, user_id: str | None = None
    ) -> Session:
        """Return a copy of the session as its file is now.

        If another program is writing the file in place, ``load`` tries again for a fifth of a
        second.

        Args:
            session_id: Which session.
            last_good: If the file is unreadable, return the last good version that is kept.
                ``.localsessions/kept`` receives copies while any program watches the store: of
                each session a second after it changed, and of the 64 sessions that were active
                last when the watching began. It holds the newest 1,000, compressed, together at
                most a quarter of what the sessions take, or 2 MiB; the newest in any case, and
                none of a session over 32 MiB. A copy is removed when its session is deleted. The
                returned version is not based on a file: ``save`` does not write it over the broken
                file. Delete the broken file first; it goes to the trash.
            user_id: The acting user; None does not restrict.

        Raises:
            SessionNotFoundError: There is no such session.
            NotOwnerError: The session is another user's.
            UnreadableSessionError: The file exists but is not a session, and no good version is
                kept, or the caller did not ask for it.
            ValueError: No file name can be made of that id.
        """
        session = self.engine.read(session_id, last_good=last_good)
        self._refuse_stranger(session, user_id)
        return session

    def save(
        self, session: Session, *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Session:
        """Store a session if its file still is the version that was loaded.

        Sets ``updated_at``, raises ``revision`` and, unless you set it, moves ``last_activity``. A
        session in which nothing changed is not written. A session that was never loaded becomes a
        new file.

        With "merge", the result holds your changes and those that other writers made meanwhile:
        their messages and yours, their title and your tags. If both sides added equal messages,
        the result has both, unless they have the same ``id``. Nothing is written if both sides
        changed the same thing differently, or if both changed the messages and one side removed
        or moved some. Two cases conflict even with "merge": the file was deleted, or a session
        that was never loaded meets a file that exists.

        Args:
            session: What to store.
            on_conflict: What to do if the file is no longer the version that was loaded.

        Returns:
            The same object, now based on what was written: you can change and save it again.
            After a merge it also holds what others changed.

        Raises:
            ConflictError: Another writer changed, deleted or created the file; nothing was
                written, and the session is unchanged. After a merge, ``conflicts`` names the
                places.
            UnreadableSessionError: The file has become unreadable; nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
            FormatVersionError: The file has a newer format; nothing was written.
            DurabilityUnknownError: The session is written and visible, but the disk did not
                confirm it.
        """
        refuse_other("session", session, models.Session, "a Session, as load() returns")
        refuse_conflict_rule(on_conflict)
        self.engine.replace(session, merges=on_conflict == "merge")
        return session

    @contextmanager
    def edit(
        self, session_id: str, *, is_activity: bool = True, user_id: str | None = None
    ) -> Iterator[Session]:
        """Lock the session, load it, pass it to the block, and store it when the block ends.

        Reading, changing and writing are one step for all other writers, so nothing is lost and no
        conflict arises. If the block raises, nothing is stored. Keep the block short: others
        wait for it. The block may change other sessions through the store, but not this session.

        Args:
            session_id: An existing session.
            is_activity: Whether a change moves ``last_activity``, and so postpones cleanup.
            user_id: The acting user; None does not restrict.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Before the block runs.
            NotOwnerError: Before the block runs: the session is another user's.
            RuntimeError: This thread is editing the session already.
            ConflictError: After the block: a program that ignores the locks wrote the file
                meanwhile; the changes of the block were not stored.
        """
        with self.engine.editing(session_id, is_activity=is_activity) as session:
            self._refuse_stranger(session, user_id)
            yield session

    def append(
        self,
        session_id: str,
        *messages: Mapping[str, object],
        user_id: str | None = None,
        change: Callable[[Session], object] | None = None,
    ) -> tuple[Message, ...]:
        """Add messages at the end, durably; messages of other writers stay.

        Args:
            session_id: An existing session; ``append`` does not create it.
            messages: JSON objects with a ``role``; copied. ``id`` and ``created_at`` are set if
                absent, and so is the role of an item of OpenAI's Responses interface: a call, a
                result, reasoning.
            user_id: The acting user; None does not restrict.
            change: Called with the session inside its lock, to change what stands beside the
                messages (``state``, ``revision`` tells the version) in the same step. It may be
                called several times, each time with another copy, and may refuse by raising: then
                nothing is written. It sees no messages, or only some.

        Returns:
            The messages as they are stored.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Nothing was written.
            NotOwnerError: The session is another user's; nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
            ValueError: A message has no ``role``.
        """
        now = formatted_now()
        new = [edits.message_of(message, now) for message in messages]

        def add(session: Session) -> None:
            self._refuse_stranger(session, user_id)
            if change is not None:
                change(session)
            session.messages = [*session.messages, *new]

        self.engine.change(session_id, Change(add, only_assigns=change is None))
        return tuple(new)

    def upsert_run(
        self,
        session_id: str,
        run: Mapping[str, object],
        *messages: Mapping[str, object],
        user_id: str | None = None,
    ) -> None:
        """Replace the run that has this ``run_id``, or add it at the end; add its messages.

        Other runs and their messages stay as they are, also those that other writers add
        meanwhile. Repeating the call with the same messages changes nothing.

        Args:
            session_id: An existing session.
            run: A JSON object with a ``run_id``; copied.
            messages: Messages of the run; each gets its ``run_id``. A message whose ``id`` is
                already in the run replaces that message; all others are added.
            user_id: The acting user; None does not restrict.

        Raises:
            NotOwnerError: The session is another user's; nothing was written.
            ValueError: The run has no ``run_id``, or a message has no ``role``.
        """
        refuse_other("run", run, Mapping, "an object with a run_id")
        run_id = run.get("run_id")
        if not isinstance(run_id, str):
            raise ValueError("a run needs a run_id, a text")  # noqa: TRY004

        def upsert(session: Session) -> None:
            self._refuse_stranger(session, user_id)
            edits.upsert_run(session, run_id, run, messages)

        # A message with an id may replace an earlier message.
        has_ids = any("id" in message for message in messages)
        self.engine.change(session_id, Change(upsert, run_id=run_id if has_ids else None))

    def streaming(
        self,
        session_id: str,
        message: Mapping[str, object] | None = None,
        *,
        user_id: str | None = None,
    ) -> StreamedMessage:
        """Add a message that grows, as in ``with store.streaming("chat") as draft``.

        When the block begins, the message is in the session. ``draft.write(text)`` says more of it.
        Readers and ``changes`` see it grow: what was written is put into the session at most ten
        times a second, or when 64 kB have gathered, by the ``write`` that comes then. When the
        block ends, all of it is there, durably. If the process is killed, what was put there last
        stays.

        The record of the run says "RUNNING" while the message grows. Then it says "COMPLETED" or,
        if the run was there before, what it said before. If the block raises, it says
        "INTERRUPTED". If its process ends, ``runs`` tells that, and the next message that grows in
        the session puts the record right.

        Args:
            session_id: An existing session.
            message: What the message is before anything is said; copied. None is an assistant's.
                The text goes to its ``content`` or, in a list of parts, to the last one. Its
                ``run_id`` is made if absent. A message with an ``id`` that the run has already
                replaces that message, and goes on.
            user_id: The acting user; None does not restrict.

        Returns:
            A context manager. Nothing is done before its block begins.

        Raises:
            ValueError: The message has no ``role``. All else is raised by the block, as by
                ``append``.
        """
        refuse_other_texts(user_id=user_id)
        given = {"role": "assistant"} if message is None else message

        def refuse_stranger(session: Session) -> None:
            self._refuse_stranger(session, user_id)

        return StreamedMessage(
            lambda: self.engine, self._streams, session_id, given, refuse_stranger
        )

    def runs(
        self,
        session_id: str | None = None,
        *,
        status: str | None = None,
        since: datetime | None = None,
        user_id: str | None = None,
    ) -> Sequence[SessionRun]:
        """Return the runs of a session, or of all sessions, in their order.

        A run of which a message was growing is "INTERRUPTED" when its writer is gone: the process
        was killed, or closed its store. Its session still says "RUNNING", until the next message
        grows there. ``runs`` writes nothing.

        Args:
            session_id: The session. None looks at each session, the last active first; then give
                ``since``, for the end of each of them is read.
            status: Only runs with this status; letter case does not matter.
            since: Only sessions whose last activity is at this instant or later.
            user_id: Only sessions of this user; with ``session_id``, the acting user.

        Raises:
            SessionNotFoundError, UnreadableSessionError, NotOwnerError: ``session_id`` is given,
                and it is no session, or another user's.
        """
        refuse_other_texts(session_id=session_id, status=status, user_id=user_id)
        refuse_naive(since=since)
        if session_id is not None:
            return tuple(self._runs_of(session_id, status, user_id))
        found: list[SessionRun] = []
        for one in reversed(self.engine.ids(Query(user_id=user_id, since=since))):
            with suppress(SessionNotFoundError, UnreadableSessionError):  # deleted meanwhile
                found += self._runs_of(one, status, user_id)
        return tuple(found)

    def _runs_of(
        self, session_id: str, status: str | None, user_id: str | None
    ) -> Iterator[SessionRun]:
        session = self.engine.tail(session_id, 1)
        self._refuse_stranger(session, user_id)
        for one in session.runs:
            is_left = streams.are_left(one, partial(self._streams.is_left, session_id))
            run = streams.interrupted(one) if is_left else one
            told = run.get("status")
            now = told if isinstance(told, str) else None
            if status is None or (now and now.upper() == status.upper()):
                yield models.SessionRun(session_id, str(run["run_id"]), now, run)

    def switch_agent(self, session_id: str, agent: str, reason: str | None = None) -> bool:
        """Make another agent the current agent and record the switch.

        Returns:
            False if it is the current agent already; then nothing is recorded.
        """
        refuse_other("agent", agent, str, "a str")
        refuse_other_texts(reason=reason)
        now = formatted_now()
        is_switch = False

        def switch_to(session: Session) -> None:
            nonlocal is_switch
            is_switch = edits.switch_agent(session, agent, reason, now)

        self.engine.change(session_id, Change(switch_to, is_activity=False))
        return is_switch

    def rename(self, session_id: str, title: str | None, *, made: bool = False) -> SessionSummary:
        """Set the title. None removes it; listings then make a title from the first user message.

        Args:
            session_id: An existing session.
            title: The new title.
            made: Whether a program made the title. Such a title is set only if the session has
                none, so that it never overwrites a title that a person set.
        """
        refuse_other_texts(title=title)

        def change(session: Session) -> None:
            if not (made and session.title):
                session.title = title

        return self.engine.change(session_id, Change(change, is_activity=False))

    def pin(self, session_id: str, *, pinned: bool = True) -> SessionSummary:
        """Keep the session from every cleanup; with ``pinned=False``, no longer."""
        return self._set(session_id, "pinned", pinned)

    def archive(self, session_id: str, *, archived: bool = True) -> SessionSummary:
        """Set the status to "archived", or back to "active"."""
        return self._set(session_id, "status", "archived" if archived else "active")

    def _set(self, session_id: str, field: str, value: object) -> SessionSummary:
        """Set a field without activity: ``last_activity`` stays, so cleanup is not postponed."""
        change = Change(lambda session: setattr(session, field, value), is_activity=False)
        return self.engine.change(session_id, change)

    def tag(self, session_id: str, *tags: str, remove: Sequence[str] = ()) -> SessionSummary:
        """Add tags and remove some; each tag is kept once, in the order of adding."""
        removed = texts_in("remove", remove, "a tag")
        added = texts_in("tags", tags, "a tag")

        def change(session: Session) -> None:
            kept = [tag for tag in (*session.tags, *added) if tag not in removed]
            session.tags = list(dict.fromkeys(kept))

        return self.engine.change(session_id, Change(change, is_activity=False))

    def fork(
        self, session_id: str, *, at: str | int | None = None, new_id: str | None = None
    ) -> Session:
        """Create a new session from the messages up to and including a given message.

        Modules, state and metadata are copied as they are now; the time to live starts again. The
        title has " (fork)" behind it, also one that listings made. The new file says in
        ``forked_from`` where it comes from.

        Args:
            session_id: An existing session; it stays as it is.
            at: A message's ``id``, or its position from 0; None takes all.
            new_id: The id of the new session; None makes an id.

        Raises:
            LookupError: There is no such message.
            SessionExistsError: ``new_id`` is taken.
        """
        refuse_other("at", at, str | int | None, "a message's id, its position or None")
        refuse_other_texts(new_id=new_id)
        fork = edits.fork_of(self.load(session_id), at, new_id)
        self.engine.create(fork)
        return fork

    def tail(self, session_id: str, n: int) -> tuple[Message, ...]:
        """Return the last ``n`` messages, in order; fewer if the session has fewer.

        If a store wrote the file, or the file has been listed, only its two ends are read.

        Raises:
            SessionNotFoundError, UnreadableSessionError: As ``load``.
            ValueError: ``n`` is negative.
        """
        refuse_negative("n", n)
        if n == 0:
            self.engine.read(session_id)
            return ()
        return tuple(self.engine.tail(session_id, n).messages)

    def history(
        self,
        session_id: str,
        last_runs: int | None = None,
        last_messages: int | None = None,
        *,
        unfinished: Unfinished = "keep",
        max_tokens: int | None = None,
        count_tokens: Callable[[Message], int] | None = None,
        skip_roles: Collection[str] = (),
        skip_statuses: Collection[str] = SKIPPED_STATUSES,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return what was said in the last turns, as it is stored: for a screen, or for a program.

        The messages are those of ``Session.history``, which says what a turn is and what is left
        out; here all turns are the default, and no message is tagged. If there is a limit, only
        the end of the session is read, as ``tail`` does: the work grows with what is returned.
        What goes to a model is ``context``.

        Args:
            session_id: An existing session.
            last_runs: How many turns, counted from the last; None takes all.
            last_messages: How many messages at most, counted from the last, inside those turns.
            unfinished: What is done with runs that were interrupted or still go on, and with
                calls that have no result; see ``context``.
            max_tokens: How many tokens the messages may take: the last turns that fit, each whole.
                The last turn is always there. None does not restrict.
            count_tokens: Tells how many tokens a message takes; ``max_tokens`` needs it.
            skip_roles: As in ``Session.history``.
            skip_statuses: As in ``Session.history``.
            user_id: The acting user; None does not restrict.

        Raises:
            SessionNotFoundError, UnreadableSessionError, NotOwnerError: As ``load``.
            ValueError: A number is negative, or ``count_tokens`` is missing.
        """
        window = models.Window(
            last_runs=last_runs,
            last_messages=last_messages,
            skip_roles=skip_roles,
            skip_statuses=skip_statuses,
            unfinished=unfinished,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
        )
        return self._recalled(session_id, window, user_id)

    def context(
        self,
        session_id: str,
        user_input: object = None,
        system_message: str | None = None,
        *,
        max_tokens: int | None = None,
        count_tokens: Callable[[Message], int] | None = None,
        last_runs: int | None = None,
        last_messages: int | None = None,
        unfinished: Unfinished = "answer",
        skip_statuses: Collection[str] = SKIPPED_STATUSES,
        user_id: str | None = None,
    ) -> list[Message]:
        """Return the messages that go to a model: system message, history, the user's input.

        The history is in the shape in which it was stored, without the keys that the store adds
        (``id``, ``created_at``, ``run_id``), so that the model's interface takes it: OpenAI's, of
        chat completions or of responses, Anthropic's or Gemini's. Each call is followed by its
        results, and nothing begins with a result. Messages that say nothing are left out.

        Args:
            session_id: An existing session; it does not change.
            user_input: A text, a list of content parts, or a whole message with its ``role``. None
                adds nothing: the input was appended before.
            system_message: None and an empty text give no system message.
            max_tokens: How many tokens all of it may take. Of the history, the last turns that
                fit are taken, each whole. Without ``user_input``, the last turn is always there:
                what was asked is in it. None does not restrict.
            count_tokens: Tells how many tokens a message takes; ``max_tokens`` needs it.
            last_runs: How many turns of history, counted from the last; None takes all.
            last_messages: How many messages of history at most, counted from the last.
            unfinished: What is done with runs that were interrupted or still go on, and with
                calls that have no result. "answer", the default: what was said stays, and each
                call is answered by a result that says that it was interrupted; so a person can
                say "go on", and an agent can ask in the middle of its own run. "leave_out":
                neither these runs nor these calls are there. "keep": they are as they are stored,
                which most models refuse.
            skip_statuses: Statuses of runs that are left out, as in ``Session.history``.
            user_id: The acting user; None does not restrict.

        Raises:
            SessionNotFoundError, UnreadableSessionError, NotOwnerError: As ``load``.
            ValueError: A number is negative, ``count_tokens`` is missing, or an input that is an
                object has no ``role``.
        """
        from localsessions.models.history import bare, framed

        before, after = framed(user_input, system_message)
        window = models.Window(
            last_runs=last_runs,
            last_messages=last_messages,
            skip_statuses=skip_statuses,
            unfinished=unfinished,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            keeps_last=not after,
        ).around([*before, *after])
        found = self._recalled(session_id, window, user_id)
        return [*before, *map(bare, found), *after]

    def _recalled(self, session_id: str, window: Window, user_id: str | None) -> list[Message]:
        from localsessions._rules.recalling import recalled

        engine = self.engine
        found = recalled(partial(engine.read, session_id), partial(engine.tail, session_id), window)
        self._refuse_stranger(found.session, user_id)
        return found.messages

    def raw(self, session_id: str) -> bytes:
        """Return the bytes of the session's file: one whole version, whatever its content.

        Raises:
            SessionNotFoundError: There is no such file.
            UnreadableSessionError: It is not a regular file, may not be read, or is too large.
            ValueError: No file name can be made of that id.
        """
        return self.engine.raw(session_id)

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        """Make a session of a file that is not a session: of another program, or broken.

        This is one atomic replacement under the session's lock. The file's bytes are gone
        afterwards, so ``make`` must keep all that is worth keeping. Times and ``revision`` are
        written as ``make`` returns them.

        Args:
            session_id: The id that the file's name says.
            make: Called with the bytes of the file. Returns the session that replaces it, with
                any ``session_id``, or None to leave the file as it is.

        Returns:
            The session, based on what was written; None if ``make`` returned None.

        Raises:
            SessionNotFoundError: There is no file.
            UnreadableSessionError: It is not a regular file, may not be read, or is too large.
            LockTimeoutError: Another writer held the lock for all of ``lock_timeout``.
            FormatVersionError: The file is a session of a newer format; nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
        """
        return self.engine.adopt(session_id, make)

    # -- many sessions at once ---------------------------------------------------------------

    def create_many(self, sessions: Iterable[Session]) -> Sequence[Session]:
        """Store new sessions, several times faster than separate ``create`` calls.

        Each session has the promise of ``create``: it is whole or absent, and durable when the call
        returns. The call as a whole is not a transaction: if some sessions are refused, all others
        are stored, and a crash in the middle leaves any of them. At most 128 sessions share a round
        of syncs, and at most 8 MiB unless a single session is larger; the locks are held for that
        long. A session that another thread or process is creating waits until the others are
        stored; then the call waits for it, ``lock_timeout`` seconds at most.

        Args:
            sessions: New sessions, made with ``Session(...)``. An empty ``session_id`` is set to a
                new id, as ``create`` makes it.

        Returns:
            The same objects, now based on what was written: you can change and save them again.

        Raises:
            ExceptionGroup: Some sessions were not stored; the others were. Holds an error for each,
                which names its session: the errors of ``create``, ``LockTimeoutError``, or
                ``DurabilityUnknownError`` for a session that is visible and perhaps not durable.
            ValueError: A session was loaded or stored before, two have the same id, or no file
                name can be made of an id; nothing was stored.
            PermissionError: The folder cannot be written; nothing was stored.
        """
        chosen = sessions_in(sessions)
        if stored := [one.session_id for one in chosen if original_of(one) is not None]:
            raise ValueError(
                f"session {stored[0]!r} was stored before; save_many() stores what was changed"
            )
        for session in chosen:
            session.session_id = session.session_id or made_id("sess")
        self._refuse_same_ids(chosen)
        errors = self.engine.create_many(chosen)
        raise_refusals(errors, [one.session_id for one in chosen], "stored")
        return chosen

    def save_many(
        self, sessions: Iterable[Session], *, on_conflict: Literal["raise", "merge"] = "raise"
    ) -> Sequence[Session]:
        """Store sessions as ``save`` does, several times faster than separate ``save`` calls.

        As with ``create_many``, sessions go in batches, and each is whole and durable. Each has the
        promises of ``save``. New sessions are stored too. Files are written whole, even if
        messages were only added.

        Args:
            sessions: What to store; sessions in which nothing changed are not written.
            on_conflict: As in ``save``.

        Returns:
            The same objects, now based on what was written.

        Raises:
            ExceptionGroup: Some sessions were not stored; the others were. Holds an error for each,
                which names its session: the errors of ``save``, and ``LockTimeoutError``.
            ValueError: Two have the same id, or no file name can be made of an id; nothing was
                stored.
            PermissionError: The folder cannot be written; nothing was stored.
        """
        refuse_conflict_rule(on_conflict)
        chosen = sessions_in(sessions)
        self._refuse_same_ids(chosen)
        errors = self.engine.replace_many(chosen, merges=on_conflict == "merge")
        raise_refusals(errors, [one.session_id for one in chosen], "stored")
        return chosen

    def delete_many(
        self, session_ids: Iterable[str], *, user_id: str | None = None
    ) -> Sequence[str]:
        """Move sessions to the trash as ``delete`` does, several times faster.

        It works in batches as ``create_many`` does, and is not a transaction either. Each session
        goes with its checkpoints and can be restored.

        Args:
            session_ids: Which sessions.
            user_id: The acting user; None does not restrict.

        Returns:
            The ids of the sessions that were there, in the order given.

        Raises:
            ExceptionGroup: Some sessions were not deleted; the others were. Holds an error for
                each, which names its session: the errors of ``delete``, and ``LockTimeoutError``.
            ValueError: No file name can be made of an id; nothing was deleted.
            PermissionError: The folder cannot be written; nothing was deleted.
        """
        chosen = tuple(dict.fromkeys(texts_in("session_ids", session_ids, "a session_id")))
        for session_id in chosen:
            self.path(session_id)
        gone: set[str] = set()

        def allows(summary: SessionSummary) -> bool:
            self._refuse_strange(summary, user_id)
            gone.add(summary.session_id)
            return True

        errors = self.engine.delete_many(chosen, allows)
        raise_refusals(errors, chosen, "deleted")
        return tuple(one for one in chosen if one in gone)

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
        order: Order = "-last_activity",
        limit: int = 50,
        cursor: str | None = None,
        fresh: bool = False,
        **filters: Unpack[Filters],
    ) -> Page[SessionSummary]:
        """Return a page of summaries, from the index; no unchanged session file is opened.

        A page shows at once what any process did through this library, and what other programs
        did to the sessions that it returns. Sessions that other programs added appear after the
        next look at the folder. That look is due after 20 times the duration of the last look (5 s
        at 100,000 sessions, 6 ms at 100).

        Args:
            order: What to sort by; ``-`` puts the largest or newest first. Ties are sorted by id.
            limit: How many at most, from 1.
            cursor: ``next_cursor`` of the previous page. If sessions come, go or move meanwhile,
                nothing else is repeated or left out; a session that itself moved may be.
            fresh: Look at the whole folder first.
            **filters: Which sessions, see ``Filters``; without any, all.

        Raises:
            ValueError: The cursor belongs to another listing, a time is naive, or an argument is
                out of its range.
            TypeError: There is no filter of that name, or its value has a wrong type.
        """
        query = _query(filters)
        refuse_page(order, limit, cursor)
        return self.engine.page(query, order=order, limit=limit, cursor=cursor, fresh=fresh)

    def count(self, **filters: Unpack[Filters]) -> int:
        """Return how many sessions there are, unreadable included; as up to date as ``list``.

        Args:
            **filters: Which sessions, see ``Filters``; without any, all.

        Raises:
            ValueError, TypeError: As ``list``.
        """
        return self.engine.count(_query(filters))

    def groups(self, by: Grouping, **filters: Unpack[Filters]) -> Sequence[Group]:
        """Return what sessions have in common, the largest group first; as up to date as ``list``.

        Sessions without a program or a project are in no group, and those with several tags in
        several. A day is one of UTC; an undated session is in none.

        Args:
            by: "program", "project", "tag" or "day".
            **filters: Which sessions, see ``Filters``; without any, all.

        Raises:
            ValueError, TypeError: As ``list``; and there are no other groups than these.
        """
        refuse_grouping(by)
        return self.engine.groups(by, _query(filters))

    def search(
        self,
        text: str,
        *,
        limit: int = 20,
        neighbours: int = 0,
        on_progress: Progress | None = None,
        is_wanted: IsWanted | None = None,
        **filters: Unpack[Filters],
    ) -> Sequence[SearchHit]:
        """Find sessions by the words of messages, titles, tags and metadata, the best first.

        Any text is a question. Its words may stand anywhere in a session; first come the sessions
        that have them side by side, then those that have all of them in one message, then those
        that have longer words or other forms of them, then those that have them in several
        messages. Where nothing is like a word of five letters or more, one letter may be wrong.
        Case, diacritics and Unicode form do not matter. Of Chinese, Japanese, Korean and Thai, any
        part is found.
        A part of a word has three letters or more; two letters are found where a word begins, a
        single letter only as a word.

        Words in double quotes must follow each other as they are. ``OR`` between two words asks
        for one of them. ``-word`` leaves out the messages that have it; without other words, the
        sessions. These fields narrow, and ``-`` before one leaves out what has it:
        ``agent:``, ``user:``, ``program:``, ``project:`` or ``cwd:`` (words of the folder),
        ``branch:``, ``tag:``, ``status:``, ``parent:``, ``role:`` (of the message), and ``after:``
        and ``before:`` with a year, a month or a day in UTC, as 2026-11-30. Without words, the
        sessions that have the fields are returned, the newest first.

        The tools that a message calls, their arguments and the model's reasoning are searched too.
        Of a word that stands in more than 3,000 messages, those that came in last come first. Of a
        long ``text`` the first hundred words count; of the longer words and other forms of a word,
        the hundred shortest; of words in several messages, the hundred best sessions. Parts of
        hashes, numbers and words of more than 32 letters are not found.

        The first search reads every session, later searches only what changed; saving never waits.

        Args:
            text: What to search for.
            limit: How many sessions at most.
            neighbours: How many messages before each hit, and how many after it, come with it; at
                most 10,000.
            on_progress: Called with (done, total) while texts are read.
            is_wanted: Called now and then, in the thread of the search: whether the answer is still
                wanted. A program that searches while a person types gives up the older question
                so. What was read until then stays read.
            **filters: Which sessions, see ``Filters``; without any, all.

        Raises:
            SearchGivenUpError: ``is_wanted`` said no.
            ValueError, TypeError: As ``list``.
        """
        refuse_other("text", text, str, "a str")
        refuse_limit(limit)
        refuse_negative("neighbours", neighbours)
        asked = Asked(limit, min(neighbours, _MOST_NEIGHBOURS), on_progress, is_wanted)
        return self.engine.search(text, _query(filters), asked)

    def resolve(self, reference: str) -> str:
        """Return the id that a person means: an id, the beginning of an id, a title, or "latest".

        "latest" is the session that was active last; an archived one only if all are archived.

        Raises:
            AmbiguousReferenceError: Several sessions fit; it names some.
            SessionNotFoundError: No session fits.
            ValueError: ``reference`` is empty.
        """
        if not reference:
            raise ValueError("an empty text names no session")
        fitting = self.engine.named(reference, 6)
        if reference == "latest" and reference not in fitting:
            last = self.list(limit=1, archived=False).items or self.list(limit=1).items
            fitting = [one.session_id for one in last]
        if not fitting:
            raise SessionNotFoundError(reference, path=self.save_dir)
        if len(fitting) > 1:
            found = (self.engine.summary(one) for one in fitting[:5])
            named = tuple(one for one in found if one is not None)
            is_more = len(fitting) > len(named)
            raise AmbiguousReferenceError(reference, named, is_more=is_more, path=self.save_dir)
        return fitting[0]

    def short_ids(self, session_ids: Iterable[str]) -> dict[str, str]:
        """Return for each id the shortest beginning that only this session's id has now.

        ``resolve`` takes it, unless another session has it as its title. It has 8 letters or more;
        it is the whole id if another one begins with it. A session that comes later may have an id
        with the same beginning.

        Args:
            session_ids: Ids of sessions, whether they are there or not.
        """
        chosen = texts_in("session_ids", session_ids, "a session_id")
        return dict(self.engine.short_ids(chosen))

    # -- deleting ----------------------------------------------------------------------------

    def delete(self, session_id: str, *, user_id: str | None = None) -> bool:
        """Move the session with its checkpoints to the trash; ``restore`` brings it back.

        An unreadable file can be deleted too, since a person asked for it; but not with a
        ``user_id``, since its owner is unknown.

        Args:
            session_id: Which session.
            user_id: The acting user; None does not restrict.

        Returns:
            False if there is no such session.

        Raises:
            NotOwnerError: The session is another user's.
            UnreadableSessionError: ``user_id`` is given, and the file is not a session.
        """

        def allows(summary: SessionSummary) -> bool:
            self._refuse_strange(summary, user_id)
            return True

        return self.engine.delete(session_id, allows)

    def restore(self, session_id: str) -> Session:
        """Bring the last deleted session with that id back from the trash.

        If the session exists, and only checkpoints of it are in the trash, those come back.

        Raises:
            SessionNotFoundError: It is not in the trash.
            SessionExistsError: There is a session with that id again.
            UnreadableSessionError: It was unreadable when it was deleted; it is back all the same.
        """
        return self.engine.restore(session_id)

    def trash(self) -> Sequence[TrashedSession]:
        """Return the deleted sessions that can be restored, the last deleted first."""
        return self.engine.trash()

    def empty_trash(self, *, max_age: float | timedelta = 0.0) -> Sequence[TrashedSession]:
        """Remove for good what was deleted longer ago than ``max_age`` (seconds)."""
        # In microseconds, as ``delete`` records it; utc_now() would cut it to milliseconds.
        return self.engine.empty_trash(cutoff_of(datetime.now(UTC), max_age))

    def deletions(self, session_ids: Iterable[str]) -> Sequence[Deletion]:
        """Return each deletion of these sessions, the first first.

        A session that was restored has none. What ``empty_trash`` removed counts too, until
        ``forget_deletions``: so what was deleted is not imported again.
        """
        return self.engine.deletions(frozenset(texts_in("session_ids", session_ids, "an id")))

    def forget_deletions(self) -> None:
        """Forget the sessions that ``empty_trash`` removed; an import may bring them back."""
        self.engine.forget_deletions()

    def cleanup(
        self,
        *,
        max_age: float | timedelta,
        only: Iterable[str] | None = None,
        dry_run: bool = False,
        **filters: Unpack[Filters],
    ) -> CleanupReport:
        """Move sessions to the trash whose last activity is longer ago than ``max_age``.

        It uses the session's own ``last_activity``, never file times. Pinned, unreadable and
        future-dated sessions are kept. Each session is checked again inside its lock. If a session
        cannot be checked or moved, the others are still done, and the error is raised at the end.

        Args:
            max_age: Seconds, or a timedelta; counted back from the call.
            only: The ids of the sessions that may go; None does not restrict.
            dry_run: Change nothing; the report is the same as that of a real run.
            **filters: Which sessions, see ``Filters``; the report names no others.
        """
        cutoff = cutoff_of(utc_now(), max_age)  # before the look: what becomes old in it stays
        return self._clean(cutoff, _query(filters), only, dry_run=dry_run)

    def purge_expired(
        self,
        *,
        only: Iterable[str] | None = None,
        dry_run: bool = False,
        **filters: Unpack[Filters],
    ) -> CleanupReport:
        """Move sessions to the trash whose ``expires_at`` has passed, except pinned sessions.

        Args:
            only: As in ``cleanup``.
            dry_run: As in ``cleanup``.
            **filters: As in ``cleanup``.
        """
        return self._clean(None, _query(filters), only, dry_run=dry_run)

    def _clean(
        self, cutoff: datetime | None, query: Query, only: Iterable[str] | None, *, dry_run: bool
    ) -> CleanupReport:
        """Decide by what the sessions say inside their locks; without a cutoff, by expiry."""
        engine = self.engine
        actions: dict[str, CleanupAction] = {}
        engine.notice(fresh=True)
        now = utc_now()
        by_age = query.narrowed(until=cutoff), query.narrowed(since=now)
        parts = (query._replace(expired_at=now),) if cutoff is None else by_age
        concerned = [one for part in parts for one in engine.ids(part)]
        if only is not None:
            chosen = frozenset(texts_in("only", only, "a session_id"))
            concerned = [one for one in concerned if one in chosen]

        def is_due(summary: SessionSummary) -> bool:
            action = verdict(summary, now, cutoff) if query.matches(summary) else None
            if action is not None:
                actions[summary.session_id] = action
            return action is not None and action.deleted

        if dry_run:
            for session_id in concerned:
                if (summary := engine.summary(session_id)) is not None:
                    is_due(summary)
        else:
            raise_first(engine.delete_many(concerned, is_due), concerned)
        told = tuple(actions[one] for one in concerned if one in actions)
        return models.CleanupReport(cutoff or now, dry_run, told)

    # -- changes -----------------------------------------------------------------------------

    def last_change(self) -> int:
        """Return the number of the last change, for ``changes(since=...)``.

        Ask for it before you list: then no change between the list and ``changes`` is missed.
        """
        engine = self.engine
        engine.notice()
        return engine.last_change()

    def changes(
        self, since: int | None = None, *, fresh: bool = False, follow: bool = False
    ) -> Generator[SessionChange, None, None]:
        """Yield the changes after a given change, in order and each once; deletions included.

        The iterator ends when there is no more. With ``follow`` it goes on, with each change as it
        happens, until the store is closed. It watches as ``watch`` does, from the first ``next``
        until the iterator is closed or collected. A slow reader delays no other reader or writer.

        What any process does through this library is logged with the write, each write separately.
        What other programs do is logged when it is noticed: at once while any program watches,
        otherwise as soon as ``list`` would see it. Several edits between two looks are one change.
        There is no change if the file is again what it was, or was only touched.

        The log keeps the last 50,000 changes. What happens while no program uses the store is
        found and logged by the next program that uses it.

        Args:
            since: The number of a change that this store reported, or ``last_change()``; also from
                an earlier run or another process. None means from now on, and needs ``follow``.
            fresh: Look at the whole folder first; ``follow`` always does so.
            follow: Whether to wait for the next changes.

        Raises:
            ChangesExpiredError: The number is not known: the index was rebuilt, or too many
                changes followed. List again and continue from ``last_change()``.
            ValueError: Neither ``since`` nor ``follow`` is given.
        """
        refuse_other("since", since, int | None, "the number of a change or None")
        engine = self.engine
        if follow:
            return changes_as_they_happen(engine, since)
        if since is None:
            raise ValueError("changes() needs since, the number of a change, or follow=True")
        return changes_after(engine, since, fresh=fresh)

    def watch(
        self,
        callback: OnChange,
        *,
        since: int | None = None,
        on_error: OnError | None = None,
    ) -> Watch:
        """Call back with each change, in order and once, until the watch or the store is closed.

        The first watch starts a thread of the store and the threads of the system's file events;
        they end when the last watch is closed. Callbacks run in the store's thread, in turn: a slow
        callback delays the others and loses nothing. Callbacks may call any verb.

        An edit by another program is usually reported within 20 ms. An unreadable file is reported
        when no program has written to it for 40 ms, and a missing file when it has been gone for
        40 ms, so that a half-done save is not reported. If the system gives no events (limits, a
        folder that may not be read), the folder is polled, and ``stats()`` says why.

        Args:
            callback: Called with a ``SessionChange``.
            since: As in ``changes``; None reports what happens from now on.
            on_error: Called with (exception, change) if ``callback`` raised; with (exception, None)
                if the store cannot look at the folder, or does not know what happened meanwhile
                (``ChangesExpiredError``: list again; the watch goes on from now). None logs the
                error. No error ends the watch.

        Raises:
            ChangesExpiredError: ``since`` is not known.
            TypeError: ``callback`` or ``on_error`` cannot be called, or is an async function.

        Keep a reference to the store: a store that is garbage-collected ends its watches.
        """
        refuse_uncallable(callback, on_error)
        return Watch(self.engine, callback, on_error, since)

    # -- checkpoints -------------------------------------------------------------------------

    def save_checkpoint(
        self, session_id: str, data: object, *, checkpoint_id: str | None = None
    ) -> Checkpoint:
        """Store an immutable snapshot of the session, after all earlier snapshots.

        Args:
            session_id: An existing session.
            data: Any JSON; copied.
            checkpoint_id: A new id that the caller chooses, so that ``checkpoints`` says what
                each snapshot is and none needs to be read for it. None makes one.

        Raises:
            SessionNotFoundError: There is no such session.
            UnstorableValueError: A value would be lost or changed, or the snapshot takes more than
                ``max_file_bytes``; nothing was written.
            ValueError: The session has a checkpoint with that id, or not every system has files
                of that name.
        """
        if checkpoint_id is None:
            checkpoint_id = made_id("ckpt")
        else:
            refuse_checkpoint_id(checkpoint_id)
        copied: Any = copy.deepcopy(data)
        made = models.Checkpoint(checkpoint_id, session_id, copied, utc_now())
        self.engine.save_checkpoint(made)
        return made

    def checkpoints(self, session_id: str) -> Sequence[str]:
        """Return the ids of the session's checkpoints, the last saved first."""
        return self.engine.checkpoints(session_id)

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None = None) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved.

        Raises:
            SessionNotFoundError: There is no such checkpoint.
            UnreadableSessionError: Its file is not a checkpoint.
        """
        return self.engine.load_checkpoint(session_id, checkpoint_id)

    def delete_checkpoint(self, session_id: str, checkpoint_id: str) -> bool:
        """Remove a checkpoint for good; return whether it was there."""
        return self.engine.delete_checkpoints(session_id, checkpoint_id) > 0

    def clear_checkpoints(self, session_id: str) -> int:
        """Remove all checkpoints of a session for good; return how many there were."""
        return self.engine.delete_checkpoints(session_id, None)

    # -- care --------------------------------------------------------------------------------

    def verify(self, *, on_progress: Progress | None = None) -> Sequence[Finding]:
        """Read every file and compare the index with it; change nothing but the index.

        Returns:
            What is wrong, each finding with a repair that a person can choose; empty if all is
            well.
        """
        return self.engine.verify(on_progress)

    def repair(self, finding: Finding) -> str:
        """Do the repair that a finding of ``verify`` names, if the repair needs no person.

        Checks everything again inside the lock: if the finding no longer holds, nothing is changed
        and the answer says so. The only files it removes are temp files that no writer uses. An
        unreadable file stays as it is; what can be read of it becomes a separate session.

        Returns:
            What was done, in words.

        Raises:
            ValueError: The finding is not ``automatic``.
            LockTimeoutError: Another writer held the lock for all of ``lock_timeout``.
            OSError: The folder cannot be written.
        """
        refuse_other("finding", finding, models.Finding, "one of those that verify() returns")
        return self.engine.repair(finding)

    def reindex(self, *, on_progress: Progress | None = None) -> int:
        """Delete the index and rebuild it from the files; return how many sessions there are."""
        return self.engine.reindex(on_progress)

    def stats(self) -> StoreStats:
        """Return sizes and counts of the store, and what this object has done so far."""
        return self.engine.stats()


def _engine_of(save_dir: str) -> Callable[..., Engine]:
    """Return the engine that keeps sessions in a folder, or at an address.

    Raises:
        ImportError: It is an address, and the extra is not installed.
        ValueError: It looks like an address, and no store can be there.
    """
    if not is_address(save_dir):
        from localsessions._local.engine import LocalEngine

        return LocalEngine
    try:
        from localsessions._postgres.engine import PostgresEngine
    except ImportError as error:
        raise ImportError(
            "a store on a server needs psycopg: pip install 'localsessions[postgres]'"
        ) from error
    return PostgresEngine


_TEXTS = ("user_id", "agent_id", "status", "program", "project", "branch", "parent")
_TIMES = ("since", "until")
_EITHER = ("pinned", "archived", "unreadable")


def _query(filters: Filters) -> Query:
    """Return what filters ask for.

    Raises:
        TypeError: There is no filter of that name, or its value has a wrong type.
        ValueError: A time has no offset.
    """
    if unknown := filters.keys() - models.Filters.__annotations__.keys():
        raise TypeError(f"there is no filter {min(unknown)!r}; see localsessions.Filters")
    refuse_other_texts(**{name: filters.get(name) for name in _TEXTS})
    refuse_naive(since=filters.get("since"), until=filters.get("until"))
    for name in (*_EITHER, "folded", "live"):
        refuse_other(name, filters.get(name), bool | None, "True, False or None")
    tags = filters.get("tags")
    plain: dict[str, Any] = {name: filters.get(name) for name in (*_TEXTS, *_TIMES, *_EITHER)}
    return Query(
        **plain,
        tags=() if tags is None else tuple(dict.fromkeys(texts_in("tags", tags, "a tag"))),
        folded=bool(filters.get("folded")),
        live_at=utc_now() if filters.get("live") else None,
    )


def _name_models() -> None:
    """Let ``typing.get_type_hints`` find what the verbs' annotations name, once a store is open."""
    from pydantic import JsonValue

    named = {name: getattr(models, name) for name in models.__all__}
    globals().update(named, JsonValue=JsonValue)

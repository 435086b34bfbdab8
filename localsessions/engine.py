"""The seam: what the verbs of a store ask of the engine that keeps the sessions.

A verb asks for whole acts, never for files, rows or locks. The values that cross are in ``models``.
The docstrings here are the contract; ``tests/contract`` holds every engine to it. ``_local`` has
the engine that keeps sessions in a folder.

An engine need not know who may do what, what a message looks like, when a session expires, or how
two versions are merged. That is above it (``store``) or in ``_rules``.

The errors are those of ``errors``. An act that raises has changed nothing, unless the error says
so (``DurabilityUnknownError``: the act is done and visible, but perhaps not durable).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from localsessions.errors import SearchGivenUpError
from localsessions.models import Order, Page, activity_key
from localsessions.models.instants import microseconds

if TYPE_CHECKING:
    from localsessions.errors import UnreadableSessionError
    from localsessions.models import (
        Arrival,
        Checkpoint,
        Deletion,
        Finding,
        Group,
        Grouping,
        SearchHit,
        Session,
        SessionChange,
        SessionCopy,
        SessionSummary,
        StoreStats,
        TrashedSession,
    )
    from localsessions.models.plain import Summary

__all__ = [
    "Allows",
    "Asked",
    "Care",
    "Change",
    "Changes",
    "Checkpoints",
    "Copies",
    "Durability",
    "Engine",
    "Follower",
    "IsWanted",
    "Listings",
    "Presence",
    "Progress",
    "Query",
    "Sessions",
    "Trash",
]

Durability: TypeAlias = Literal["full", "fast"]
"""Whether what a verb did survives a power cut when the verb returns; see ``SessionStore``."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total) while long work goes on."""

IsWanted: TypeAlias = Callable[[], bool]
"""Tells whether the answer of a search is still wanted."""

Allows: TypeAlias = Callable[["SessionSummary"], bool]
"""Tells, inside the lock, whether a session as it is now must go. It refuses by raising."""


class Query(NamedTuple):
    """Which sessions an act is about; None does not restrict.

    Attributes:
        user_id: Only sessions of this user.
        agent_id: Only sessions of this agent.
        status: Only sessions with this status.
        since: Only sessions whose last activity is at this instant or later.
        until: Only sessions whose last activity is before this instant.
        live_at: Only sessions that at this instant are not expired, archived or unreadable.
        expired_at: Only sessions whose ``expires_at`` is this instant or earlier.
        program: Only sessions that were imported from this program.
        project: Only sessions of this project folder.
        branch: Only sessions of this branch.
        parent: Only sessions that this session started: its sub-agents, and its forks.
        tags: Only sessions that have all of these tags.
        pinned: Only sessions that are pinned, or only those that are not.
        archived: Only sessions with the status "archived", or only the others.
        unreadable: Only files that are no sessions, or only sessions.
        folded: Without the sub-agents and forks of sessions of the store.
    """

    user_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    live_at: datetime | None = None
    expired_at: datetime | None = None
    program: str | None = None
    project: str | None = None
    branch: str | None = None
    parent: str | None = None
    tags: tuple[str, ...] = ()
    pinned: bool | None = None
    archived: bool | None = None
    unreadable: bool | None = None
    folded: bool = False

    def narrowed(self, *, since: datetime | None = None, until: datetime | None = None) -> Query:
        """Return a query for those of these sessions that are also in this time."""
        after = [one for one in (self.since, since) if one is not None]
        before = [one for one in (self.until, until) if one is not None]
        return self._replace(since=max(after, default=None), until=min(before, default=None))

    def matches(self, summary: Summary) -> bool:
        """Tell whether the query matches a session; ``folded`` depends on others too."""
        return (
            self.user_id in (None, summary.user_id)
            and self.agent_id in (None, summary.agent_id)
            and self.status in (None, summary.status)
            and self.program in (None, summary.program)
            and self.project in (None, summary.project)
            and self.branch in (None, summary.branch)
            and self.parent in (None, summary.parent)
            and {*self.tags} <= {*summary.tags}
            and self.pinned in (None, summary.pinned)
            and self.archived in (None, summary.status == "archived")
            and self.unreadable in (None, summary.unreadable is not None)
            and (self.since is None or activity_key(summary) >= microseconds(self.since))
            and (self.until is None or activity_key(summary) < microseconds(self.until))
            and (self.live_at is None or _is_live(summary, self.live_at))
            and (self.expired_at is None or _is_expired(summary, self.expired_at))
        )


def _is_expired(summary: Summary, now: datetime) -> bool:
    return summary.expires_at is not None and summary.expires_at <= now


def _is_live(summary: Summary, now: datetime) -> bool:
    return summary.status not in ("archived", "unreadable") and not _is_expired(summary, now)


class Asked(NamedTuple):
    """How much of a search's answer is asked for.

    Attributes:
        limit: How many sessions at most.
        neighbours: How many messages before a hit, and how many after it.
        on_progress: Called while texts are read.
        is_wanted: Called now and then: whether the answer is still wanted.
    """

    limit: int
    neighbours: int = 0
    on_progress: Progress | None = None
    is_wanted: IsWanted | None = None

    def refuse_unwanted(self) -> None:
        """Refuse to go on if the answer is no longer wanted.

        Raises:
            SearchGivenUpError: It is not.
        """
        if self.is_wanted is not None and not self.is_wanted():
            raise SearchGivenUpError


class Change(NamedTuple):
    """A change of a session, made inside its lock.

    An engine may call ``apply`` several times, each time with another copy. It may also leave the
    earlier messages out of the copy, so that it need not read them. So ``apply`` looks only at the
    messages that ``run_id`` asks for, and adds its own at the end.

    Attributes:
        apply: Changes the session; it may refuse by raising.
        is_activity: Whether the change moves ``last_activity``.
        run_id: A run. ``apply`` must see the messages from the first message of this run on.
        message_id: A message of this run: then ``apply`` need see only the messages from this one
            on. If it is not there, any of them.
        only_assigns: Whether ``apply`` only assigns fields, and puts nothing into existing lists
            and objects; then the engine need not check these again.
    """

    apply: Callable[[Session], None]
    is_activity: bool = True
    run_id: str | None = None
    message_id: str | None = None
    only_assigns: bool = False


class Sessions(Protocol):
    """A single session, and many at once.

    A method that changes a session, here and in ``Trash`` and ``Checkpoints``, waits for the lock
    holder as long as the engine was told to, and then raises ``LockTimeoutError``. If this very
    thread edits the session, it raises ``RuntimeError`` at once. Reading waits for no lock. The
    caller gets objects of its own, and two copies of one version are equal.
    """

    def location(self, session_id: str) -> str:
        """Return where the session is or would be kept, for people: a path or an address.

        Raises:
            TypeError: The id is not a text.
            ValueError: No session can have that id: no file could have its name, see
                ``_codec.names``. All engines refuse the same ids, so a session can move.
        """

    def read(self, session_id: str, *, last_good: bool = False) -> Session:
        """Return a copy of the session as it is now.

        Args:
            session_id: Which session.
            last_good: If the session cannot be read, return the last good version, if it is kept.
                That version is not based on anything stored, so it cannot be saved over the
                unreadable session.

        Raises:
            SessionNotFoundError: There is no such session.
            UnreadableSessionError: The content under the id is not a session, and no good version
                is kept, or the caller did not ask for it. If a program is still writing the
                session, the engine waits for it for a fifth of a second.
            ValueError: No session can have that id.
        """

    def raw(self, session_id: str) -> bytes:
        """Return one whole version of the bytes that are kept under the id, whatever they say.

        Raises:
            SessionNotFoundError: Nothing is kept under the id.
            UnreadableSessionError: The bytes cannot be read at all.
        """

    def create(self, session: Session, *, max_live: int | None = None) -> None:
        """Store a new session; afterwards it is based on what was stored.

        Args:
            session: Its own ``revision`` is raised by one and ``updated_at`` set.
            max_live: How many sessions may be live at its ``created_at``, this session included.
                Counting and creating are one step for all callers that pass ``max_live``.

        Raises:
            SessionExistsError: There is a session with that id, or with an id that differs only by
                letter case or Unicode form.
            SessionLimitError: There are ``max_live`` sessions already.
            UnstorableValueError: A value would be lost or changed.
            ValueError: No session can have that id.
        """

    def replace(self, session: Session, *, merges: bool = False) -> None:
        """Store a session if the stored version is what it is based on; else refuse, or merge.

        A session in which nothing was changed is not written. A session that is based on nothing
        is new. Afterwards the session is based on what was stored.

        Args:
            session: ``updated_at``, ``revision`` and, unless the caller set it, ``last_activity``
                are moved.
            merges: Whether to merge what others changed meanwhile, by ``_rules.merging``; then the
                session also holds their changes.

        Raises:
            ConflictError: The stored version is another version, and the caller did not ask to
                merge, or it cannot be merged: ``conflicts`` names the places. The session is
                unchanged.
            UnreadableSessionError: The stored version has become unreadable.
            SessionExistsError: It is new, and there is a session whose id differs from it by
                letter case or Unicode form only.
            UnstorableValueError: A value would be lost or changed.
            FormatVersionError: The stored version has a newer format.
        """

    def change(self, session_id: str, change: Change) -> SessionSummary:
        """Read, change and write a session in one step for all other writers.

        Returns:
            What a listing says of the session now. If nothing was changed, nothing was written.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
        """

    def editing(self, session_id: str, *, is_activity: bool) -> AbstractContextManager[Session]:
        """Lock and read a session, pass it to the block, and write it when the block ends.

        If the block raises, nothing is written. The block may change other sessions.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Before the block.
            RuntimeError: Before the block: this thread is editing the session already.
            ConflictError: After the block: a program that takes no lock wrote meanwhile.
        """

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        """Replace content that is not a session, or is a session only by accident, in one step.

        Args:
            session_id: The id under which the content is kept.
            make: Makes the session from the content; called inside the lock. None leaves it.

        Returns:
            The session that was stored; None if ``make`` returned None.

        Raises:
            SessionNotFoundError: Nothing is kept under the id.
            FormatVersionError: The content is a session of a newer format; it stays.
            UnstorableValueError: A value would be lost or changed; nothing was written.
        """

    def tail(self, session_id: str, n: int) -> Session:
        """Return a session with only its last ``n`` messages, 1 or more; all else is there.

        It is for reading, and is based on nothing stored. The engine may leave the earlier messages
        unread.

        Raises:
            SessionNotFoundError, UnreadableSessionError: As ``read``.
        """

    def create_many(self, sessions: Sequence[Session]) -> Mapping[str, Exception]:
        """Do ``create`` for each session, all with different ids; return the errors by session id.

        Each session is whole or absent; the call as a whole is not a transaction. A session that
        another thread or process is changing is waited for when all others are done. Each error
        names its session, by ``session_id`` or in a note. The same holds for the next two methods.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """

    def replace_many(
        self, sessions: Sequence[Session], *, merges: bool = False
    ) -> Mapping[str, Exception]:
        """Do ``replace`` for each session, all with different ids; return the errors by session id.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """

    def delete_many(self, session_ids: Sequence[str], allows: Allows) -> Mapping[str, Exception]:
        """Do ``delete`` for each session; return the errors by session id.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """


class Listings(Protocol):
    """Finding sessions without reading them."""

    def page(
        self, query: Query, *, order: Order, limit: int, cursor: str | None, fresh: bool
    ) -> Page[SessionSummary]:
        """Return a page of summaries; ties are sorted by id.

        It contains everything that went through a store. It contains what other programs did once
        the engine has noticed it, and with ``fresh`` always. Each summary that it returns is up to
        date.

        Args:
            query: Which sessions.
            order: What to sort by; ``-`` puts the largest first.
            limit: How many at most, 1 or more.
            cursor: ``next_cursor`` of the previous page. If sessions come, go or move meanwhile,
                nothing else is repeated or left out; a session that itself moved may be.
            fresh: Whether to look first for what other programs did.

        Raises:
            ValueError: The cursor belongs to another listing.
        """

    def summary(self, session_id: str) -> SessionSummary | None:
        """Return what a listing says of a session now; None if it does not exist."""

    def count(self, query: Query) -> int:
        """Return how many sessions there are, as up to date as a page."""

    def groups(self, by: Grouping, query: Query) -> Sequence[Group]:
        """Return the groups of the sessions, see ``_rules.groups``; as up to date as a page.

        The work grows with the sessions that the query asks for, none of which is read.
        """

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:
        """Return the ids of all sessions, the least recently active first.

        With ``expired_at``, the sessions that expired first come first.
        """

    def named(self, reference: str, limit: int) -> Sequence[str]:
        """Return the ids that a person may mean, at most ``limit``.

        If a session has exactly that id, only this id. Otherwise the ids that begin with the
        reference, then those of sessions whose title has the same words, in any letter case.
        """

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return for each id its shortest beginning of 8 letters or more that no other id has.

        The whole id if another one begins with it.
        """

    def search(self, text: str, query: Query, asked: Asked) -> Sequence[SearchHit]:
        """Return the sessions that a question finds, the best first; see ``_rules.question``.

        A session that has all words side by side goes before one that has them in one message,
        that before one that has other words that may be meant, and that before one that has them
        in several messages. Of two of a kind, the one of which the words are more goes first; of
        equals, the one that was active last. Each session is there once, with its best place.

        Raises:
            SearchGivenUpError: The answer is no longer wanted.
        """


class Follower(Protocol):
    """An object that wants to know that something happened.

    The engine calls it in a thread of its own, never twice at once; it may call any method of the
    engine. When the engine closes, ``close`` wakes it for the last time.

    Attributes:
        closed: Set by the engine when the follower leaves or the engine closes; it stays set.
    """

    closed: bool

    def wake(self) -> None:
        """Something happened, or ``closed`` was set. The engine may also call it for no reason."""

    def fail(self, error: Exception) -> None:
        """The engine cannot look for changes; it goes on trying."""


class Changes(Protocol):
    """The changes, in order, each with a number that grows and is never given twice."""

    def notice(self, *, fresh: bool = False) -> None:
        """Log what other programs did, if a look is due; with ``fresh`` always."""

    def last_change(self) -> int:
        """Return the number of the last change, after ``notice``."""

    def changes(self, since: int, limit: int) -> Sequence[SessionChange]:
        """Return the next changes after a given change, at most ``limit``; empty: no more.

        What this engine did has the origin "this store"; what other engines of the same sessions
        did has "another store".

        Raises:
            ChangesExpiredError: The log never gave this number, or no longer knows it.
            ValueError: The engine is closed.
        """

    def follow(self, follower: Follower) -> None:
        """Wake a follower whenever something happens, and once at the beginning.

        Raises:
            ValueError: The engine is closed.
        """

    def unfollow(self, follower: Follower) -> None:
        """Stop waking a follower. Idempotent. A wake-up that is running may still finish later."""

    def is_away(self) -> bool:
        """Tell whether the stored sessions cannot be reached now, but may come back."""


class Trash(Protocol):
    """Deleted sessions, until they are restored or removed for good."""

    def delete(self, session_id: str, allows: Allows) -> bool:
        """Move a session with its checkpoints to the trash; False if it is absent or stays.

        Raises:
            LockTimeoutError: Another writer held the lock for the whole timeout.
        """

    def restore(self, session_id: str) -> Session:
        """Bring the last deleted session with that id back, with its checkpoints.

        Raises:
            SessionNotFoundError: It is not in the trash.
            SessionExistsError: There is a session with that id again, or with an id that differs
                from it by letter case or Unicode form only.
            UnreadableSessionError: It was unreadable; it is back all the same.
        """

    def trash(self) -> Sequence[TrashedSession]:
        """Return what can be restored, the last deleted first."""

    def empty_trash(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        """Remove for good what was deleted at an instant or earlier; return what was removed."""

    def deletions(self, session_ids: Collection[str]) -> Sequence[Deletion]:
        """Return each deletion of these sessions, the first first; restored sessions have none.

        What was removed for good counts too, until ``forget_deletions``.
        """

    def forget_deletions(self) -> None:
        """Forget the deletions of what was removed for good."""


class Checkpoints(Protocol):
    """Immutable snapshots of a session, in the order in which they were saved."""

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a snapshot after all earlier snapshots.

        Raises:
            SessionNotFoundError: There is no such session.
            UnstorableValueError: A value would be lost or changed, or the snapshot is too large.
            ValueError: The session has a checkpoint with that id.
        """

    def checkpoints(self, session_id: str) -> Sequence[str]:
        """Return the ids of a session's checkpoints, the last saved first."""

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved.

        Raises:
            SessionNotFoundError: There is no such checkpoint.
            UnreadableSessionError: What is stored is not a checkpoint.
        """

    def delete_checkpoints(self, session_id: str, checkpoint_id: str | None) -> int:
        """Remove a checkpoint for good, or all if None; return how many were removed."""


class Presence(Protocol):
    """Who is there: what a process left unfinished is told from what it is still doing."""

    def present(self) -> AbstractContextManager[str]:
        """Be known as present while the block runs, until the engine closes or its process ends.

        Returns:
            A name of this engine, which no other engine has.
        """

    def is_present(self, name: str) -> bool:
        """Tell whether an engine is present; False for what is no name of an engine.

        True also if the engine cannot find out.
        """


class Copies(Protocol):
    """Whole sessions byte for byte, with their checkpoints: for backups and for moving.

    What one engine gives, another one takes.
    """

    def copies(self) -> Iterator[SessionCopy | UnreadableSessionError]:
        """Yield each session, and each deleted one that can be restored; what cannot be read, too.

        Each is one whole version. No session is left out because it is deleted or restored
        meanwhile; then it may be there twice. No lock is held while the caller has a copy.
        """

    def bring(self, copy: SessionCopy, *, dry_run: bool = False) -> Arrival:
        """Store a copy where it came from, live or deleted, if nothing else is there.

        A live session that is there now was not moved away, whatever was remembered of it. The copy
        is durable whatever the engine promises. Killed in the middle, it may be repeated.

        Args:
            copy: A session, readable or not.
            dry_run: Change nothing; the answer is the same.

        Returns:
            "new": all or a part of it was lacking, and is there now. "same": all of it was there.
            "other": there is a session of that id, or of an id that differs by letter case or
            Unicode form only, with other content; nothing was changed.

        Raises:
            LockTimeoutError: Another writer held the lock for the whole timeout.
            UnreadableSessionError: What is there cannot be read; nothing was changed.
            UnstorableValueError: It is larger than the engine can read; nothing was changed.
            ValueError: No session can have that id.
        """

    def leaving(self, session_id: str, *, moved_to: str) -> AbstractContextManager[SessionCopy]:
        """Lock a session, pass a copy to the block, and remove the session when the block ends.

        It is removed with its checkpoints and for good, and ``deletions`` says where it was moved
        to. If the block raises, it stays. If a kill left only checkpoints, these leave.

        Raises:
            SessionNotFoundError, LockTimeoutError: Before the block.
            UnreadableSessionError: Before the block: not all of its bytes can be read.
            ConflictError: After the block: a program that takes no lock wrote meanwhile; it stays.
        """

    def purged(self) -> Sequence[Deletion]:
        """Return each deletion of a session that is not in the trash any more."""

    def remember(self, deletions: Sequence[Deletion]) -> None:
        """Remember deletions of sessions that are not in the trash, each once.

        A session that is there was not moved away: that it was is not remembered.
        """


class Care(Protocol):
    """Checking and repairing what is stored."""

    def verify(self, on_progress: Progress | None) -> Sequence[Finding]:
        """Read everything; return what is wrong, each with its repair. Change no session."""

    def repair(self, finding: Finding) -> str:
        """Do the repair that a finding names, if the finding still holds; say what was done.

        Raises:
            ValueError: The repair needs a person.
        """

    def reindex(self, on_progress: Progress | None) -> int:
        """Rebuild everything that is derived, the log of changes included.

        The numbers of earlier changes are not known any more.

        Returns:
            How many sessions there are.
        """

    def stats(self) -> StoreStats:
        """Return sizes and counts, and what this engine has done so far."""


class Engine(Sessions, Listings, Changes, Trash, Checkpoints, Presence, Copies, Care, Protocol):
    """Where the sessions of one store are kept, for any number of threads.

    Attributes:
        address: What identifies the engine, for people: a path or an address.
    """

    address: str

    def close(self) -> None:
        """End every following and close everything. Idempotent; writes no session.

        Other engines of the same sessions go on.
        """

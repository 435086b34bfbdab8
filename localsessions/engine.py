"""The seam: what the verbs of a store ask of where its sessions are kept.

A verb asks for whole acts, never for files, rows or locks, and what crosses is in ``models``. The
docstrings here are the contract; ``tests/contract`` holds every engine to it. ``_local`` has the
engine that keeps sessions in a folder.

What an engine need not know: who may do what, what a message looks like, when a session expires,
how two versions are merged. That stands above (``store``) or in ``_rules``.

The errors are those of ``errors``. An act that raises has changed nothing, unless it says so
(``DurabilityUnknownError``: it is done and visible, and perhaps not durable).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

from localsessions.models import (
    Checkpoint,
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

__all__ = [
    "Allows",
    "Care",
    "Change",
    "Changes",
    "Checkpoints",
    "Durability",
    "Engine",
    "Follower",
    "Listings",
    "Progress",
    "Query",
    "Sessions",
    "Trash",
]

Durability: TypeAlias = Literal["full", "fast"]
"""Whether what a verb did survives a power cut when the verb returns, see ``SessionStore``."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, of all) while long work goes on."""

Allows: TypeAlias = Callable[[SessionSummary], bool]
"""Asked of a session as it is now, inside its lock: whether it is to go. It refuses by raising."""


class Query(NamedTuple):
    """Which sessions an act is about; None does not restrict.

    Attributes:
        user_id: Only this user's.
        agent_id: Only those of this agent.
        status: Only those of this status.
        since: Only those whose last activity is at this instant or later.
        until: Only those whose last activity is before this instant.
        live_at: Only those that at this instant are neither expired nor archived nor unreadable.
        expired_at: Only those whose ``expires_at`` is this instant or earlier.
    """

    user_id: str | None = None
    agent_id: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    live_at: datetime | None = None
    expired_at: datetime | None = None

    def matches(self, summary: SessionSummary) -> bool:
        """Tell whether a session is one of these."""
        return (
            self.user_id in (None, summary.user_id)
            and self.agent_id in (None, summary.agent_id)
            and self.status in (None, summary.status)
            and (self.since is None or summary.last_activity >= self.since)
            and (self.until is None or summary.last_activity < self.until)
            and (self.live_at is None or _is_live(summary, self.live_at))
            and (self.expired_at is None or _is_expired(summary, self.expired_at))
        )


def _is_expired(summary: SessionSummary, now: datetime) -> bool:
    return summary.expires_at is not None and summary.expires_at <= now


def _is_live(summary: SessionSummary, now: datetime) -> bool:
    return summary.status not in ("archived", "unreadable") and not _is_expired(summary, now)


class Change(NamedTuple):
    """A change of one session, made inside its lock.

    An engine may call ``apply`` more than once, each time with another copy; and with one whose
    earlier messages are left out, so that nothing of them is read. So ``apply`` looks at no message
    but those that ``run_id`` asks for, and adds its own at the end.

    Attributes:
        apply: Changes the session; it may refuse by raising.
        is_activity: Whether the change moves ``last_activity``.
        run_id: A run whose messages ``apply`` has to see, from the first one on.
        only_assigns: Whether ``apply`` only assigns fields, and puts nothing into lists and objects
            that are there; then they need not be checked again.
    """

    apply: Callable[[Session], None]
    is_activity: bool = True
    run_id: str | None = None
    only_assigns: bool = False


class Sessions(Protocol):
    """One session, and many at once."""

    def location(self, session_id: str) -> str:
        """Return where the session is or would be kept, for people: a path or an address.

        Raises:
            TypeError: The id is no text.
            ValueError: No session can have that id.
        """

    def read(self, session_id: str, *, last_good: bool = False) -> Session:
        """Return a copy of the session as it is now.

        Args:
            session_id: Which session.
            last_good: Where it cannot be read, return the last good version if one is kept; that
                stands on nothing, so that it cannot be saved over what is there.

        Raises:
            SessionNotFoundError: There is none.
            UnreadableSessionError: What is there is no session, and no good version was asked for
                or kept. What is being written is waited for, a fifth of a second.
            ValueError: No session can have that id.
        """

    def raw(self, session_id: str) -> bytes:
        """Return one whole version of what is kept under the id, whatever it says.

        Raises:
            SessionNotFoundError: There is nothing.
            UnreadableSessionError: It cannot be read at all.
        """

    def create(self, session: Session, *, max_live: int | None = None) -> None:
        """Store a new session; it stands on what was stored.

        Args:
            session: Its own ``revision`` is raised by one and ``updated_at`` set.
            max_live: How many sessions that are live at its ``created_at`` there may be with this
                one. Counting and creating are one step for all who say so.

        Raises:
            SessionExistsError: There is one of that id, or of an id that differs from it by letter
                case or Unicode form only.
            SessionLimitError: There are ``max_live`` already.
            UnstorableValueError: A value would be lost or changed.
            ValueError: No session can have that id.
        """

    def replace(self, session: Session, *, merges: bool = False) -> None:
        """Store a session if what is kept is what it stands on; else refuse it, or merge.

        A session in which nothing was changed is not written. One that stands on nothing is new.
        Afterwards it stands on what was stored.

        Args:
            session: Its ``updated_at``, ``revision`` and, unless the caller set it,
                ``last_activity`` are moved.
            merges: Whether what others changed meanwhile is merged with it, by
                ``_rules.merging``; then the session holds what they changed too.

        Raises:
            ConflictError: What is kept is another version, and is not to be merged or cannot be:
                ``conflicts`` names the places. The session is as it was.
            UnreadableSessionError: What is kept has become unreadable.
            UnstorableValueError: A value would be lost or changed.
            FormatVersionError: What is kept is of a newer format.
        """

    def change(self, session_id: str, change: Change) -> SessionSummary:
        """Read, change and write a session in one step for everybody else.

        Returns:
            What a listing says of it now. Where nothing was changed, nothing was written.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Nothing was written.
            UnstorableValueError: A value would be lost or changed; nothing was written.
        """

    def editing(self, session_id: str, *, is_activity: bool) -> AbstractContextManager[Session]:
        """Lock and read a session, hand it over, and write it when the block ends.

        An error in the block writes nothing. Other sessions may be changed in the block.

        Raises:
            SessionNotFoundError, UnreadableSessionError, LockTimeoutError: Before the block.
            RuntimeError: Before the block: this thread is editing the session already.
            ConflictError: After the block: a program that takes no lock wrote meanwhile.
        """

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        """Put a session in the place of what is none, or is one by accident, in one step.

        Args:
            session_id: Under which it is kept.
            make: Makes the session of what is there; called inside the lock. None leaves it.

        Returns:
            What was stored; None where ``make`` made nothing.

        Raises:
            SessionNotFoundError: There is nothing.
            FormatVersionError: What is there is a session of a newer format; it stays.
            UnstorableValueError: A value would be lost or changed; nothing was written.
        """

    def tail(self, session_id: str, n: int) -> Sequence[Message]:
        """Return the last ``n`` messages, 1 or more, in order; fewer when there are not so many.

        Raises:
            SessionNotFoundError, UnreadableSessionError: As ``read``.
        """

    def create_many(self, sessions: Sequence[Session]) -> Mapping[str, Exception]:
        """Do what ``create`` does of each, no two of one id; return the errors by session id.

        Each for itself is whole or not there; together they are no transaction.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """

    def replace_many(
        self, sessions: Sequence[Session], *, merges: bool = False
    ) -> Mapping[str, Exception]:
        """Do what ``replace`` does of each, no two of one id; return the errors by session id.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """

    def delete_many(self, session_ids: Sequence[str], allows: Allows) -> Mapping[str, Exception]:
        """Do what ``delete`` does of each; return the errors by session id.

        Raises:
            PermissionError: Nothing can be written at all; nothing was.
        """


class Listings(Protocol):
    """Finding sessions without reading them."""

    def page(
        self, query: Query, *, order: Order, limit: int, cursor: str | None, fresh: bool
    ) -> Page[SessionSummary]:
        """Return a page of summaries; ties go by id.

        What went through a store is in it. What other programs did is in it when it was noticed,
        and with ``fresh`` in any case; what the page itself returns is as it is now.

        Args:
            query: Which sessions.
            order: By what; ``-`` puts the largest first.
            limit: How many at most, 1 or more.
            cursor: ``next_cursor`` of the page before: nothing is doubled or left out when
                sessions come, go or move meanwhile, but for those that moved themselves.
            fresh: Whether to look for what other programs did first.

        Raises:
            ValueError: The cursor belongs to another listing.
        """

    def summary(self, session_id: str) -> SessionSummary | None:
        """Return what a listing says of one session as it is now; None when it is not there."""

    def count(self, query: Query) -> int:
        """Return how many sessions there are, as fresh as a page."""

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:
        """Return the ids of all sessions, those active longest ago first.

        With ``expired_at`` those that expired first are first.
        """

    def named(self, reference: str, limit: int) -> Sequence[str]:
        """Return the ids that a person may mean, at most ``limit``.

        The session of that very id alone, where there is one; else those whose id begins with it,
        then those whose title has the same words, in any case.
        """

    def search(
        self, text: str, query: Query, *, limit: int, on_progress: Progress | None
    ) -> Sequence[SearchHit]:
        """Return the sessions in which all words occur, the best first; see ``_rules.words``.

        Raises:
            ValueError: The text holds no letter and no digit.
        """


class Follower(Protocol):
    """Somebody who wants to know that something happened; called in a thread of the engine.

    Attributes:
        closed: Set by the engine, once and for all, when the follower leaves or the engine closes.
    """

    closed: bool

    def wake(self) -> None:
        """Something happened, or ``closed`` was set. It may be called when nothing did."""

    def fail(self, error: Exception) -> None:
        """The engine cannot look for changes; it goes on trying."""


class Changes(Protocol):
    """What happened, in order, each with a number that grows and is never given twice."""

    def notice(self, *, fresh: bool = False) -> None:
        """Log what other programs did, if a look is due; with ``fresh`` in any case."""

    def last_change(self) -> int:
        """Return the number of the last change, after ``notice``."""

    def changes(self, since: int, limit: int) -> Sequence[SessionChange]:
        """Return the next changes that are logged after one, at most ``limit``; none: no more.

        Raises:
            ChangesExpiredError: The number is none that this log gave and still knows.
            ValueError: The engine is closed.
        """

    def follow(self, follower: Follower) -> None:
        """Wake a follower whenever something happened, and once at the beginning.

        Raises:
            ValueError: The engine is closed.
        """

    def unfollow(self, follower: Follower) -> None:
        """Wake a follower no more. Idempotent; a call that goes on may still end."""

    def is_away(self) -> bool:
        """Tell whether what is kept cannot be reached just now, and may come back."""


class Trash(Protocol):
    """Deleted sessions, until they are restored or removed for good."""

    def delete(self, session_id: str, allows: Allows) -> bool:
        """Move a session with its checkpoints to the trash; False when it is not there or stays.

        Raises:
            LockTimeoutError: Somebody is changing it all the time.
        """

    def restore(self, session_id: str) -> Session:
        """Bring the last deleted session of that id back, with its checkpoints.

        Raises:
            SessionNotFoundError: It is not in the trash.
            SessionExistsError: There is one of that id again.
            UnreadableSessionError: It was unreadable; it is back all the same.
        """

    def trash(self) -> Sequence[TrashedSession]:
        """Return what can be restored, the last deleted first."""

    def empty_trash(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        """Remove for good what was deleted at an instant or earlier; return it."""


class Checkpoints(Protocol):
    """Immutable snapshots beside a session, in the order of their saving."""

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a snapshot after all earlier ones.

        Raises:
            SessionNotFoundError: There is no such session.
            UnstorableValueError: A value would be lost or changed, or it is too large.
        """

    def checkpoints(self, session_id: str) -> Sequence[str]:
        """Return the ids of a session's checkpoints, the last saved first."""

    def load_checkpoint(self, session_id: str, checkpoint_id: str | None) -> Checkpoint:
        """Return a checkpoint; None asks for the last saved.

        Raises:
            SessionNotFoundError: There is no such checkpoint.
            UnreadableSessionError: What is kept is none.
        """

    def delete_checkpoints(self, session_id: str, checkpoint_id: str | None) -> int:
        """Remove one for good, or with None all; return how many there were."""


class Care(Protocol):
    """Looking after what is kept."""

    def verify(self, on_progress: Progress | None) -> Sequence[Finding]:
        """Read everything and return what is not well, each with its repair; change no session."""

    def repair(self, finding: Finding) -> str:
        """Do the repair that a finding names, where it still holds; say what was done.

        Raises:
            ValueError: It needs a person.
        """

    def reindex(self, on_progress: Progress | None) -> int:
        """Make anew whatever is derived; return how many sessions there are."""

    def stats(self) -> StoreStats:
        """Return sizes and counts, and what this engine has done so far."""


class Engine(Sessions, Listings, Changes, Trash, Checkpoints, Care, Protocol):
    """Where the sessions of one store are kept, for any number of threads.

    Attributes:
        address: What tells it from others, for people: a path or an address.
    """

    address: str

    def close(self) -> None:
        """End every following and let go of everything. Idempotent; nothing is written."""

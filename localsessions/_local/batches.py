"""One verb on many sessions, in batches that share their syncs and one transaction of the index.

Each session is handled as by the verb for one session, with the same promise. A batch holds the
locks of all its sessions, so it waits for no lock: a session that another thread or process is
changing is set aside and done alone at the end, when no other lock is held. So no caller waits for
a bulk verb longer than one batch takes, and two bulk verbs never wait for each other. Sessions are
sorted by stripe, so that each lock is taken about once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from localsessions._codec.names import folded
from localsessions._local.deleting import Trash
from localsessions._local.files import FileWritten, stripe_of
from localsessions._local.reconciling import Reconciler
from localsessions._local.version import Fingerprint
from localsessions._local.writing import Writer
from localsessions._rules.batches import batches
from localsessions._rules.drafts import Draft, draft_of
from localsessions.engine import Allows
from localsessions.errors import LockTimeoutError, SessionError, SessionExistsError
from localsessions.models import Session

__all__ = ["Bulk"]

# RuntimeError: the caller is inside ``edit`` of that session.
_REFUSALS = (SessionError, OSError, RuntimeError)

T = TypeVar("T")


class _Version(NamedTuple):
    draft: Draft
    former: Fingerprint | None

    @property
    def session_id(self) -> str:
        return self.draft.session.session_id


class Bulk:
    """One act on many sessions: which sessions are set aside, and which failed.

    Attributes:
        errors: The error of each session that was not done, or whose durability is unknown, by
            session id.
    """

    def __init__(self, reconciler: Reconciler) -> None:
        self._folder = reconciler.folder
        self._reconciler = reconciler
        self.errors: dict[str, Exception] = {}
        self._aside: list[str] = []

    # -- writing -----------------------------------------------------------------------------

    def write(
        self,
        sessions: Collection[Session],
        writer: Writer,
        former: Callable[[Session], Fingerprint | None],
        alone: Callable[[Session], object],
        again: tuple[type[SessionError], ...] = (),
    ) -> None:
        """Write the sessions that were changed.

        Args:
            sessions: Each session id at most once.
            writer: The writer of the folder.
            former: Called inside the lock: returns the fingerprint of the file to be replaced, None
                where there is none. It raises to refuse the session.
            alone: Writes a session that was set aside.
            again: Errors of ``former`` after which a session is set aside instead of refused.
        """
        self._refuse_read_only(sessions)
        in_order = sorted(sessions, key=lambda session: stripe_of(session.session_id))
        for batch in batches(self._drafts(in_order), lambda one: len(one.data)):
            with self._locked([one.session.session_id for one in batch]) as held:
                mine = [one for one in batch if one.session.session_id in held]
                checked = list(self._checked(mine, former, again))
                self._write_batch(list(self._without_twins(checked)), writer)
        by_id = {session.session_id: session for session in sessions}
        self._each_alone(lambda session_id: alone(by_id[session_id]))

    def _drafts(self, sessions: Iterable[Session]) -> Iterator[Draft]:
        for session in sessions:
            changed: list[Draft] = []
            with self._noting(session.session_id):
                draft = draft_of(session, is_activity=True)
                changed += [draft] if draft.is_changed else []
            yield from changed

    def _checked(
        self,
        drafts: Iterable[Draft],
        former: Callable[[Session], Fingerprint | None],
        again: tuple[type[SessionError], ...],
    ) -> Iterator[_Version]:
        for draft in drafts:
            session_id = draft.session.session_id
            with self._noting(session_id):
                try:
                    found = former(draft.session)
                except again:
                    self._aside.append(session_id)
                    continue
                yield _Version(draft, found)

    def _without_twins(self, batch: Sequence[_Version]) -> Iterator[_Version]:
        """Leave out new sessions that would share a file with another session on some systems."""
        new: dict[str, str] = {}
        for version in batch:
            if version.former is None:
                new.setdefault(folded(version.session_id), version.session_id)
        try:
            twins = self._reconciler.twins([*new.values()]) if new else {}
        except OSError:  # a due sweep failed: each session is tried alone, and gets its own error
            self._aside += [version.session_id for version in batch]
            return
        for version in batch:
            session_id = version.session_id
            if version.former is None and new[folded(session_id)] != session_id:
                self._aside.append(
                    session_id
                )  # its twin is a new session of this batch, which has no row yet
            elif twin := twins.get(session_id):
                path = self._folder.path(session_id)
                self._note(session_id, SessionExistsError(session_id, path=path, existing=twin))
            else:
                yield version

    def _write_batch(self, batch: Sequence[_Version], writer: Writer) -> None:
        outcomes = writer.write_many(batch) if batch else []
        for version, outcome in zip(batch, outcomes, strict=True):
            session_id = version.session_id
            if outcome is None:
                self._aside.append(session_id)
            elif not isinstance(outcome, FileWritten):
                self._note(session_id, outcome)
            elif outcome.doubt is not None:
                self._note(session_id, outcome.doubt)

    # -- removing ----------------------------------------------------------------------------

    def remove(self, session_ids: Collection[str], trash: Trash, allows: Allows) -> None:
        """Move sessions to the trash.

        Args:
            session_ids: Each id at most once.
            trash: The trash of the folder.
            allows: Called inside the lock: whether the session is to go. It raises to refuse.
        """
        self._refuse_read_only(session_ids)
        for batch in batches(sorted(session_ids, key=stripe_of), lambda _: 0):
            with self._locked(batch) as held:
                due = []
                for session_id in filter(held.__contains__, batch):
                    with self._noting(session_id):
                        due += [session_id] if trash.is_to_go(session_id, allows) else []
                for session_id, error in (trash.put_many(due) if due else {}).items():
                    self._note(session_id, error)

        def remove(session_id: str) -> None:
            with self._folder.lock(session_id):
                if trash.is_to_go(session_id, allows):
                    trash.put(session_id)

        self._each_alone(remove)

    # -- one by one --------------------------------------------------------------------------

    @contextmanager
    def _locked(self, session_ids: Sequence[str]) -> Iterator[frozenset[str]]:
        with self._folder.lock_free(session_ids) as held:
            self._aside += [one for one in session_ids if one not in held]
            yield held

    def _refuse_read_only(self, concerned: Collection[object]) -> None:
        """Raise if the folder cannot be written: one error for all, not one for each session."""
        if concerned:
            with self._folder.lock():
                pass

    def _each_alone(self, act: Callable[[str], object]) -> None:
        """Do the sessions that were set aside, one after the other.

        After the first timeout in a stripe, the other sessions of that stripe are not waited for.
        """
        stuck: dict[int, LockTimeoutError] = {}
        for session_id in self._aside:
            with self._noting(session_id):
                if error := stuck.get(stripe_of(session_id)):
                    raise LockTimeoutError(error.timeout, session_id=session_id, path=error.path)
                try:
                    act(session_id)
                except LockTimeoutError as error:
                    stuck[stripe_of(session_id)] = error
                    raise

    @contextmanager
    def _noting(self, session_id: str) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as error:
            self._note(session_id, error)

    def _note(self, session_id: str, error: Exception) -> None:
        if not isinstance(error, SessionError):
            error.add_note(f"session {session_id!r}")
        self.errors[session_id] = error

"""One verb on many sessions, in batches that share their syncs and one transaction of the index.

Each session for itself goes the way of the verb for one, with the same promise. A batch holds the
locks of its sessions together, and so it waits for none: a session that somebody else is changing
is set aside and done alone at the end, when nothing else is held. So nobody waits for a bulk verb
longer than one batch takes, and two of them never wait for each other. Sessions go in the order of
their stripes, so that each lock is taken about once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydantic import JsonValue

from localsessions import _codec
from localsessions._files import (
    NewVersion,
    Refusal,
    SessionFolder,
    folded,
    stripe_of,
    trash_many,
    write_many,
)
from localsessions._index import SessionIndex
from localsessions._reconcile import Reconciler, Written
from localsessions._version import Fingerprint, digest_of
from localsessions.errors import (
    DurabilityUnknownError,
    LockTimeoutError,
    SessionError,
    SessionExistsError,
)
from localsessions.models import Session

__all__ = ["Bulk", "Draft"]

# Each may be a descriptor of a lock; macOS allows 256 of all kinds by default.
_BATCH_SESSIONS = 128
_BATCH_BYTES = 8 * 1024 * 1024
# RuntimeError: the caller is inside ``edit`` of that very session.
_REFUSALS = (SessionError, OSError, RuntimeError)

T = TypeVar("T")


class Draft(NamedTuple):
    """A session that is to be written, encoded with ``stamps`` as ``data``."""

    session: Session
    data: bytes
    stamps: Mapping[str, JsonValue]


class Bulk:
    """One call of a bulk verb.

    Args:
        folder: Of the store, and so are the next two.
        index: See there.
        reconciler: See there.
        wake: Called after each batch: something changed.

    Attributes:
        aside: Sessions that could not be done together with others.
    """

    def __init__(
        self,
        folder: SessionFolder,
        index: SessionIndex,
        reconciler: Reconciler,
        wake: Callable[[], object],
    ) -> None:
        self._folder = folder
        self._index = index
        self._reconciler = reconciler
        self._wake = wake
        self._errors: dict[str, Exception] = {}
        self.aside: list[str] = []

    # -- writing -----------------------------------------------------------------------------

    def write(
        self,
        sessions: Collection[Session],
        draft: Callable[[Session], Draft | None],
        former: Callable[[Session], Fingerprint | None],
        again: tuple[type[SessionError], ...] = (),
    ) -> None:
        """Write sessions that nobody else is changing.

        Args:
            sessions: No two of one id.
            draft: Encodes one; None where there is nothing to write.
            former: Asked inside the lock: what is there now and may be replaced. It raises where
                the session is to be refused.
            again: Errors of ``former`` for which a session is set aside instead.
        """
        self._refuse_read_only(sessions)
        in_order = sorted(sessions, key=lambda session: stripe_of(session.session_id))
        drafts = self._drafts(in_order, draft)
        for batch in _batches(drafts, lambda one: len(one.data)):
            with self._locked([one.session.session_id for one in batch]) as held:
                mine = [one for one in batch if one.session.session_id in held]
                checked = list(self._checked(mine, former, again))
                self._write_batch(list(self._without_twins(checked)))

    def _drafts(
        self, sessions: Iterable[Session], draft: Callable[[Session], Draft | None]
    ) -> Iterator[Draft]:
        for session in sessions:
            made = None
            with self._noting(session.session_id):
                made = draft(session)
            if made is not None:
                yield made

    def _checked(
        self,
        drafts: Iterable[Draft],
        former: Callable[[Session], Fingerprint | None],
        again: tuple[type[SessionError], ...],
    ) -> Iterator[tuple[Draft, NewVersion]]:
        for draft in drafts:
            session_id = draft.session.session_id
            with self._noting(session_id):
                try:
                    found = former(draft.session)
                except again:
                    self.aside.append(session_id)
                    continue
                if found is not None:
                    self._drop_spare(session_id)
                yield draft, NewVersion(session_id, draft.data, found)

    def _without_twins(
        self, batch: Sequence[tuple[Draft, NewVersion]]
    ) -> Iterator[tuple[Draft, NewVersion]]:
        """Leave out new sessions that would share a file with another one on some systems."""
        new: dict[str, str] = {}
        for _, version in batch:
            if version.former is None:
                new.setdefault(folded(version.session_id), version.session_id)
        try:
            twins = self._reconciler.twins([*new.values()]) if new else {}
        except OSError:  # a sweep that was due failed: it is told of each, and the others go on
            self.aside += [version.session_id for _, version in batch]
            return
        for draft, version in batch:
            session_id = version.session_id
            if version.former is None and new[folded(session_id)] != session_id:
                self.aside.append(session_id)  # a new one of this batch, which has no row yet
            elif twin := twins.get(session_id):
                path = self._folder.path(session_id)
                self._note(session_id, SessionExistsError(session_id, path=path, existing=twin))
            else:
                yield draft, version

    def _write_batch(self, batch: Sequence[tuple[Draft, NewVersion]]) -> None:
        if not batch:
            return
        with self._reconciler.changing():
            outcomes = write_many(self._folder, [version for _, version in batch])
            written: list[Written] = []
            for ((session, data, stamps), _), outcome in zip(batch, outcomes, strict=True):
                if outcome is None:
                    self.aside.append(session.session_id)
                    continue
                if isinstance(outcome, Refusal):
                    self._note(session.session_id, outcome)
                    continue
                # It is visible: memory and index move on with it, come what may.
                written.append(Written(session, data, outcome, session._base, digest_of(data)))
                _codec.rebase(session, data, stamps, outcome.fingerprint)
                if outcome.doubt is not None:
                    self._note(session.session_id, outcome.doubt)
            self._reconciler.record_many(written)
        self._wake()

    def _drop_spare(self, session_id: str) -> None:
        if (row := self._index.get(session_id)) and row.tail and row.tail.spare:
            self._folder.drop_spare(row.tail.spare)

    # -- removing ----------------------------------------------------------------------------

    def remove(self, session_ids: Collection[str], is_due: Callable[[str], bool]) -> None:
        """Move sessions to the trash that nobody else is changing.

        Args:
            session_ids: Each once.
            is_due: Asked inside the lock: whether it is to go. It raises where it is refused.
        """
        self._refuse_read_only(session_ids)
        for batch in _batches(sorted(session_ids, key=stripe_of), lambda _: 0):
            with self._locked(batch) as held:
                due = []
                for session_id in filter(held.__contains__, batch):
                    with self._noting(session_id):
                        due += [session_id] if is_due(session_id) else []
                self._remove_batch(due)

    def _remove_batch(self, session_ids: Sequence[str]) -> None:
        if not session_ids:
            return
        for session_id in session_ids:
            self._drop_spare(session_id)
        with self._reconciler.changing():
            try:
                errors = trash_many(self._folder, session_ids, datetime.now(UTC))
            finally:
                self._reconciler.record_removals(session_ids)
                self._wake()
        for session_id, error in errors.items():
            self._note(session_id, error)

    # -- what could not be done together -----------------------------------------------------

    @contextmanager
    def _locked(self, session_ids: Sequence[str]) -> Iterator[frozenset[str]]:
        with self._folder.lock_free(session_ids) as held:
            self.aside += [one for one in session_ids if one not in held]
            yield held

    def _refuse_read_only(self, concerned: Collection[object]) -> None:
        """Refuse a folder that cannot be written: that is one error, and not one a session."""
        if concerned:
            with self._folder.lock():
                pass

    def alone(self, act: Callable[[str], object]) -> None:
        """Do those that were set aside one by one.

        Once somebody was waited for in vain, the others of his stripe are not waited for again.
        """
        stuck: dict[int, LockTimeoutError] = {}
        for session_id in self.aside:
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
        self._errors[session_id] = error

    def raise_first(self, session_ids: Iterable[str]) -> None:
        """Raise what befell the first of the sessions that anything did; it tells of the others."""
        errors = self._errors_of(session_ids)
        if len(errors) > 1:
            errors[0].add_note(f"{len(errors) - 1} more sessions failed")
        if errors:
            raise errors[0]

    def _errors_of(self, session_ids: Iterable[str]) -> list[Exception]:
        return [self._errors[one] for one in session_ids if one in self._errors]

    def raise_errors(self, session_ids: Sequence[str], done: str) -> None:
        """Raise what befell some of the sessions, if anything did.

        Raises:
            ExceptionGroup: With the error of each; ``done`` is what the others are.
        """
        errors = self._errors_of(session_ids)
        doubtful = sum(isinstance(error, DurabilityUnknownError) for error in errors)
        refused, count = len(errors) - doubtful, len(session_ids)
        told = [f"{refused} of {count} sessions were not {done}"] if refused else []
        if doubtful:
            told.append(f"{doubtful} of {count} sessions were {done}, perhaps not durably")
        if errors:
            raise ExceptionGroup("; ".join(told), errors)


def _batches(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    batch: list[T] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _BATCH_SESSIONS or size + size_of(item) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += size_of(item)
    if batch:
        yield batch

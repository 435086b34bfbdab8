"""Files against index: what is new, changed or gone, and bringing the index up to date.

Fingerprints say where to look; the file and the hash of its content decide. Nothing here writes
a session file, and everything may be done twice: by two threads, by two processes, after a crash
in the middle.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from localsessions import _codec
from localsessions._codec.summary import summarize
from localsessions._local.files import FileRead, FileWritten, SessionFolder, folded
from localsessions._local.index import IndexRow, SessionIndex, WrittenRow
from localsessions._local.reading import row_of, unreadable_row
from localsessions._local.version import Base, Fingerprint, Tail
from localsessions._log import log
from localsessions.errors import (
    ChangesExpiredError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import Session, SessionChange, SessionSummary

__all__ = ["Progress", "Reconciler", "Written"]


# A sweep is due when this many times its own duration has passed: a twentieth of anyone's time.
_SWEEP_SHARE = 20
_BATCH = 1000
# From so many files on they are read in haste at first, see ``SessionFolder.glance``.
_MANY = 200
# The databases may be lost again and again, by other processes that make them anew.
_TRIES = 10
# A file that an editor is writing in place is torn for a moment: look again for this long.
_PATIENCE = 0.2
_PAUSE = 0.01
# So long after it became so an unreadable or missing file is news; before, somebody is saving it.
_YOUNG_NS = 40_000_000
_WORTH_ASKING_BYTES = 128 * 1024

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Called with (done, of all) while long work goes on."""


class Written(NamedTuple):
    """What was just written over what; see ``Reconciler.record``."""

    session: Session
    data: bytes
    written: FileWritten
    base: Base | None
    digest: bytes


class Reconciler:
    """Keeps the index of one store in step with its folder.

    Attributes:
        sweeps: Looks at the whole folder since this object was made.
        last_sweep_seconds: How long the last one took.
        is_watched: Asked whether whatever happens in the folder is looked at without a sweep.
    """

    def __init__(self, folder: SessionFolder, index: SessionIndex) -> None:
        self._folder = folder
        self._index = index
        self._generation = -1
        self._swept_at = 0.0
        self.sweeps = 0
        self.last_sweep_seconds = 0.0
        self.is_watched: Callable[[], bool] = lambda: False
        self._name = secrets.token_hex(8)

    @property
    def origin(self) -> str:
        """The name under which changes are logged; a forked child has one of its own."""
        return f"{self._name}-{os.getpid():x}"

    # -- the whole folder --------------------------------------------------------------------

    def refresh(self, *, fresh: bool = False, on_progress: Progress | None = None) -> None:
        """Sweep the folder if that is due, or in any case when ``fresh``."""
        if fresh or not self.is_current() or self._is_due():
            self.sweep(on_progress)

    def answer(self, ask: Callable[[], T]) -> T:
        """Return what the index says; ask again where it was lost since the last sweep.

        Raises:
            OSError: It is lost again and again, in memory too.
        """

        def find() -> tuple[int, T]:
            self.refresh()
            # Taken before: another thread may be filling an index that was lost just now.
            return self._generation, ask()

        return self._index.outlast(find)

    def is_current(self) -> bool:
        """Tell whether the index still holds what the last sweep put into it."""
        return self._generation == self._index.generation

    def _is_due(self) -> bool:
        if self.is_watched() and self._swept_at > -math.inf:
            return False
        return time.monotonic() - self._swept_at > _SWEEP_SHARE * self.last_sweep_seconds

    def sweep(self, on_progress: Progress | None = None) -> None:
        """Look at every file, read those that differ from their rows, forget those that went."""
        started = time.monotonic()
        for _ in range(_TRIES):
            self._index.epoch()  # opens it: what is lost from now on makes a sweep due
            generation = self._index.generation
            known = self._index.fingerprints()
            files = self._folder.scan(known).files
            self._read_into_index([*files], on_progress)
            self._index.remove([one for one in known if one not in files], self._is_gone)
            self._index.begin_log(generation)
            # Not before the index is whole: other threads ask is_current() meanwhile.
            self._generation = generation
            if self.is_current():
                break
        self.sweeps += 1
        self._swept_at = time.monotonic()
        self.last_sweep_seconds = self._swept_at - started

    def _read_into_index(self, session_ids: list[str], on_progress: Progress | None) -> None:
        with self._index.filling(len(session_ids)):
            self._read_batches(session_ids, on_progress)

    def _read_batches(self, session_ids: list[str], on_progress: Progress | None) -> None:
        for begin in range(0, len(session_ids), _BATCH):
            batch = session_ids[begin : begin + _BATCH]
            if len(batch) >= _MANY:
                batch = self._put_many(batch)
            for _ in range(_TRIES):
                if not batch:
                    break
                batch = self._put_each(batch)
            if on_progress is not None:
                on_progress(min(begin + _BATCH, len(session_ids)), len(session_ids))

    def _put_many(self, session_ids: list[str]) -> list[str]:
        """Read files in haste and put their rows in; return what is left to be read with care."""
        rows: list[IndexRow] = []
        paths: dict[str, str] = {}
        for session_id in session_ids:
            path = paths[session_id] = self._folder.path(session_id)
            if (read := self._folder.glance(path)) is not None:
                rows.append(row_of(read, session_id, path))
        fingerprint_at = self._folder.fingerprint_at
        left = paths.keys() - self._put(
            rows, lambda row: fingerprint_at(paths[row.summary.session_id]) == row.fingerprint
        )
        return [session_id for session_id in session_ids if session_id in left]

    def _put_each(self, session_ids: list[str]) -> list[str]:
        """Read files and put their rows in; return those that were replaced meanwhile.

        Whoever replaced one records it himself, but he may be killed before.
        """
        rows = [row for session_id in session_ids if (row := self.read_row(session_id))]
        done = self._put(rows, self._is_current_row)
        return [one for row in rows if (one := row.summary.session_id) not in done]

    def _put(self, rows: list[IndexRow], is_current: Callable[[IndexRow], bool]) -> set[str]:
        """Put rows in; return the sessions whose files were still what was read."""
        done: set[str] = set()

        def is_still_current(row: IndexRow) -> bool:
            if is_current(row):
                done.add(row.summary.session_id)
                return True
            return False

        self._index.put(rows, is_still_current)
        return done

    # -- one file ----------------------------------------------------------------------------

    def look(self, row: IndexRow) -> bool:
        """Bring one row up to date; return whether it was."""
        session_id = row.summary.session_id
        fingerprint = self._folder.fingerprint(session_id)
        if fingerprint == row.fingerprint and row.settled:
            return True
        if fingerprint is None:
            self._index.remove([session_id], self._is_gone)
            return False
        now = self.read_row(session_id)
        if now is None:
            return False
        self._index.put([now], self._is_current_row)
        # A row that was only too young to be believed says what it said before.
        return now.digest == row.digest and now.summary == row.summary

    def look_at(self, session_id: str) -> SessionSummary | None:
        """Return the summary of a session as its file says now; None when there is none."""
        if (row := self._index.get(session_id)) is not None and self.look(row):
            return row.summary
        if (now := self.read_row(session_id)) is None:
            return None
        self._index.put([now], self._is_current_row)
        return now.summary

    def record(self, written: Written) -> None:
        """Record what was just written, inside the session's lock.

        Our own writes have a modification time that no other write can have: they are settled.
        """
        self.record_many([written])

    def record_many(self, written: Sequence[Written]) -> None:
        """Record what was just written, inside the sessions' locks, in one transaction."""
        with self._recording():
            self._index.record_many([self._written_row(one) for one in written], self.origin)

    def _written_row(self, one: Written) -> WrittenRow:
        session, data, written, base, digest = one
        summary, now = summarize(session, len(data)), session._base
        end = _codec.messages_end(data, now.keys) if now else None
        proven = now is not None and now.proven
        tail = None if end is None else Tail(end, written.spare, proven)
        fold = folded(session.session_id)
        row = IndexRow(summary, written.fingerprint, True, digest, fold, tail=tail)
        former = None if base is None else base.fingerprint
        return WrittenRow(row, former, lambda: self._base_row(session.session_id, base))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change files and record it; where that is cut short, a sweep is due."""
        try:
            yield
        except BaseException:  # Ctrl-C too; the error goes on its way
            self._swept_at = -math.inf
            raise

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Record what was done already: a file that cannot be looked at now is no failure of it."""
        try:
            with self.changing():
                yield
        except OSError as error:
            log().warning("a change is not in the index yet: %s", error)

    def _base_row(self, session_id: str, base: Base | None) -> IndexRow | None:
        if base is None:
            return None
        read = FileRead(base.data, base.fingerprint, settled=False)
        return row_of(read, session_id, self._folder.path(session_id))

    def record_growth(self, row: IndexRow, former: IndexRow) -> None:
        """Record what was added to a file, inside its lock."""
        with self._recording():
            self._index.record(row, former.fingerprint, lambda: former, self.origin)

    def record_return(self, session_id: str) -> None:
        """Record a session that came back from the trash, inside its lock, if it is there."""
        with self._recording():
            if (row := self.read_row(session_id)) is not None:
                self._index.record(row, None, lambda: None, self.origin)

    def record_removal(self, session_id: str) -> None:
        """Record that a session went to the trash, inside its lock, if it did."""
        with self._recording():
            self._index.record_removal(session_id, self._is_gone, self.origin)

    def record_removals(self, session_ids: Sequence[str]) -> None:
        """Record that sessions went to the trash, inside their locks, in one transaction."""
        with self._recording():
            self._index.record_removals(session_ids, self._is_gone, self.origin)

    def twins(self, session_ids: Sequence[str]) -> dict[str, str]:
        """Return those ids to which macOS or Windows would give the file of another, with that."""
        wanted = {folded(session_id): session_id for session_id in session_ids}
        known = self.answer(lambda: self._index.ids_folded_like([*wanted]))
        return {
            one: twin
            for twin in known
            if (one := wanted.get(folded(twin))) is not None
            and twin != one
            and self._folder.fingerprint(twin) is not None
        }

    def read_row(self, session_id: str) -> IndexRow | None:
        """Read a file and return its row; None when it is gone."""
        try:
            read = self._folder.read(session_id)
        except SessionNotFoundError:
            return None
        except UnreadableSessionError as error:
            fingerprint = self._folder.fingerprint(session_id)
            if fingerprint is None:
                return None
            # Another user, a larger limit or a second try may read it, its fingerprint unmoved.
            return unreadable_row(error, session_id, fingerprint, settled=False)
        return row_of(read, session_id, self._folder.path(session_id))

    def _is_gone(self, session_id: str) -> bool:
        return self.fingerprint(session_id) is None

    def fingerprint(self, session_id: str) -> Fingerprint | None:
        """Return the fingerprint of a file whose id an index gave; None where there is none."""
        try:
            return self._folder.fingerprint(session_id)
        except (TypeError, ValueError):
            return None  # a garbled database has ids that no file can have

    def _is_current_row(self, row: IndexRow) -> bool:
        return self._folder.fingerprint(row.summary.session_id) == row.fingerprint

    def load(self, session_id: str) -> Session:
        """Read and decode one session's file, with patience for one that is being written.

        Raises:
            SessionNotFoundError: There is none.
            UnreadableSessionError: It is no session, and does not become one in a moment.
        """
        path = self._folder.path(session_id)
        deadline = time.monotonic() + _PATIENCE
        while True:
            read = self._folder.read(session_id)
            try:
                return _codec.decode(
                    read.data,
                    session_id=session_id,
                    fingerprint=read.fingerprint,
                    settled=read.settled,
                    path=path,
                    proven=self._is_proven(session_id, read),
                )
            except UnreadableSessionError:
                if read.settled or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _is_proven(self, session_id: str, read: FileRead) -> bool:
        """Tell whether a store has proven or written this very version, see ``Base``.

        Of a small file it is proven again in less time than asking the index takes.
        """
        is_worth_it = len(read.data) >= _WORTH_ASKING_BYTES
        return is_worth_it and self._index.is_proven(session_id, read.fingerprint)

    # -- changes -----------------------------------------------------------------------------

    def catch_up(self, session_ids: Iterable[str]) -> set[str]:
        """Look at some files, of which somebody may have changed any.

        Returns:
            Those to look at again in a moment: somebody is about to record what was changed, or
            is still writing.
        """
        rows: list[IndexRow] = []
        gone: list[str] = []
        busy: set[str] = set()
        for session_id in session_ids:
            row, fingerprint = self._index.get(session_id), self._folder.fingerprint(session_id)
            if row and row.settled and row.fingerprint == fingerprint:
                continue
            if fingerprint is None:
                gone += [session_id] if row else []
            elif (now := self._read_if_at_rest(session_id)) is not None:
                rows.append(now)
            else:
                busy.add(session_id)
        self._index.put(rows, self._is_current_row)
        self._index.remove(gone, self._is_gone)
        return busy

    def _read_if_at_rest(self, session_id: str) -> IndexRow | None:
        """Read a file that nobody is about to record, and nobody is writing."""
        if self._folder.is_locked(session_id):
            return None
        row = self.read_row(session_id)
        if row is None or row.summary.unreadable is None:
            return row
        age = time.time_ns() - row.fingerprint.ctime_ns
        return None if 0 <= age < _YOUNG_NS else row

    def settle(self) -> set[str]:
        """Log the differences that were found in the folder, as changes by other programs.

        Returns:
            The sessions that wait on: somebody holds the lock and is about to log the change
            himself, or is still writing the file.
        """
        pending = self._index.pending()
        if not pending:
            return set()
        doubtful = [session_id for session_id, (_, readable) in pending.items() if not readable]
        while any(self._is_just_gone(one, pending[one][0]) for one in doubtful):
            time.sleep(_PAUSE)
        busy = self.catch_up(doubtful)
        places = {
            session_id: change
            for session_id, (change, _) in (self._index.pending() if doubtful else pending).items()
            if session_id not in busy and not self._folder.is_locked(session_id)
        }
        self._index.settle(places)
        return set(pending) - set(places)

    def settle_held(self, session_ids: Sequence[str]) -> None:
        """Log what waits of sessions whose locks are held: nobody else is about to log it.

        Once their files are gone, so may be the rows that say what was changed before.
        """
        self._index.settle(self._index.waiting(session_ids))

    def _is_just_gone(self, session_id: str, change: int) -> bool:
        """Tell whether a new file may be about to take the place of the old one.

        Emacs and vim rename the old one away first, git removes it. The number of the change is
        the microsecond in which the file was found to be gone.
        """
        age = time.time_ns() - 1000 * change
        return 0 <= age < _YOUNG_NS and self._is_gone(session_id)

    def last_change(self) -> int:
        """Return the number of the last change that is logged."""
        return self._index.last_change()

    def changes(self, since: int, limit: int) -> list[SessionChange]:
        """Return the next changes that are logged, at most ``limit``.

        Raises:
            ChangesExpiredError: The log does not know the number.
        """
        found = self._index.changes(since, limit, self.origin)
        if found is None:
            raise ChangesExpiredError(since, path=self._folder.save_dir)
        return found

    def sessions_changed_since(self, since: int) -> set[str]:
        """Return the sessions with changes after one; none where the log does not know it."""
        found: set[str] = set()
        while batch := self._index.changes(since, _BATCH, self.origin):
            found.update(change.session_id for change in batch)
            since = batch[-1].number
        return found

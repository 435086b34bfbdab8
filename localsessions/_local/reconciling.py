"""Compares the files with the index: finds new, changed and missing files, and updates the index.

Fingerprints say where to look; the file and the hash of its content decide. Nothing here writes
a session file, and each step may be done twice: by two threads, by two processes, after a crash
in the middle.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from localsessions._codec.names import folded
from localsessions._local.files import FileWritten, SessionFolder
from localsessions._local.index import (
    IndexRow,
    News,
    SessionIndex,
    WrittenRow,
    row_of,
    row_written,
)
from localsessions._local.reading import PAUSE, Reader, is_young
from localsessions._local.version import Fingerprint
from localsessions._logger import log
from localsessions.engine import Progress
from localsessions.errors import ChangesExpiredError
from localsessions.models import PlainSummary
from localsessions.models.ids import random_hex

if TYPE_CHECKING:
    from localsessions._rules.touched import Touched
    from localsessions.models import Session, SessionChange

__all__ = ["Reconciler", "Replaced", "Written"]


# A sweep is due after this many times the duration of the last sweep: sweeps take at most a
# twentieth of the time.
_SWEEP_SHARE = 20
_BATCH = 1000
# This many files or more are first read only once, see ``SessionFolder.read_unchecked``.
_MANY = 200
# The databases may be lost again and again, when other processes rebuild them.
_TRIES = 10

T = TypeVar("T")


class Replaced(NamedTuple):
    """The version of a file that a write replaces."""

    data: bytes
    fingerprint: Fingerprint


class Written(NamedTuple):
    """What was just written, and what it replaced; see ``Reconciler.record``."""

    session: Session
    data: bytes
    written: FileWritten
    replaced: Replaced | None
    digest: bytes
    touched: Touched


class Reconciler:
    """Keeps the index of one store in step with its folder; each writer of a file reports to it.

    Attributes:
        folder: The files.
        index: The index of these files.
        reader: Reads the files.
        sweeps: Sweeps of the whole folder since this object was made.
        last_sweep_seconds: The duration of the last sweep.
        is_watched: Returns whether every change of the folder is looked at without a sweep; None
            while there are no watchers.
        on_record: Called when a change by a store was recorded; None while there are no watchers.
    """

    def __init__(self, folder: SessionFolder, index: SessionIndex) -> None:
        self.folder = folder
        self.index = index
        self.reader = Reader(folder, index)
        self._generation = -1
        self._swept_at = 0.0
        self.sweeps = 0
        self.last_sweep_seconds = 0.0
        self.is_watched: Callable[[], bool] | None = None
        self.on_record: Callable[[], object] | None = None
        self._name = random_hex(8)

    @property
    def origin(self) -> str:
        """The name under which changes are logged; a forked child has a name of its own."""
        return f"{self._name}-{os.getpid():x}"

    # -- the whole folder --------------------------------------------------------------------

    def refresh(self, *, fresh: bool = False, on_progress: Progress | None = None) -> None:
        """Sweep the folder if a sweep is due, or in any case with ``fresh``."""
        if fresh or not self.is_current() or self._is_due():
            self.sweep(on_progress)

    def ask(self, ask: Callable[[], T]) -> T:
        """Return what the index says; ask again if it was lost since the last sweep.

        Raises:
            OSError: It is lost again and again, in memory too.
        """

        def find() -> tuple[int, T]:
            self.refresh()
            # The generation is read first: another thread may be filling an index that was lost
            # just now.
            return self._generation, ask()

        return self.index.ask_while_lost(find)

    def is_current(self) -> bool:
        """Return whether the index still holds what the last sweep put into it."""
        return self._generation == self.index.generation

    def _is_due(self) -> bool:
        is_watched = self.is_watched  # a copy: the last watch may end before the call
        if is_watched is not None and is_watched() and self._swept_at > -math.inf:
            return False
        return time.monotonic() - self._swept_at > _SWEEP_SHARE * self.last_sweep_seconds

    def sweep(self, on_progress: Progress | None = None) -> None:
        """Check every file: read those that differ from their rows, drop rows without a file."""
        started = time.monotonic()
        for _ in range(_TRIES):
            self.index.epoch()  # opens the index: a loss from now on makes a sweep due
            generation = self.index.generation
            known = self.index.fingerprints()
            files = self.folder.scan(known).files
            self._read_into_index([*files], on_progress)
            self.index.remove([one for one in known if one not in files], self._is_gone)
            self.index.begin_log(generation)
            # Set only when the index is complete: other threads call is_current() meanwhile.
            self._generation = generation
            if self.is_current():
                break
        self.sweeps += 1
        self._swept_at = time.monotonic()
        self.last_sweep_seconds = self._swept_at - started

    def _read_into_index(self, session_ids: list[str], on_progress: Progress | None) -> None:
        with self.index.filling(len(session_ids)):
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
        """Read each file once and put the rows in; return the sessions that need ``_put_each``."""
        rows: list[IndexRow] = []
        paths: dict[str, str] = {}
        for session_id in session_ids:
            path = paths[session_id] = self.folder.path(session_id)
            if (row := self.reader.row_unchecked(session_id, path)) is not None:
                rows.append(row)
        fingerprint_at = self.folder.fingerprint_at
        left = paths.keys() - self._put(
            rows, lambda row: fingerprint_at(paths[row.summary.session_id]) == row.fingerprint
        )
        return [session_id for session_id in session_ids if session_id in left]

    def _put_each(self, session_ids: list[str]) -> list[str]:
        """Read files and put their rows in; return the sessions that were replaced meanwhile.

        The process that replaced a file records that itself, but may be killed before.
        """
        rows = [row for session_id in session_ids if (row := self.reader.row(session_id))]
        done = self._put_read(rows)
        return [one for row in rows if (one := row.summary.session_id) not in done]

    def _put_read(
        self,
        rows: list[IndexRow],
        is_free: Callable[[str], bool] = lambda _session_id: False,
        *,
        at_rest: bool = False,
    ) -> set[str]:
        """Put the rows of files that were read in; return the sessions that are in.

        Where a path does not say what the open file said, the file was replaced, or its file system
        says two things of one file. It is read once more, see ``Reader.row_by_path``.
        """
        done = self._put(rows, self._is_current_row, is_free)
        left = [one for row in rows if (one := row.summary.session_id) not in done]
        read = self.reader.row_by_path
        again = [row for session_id in left if (row := read(session_id, at_rest=at_rest))]
        return done | self._put(again, self._is_current_row, is_free)

    def _put(
        self,
        rows: list[IndexRow],
        is_current: Callable[[IndexRow], bool],
        is_free: Callable[[str], bool] = lambda _session_id: False,
    ) -> set[str]:
        """Put rows in; return the sessions whose files were unchanged since they were read."""
        done: set[str] = set()

        def is_still_current(row: IndexRow) -> bool:
            if is_current(row):
                done.add(row.summary.session_id)
                return True
            return False

        self.index.put(rows, is_still_current, is_free)
        return done

    # -- one file ----------------------------------------------------------------------------

    def refresh_row(self, row: IndexRow) -> bool:
        """Bring one row up to date; return whether it already was."""
        session_id = row.summary.session_id
        fingerprint = self.folder.fingerprint(session_id)
        if fingerprint == row.fingerprint and row.settled:
            return True
        if fingerprint is None:
            self.index.remove([session_id], self._is_gone)
            return False
        now = self.reader.row(session_id)
        if now is None:
            return False
        self._put_read([now])
        # A row that only was not settled is right if the file still says the same.
        return now.digest == row.digest and now.summary == row.summary

    def summary(self, session_id: str) -> PlainSummary | None:
        """Return the summary of a session as its file is now; None when there is no file."""
        if (row := self.index.get(session_id)) is not None and self.refresh_row(row):
            return row.summary
        if (now := self.reader.row(session_id)) is None:
            return None
        self._put_read([now])
        return now.summary

    def record(self, written: Written, former: IndexRow | None) -> None:
        """Record what was just written, inside the session's lock.

        Args:
            written: What was written.
            former: The row of the version that it replaced, if a store wrote and recorded that.
        """
        if former is None:
            self.record_many([written])
        else:
            self.record_turn(self._new_row(written), former, written.touched)

    def record_many(self, written: Sequence[Written]) -> None:
        """Record what was just written, inside the sessions' locks, in one transaction."""
        with self._recording():
            self.index.record([self._written_row(one) for one in written])

    def _written_row(self, one: Written) -> WrittenRow:
        row = self._new_row(one)
        former = None if one.replaced is None else one.replaced.fingerprint
        session_id, replaced = one.session.session_id, one.replaced
        read_base = partial(self._row_of, session_id, replaced)
        return WrittenRow(row, former, read_base, self.origin, one.touched)

    def _new_row(self, one: Written) -> IndexRow:
        written, size_bytes = one.written, len(one.data)
        return row_written(one.session, written.fingerprint, written.spare, size_bytes, one.digest)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change files and record it; if that is interrupted, a sweep is due."""
        try:
            yield
        except BaseException:  # Ctrl-C too: make a sweep due, then re-raise
            self._swept_at = -math.inf
            raise

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Record a change that was made; it stays valid if a file cannot be checked now."""
        try:
            with self.changing():
                yield
        except OSError as error:
            log().warning("a change is not in the index yet: %s", error)
        if (wake := self.on_record) is not None:
            wake()

    def _row_of(self, session_id: str, replaced: Replaced | None) -> IndexRow | None:
        if replaced is None:
            return None
        path = self.folder.path(session_id)
        return row_of(replaced.data, replaced.fingerprint, False, session_id, path)

    def record_turn(self, row: IndexRow, former: IndexRow, touched: Touched) -> None:
        """Record what replaced a known version of a file, inside its lock."""
        with self._recording():
            self.index.record_turn(row, former, self.origin, touched)

    def record_return(self, session_id: str) -> None:
        """Record a session that was restored from the trash, inside its lock, if it exists."""
        with self._recording():
            if (row := self.reader.row(session_id)) is not None:
                self.index.record([WrittenRow(row, None, lambda: None, self.origin)])

    def record_removal(self, session_id: str) -> None:
        """Record that a session was moved to the trash, inside its lock, if it was."""
        with self._recording():
            self.index.record_removal(session_id, self._is_gone, self.origin)

    def record_removals(self, session_ids: Sequence[str]) -> None:
        """Record that sessions were moved to the trash, inside their locks, in one transaction."""
        with self._recording():
            self.index.record_removals(session_ids, self._is_gone, self.origin)

    def twins(self, session_ids: Sequence[str]) -> dict[str, str]:
        """Return, by id, the other id that would share its file on macOS or Windows, if any."""
        wanted = {folded(session_id): session_id for session_id in session_ids}
        known = self.ask(lambda: self.index.ids_folded_like([*wanted]))
        return {
            one: twin
            for twin in known
            if (one := wanted.get(folded(twin))) is not None
            and twin != one
            and self.folder.fingerprint(twin) is not None
        }

    def _is_gone(self, session_id: str) -> bool:
        return self.fingerprint(session_id) is None

    def fingerprint(self, session_id: str) -> Fingerprint | None:
        """Return a file's fingerprint, by an id from an index; None where there is no file."""
        try:
            return self.folder.fingerprint(session_id)
        except (TypeError, ValueError):
            return None  # a garbled database has ids that no file can have

    def _is_current_row(self, row: IndexRow) -> bool:
        return self.folder.fingerprint(row.summary.session_id) == row.fingerprint

    # -- changes -----------------------------------------------------------------------------

    def catch_up(self, session_ids: Collection[str]) -> set[str]:
        """Check some files, each of which may have been changed.

        Returns:
            Those to check again in a moment: a writer is about to record the change, is still
            writing, or has written after the look.
        """
        rows: list[IndexRow] = []
        gone: list[str] = []
        busy: set[str] = set()
        known = self.index.rows(session_ids)
        for session_id in session_ids:
            row, fingerprint = known.get(session_id), self.folder.fingerprint(session_id)
            if row and row.settled and row.fingerprint == fingerprint:
                if row.summary.unreadable is not None and is_young(fingerprint.ctime_ns):
                    busy.add(session_id)  # a sweep read it while a program was writing it
                continue
            if fingerprint is None:
                gone += [session_id] if row else []
            elif (now := self.reader.row_at_rest(session_id)) is not None:
                rows.append(now)
            else:
                busy.add(session_id)
        rows.sort(key=lambda row: row.fingerprint.ctime_ns)  # logged in the order of the changes
        done = self._put_read(rows, self._is_free, at_rest=True)
        self.index.remove(gone, self._is_gone)
        overtaken = {row.summary.session_id for row in rows} - done
        return busy | overtaken | {one for one in gone if not self._is_gone(one)}

    def _is_free(self, session_id: str) -> bool:
        return not self.folder.is_locked(session_id)

    def log_waiting(self) -> set[str]:
        """Log the differences that were found in the folder, as changes by other programs.

        Returns:
            The sessions that still wait: the lock holder is about to log the change itself, or a
            program is still writing the file.
        """
        pending = self.index.pending()
        if not pending:
            return set()
        doubtful = [session_id for session_id, (_, readable) in pending.items() if not readable]
        while any(self._is_just_gone(one, pending[one][0]) for one in doubtful):
            time.sleep(PAUSE)
        busy = self.catch_up(doubtful)
        waiting = self.index.pending() if doubtful else pending
        places = {
            session_id: change
            for session_id, (change, readable) in waiting.items()
            if session_id not in busy
            and not self.folder.is_locked(session_id)
            and (readable or self._is_over(session_id, change, pending))
        }
        self.index.log_waiting(places)
        return set(pending) - set(places)

    def log_held(self, session_ids: Sequence[str]) -> None:
        """Log the waiting differences of sessions whose locks are held: no other writer logs them.

        Call it before the files are removed: the rows that say what was changed may go with them.
        """
        self.index.log_waiting(self.index.waiting(session_ids))

    def _is_just_gone(self, session_id: str, change: int) -> bool:
        """Return whether a new file may be about to replace the old file.

        Emacs and vim first rename the old file away, git removes it. The number of the change is
        the microsecond in which the file was found to be gone.
        """
        return is_young(1000 * change) and self._is_gone(session_id)

    def _is_over(
        self, session_id: str, change: int, looked_at: Mapping[str, tuple[int, bool]]
    ) -> bool:
        """Return whether a file is unreadable or gone, and no program is in the middle of a save.

        It may have changed after this thread looked at it: another thread then put its row in. And
        an editor that saves again and again removes its file each time. The file was back when
        ``_is_just_gone`` looked, and was gone again when its row was read.
        """
        if looked_at.get(session_id) != (change, False):
            return False
        return not is_young(1000 * change) or self.index.get(session_id) is not None

    def last_change(self) -> int:
        """Return the number of the last logged change."""
        return self.index.last_change()

    def changes(self, since: int, limit: int) -> list[SessionChange]:
        """Return the next logged changes, at most ``limit``.

        Raises:
            ChangesExpiredError: The log does not know the number.
        """
        found = self.ask(lambda: self.index.changes(since, limit, self.origin))
        if found is None:
            raise ChangesExpiredError(since, path=self.folder.save_dir)
        return found

    def news(self, since: int) -> News:
        """Return what the log holds and a feed does not know yet."""
        return self.index.news(since, self.origin)

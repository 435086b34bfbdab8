"""SessionFolder: the files of one store: their paths, locks, reads and writes.

::

    <save_dir>/                       0700
      <session_id>.json               0600, one session, the only truth
      <session_id>.checkpoints/       immutable snapshots: <seq 8 digits>-<checkpoint_id>.json
      .trash/                         deleted sessions: <time>-<session_id>.json, .checkpoints;
                                      or .checkpoints alone, whose session did not exist;
                                      purged-<name>.jsonl, purged-moved.jsonl: what was removed
      .localsessions/                 derived and transient
        index.sqlite3 ...  journal  locks/00 .. locks/ff, whole  tmp/<stripe>-<random>.tmp, .spare
        kept/<session_id>.json        the last good version, of a store that was watched
        present/<name>                locked by a store that writes a message which grows
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, MutableMapping, Sequence
from contextlib import AbstractContextManager

from localsessions import _system
from localsessions._codec.names import (
    SUFFIX,
    file_stem,
    is_name_on_windows,
    is_session_id,
    session_id_of,
)
from localsessions._local.files import durable
from localsessions._local.files.locks import StripedLocks, stripe_of
from localsessions._local.files.publishing import FileWritten, Publisher
from localsessions._local.files.reading import FileRead, read_unchecked, read_whole
from localsessions._local.files.scan import Scan, scan
from localsessions._local.files.spares import SPARE_SUFFIX, Spares
from localsessions._local.files.usage import bytes_by_part
from localsessions._local.version import Fingerprint, Tail
from localsessions.engine import Durability
from localsessions.errors import SessionNotFoundError

__all__ = ["SessionFolder"]

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class SessionFolder:
    """The files of one store.

    Args:
        save_dir: The folder; created with its parents where it does not exist.
        durability: "full" syncs each file that is written and the folder that names it; "fast"
            syncs only the file.
        lock_timeout: Seconds to wait for a session's lock.
        max_file_bytes: Larger files are unreadable.

    Attributes:
        publisher: Gives files their final names.
        spares: Keeps previous versions, and writes only the end of a file.
        checkpoints: The checkpoints of all sessions.
        trash: The deleted sessions.
        copies: The files of sessions with their checkpoints, as they are.
        purged: What is remembered of sessions that were removed for good.
        kept: Copies of the last good versions.
        presence: Which stores are at work.
        read_only: The error that each write gets, where the folder cannot be written; else None.
        files_read: Session files read since this object was made.
        written_whole: Session files of which more than the end was written since then.
    """

    def __init__(
        self, save_dir: str, *, durability: Durability, lock_timeout: float, max_file_bytes: int
    ) -> None:
        # Imported late, but before the first use: a fork during an import would hang the child.
        from localsessions._local.files.checkpoints import Checkpoints
        from localsessions._local.files.copies import Copies
        from localsessions._local.files.kept import KeptVersions
        from localsessions._local.files.presence import Presence
        from localsessions._local.files.purged import Purged
        from localsessions._local.files.trash import TrashFolder

        self.save_dir = os.path.abspath(save_dir)
        self._prefix = os.path.join(self.save_dir, "")
        self.private = os.path.join(self.save_dir, ".localsessions")
        self._tmp = os.path.join(self.private, "tmp")
        self._max_file_bytes = max_file_bytes
        self._locks = StripedLocks(os.path.join(self.private, "locks"), lock_timeout)
        self.publisher = Publisher(
            self.save_dir,
            self._tmp,
            self._locks,
            is_durable=durability == "full",
            max_file_bytes=max_file_bytes,
        )
        self.spares = Spares(self.publisher)
        self.checkpoints = Checkpoints(self.save_dir, self.publisher, max_file_bytes)
        self.trash = TrashFolder(
            os.path.join(self.save_dir, ".trash"),
            self.checkpoints,
            self.publisher,
            self._locks,
            max_file_bytes,
        )
        self.copies = Copies(self.path, self.checkpoints, self.trash, self.publisher)
        self.purged = Purged(self.trash.folder, self.publisher)
        self.kept = KeptVersions(os.path.join(self.private, "kept"))
        self.presence = Presence(os.path.join(self.private, "present"))
        self.read_only: OSError | None = None
        self.files_read = 0
        self.written_whole = 0
        self._prepare()

    def path(self, session_id: str) -> str:
        """Return the path of the session's file, which may not exist.

        Another program may have named the file by the plain id, which not every system allows.
        Such a file keeps its name.

        Raises:
            ValueError: No file name can hold that id.
        """
        stem = file_stem(session_id)
        path = f"{self._prefix}{stem}{SUFFIX}"
        if stem != session_id and _may_be_plain(session_id) and not os.path.lexists(path):
            as_it_is = os.path.join(self.save_dir, session_id + SUFFIX)
            return as_it_is if os.path.lexists(as_it_is) else path
        return path

    @property
    def files_written(self) -> int:
        """Session files written since this object was made."""
        return self.written_whole + self.spares.ends_written

    # -- opening -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        durable.make_folder(self.save_dir, durable=self.publisher.is_durable)
        try:
            self._make_private()
            for name in os.listdir(self._tmp):
                if self.is_temp_name(name):
                    self.sweep_temp(name)
        except OSError as error:
            if error.errno not in (*_READ_ONLY, *durable.NO_ROOM):
                raise
            self.read_only = error

    def _make_private(self) -> None:
        for folder in (self.private, self._locks.folder, self._tmp):
            durable.refuse_link(folder)
            durable.make_folder(folder, durable=False)
        self.publisher.write_ignore(self.private)

    def is_temp_name(self, name: str) -> bool:
        """Return whether a temp file is of this store: its name begins with a stripe."""
        stripe = name.partition("-")[0]
        return len(stripe) == 2 and all(char in "0123456789abcdef" for char in stripe)

    def sweep_temp(self, name: str) -> bool:
        """Remove a temp file of this store that a killed process left.

        Returns:
            False when it stays: its stripe is locked, so it is in use.
        """
        with self._locks.try_stripe(int(name.partition("-")[0], 16)) as is_ours:
            if is_ours:
                durable.unlink(self.publisher.in_tmp(name))
        return is_ours

    def bytes_by_part(self) -> dict[str, int]:
        """Return what each part of ``.localsessions`` takes on the disk."""
        return bytes_by_part(self.private)

    def temp_files(self) -> list[str]:
        """Return the paths of temp files: of current writes, or left by killed processes.

        Spares are not among them: they are kept until their store closes, or another store opens
        the folder.
        """
        try:
            names = [name for name in os.listdir(self._tmp) if not name.endswith(SPARE_SUFFIX)]
            return sorted(self.publisher.in_tmp(name) for name in names)
        except FileNotFoundError:
            return []

    # -- locking -----------------------------------------------------------------------------

    def lock(self, *session_ids: str) -> AbstractContextManager[None]:
        """Hold the sessions' locks, against other threads and other processes.

        Raises:
            LockTimeoutError: Another holder kept a lock for the whole timeout.
            PermissionError: The folder cannot be written.
            OSError: There is no room for the lock files.
        """
        self._prepare_locks(session_ids)
        return self._locks.hold(session_ids)

    def lock_free(self, session_ids: Sequence[str]) -> AbstractContextManager[frozenset[str]]:
        """Hold the locks of those sessions that are free now; the block gets these sessions.

        It waits for no lock, so that a holder of many locks never waits for another lock.

        Raises:
            PermissionError: The folder cannot be written.
            OSError: There is no room for the lock files.
        """
        self._prepare_locks(session_ids)
        return self._locks.hold_free(session_ids)

    def _prepare_locks(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            file_stem(session_id)
        if self.read_only is not None:
            if self.read_only.errno in _READ_ONLY:
                raise PermissionError(
                    self.read_only.errno, "the session folder is read-only", self.read_only.filename
                )
            self._make_private()  # at opening there was no room for it; there may be now
            self.read_only = None
        if not os.path.isdir(self._locks.folder) or not os.path.isdir(self._tmp):
            self._make_private()  # .localsessions/ was deleted while the store was open

    def lock_whole(self, session_id: str) -> AbstractContextManager[None]:
        """Also hold the lock of the whole folder; the session's own lock must be held.

        Raises:
            LockTimeoutError: Another holder kept it for the whole timeout.
        """
        return self._locks.hold_whole(session_id)

    def is_locked(self, session_id: str) -> bool:
        """Return whether another thread or process holds the session's lock now."""
        if self.read_only is not None or not os.path.isdir(self._locks.folder):
            return False
        try:
            with self._locks.try_stripe(stripe_of(session_id)) as is_ours:
                return not is_ours
        except FileNotFoundError:
            return False  # the folder went away just now

    # -- reading -----------------------------------------------------------------------------

    def session_id(self, name: str) -> str | None:
        """Return the session id that belongs to a file name; None when no id does."""
        stem = name.removesuffix(SUFFIX)
        if stem == name or name.startswith("."):
            return None
        return session_id_of(stem) or (stem if is_session_id(stem) else None)

    def fingerprint(self, session_id: str) -> Fingerprint | None:
        """Return the fingerprint of the session's file; None when the file does not exist."""
        return self.fingerprint_at(self.path(session_id))

    fingerprint_at = staticmethod(durable.fingerprint_at)

    def scan(self, known: MutableMapping[str, str] | None = None) -> Scan:
        """List the files of the folder that differ from ``known``, with one ``stat`` a file."""
        return scan(self.save_dir, {} if known is None else known)

    def read(self, session_id: str) -> FileRead:
        """Return one whole version of the session's file.

        Raises:
            SessionNotFoundError: There is no such file.
            UnreadableSessionError: It is no regular file, may not be read, is too large, or was
                being written in place all the time.
        """
        path = self.path(session_id)
        try:
            read = read_whole(path, session_id, self._max_file_bytes)
        except FileNotFoundError:
            raise SessionNotFoundError(session_id, path=path) from None
        self.files_read += 1
        return read

    def read_unchecked(self, path: str) -> FileRead | None:
        """Return what the file at a session's path holds, read once; None where ``read`` has to.

        It is one whole version only if the fingerprint is the same afterwards: the caller checks.
        """
        read = read_unchecked(path, self._max_file_bytes)
        if read is not None:
            self.files_read += 1
        return read

    # -- writing -----------------------------------------------------------------------------

    def write(
        self, session_id: str, data: bytes, former: Fingerprint | None, tail: Tail | None = None
    ) -> FileWritten:
        """Replace or create the session's file in one step; the lock must be held.

        Args:
            session_id: The session of the file.
            data: The whole new content.
            former: The fingerprint of the file now; None where there is no file. The new
                modification time is later.
            tail: Where ``data`` begins to differ from the file, if it only adds to it.

        Raises:
            Overtaken: The file no longer has the fingerprint ``former``; nothing was changed.
            OSError: Nothing was changed.
            UnstorableValueError: It would be too large to be read again.
        """
        self.publisher.refuse_large(session_id, len(data))
        path = self.path(session_id)
        if former and tail:
            written = self.spares.write_end_of(session_id, path, data, former, tail)
            if written is not None:
                return written
            written = self.spares.write_whole(session_id, path, data, former, tail.at)
        else:
            self.spares.drop_own(session_id)
            written = self.publisher.replace(session_id, path, data, former)
        self.written_whole += 1
        return written


def _may_be_plain(session_id: str) -> bool:
    """Tell whether a file may have the id as its name; on Windows it may be the name of a device.

    There a path with a device's name is said to exist in every folder.
    """
    is_name = _system.TAKES_ANY_NAME or is_name_on_windows(session_id)
    return is_name and not session_id.startswith(".")

"""Publisher: gives a file its final name, whole, in one step, and durably.

Each file is first written and synced under a private name in ``tmp``, on the same file system:
rename(2) cannot cross file systems. The private name begins with the stripe of the session, so
the holder of that lock may remove what is left there. Then the current file is checked once more,
the new file is renamed over it, and the folder is synced.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from localsessions import _system
from localsessions._local.files import durable
from localsessions._local.files.locks import StripedLocks, stripe_of
from localsessions._local.files.shared_sync import SharedSync
from localsessions._local.version import Fingerprint, Spare
from localsessions.errors import DurabilityUnknownError, UnstorableValueError
from localsessions.models.ids import random_hex

__all__ = ["FileWritten", "Overtaken", "Prepared", "Publisher", "later"]


class FileWritten(NamedTuple):
    """What a write left: the new fingerprint and, where syncing failed, the error to raise.

    ``spare`` is the previous version, where it was kept for the next write.
    """

    fingerprint: Fingerprint
    doubt: DurabilityUnknownError | None
    spare: Spare | None = None


class Prepared(NamedTuple):
    """A version that is on the disk, under a private name."""

    temp: str
    new: Fingerprint


class Overtaken(Exception):  # noqa: N818  (no error: the caller decides what it means)
    """A program that takes no lock wrote the file while the next version was written.

    The file of that program stays.
    """


class Publisher:
    """Gives the files of one store their final names.

    Args:
        save_dir: The folder of the sessions.
        tmp: The folder of private names, on the same file system.
        locks: The locks of the store. Each method that takes a session id needs that session's
            lock held.
        is_durable: Whether folders are synced.
        max_file_bytes: A larger file could not be read again.
    """

    def __init__(
        self,
        save_dir: str,
        tmp: str,
        locks: StripedLocks,
        *,
        is_durable: bool,
        max_file_bytes: int,
    ) -> None:
        self.shared_sync = SharedSync(save_dir)
        self.is_durable = is_durable
        self._tmp = tmp
        self._locks = locks
        self._max_file_bytes = max_file_bytes

    def temp_path(self, session_id: str, suffix: str) -> str:
        """Return the path of a new private name."""
        return self.in_tmp(f"{stripe_of(session_id):02x}-{random_hex(8)}{suffix}")

    def in_tmp(self, name: str) -> str:
        """Return the path of a private name."""
        return (
            f"{self._tmp}{os.sep}{name}"  # a private name is never absolute; ``join`` takes longer
        )

    def replace(
        self,
        session_id: str,
        path: str,
        data: bytes,
        former: Fingerprint | None,
        *,
        is_durable: bool = False,
    ) -> FileWritten:
        """Replace a file, or create it where ``former`` is None.

        With ``is_durable`` the folder is synced whatever the store promises.

        Raises:
            Overtaken: The file no longer has the fingerprint ``former``; nothing was changed.
            OSError: Nothing was changed.
        """
        temp, new = self.prepare(session_id, data, former)
        self.refuse_overtaken(path, former, temp)
        return self.publish(session_id, temp, path, new, is_durable=is_durable)

    def refuse_large(self, session_id: str, size_bytes: int) -> None:
        """Refuse to write a file that is too large to be read again.

        Raises:
            UnstorableValueError: It is too large.
        """
        if size_bytes > self._max_file_bytes:
            limit = f"{self._max_file_bytes}; open the store with a larger max_file_bytes"
            raise UnstorableValueError(
                "", f"it takes {size_bytes} bytes, the limit is {limit}", session_id=session_id
            )

    def prepare(self, session_id: str, data: bytes, former: Fingerprint | None) -> Prepared:
        """Write a version under a private name and sync it."""
        temp = self.temp_path(session_id, ".tmp")
        # With "fast" too: without this sync, a power cut may leave the new name on an empty file.
        # See ext4(5) on auto_da_alloc, which helps where a file is replaced and not where it is
        # created; on xfs nothing helps.
        new = durable.write_new(temp, data, mtime_ns=later(former), durable=True)
        return Prepared(temp, new)

    def refuse_overtaken(self, path: str, former: Fingerprint | None, temp: str) -> None:
        """Check once more the file to be replaced: writing and syncing took time.

        Raises:
            Overtaken: It has changed; the temp file is removed.
        """
        try:
            now = durable.fingerprint_at(path)
        except BaseException:  # Ctrl-C too: remove the temp file, then re-raise
            durable.discard(temp)
            raise
        is_former = durable.is_same_file(now, former) if now and former else now is former
        if not is_former:
            durable.discard(temp)
            raise Overtaken(path)

    def publish(
        self, session_id: str, temp: str, path: str, new: Fingerprint, *, is_durable: bool = False
    ) -> FileWritten:
        """Rename a file from its private name to ``path``, durably; see ``replace``."""
        doubt = self.put_in_place(session_id, temp, path, new)
        doubt = doubt or self.sync(os.path.dirname(path), session_id, is_durable=is_durable)
        return self.written(path, new, doubt)

    def put_in_place(
        self, session_id: str, temp: str, path: str, new: Fingerprint
    ) -> DurabilityUnknownError | None:
        """Rename a file to ``path`` without a sync; return the error if the result is unknown."""
        try:
            self._locks.check(session_id)
            _system.rename(temp, path)
        except BaseException as error:  # Ctrl-C too: remove the temp file, then re-raise
            # A network file system may report an error of a rename that was done: the answer was
            # lost.
            if not isinstance(error, OSError) or not self.found_at(path, new):
                durable.discard(temp)
                raise
            return DurabilityUnknownError(error, session_id=session_id, path=path)
        return None

    def written(
        self, path: str, new: Fingerprint, doubt: DurabilityUnknownError | None
    ) -> FileWritten:
        """Return what was written, with its current fingerprint."""
        # A rename changes ctime. If another program replaced the file before this stat, the known
        # fingerprint matches no file, and the next check reads the file again.
        return FileWritten(self.found_at(path, new) or new, doubt)

    def found_at(self, path: str, new: Fingerprint) -> Fingerprint | None:
        """Return the fingerprint of a path if it leads to the file that was just written."""
        try:
            now = durable.fingerprint_at(path)
        except OSError:
            return None  # unknown, which does not mean that the write failed
        return now if now and durable.is_same_file(now, new) else None

    def sync(
        self, folder: str, session_id: str, *, is_durable: bool = False
    ) -> DurabilityUnknownError | None:
        """Make the names in a folder durable; return the error if that failed; see ``replace``."""
        if not (self.is_durable or is_durable):
            return None
        try:
            if folder == self.shared_sync.folder:
                self.shared_sync.sync()
            else:
                _system.sync_folder(folder)
        except OSError as error:
            return DurabilityUnknownError(error, session_id=session_id, path=folder)
        return None

    def write_ignore(self, folder: str) -> None:
        """Keep a private folder out of git, unless a person gave it a .gitignore of their own."""
        path = os.path.join(folder, ".gitignore")
        if os.path.lexists(path):  # a dangling link counts, too
            return
        temp = self.in_tmp(f"00-{random_hex(8)}.tmp")
        try:
            # Written before it gets its name: a power cut could leave an empty file, which would
            # stay forever.
            durable.write_new(temp, b"*\n", mtime_ns=None, durable=True)
            _system.rename(temp, path)
        except FileNotFoundError:
            return  # another process that opens the folder removed the temp file as a leftover
        except BaseException as error:
            durable.discard(temp)
            # On a full disk, deleting must still work; the next call tries again.
            if not isinstance(error, OSError) or error.errno not in durable.NO_ROOM:
                raise


def later(former: Fingerprint | None) -> int:
    """Return the current time as a modification time, but later than that of the replaced file."""
    grain = _system.TIME_GRAIN_NS
    now = max(time.time_ns(), former.mtime_ns + grain if former else 0)
    return now // grain * grain

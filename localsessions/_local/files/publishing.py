"""Publisher: a file gets its name whole, in one step, and durably.

Whatever is to be read under a name is written and synced under a private one first, in ``tmp``,
which begins with the stripe of its session: who holds that lock may sweep what is left there.
Then what is to be replaced is looked at once more, the file renamed over it, the folder synced.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import NamedTuple

from localsessions._local.files import durable
from localsessions._local.files.locks import StripedLocks, stripe_of
from localsessions._local.version import Fingerprint, Spare
from localsessions.errors import DurabilityUnknownError, UnstorableValueError

__all__ = ["FileWritten", "Overtaken", "Prepared", "Publisher", "later"]


class FileWritten(NamedTuple):
    """What a write left: the new fingerprint and, where syncing failed, the error to raise.

    ``spare`` is the version before, where it was kept to be brought up to date the next time.
    """

    fingerprint: Fingerprint
    doubt: DurabilityUnknownError | None
    spare: Spare | None = None


class Prepared(NamedTuple):
    """A version that is on the disk, under a private name."""

    temp: str
    new: Fingerprint


class Overtaken(Exception):  # noqa: N818  (no error: whoever called decides what it means)
    """Somebody who takes no lock wrote a file while the next version was written; it stays."""


class Publisher:
    """Gives the files of one store their names.

    Args:
        tmp: The folder of private names, on the same file system.
        locks: Of the store. That of the session must be held, in all that takes its id.
        is_durable: Whether folders are synced.
        max_file_bytes: What is larger could not be read again.
    """

    def __init__(
        self, tmp: str, locks: StripedLocks, *, is_durable: bool, max_file_bytes: int
    ) -> None:
        self.is_durable = is_durable
        self._tmp = tmp
        self._locks = locks
        self._max_file_bytes = max_file_bytes

    def temp_path(self, session_id: str, suffix: str) -> str:
        """Return a new private name."""
        return self.in_tmp(f"{stripe_of(session_id):02x}-{secrets.token_hex(8)}{suffix}")

    def in_tmp(self, name: str) -> str:
        """Return the path of a private name."""
        return f"{self._tmp}{os.sep}{name}"  # a name of ours: ``join`` would only take longer

    def replace(
        self,
        session_id: str,
        path: str,
        data: bytes,
        former: Fingerprint | None,
        *,
        is_durable: bool = False,
    ) -> FileWritten:
        """Replace a file, or make it where ``former`` is None.

        With ``is_durable`` its folder is synced whatever was promised.

        Raises:
            Overtaken: ``former`` is not there any more; nothing was changed.
            OSError: Nothing was changed.
        """
        temp, new = self.prepare(session_id, data, former)
        self.refuse_overtaken(path, former, temp)
        return self.publish(session_id, temp, path, new, is_durable=is_durable)

    def refuse_large(self, session_id: str, size_bytes: int) -> None:
        """Refuse to write what nobody could read again.

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
        # With "fast" too: else a power cut may leave the new name on an empty file, see ext4(5)
        # on auto_da_alloc, which helps where a file is replaced and not where one is made; on
        # xfs nothing does.
        new = durable.write_new(temp, data, mtime_ns=later(former), durable=True)
        return Prepared(temp, new)

    def refuse_overtaken(self, path: str, former: Fingerprint | None, temp: str) -> None:
        """Look once more at what is to be replaced: writing and syncing took its time.

        Raises:
            Overtaken: It is not what it was; the temp file is removed.
        """
        try:
            now = durable.fingerprint_at(path)
        except BaseException:  # Ctrl-C too: no temp file stays
            durable.discard(temp)
            raise
        is_former = durable.is_same_file(now, former) if now and former else now is former
        if not is_former:
            durable.discard(temp)
            raise Overtaken(path)

    def publish(
        self, session_id: str, temp: str, path: str, new: Fingerprint, *, is_durable: bool = False
    ) -> FileWritten:
        """Give a file that was written under a private name its own, durably; see ``replace``."""
        doubt = self.put_in_place(session_id, temp, path, new)
        doubt = doubt or self.sync(os.path.dirname(path), session_id, is_durable=is_durable)
        return self.written(path, new, doubt)

    def put_in_place(
        self, session_id: str, temp: str, path: str, new: Fingerprint
    ) -> DurabilityUnknownError | None:
        """Give a file its own name, and do not sync that; return the doubt that it was done."""
        try:
            self._locks.check(session_id)
            durable.rename(temp, path)
        except BaseException as error:  # Ctrl-C too: no temp file stays
            # Network file systems say that a rename failed which was done (the answer was lost).
            if not isinstance(error, OSError) or not self.found_at(path, new):
                durable.discard(temp)
                raise
            return DurabilityUnknownError(error, session_id=session_id, path=path)
        return None

    def written(
        self, path: str, new: Fingerprint, doubt: DurabilityUnknownError | None
    ) -> FileWritten:
        """Return what was written, as it is now."""
        # Renaming moves ctime on. If somebody was faster than this stat, what we know matches
        # nothing that is there, and the next look reads the file again.
        return FileWritten(self.found_at(path, new) or new, doubt)

    def found_at(self, path: str, new: Fingerprint) -> Fingerprint | None:
        """Return the fingerprint of a path if it leads to what was just written."""
        try:
            now = durable.fingerprint_at(path)
        except OSError:
            return None  # not to be known, and no reason to say that writing failed
        return now if now and durable.is_same_file(now, new) else None

    def sync(
        self, folder: str, session_id: str, *, is_durable: bool = False
    ) -> DurabilityUnknownError | None:
        """Make the names in a folder durable; return the doubt that they are; see ``replace``."""
        if not (self.is_durable or is_durable):
            return None
        try:
            durable.sync_folder(folder)
        except OSError as error:
            return DurabilityUnknownError(error, session_id=session_id, path=folder)
        return None

    def write_ignore(self, folder: str) -> None:
        """Keep a private folder out of git, unless a person gave it rules of their own."""
        path = os.path.join(folder, ".gitignore")
        if os.path.lexists(path):
            return
        temp = self.in_tmp(f"00-{secrets.token_hex(8)}.tmp")
        try:
            # Whole before it has its name: an empty one that a power cut left would stay for ever.
            durable.write_new(temp, b"*\n", mtime_ns=None, durable=True)
            durable.rename(temp, path)
        except FileNotFoundError:
            return  # a process that opens the folder now took the temp file for one left over
        except BaseException as error:
            durable.discard(temp)
            # On a full disk deleting goes on; the next time is another try.
            if not isinstance(error, OSError) or error.errno not in durable.NO_ROOM:
                raise


def later(former: Fingerprint | None) -> int:
    """Return a modification time of now, later than that of what it replaces."""
    return max(time.time_ns(), former.mtime_ns + 1 if former else 0)

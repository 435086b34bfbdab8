"""SessionFolder: the files of one store, and every rule of writing them.

::

    <save_dir>/                       0700
      <session_id>.json               0600, one session, the only truth
      <session_id>.checkpoints/       immutable snapshots: <seq 8 digits>-<checkpoint_id>.json
      .trash/                         deleted sessions: <time>-<session_id>.json, .checkpoints;
                                      or .checkpoints alone, whose session was not there
      .localsessions/                 derived and transient
        index.sqlite3 ...  locks/00 .. locks/ff, whole  tmp/<stripe>-<random>.tmp, .spare
        kept/<session_id>.json        the last good version, where somebody watched
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from localsessions._files import durable
from localsessions._files.glance import glance
from localsessions._files.kept import KeptVersions
from localsessions._files.locks import StripedLocks, stripe_of
from localsessions._files.names import file_stem, is_session_id, session_id_of
from localsessions._files.scan import Scan, scan
from localsessions._files.spares import CAN_LEASE, Refused, brought_up_to_date
from localsessions._version import Fingerprint, Spare, Tail
from localsessions.errors import (
    DurabilityUnknownError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.models import TrashedSession

__all__ = ["Durability", "FileRead", "FileWritten", "Going", "Overtaken", "SessionFolder"]

Durability: TypeAlias = Literal["full", "fast"]

_SUFFIX = ".json"
_CHECKPOINTS = ".checkpoints"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_STAMPED = r"[0-9]{8}T[0-9]{12}Z"
_SPARE = ".spare"
_MOST_SPARES = 32
_READ_TRIES = 5
_READ_PAUSE = 0.004
# Faults of one file, not of the process: the session is unreadable and all others are well.
_FILE_FAULTS = {
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "it is a symbolic link, which is not followed",
    errno.EINVAL: "it is not a regular file",
    errno.EISDIR: "it is a folder",
    errno.ENXIO: "it is not a regular file",
    errno.ENODEV: "it is not a regular file",
    errno.EIO: "the disk failed to read it",
}
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class FileRead(NamedTuple):
    """One whole version of a file.

    ``settled`` says that a later change cannot leave the fingerprint as it is; a file younger
    than the grain of the file system's clock is not (git calls such an entry racy).
    """

    data: bytes
    fingerprint: Fingerprint
    settled: bool


class FileWritten(NamedTuple):
    """What a write left: the new fingerprint and, where syncing failed, the error to raise.

    ``spare`` is the version before, where it was kept to be brought up to date the next time.
    """

    fingerprint: Fingerprint
    doubt: DurabilityUnknownError | None
    spare: Spare | None = None


class Going(NamedTuple):
    """A session on its way to the trash."""

    source: str
    target: str
    size_bytes: int
    checkpoints: str | None

    @property
    def beside(self) -> str:
        """Where the checkpoints go."""
        return _checkpoints_beside(self.target)


class Overtaken(Exception):  # noqa: N818  (no error: whoever called decides what it means)
    """Somebody who takes no lock wrote a file while the next version was written; it stays."""


class SessionFolder:
    """The files of one store.

    Args:
        save_dir: The folder; made, with those above it, where it is not there.
        durability: "full" syncs what is written and the folder that names it; "fast" the first
            only.
        lock_timeout: Seconds to wait for a session's lock.
        max_file_bytes: Larger files are unreadable.

    Attributes:
        kept: Copies of the last good versions.
        read_only: The error that writing gets, where the folder cannot be written.
        files_read: Session files read since this object was made.
        files_written: Session files written since then.
        ends_written: Those of them of which only the end was written.
        refusals: Why the others were written whole although something was only added, counted.
    """

    def __init__(
        self, save_dir: str, *, durability: Durability, lock_timeout: float, max_file_bytes: int
    ) -> None:
        self.save_dir = os.path.abspath(save_dir)
        self._prefix = os.path.join(self.save_dir, "")
        self.private = os.path.join(self.save_dir, ".localsessions")
        self._tmp = os.path.join(self.private, "tmp")
        self._trash = os.path.join(self.save_dir, ".trash")
        self._durable = durability == "full"
        self._max_file_bytes = max_file_bytes
        self._locks = StripedLocks(os.path.join(self.private, "locks"), lock_timeout)
        self.kept = KeptVersions(os.path.join(self.private, "kept"))
        self.read_only: OSError | None = None
        self.files_read = 0
        self.files_written = 0
        self.ends_written = 0
        self.refusals: Counter[str] = Counter()
        self._spares: dict[str, str] = {}
        self._refused: set[str] = set()
        self._prepare()

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be.

        A file that somebody else gave a name that not every system can hold stays where it is.

        Raises:
            ValueError: No file can have that id's name.
        """
        stem = file_stem(session_id)
        path = f"{self._prefix}{stem}{_SUFFIX}"
        if stem != session_id and not session_id.startswith(".") and not os.path.lexists(path):
            as_it_is = os.path.join(self.save_dir, session_id + _SUFFIX)
            return as_it_is if os.path.lexists(as_it_is) else path
        return path

    # -- opening -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        durable.make_folder(self.save_dir, durable=self._durable)
        try:
            self._make_private()
            for name in os.listdir(self._tmp):
                if self.is_temp_name(name):
                    self.sweep_temp(name)
        except OSError as error:
            if error.errno not in (*_READ_ONLY, *_NO_ROOM):
                raise
            self.read_only = error

    def _make_private(self) -> None:
        for folder in (self.private, self._locks.folder, self._tmp):
            _refuse_link(folder)
            durable.make_folder(folder, durable=False)
        self._ignore_in_git(self.private)

    def _ignore_in_git(self, folder: str) -> None:
        path = os.path.join(folder, ".gitignore")
        if os.path.lexists(path):
            return
        temp = os.path.join(self._tmp, f"00-{secrets.token_hex(8)}.tmp")
        try:
            # Whole before it has its name: an empty one that a power cut left would stay for ever.
            durable.write_new(temp, b"*\n", mtime_ns=None, durable=True)
            durable.rename(temp, path)
        except FileNotFoundError:
            return  # a process that opens the folder now took the temp file for one left over
        except BaseException as error:
            durable.discard(temp)
            # On a full disk deleting goes on; the next time is another try.
            if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
                raise

    def is_temp_name(self, name: str) -> bool:
        """Tell whether a temp file has a name of ours: it begins with the stripe of its session."""
        stripe = name.partition("-")[0]
        return len(stripe) == 2 and all(char in "0123456789abcdef" for char in stripe)

    def sweep_temp(self, name: str) -> bool:
        """Remove a temp file of ours that a killed process left.

        Returns:
            False when it stays: it is in use, which is when its stripe is locked.
        """
        with self._locks.try_stripe(int(name.partition("-")[0], 16)) as is_ours:
            if is_ours:
                durable.unlink(self._in_tmp(name))
        return is_ours

    def temp_files(self) -> list[str]:
        """Return the paths of temp files: of writes going on, or left by killed processes.

        Spares are none: they are kept, and go when their process ends or another opens the folder.
        """
        try:
            names = [name for name in os.listdir(self._tmp) if not name.endswith(_SPARE)]
            return sorted(self._in_tmp(name) for name in names)
        except FileNotFoundError:
            return []

    # -- locking -----------------------------------------------------------------------------

    def lock(self, *session_ids: str) -> AbstractContextManager[None]:
        """Hold the sessions' locks, against other threads and other processes.

        Raises:
            LockTimeoutError: Somebody else held one for the whole timeout.
            PermissionError: The folder cannot be written.
            OSError: There is no room for the locks.
        """
        self._prepare_locks(session_ids)
        return self._locks.hold(session_ids)

    def lock_free(self, session_ids: Sequence[str]) -> AbstractContextManager[frozenset[str]]:
        """Hold the locks of those of the sessions that nobody else holds; the block gets these.

        Nobody is waited for, so that whoever holds many locks never waits for another one.

        Raises:
            PermissionError: The folder cannot be written.
            OSError: There is no room for the locks.
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
            self._make_private()  # there was no room for it; there may be by now
            self.read_only = None
        if not os.path.isdir(self._locks.folder) or not os.path.isdir(self._tmp):
            self._make_private()  # .localsessions/ was deleted while the store was open

    def lock_whole(self, session_id: str) -> AbstractContextManager[None]:
        """Hold the one lock of the whole folder too; the session's own must be held.

        Raises:
            LockTimeoutError: Somebody else held it for the whole timeout.
        """
        return self._locks.hold_whole(session_id)

    def is_locked(self, session_id: str) -> bool:
        """Tell whether somebody holds the session's lock now, this thread not counted."""
        if self.read_only is not None or not os.path.isdir(self._locks.folder):
            return False
        with self._locks.try_stripe(stripe_of(session_id)) as is_ours:
            return not is_ours

    # -- reading -----------------------------------------------------------------------------

    def session_id(self, name: str) -> str | None:
        """Return the id whose session a file of this name holds; None when no id has it."""
        stem = name.removesuffix(_SUFFIX)
        if stem == name or name.startswith("."):
            return None
        return session_id_of(stem) or (stem if is_session_id(stem) else None)

    def fingerprint(self, session_id: str) -> Fingerprint | None:
        """Return what stat says of the session's file; None when it is not there."""
        return self.fingerprint_at(self.path(session_id))

    def fingerprint_at(self, path: str) -> Fingerprint | None:
        """Return what stat says of a path, links not followed; None when nothing is there."""
        status = durable.status_of(path)
        return None if status is None else durable.fingerprint_of(status)

    def scan(self, known: MutableMapping[str, str] | None = None) -> Scan:
        """Look at the whole folder, one ``stat`` a file, for what is not as ``known``."""
        return scan(self.save_dir, {} if known is None else known)

    def read(self, session_id: str) -> FileRead:
        """Return one whole version of the session's file.

        Raises:
            SessionNotFoundError: There is none.
            UnreadableSessionError: It is no regular file, may not be read, is too large, or was
                being written in place all the time.
        """
        path = self.path(session_id)
        try:
            read = self._read_at(path, session_id)
        except FileNotFoundError:
            raise SessionNotFoundError(session_id, path=path) from None
        self.files_read += 1
        return read

    def glance(self, path: str) -> FileRead | None:
        """Return what the file at a session's path holds, in haste; None where ``read`` has to.

        It is one whole version only if the fingerprint is the same afterwards: whoever asks looks.
        """
        if (found := glance(path, self._max_file_bytes)) is None:
            return None
        self.files_read += 1
        return FileRead(found.data, found.fingerprint, _is_settled(found.fingerprint))

    def _read_at(self, path: str, session_id: str) -> FileRead:
        for _ in range(_READ_TRIES):
            try:
                read = self._read_once(path, session_id)
            except FileNotFoundError:
                raise
            except BlockingIOError:
                read = (
                    None  # it was replaced just now, and is being made a newer version: ``spares``
                )
            except OSError as error:
                if error.errno not in _FILE_FAULTS:
                    raise
                reason = "it is a folder" if os.path.isdir(path) else _FILE_FAULTS[error.errno]
                raise UnreadableSessionError(session_id, reason, path=path) from error
            if read is not None:
                return read
            time.sleep(_READ_PAUSE)
        raise UnreadableSessionError(session_id, "it is being written all the time", path=path)

    def _read_once(self, path: str, session_id: str) -> FileRead | None:
        """Return what the file holds; None when it changed under the reading."""
        fd = durable.open_regular(path)
        with durable.closing(fd, path, was_read=True):
            before = durable.fingerprint_of(os.fstat(fd))
            if before.size_bytes > self._max_file_bytes:
                raise UnreadableSessionError(
                    session_id,
                    f"it has {before.size_bytes} bytes, more than the limit of "
                    f"{self._max_file_bytes}; open the store with a larger max_file_bytes",
                    path=path,
                )
            data = durable.read_open(fd, before.size_bytes)
            after = durable.fingerprint_of(os.fstat(fd))
        if not _is_same_file(before, after) or len(data) != after.size_bytes:
            return None
        # It may have lost its name to a newer version meanwhile, or somebody who wrote in place
        # put the time back: what was read counts, and is looked at again.
        return FileRead(data, after, before == after and _is_settled(after))

    # -- writing -----------------------------------------------------------------------------

    def write(
        self, session_id: str, data: bytes, former: Fingerprint | None, tail: Tail | None = None
    ) -> FileWritten:
        """Replace or make the session's file in one step; the lock must be held.

        Args:
            session_id: Whose file.
            data: The whole new content.
            former: What is there now; the new modification time is later than its.
            tail: Where ``data`` begins to differ from what is there, if it only adds to it.

        Raises:
            Overtaken: ``former`` is not there any more; nothing was changed.
            OSError: Nothing was changed.
            UnstorableValueError: It would be too large to be read again.
        """
        self._refuse_large(session_id, len(data))
        if former and tail and not self._was_refused(tail.spare):
            end = data[tail.spare.common :] if tail.spare else b""
            written = self.write_end(session_id, end, former, tail)
            if written is not None:
                return written
            if tail.spare:
                self._refused.discard(tail.spare.name)  # the row that named it is replaced now
        self._drop_own_spare(session_id)
        path = self.path(session_id)
        kept = self._keep_former(session_id, path) if former and tail else None
        written = self._write_over(session_id, path, data, former, kept)
        if kept is not None and former and tail:
            if written.doubt:
                durable.discard(self._in_tmp(kept))
            else:
                written = written._replace(spare=self._spare(session_id, kept, former, tail.at))
        self.files_written += 1
        return written

    def _refuse_large(self, session_id: str, size_bytes: int) -> None:
        """Refuse to write what nobody could read again."""
        if size_bytes > self._max_file_bytes:
            limit = f"{self._max_file_bytes}; open the store with a larger max_file_bytes"
            raise UnstorableValueError(
                "", f"it takes {size_bytes} bytes, the limit is {limit}", session_id=session_id
            )

    def _write_over(
        self,
        session_id: str,
        path: str,
        data: bytes,
        former: Fingerprint | None,
        kept: str | None = None,
    ) -> FileWritten:
        try:
            temp, new = self._prepare_new(session_id, data, former)
            self._refuse_overtaken(path, former, temp)
            return self._publish(session_id, temp, path, new)
        except BaseException:  # Ctrl-C too: no file of ours stays; the error goes on its way
            if kept is not None:
                durable.discard(self._in_tmp(kept))
            raise

    def _prepare_new(
        self, session_id: str, data: bytes, former: Fingerprint | None
    ) -> tuple[str, Fingerprint]:
        """Write a version under a private name and sync it; return the name, and what it is."""
        temp = self._temp_path(session_id, ".tmp")
        # With "fast" too: else a power cut may leave the new name on an empty file, see ext4(5)
        # on auto_da_alloc, which helps where a file is replaced and not where one is made; on
        # xfs nothing does.
        new = durable.write_new(temp, data, mtime_ns=_later(former), durable=True)
        return temp, new

    def _refuse_overtaken(self, path: str, former: Fingerprint | None, temp: str) -> None:
        """Look once more at what is to be replaced: writing and syncing took its time.

        Raises:
            Overtaken: It is not what it was; the temp file is removed.
        """
        try:
            now = self.fingerprint_at(path)
        except BaseException:  # Ctrl-C too: no temp file stays
            durable.discard(temp)
            raise
        is_former = now is former if now is None or former is None else _is_same_file(now, former)
        if not is_former:
            durable.discard(temp)
            raise Overtaken(path)

    def _publish(self, session_id: str, temp: str, path: str, new: Fingerprint) -> FileWritten:
        """Give a file that was written under a private name its own, durably; see ``_is_at``."""
        doubt = self._put_in_place(session_id, temp, path, new)
        doubt = doubt or self._sync(os.path.dirname(path), session_id)
        return self._written(path, new, doubt)

    def _put_in_place(
        self, session_id: str, temp: str, path: str, new: Fingerprint
    ) -> DurabilityUnknownError | None:
        """Give a file its own name, and do not sync that; return the doubt that it was done."""
        try:
            self._locks.check(session_id)
            durable.rename(temp, path)
        except BaseException as error:  # Ctrl-C too: no temp file stays
            # Network file systems say that a rename failed which was done (the answer was lost).
            if not isinstance(error, OSError) or not self._is_at(path, new):
                durable.discard(temp)
                raise
            return DurabilityUnknownError(error, session_id=session_id, path=path)
        return None

    def _written(
        self, path: str, new: Fingerprint, doubt: DurabilityUnknownError | None
    ) -> FileWritten:
        # Renaming moves ctime on. If somebody was faster than this stat, what we know matches
        # nothing that is there, and the next look reads the file again.
        return FileWritten(self._is_at(path, new) or new, doubt)

    def _is_at(self, path: str, new: Fingerprint) -> Fingerprint | None:
        """Return the fingerprint of a path if it leads to what was just written."""
        try:
            now = self.fingerprint_at(path)
        except OSError:
            return None  # not to be known, and no reason to say that writing failed
        return now if now and _is_same_file(now, new) else None

    def _sync(self, folder: str, session_id: str) -> DurabilityUnknownError | None:
        if not self._durable:
            return None
        try:
            durable.sync_folder(folder)
        except OSError as error:
            return DurabilityUnknownError(error, session_id=session_id, path=folder)
        return None

    def _temp_path(self, session_id: str, suffix: str) -> str:
        return self._in_tmp(f"{stripe_of(session_id):02x}-{secrets.token_hex(8)}{suffix}")

    def _in_tmp(self, name: str) -> str:
        return f"{self._tmp}{os.sep}{name}"  # a name of ours: ``join`` would only take longer

    # -- writing the end only ----------------------------------------------------------------

    def read_ends(
        self, session_id: str, former: Fingerprint, head_bytes: int, offset: int
    ) -> tuple[bytes, bytes] | None:
        """Return the first bytes of a file and those from an offset on.

        None where the file is not what its fingerprint says, or is where nobody may read it.
        """
        path = self.path(session_id)
        try:
            fd = durable.open_regular(path)
            with durable.closing(fd, path, was_read=True):
                head = durable.read_at(fd, 0, min(head_bytes, former.size_bytes))
                end = durable.read_at(fd, offset, former.size_bytes - offset)
                after = durable.fingerprint_of(os.fstat(fd))
        except OSError:
            return None  # whoever reads the whole file will say what is wrong with it
        return (head, end) if after == former else None

    def write_end(
        self, session_id: str, end: bytes, former: Fingerprint, tail: Tail
    ) -> FileWritten | None:
        """Replace the session's file by one that differs from ``tail.at`` on; hold the lock.

        Only the end is written, to the version before, which then is published; see ``spares``.

        Args:
            session_id: Whose file.
            end: Of the new file, from ``tail.spare.common`` on.
            former: What is there now; the new modification time is later than its.
            tail: Where the end begins.

        Returns:
            None where that cannot be done: nothing was changed, and there is no spare any more.

        Raises:
            OSError: Nothing was changed.
        """
        spare = tail.spare
        if spare is None:
            self.refusals["no version before"] += 1
            return None
        if not self._durable:  # no version before is kept, so there is nothing to be gained
            self.refusals["not with durability fast"] += 1
            self.drop_spare(spare)
            self._refused.add(spare.name)
            return None
        self._refuse_large(session_id, spare.common + len(end))
        try:
            written = self._write_end(session_id, end, former, tail.at, spare)
        except BaseException as error:  # Ctrl-C too: half a spare is of no use
            self.drop_spare(spare)
            if not isinstance(error, Refused):
                raise
            self.refusals[str(error)] += 1
            self._refused.add(spare.name)
            return None
        self.files_written += 1
        self.ends_written += 1
        return written

    def _was_refused(self, spare: Spare | None) -> bool:
        """Tell, once, whether a spare was refused and dropped: the index may still name it."""
        if spare is None or spare.name not in self._refused:
            return False
        self._refused.discard(spare.name)
        return True

    def _write_end(
        self, session_id: str, end: bytes, former: Fingerprint, at: int, spare: Spare
    ) -> FileWritten:
        path, temp = self.path(session_id), self._in_tmp(spare.name)
        new = brought_up_to_date(temp, spare, end, mtime_ns=_later(former))
        kept = self._keep_former(session_id, path)
        if kept is None:
            raise Refused("no hard links here")
        try:
            self._refuse_changed(kept, former)
            written = self._publish(session_id, temp, path, new)
        except BaseException as error:  # Ctrl-C too
            durable.discard(self._in_tmp(kept))
            if not isinstance(error, FileNotFoundError):
                raise
            # Whoever made it dropped it as he closed; what is published is what it was.
            raise Refused("the spare is gone") from error
        # What the disk did not confirm may come back after a power cut: it must stay as it is.
        if written.doubt:
            durable.discard(self._in_tmp(kept))
            return written
        if self._spares.get(session_id) == spare.name:
            del self._spares[session_id]  # it has the session's own name now
        return written._replace(spare=self._spare(session_id, kept, former, at))

    def _refuse_changed(self, kept: str, former: Fingerprint) -> None:
        """Make sure that what is about to be replaced is what the end was added to."""
        if self._is_at(self._in_tmp(kept), former) is None:
            raise Refused("the file was changed")

    def _keep_former(self, session_id: str, path: str) -> str | None:
        """Give the published file a private name too, so that it stays when it is replaced."""
        if not (CAN_LEASE and self._durable):
            return None
        kept = self._temp_path(session_id, _SPARE)
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:
            return None  # this file system has no hard links, or no more of them
        return os.path.basename(kept)

    def _spare(self, session_id: str, name: str, former: Fingerprint, common: int) -> Spare | None:
        """Return the version that was just replaced as a spare, if it is what it was."""
        path = self._in_tmp(name)
        now = self._is_at(path, former)
        self._drop_own_spare(session_id)
        self._spares[session_id] = name
        if len(self._spares) > _MOST_SPARES:
            self._drop_own_spare(list(self._spares)[0])  # noqa: RUF015  (other threads change it)
        if now is None:
            durable.discard(path)
            return None
        return Spare(name, common, now)

    def drop_spare(self, spare: Spare) -> None:
        """Remove a spare that is of no more use; its session's lock must be held."""
        durable.discard(self._in_tmp(spare.name))

    def _drop_own_spare(self, session_id: str) -> None:
        if (name := self._spares.pop(session_id, None)) is not None:
            durable.discard(self._in_tmp(name))

    def drop_spares(self) -> None:
        """Remove the spares that this object made; the sessions lose nothing."""
        for session_id in list(self._spares):
            self._drop_own_spare(session_id)

    # -- trash -------------------------------------------------------------------------------

    def trash(self, session_id: str, deleted_at: datetime) -> TrashedSession:
        """Move a session with its checkpoints to the trash; the lock must be held.

        The file goes first: whatever happens between, nothing is half a session.

        Raises:
            SessionNotFoundError: There is no such file.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        self._make_trash()
        going = self._going(session_id, deleted_at)
        doubt = self._move(going.source, going.target, session_id)
        if going.checkpoints is not None:
            doubt = self._move(going.checkpoints, going.beside, session_id) or doubt
        if doubt:
            raise doubt
        return TrashedSession(session_id, deleted_at, going.size_bytes, going.target)

    def _going(self, session_id: str, deleted_at: datetime) -> Going:
        """Return what of a session is to be moved to the trash, and where it goes."""
        path = self.path(session_id)
        target = self._trash_path(session_id, deleted_at, _SUFFIX)
        if durable.status_of(target) is not None:
            raise FileExistsError(errno.EEXIST, "deleted twice in one microsecond", target)
        self._locks.check(session_id)
        fingerprint = self.fingerprint_at(path)
        if fingerprint is None:
            raise SessionNotFoundError(session_id, path=path)
        checkpoints = self.checkpoint_folder(session_id)
        has_checkpoints = durable.is_folder(checkpoints)
        return Going(path, target, fingerprint.size_bytes, checkpoints if has_checkpoints else None)

    def trash_checkpoints(self, session_id: str, deleted_at: datetime) -> str:
        """Move the checkpoints of a session that is not there to the trash; the lock must be held.

        They join the session's own file there, if a crash in ``trash`` or ``untrash`` parted them,
        so that both come back together. Else they go on their own.

        Returns:
            Where they are now.

        Raises:
            DurabilityUnknownError: They were moved, but the disk did not confirm.
        """
        self._make_trash()
        target = self._parted_from(session_id) or self._trash_path(
            session_id, deleted_at, _CHECKPOINTS
        )
        if durable.status_of(target) is not None:
            raise FileExistsError(errno.EEXIST, "deleted twice in one microsecond", target)
        self._locks.check(session_id)
        if doubt := self._move(self.checkpoint_folder(session_id), target, session_id):
            raise doubt
        return target

    def _parted_from(self, session_id: str) -> str | None:
        """Return the place beside the last deleted session of that id, if it is theirs.

        It is not where that one has checkpoints, or was deleted before the last of these was
        saved: then they belong to a later session of the id, of which no file is left.
        """
        source = self.checkpoint_folder(session_id)
        times = [os.lstat(os.path.join(source, name)).st_mtime for name in os.listdir(source)]
        for item in self.trashed():
            if item.session_id == session_id and not item.checkpoints_only:
                beside = _checkpoints_beside(item.path)
                is_theirs = max(times, default=0) <= item.deleted_at.timestamp()
                return beside if is_theirs and durable.status_of(beside) is None else None
        return None

    def _make_trash(self) -> None:
        _refuse_link(self._trash)
        # With "fast" too, once for all: what is moved into a folder that is lost is lost with it.
        durable.make_folder(self._trash, durable=True)
        self._ignore_in_git(self._trash)

    def _trash_path(self, session_id: str, deleted_at: datetime, suffix: str) -> str:
        name = f"{deleted_at.strftime(_STAMP)}-{file_stem(session_id)}{suffix}"
        return os.path.join(self._trash, name)

    def _move(self, source: str, target: str, session_id: str) -> DurabilityUnknownError | None:
        """Rename from one folder into another and sync both; durable before whatever is next.

        The new name goes first: syncing one folder says nothing of the other, and a power cut
        between the two may then leave both names, where it could else leave none.
        """
        durable.rename(source, target)
        there = self._sync(os.path.dirname(target), session_id)
        gone = self._sync(os.path.dirname(source), session_id)
        return there or gone

    def trashed(self) -> list[TrashedSession]:
        """Return what is in the trash, the last deleted first."""
        if os.path.islink(self._trash):
            return []  # whatever it leads to, we put nothing there and remove nothing from it
        try:
            names = os.listdir(self._trash)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(self._trashed(names), key=lambda item: item.deleted_at, reverse=True)

    def _trashed(self, names: list[str]) -> Iterator[TrashedSession]:
        present = frozenset(names)
        for name in names:
            root, suffix = os.path.splitext(name)
            stamp, _, stem = root.partition("-")
            is_alone = suffix == _CHECKPOINTS and root + _SUFFIX not in present
            is_ours = suffix == _SUFFIX or is_alone
            if not is_ours or (session_id := session_id_of(stem)) is None:
                continue
            path = os.path.join(self._trash, name)
            try:
                deleted_at = _instant_of(stamp)
                size_bytes = _size_of_all(path) if is_alone else os.lstat(path).st_size
            except (ValueError, FileNotFoundError, NotADirectoryError):
                continue  # not ours, or purged just now
            yield TrashedSession(session_id, deleted_at, size_bytes, path, is_alone)

    def read_trashed(self, item: TrashedSession) -> FileRead:
        """Return what a deleted session's file holds.

        Raises:
            FileNotFoundError: It was purged just now.
            UnreadableSessionError: As ``read``.
        """
        return self._read_at(item.path, item.session_id)

    def untrash(self, item: TrashedSession) -> None:
        """Move a session with its checkpoints, or checkpoints alone, back; the lock must be held.

        Raises:
            SessionExistsError: A session of that id is there.
            FileExistsError: The session that the checkpoints belong to has others by now.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        target = self.checkpoint_folder(item.session_id)
        if item.checkpoints_only:
            if durable.status_of(target) is not None:
                raise FileExistsError(errno.EEXIST, "the session has checkpoints again", target)
            self._locks.check(item.session_id)
            if doubt := self._move(item.path, target, item.session_id):
                raise doubt
            return
        path = self.path(item.session_id)
        if durable.status_of(path) is not None:
            raise SessionExistsError(item.session_id, path=path)
        self._locks.check(item.session_id)
        checkpoints = _checkpoints_beside(item.path)
        doubt = None
        if durable.is_folder(checkpoints) and durable.status_of(target) is None:
            doubt = self._move(checkpoints, target, item.session_id)
        if doubt := self._move(item.path, path, item.session_id) or doubt:
            raise doubt

    def purge(self, item: TrashedSession) -> None:
        """Remove a deleted session and its checkpoints, or checkpoints alone, for good.

        The file goes first, so that none is restored with half its checkpoints. A power cut may
        bring them back until ``sync_trash``.

        Raises:
            DurabilityUnknownError: They were removed, but the disk did not confirm.
        """
        doubt = None
        checkpoints = item.path if item.checkpoints_only else _checkpoints_beside(item.path)
        status = durable.status_of(checkpoints)
        if not item.checkpoints_only:
            durable.unlink(item.path)
        if status is not None and stat.S_ISLNK(status.st_mode):
            durable.unlink(checkpoints)
        elif status is not None and stat.S_ISDIR(status.st_mode):
            if not item.checkpoints_only:
                doubt = self._sync(self._trash, item.session_id)
            for name in os.listdir(checkpoints):
                durable.unlink(os.path.join(checkpoints, name))
            os.rmdir(checkpoints)
        if doubt:
            raise doubt

    def sync_trash(self, session_id: str) -> None:
        """Make durable that sessions were removed for good, that of the id the last of them.

        Raises:
            DurabilityUnknownError: They were removed, but the disk did not confirm.
        """
        if doubt := self._sync(self._trash, session_id):
            raise doubt

    # -- checkpoints -------------------------------------------------------------------------

    def checkpoint_folder(self, session_id: str) -> str:
        """Return where the session's checkpoints are or would be."""
        return os.path.join(self.save_dir, file_stem(session_id) + _CHECKPOINTS)

    def checkpoint_names(self, session_id: str) -> list[str]:
        """Return the names of the checkpoints, ``<seq>-<checkpoint_id>``, in order of saving.

        Raises:
            OSError: ``ELOOP``: a link has the name of their folder.
        """
        folder = self.checkpoint_folder(session_id)
        _refuse_link(folder)
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        return sorted(
            stem
            for name in names
            if name.endswith(_SUFFIX) and (stem := name[: -len(_SUFFIX)])[:8].isdecimal()
        )

    def write_checkpoint(self, session_id: str, checkpoint_id: str, data: bytes) -> FileWritten:
        """Write a checkpoint after the last one; the lock must be held."""
        folder = self.checkpoint_folder(session_id)
        _refuse_link(folder)
        durable.make_folder(folder, durable=self._durable)
        names = self.checkpoint_names(session_id)
        seq = int(names[-1][:8]) + 1 if names else 1
        path = os.path.join(folder, f"{seq:08}-{checkpoint_id}{_SUFFIX}")
        return self._write_over(session_id, path, data, None)

    def read_checkpoint(self, session_id: str, name: str) -> tuple[bytes, str]:
        """Return the bytes and the path of a checkpoint.

        Raises:
            FileNotFoundError: There is none.
            UnreadableSessionError: As ``read``.
        """
        path = os.path.join(self.checkpoint_folder(session_id), name + _SUFFIX)
        return self._read_at(path, session_id).data, path

    def delete_checkpoint(self, session_id: str, name: str) -> bool:
        """Remove a checkpoint; return whether it was there. The lock must be held."""
        folder = self.checkpoint_folder(session_id)
        _refuse_link(folder)
        was_there = durable.unlink(os.path.join(folder, name + _SUFFIX))
        if was_there and (doubt := self._sync(folder, session_id)):
            raise doubt
        return was_there

    def sessions_with_checkpoints(self) -> list[str]:
        """Return the ids that have a folder of checkpoints, with or without a session."""
        return sorted(
            session_id
            for name in os.listdir(self.save_dir)
            if name.endswith(_CHECKPOINTS)
            and (session_id := session_id_of(name[: -len(_CHECKPOINTS)])) is not None
        )


def _refuse_link(folder: str) -> None:
    """Refuse to go where a link leads: what we write and remove stays inside ``save_dir``."""
    if os.path.islink(folder):
        raise OSError(errno.ELOOP, "a link has the name of a private folder; remove it", folder)


def _instant_of(stamp: str) -> datetime:
    """Return the instant that was written with ``_STAMP``.

    Not by ``strptime``, which imports a module at its first use and has a lock of its own: a fork
    in the middle of either hangs the child.

    Raises:
        ValueError: It is no such text.
    """
    if not re.fullmatch(_STAMPED, stamp):
        raise ValueError(f"{stamp!r} is no time of deletion")
    return datetime.fromisoformat(f"{stamp[:15]}.{stamp[15:21]}+00:00")


def _checkpoints_beside(trashed: str) -> str:
    return trashed.removesuffix(_SUFFIX) + _CHECKPOINTS


def _size_of_all(folder: str) -> int:
    return sum(os.lstat(os.path.join(folder, name)).st_size for name in os.listdir(folder))


def _later(former: Fingerprint | None) -> int:
    """Return a modification time of now, later than that of what it replaces."""
    return max(time.time_ns(), former.mtime_ns + 1 if former else 0)


def _is_same_file(one: Fingerprint, other: Fingerprint) -> bool:
    """Tell whether only names were given and taken in between, which moves ctime."""
    return one[:2] == other[:2] and one.inode == other.inode


def _is_settled(fingerprint: Fingerprint) -> bool:
    # FAT keeps two seconds, some network file systems one; others at worst a clock tick of 10 ms.
    coarse = fingerprint.mtime_ns % 1_000_000_000 == 0
    grain = 2_000_000_000 if coarse else 50_000_000
    return time.time_ns() - max(fingerprint.mtime_ns, fingerprint.ctime_ns) > grain

"""SessionFolder: the files of one store, and every rule of writing them.

::

    <save_dir>/                       0700
      <session_id>.json               0600, one session, the only truth
      <session_id>.checkpoints/       immutable snapshots: <seq 8 digits>-<checkpoint_id>.json
      .trash/                         deleted sessions: <time>-<session_id>.json, .checkpoints;
                                      or .checkpoints alone, whose session was not there
      .localsessions/                 derived and transient
        index.sqlite3 ...  locks/00 .. locks/ff, whole  tmp/<stripe>-<random>.tmp
        kept/<session_id>.json        the last good version, where somebody watched
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from localsessions._files import durable
from localsessions._files.kept import KeptVersions
from localsessions._files.locks import StripedLocks, stripe_of
from localsessions._files.names import file_stem, is_session_id, session_id_of
from localsessions.errors import (
    DurabilityUnknownError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import Fingerprint, TrashedSession

__all__ = ["Durability", "FileRead", "FileWritten", "Scan", "SessionFolder"]

Durability: TypeAlias = Literal["full", "fast"]

_SUFFIX = ".json"
_CHECKPOINTS = ".checkpoints"
_STAMP = "%Y%m%dT%H%M%S%fZ"
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


class FileRead(NamedTuple):
    """One whole version of a file.

    ``settled`` says that a later change cannot leave the fingerprint as it is; a file younger
    than the grain of the file system's clock is not (git calls such an entry racy).
    """

    data: bytes
    fingerprint: Fingerprint
    settled: bool


class FileWritten(NamedTuple):
    """What a write left: the new fingerprint and, where syncing failed, the error to raise."""

    fingerprint: Fingerprint
    doubt: DurabilityUnknownError | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A look at the whole folder: files by session id, and the names that no id has."""

    files: dict[str, Fingerprint] = field(default_factory=dict)
    misnamed: dict[str, Fingerprint] = field(default_factory=dict)


class SessionFolder:
    """The files of one store.

    Args:
        save_dir: The folder; made, with those above it, where it is not there.
        durability: "full" syncs each write and the folder; "fast" leaves that to the system.
        lock_timeout: Seconds to wait for a session's lock.
        max_file_bytes: Larger files are unreadable.

    Attributes:
        kept: Copies of the last good versions.
        read_only: The error that writing gets, where the folder cannot be written.
        files_read: Session files read since this object was made.
        files_written: Session files written since then.
    """

    def __init__(
        self, save_dir: str, *, durability: Durability, lock_timeout: float, max_file_bytes: int
    ) -> None:
        self.save_dir = os.path.abspath(save_dir)
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
        self._prepare()

    def path(self, session_id: str) -> str:
        """Return where the session's file is or would be.

        A file that somebody else gave a name that not every system can hold stays where it is.

        Raises:
            ValueError: No file can have that id's name.
        """
        stem = file_stem(session_id)
        path = os.path.join(self.save_dir, stem + _SUFFIX)
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
            if error.errno not in _READ_ONLY:
                raise
            self.read_only = error

    def _make_private(self) -> None:
        for folder in (self.private, self._locks.folder, self._tmp):
            if os.path.islink(folder):
                raise OSError(
                    errno.ELOOP, "a link has the name of a private folder; remove it", folder
                )
            durable.make_folder(folder, durable=False)
        self._ignore_in_git(self.private)

    def _ignore_in_git(self, folder: str) -> None:
        path = os.path.join(folder, ".gitignore")
        if not os.path.lexists(path):
            try:
                durable.write_new(path, b"*\n", mtime_ns=None, durable=False)
            except FileExistsError:
                return  # another process made it just now

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
                durable.unlink(os.path.join(self._tmp, name))
        return is_ours

    def temp_files(self) -> list[str]:
        """Return the paths of temp files: of writes going on, or left by killed processes."""
        try:
            return sorted(os.path.join(self._tmp, name) for name in os.listdir(self._tmp))
        except FileNotFoundError:
            return []

    # -- locking -----------------------------------------------------------------------------

    def lock(self, *session_ids: str) -> AbstractContextManager[None]:
        """Hold the sessions' locks, against other threads and other processes.

        Raises:
            LockTimeoutError: Somebody else held one for the whole timeout.
            PermissionError: The folder cannot be written.
        """
        for session_id in session_ids:
            file_stem(session_id)
        if self.read_only is not None:
            raise PermissionError(
                self.read_only.errno, "the session folder is read-only", self.read_only.filename
            )
        if not os.path.isdir(self._locks.folder) or not os.path.isdir(self._tmp):
            self._make_private()  # .localsessions/ was deleted while the store was open
        return self._locks.hold(session_ids)

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
        try:
            return durable.fingerprint_of(os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def scan(self) -> Scan:
        """Look at the whole folder, one ``stat`` a file; nothing is opened."""
        found = Scan()
        try:
            entries = os.scandir(self.save_dir)
        except FileNotFoundError:
            return found
        with entries:
            for entry in entries:
                name = entry.name
                if not name.endswith(_SUFFIX) or name.startswith("."):
                    continue
                try:
                    fingerprint = durable.fingerprint_of(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # removed since the folder was read
                session_id = session_id_of(name[: -len(_SUFFIX)])
                if session_id is None:
                    found.misnamed[name] = fingerprint
                else:
                    found.files[session_id] = fingerprint
        for name in list(found.misnamed):
            stem = name[: -len(_SUFFIX)]
            if stem not in found.files and is_session_id(stem):
                found.files[stem] = found.misnamed.pop(name)
        return found

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

    def _read_at(self, path: str, session_id: str) -> FileRead:
        for _ in range(_READ_TRIES):
            try:
                read = self._read_once(path, session_id)
            except FileNotFoundError:
                raise
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
        with durable.closing(fd, path):
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
        if before != after or len(data) != after.size_bytes:
            return None
        return FileRead(data, after, _is_settled(after))

    # -- writing -----------------------------------------------------------------------------

    def write(self, session_id: str, data: bytes, former: Fingerprint | None) -> FileWritten:
        """Replace or make the session's file in one step; the lock must be held.

        Args:
            session_id: Whose file.
            data: The whole new content.
            former: What is there now; the new modification time is later than its.

        Raises:
            OSError: Nothing was changed.
        """
        path = self.path(session_id)
        written = self._write_over(session_id, path, data, former)
        self.files_written += 1
        return written

    def _write_over(
        self, session_id: str, path: str, data: bytes, former: Fingerprint | None
    ) -> FileWritten:
        temp = os.path.join(self._tmp, f"{stripe_of(session_id):02x}-{secrets.token_hex(8)}.tmp")
        mtime_ns = max(time.time_ns(), former.mtime_ns + 1 if former else 0)
        new = durable.write_new(temp, data, mtime_ns=mtime_ns, durable=self._durable)
        try:
            self._locks.check(session_id)
            durable.rename(temp, path)
        except BaseException:  # Ctrl-C too: no temp file stays; the error goes on its way
            durable.discard(temp)
            raise
        doubt = self._sync(os.path.dirname(path), session_id)
        # Renaming moves ctime on. If somebody was faster than this stat, what we know matches
        # nothing that is there, and the next look reads the file again.
        now = self.fingerprint_at(path)
        if now and (now.inode, now.size_bytes, now.mtime_ns) == (
            new.inode,
            new.size_bytes,
            new.mtime_ns,
        ):
            new = now
        return FileWritten(new, doubt)

    def _sync(self, folder: str, session_id: str) -> DurabilityUnknownError | None:
        if not self._durable:
            return None
        try:
            durable.sync_folder(folder)
        except OSError as error:
            return DurabilityUnknownError(error, session_id=session_id, path=folder)
        return None

    # -- trash -------------------------------------------------------------------------------

    def trash(self, session_id: str, deleted_at: datetime) -> TrashedSession:
        """Move a session with its checkpoints to the trash; the lock must be held.

        The file goes first: whatever happens between, nothing is half a session.

        Raises:
            SessionNotFoundError: There is no such file.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        path = self.path(session_id)
        self._make_trash()
        target = self._trash_path(session_id, deleted_at, _SUFFIX)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "deleted twice in one microsecond", target)
        self._locks.check(session_id)
        fingerprint = self.fingerprint_at(path)
        if fingerprint is None:
            raise SessionNotFoundError(session_id, path=path)
        durable.rename(path, target)
        checkpoints = self.checkpoint_folder(session_id)
        if os.path.isdir(checkpoints):
            durable.rename(checkpoints, _checkpoints_beside(target))
        self._sync_both(session_id)
        return TrashedSession(session_id, deleted_at, fingerprint.size_bytes, target)

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
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "deleted twice in one microsecond", target)
        self._locks.check(session_id)
        durable.rename(self.checkpoint_folder(session_id), target)
        self._sync_both(session_id)
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
                return beside if is_theirs and not os.path.lexists(beside) else None
        return None

    def _make_trash(self) -> None:
        durable.make_folder(self._trash, durable=self._durable)
        self._ignore_in_git(self._trash)

    def _trash_path(self, session_id: str, deleted_at: datetime, suffix: str) -> str:
        name = f"{deleted_at.strftime(_STAMP)}-{file_stem(session_id)}{suffix}"
        return os.path.join(self._trash, name)

    def _sync_both(self, session_id: str) -> None:
        for folder in (self._trash, self.save_dir):
            if doubt := self._sync(folder, session_id):
                raise doubt

    def trashed(self) -> list[TrashedSession]:
        """Return what is in the trash, the last deleted first."""
        try:
            names = os.listdir(self._trash)
        except FileNotFoundError:
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
                deleted_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
                size_bytes = _size_of_all(path) if is_alone else os.lstat(path).st_size
            except (ValueError, FileNotFoundError, NotADirectoryError):
                continue  # not ours, or purged just now
            yield TrashedSession(session_id, deleted_at, size_bytes, path, is_alone)

    def untrash(self, item: TrashedSession) -> None:
        """Move a session with its checkpoints, or checkpoints alone, back; the lock must be held.

        Raises:
            SessionExistsError: A session of that id is there.
            FileExistsError: The session that the checkpoints belong to has others by now.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        target = self.checkpoint_folder(item.session_id)
        if item.checkpoints_only:
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "the session has checkpoints again", target)
            durable.rename(item.path, target)
            self._sync_both(item.session_id)
            return
        path = self.path(item.session_id)
        if os.path.lexists(path):
            raise SessionExistsError(item.session_id, path=path)
        checkpoints = _checkpoints_beside(item.path)
        if os.path.isdir(checkpoints) and not os.path.lexists(target):
            durable.rename(checkpoints, target)
        durable.rename(item.path, path)
        self._sync_both(item.session_id)

    def purge(self, item: TrashedSession) -> None:
        """Remove a deleted session and its checkpoints, or checkpoints alone, for good."""
        checkpoints = item.path if item.checkpoints_only else _checkpoints_beside(item.path)
        if os.path.isdir(checkpoints):
            for name in os.listdir(checkpoints):
                durable.unlink(os.path.join(checkpoints, name))
            os.rmdir(checkpoints)
        if not item.checkpoints_only:
            durable.unlink(item.path)

    # -- checkpoints -------------------------------------------------------------------------

    def checkpoint_folder(self, session_id: str) -> str:
        """Return where the session's checkpoints are or would be."""
        return os.path.join(self.save_dir, file_stem(session_id) + _CHECKPOINTS)

    def checkpoint_names(self, session_id: str) -> list[str]:
        """Return the names of the checkpoints, ``<seq>-<checkpoint_id>``, in order of saving."""
        try:
            names = os.listdir(self.checkpoint_folder(session_id))
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


def _checkpoints_beside(trashed: str) -> str:
    return trashed.removesuffix(_SUFFIX) + _CHECKPOINTS


def _size_of_all(folder: str) -> int:
    return sum(os.lstat(os.path.join(folder, name)).st_size for name in os.listdir(folder))


def _is_settled(fingerprint: Fingerprint) -> bool:
    # FAT keeps two seconds, some network file systems one; others at worst a clock tick of 10 ms.
    coarse = fingerprint.mtime_ns % 1_000_000_000 == 0
    grain = 2_000_000_000 if coarse else 50_000_000
    return time.time_ns() - max(fingerprint.mtime_ns, fingerprint.ctime_ns) > grain

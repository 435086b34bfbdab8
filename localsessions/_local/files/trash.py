"""TrashFolder: deleted sessions with their checkpoints, until they are restored or purged.

``<time>-<session_id>.json`` and ``.checkpoints`` beside it; or ``.checkpoints`` alone, whose
session did not exist. Files with other names are neither moved back nor removed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from localsessions import _system, models
from localsessions._codec.names import SUFFIX, file_stem, session_id_of
from localsessions._local.files import durable
from localsessions._local.files.checkpoints import FOLDER_SUFFIX, Checkpoints
from localsessions._local.files.locks import StripedLocks
from localsessions._local.files.publishing import Publisher
from localsessions._local.files.reading import FileRead, read_whole
from localsessions._local.files.usage import bytes_of_tree
from localsessions.errors import DurabilityUnknownError, SessionExistsError, SessionNotFoundError
from localsessions.models.instants import instant_of_stamp, stamp_of

if TYPE_CHECKING:
    from localsessions.models import TrashedSession

__all__ = ["Going", "TrashFolder"]


class Going(NamedTuple):
    """A session that is about to be moved to the trash."""

    source: str
    target: str
    size_bytes: int
    checkpoints: str | None

    @property
    def beside(self) -> str:
        """Where the checkpoints are moved."""
        return _beside(self.target)


class TrashFolder:
    """The trash of one store.

    Args:
        folder: The folder of the trash; created when first needed.
        checkpoints: The checkpoints of the store.
        publisher: The publisher of the store.
        locks: The locks of the store. Each method that moves a session needs its lock held.
        max_file_bytes: Larger files are unreadable.
    """

    def __init__(
        self,
        folder: str,
        checkpoints: Checkpoints,
        publisher: Publisher,
        locks: StripedLocks,
        max_file_bytes: int,
    ) -> None:
        self.folder = folder
        self._checkpoints = checkpoints
        self._publisher = publisher
        self._locks = locks
        self._max_file_bytes = max_file_bytes

    # -- into the trash ----------------------------------------------------------------------

    def put(self, session_id: str, path: str, deleted_at: datetime) -> TrashedSession:
        """Move a session, whose file is at ``path``, with its checkpoints to the trash.

        The file moves first: after a crash, no session in the folder lacks its checkpoints.

        Raises:
            SessionNotFoundError: There is no such file.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        self.make()
        going = self.going(session_id, path, deleted_at)
        doubt = self._move(going.source, going.target, session_id)
        if going.checkpoints is not None:
            doubt = self._move(going.checkpoints, going.beside, session_id) or doubt
        if doubt:
            raise doubt
        return models.TrashedSession(session_id, deleted_at, going.size_bytes, going.target)

    def make(self) -> None:
        """Create the folder, where it does not exist.

        Raises:
            OSError: It cannot be created, or a link has its name.
        """
        durable.refuse_link(self.folder)
        # With "fast" too, once for all: if the folder is lost, all that was moved into it is lost.
        durable.make_folder(self.folder, durable=True)
        self._publisher.write_ignore(self.folder)

    def going(self, session_id: str, path: str, deleted_at: datetime) -> Going:
        """Return what is moved to the trash of a session, and where it goes.

        Raises:
            SessionNotFoundError: There is no such file.
            OSError: A file cannot be checked, or the lock was lost.
        """
        target = self._target(session_id, deleted_at, SUFFIX)
        self._refuse_second(target)
        self._locks.check(session_id)
        fingerprint = durable.fingerprint_at(path)
        if fingerprint is None:
            raise SessionNotFoundError(session_id, path=path)
        source = self._checkpoints.folder(session_id)
        has_checkpoints = durable.is_folder(source)
        return Going(path, target, fingerprint.size_bytes, source if has_checkpoints else None)

    def put_checkpoints(self, session_id: str, deleted_at: datetime) -> str:
        """Move the checkpoints of a session that does not exist to the trash.

        If a crash in ``put`` or ``restore`` separated them from their session's file in the trash,
        they are moved beside it, so that both are restored together. Otherwise they go alone.

        Returns:
            Where they are now.

        Raises:
            DurabilityUnknownError: They were moved, but the disk did not confirm.
        """
        self.make()
        target = self._parted_from(session_id) or self._target(
            session_id, deleted_at, FOLDER_SUFFIX
        )
        self._refuse_second(target)
        self._locks.check(session_id)
        if doubt := self._move(self._checkpoints.folder(session_id), target, session_id):
            raise doubt
        return target

    def _parted_from(self, session_id: str) -> str | None:
        """Return where the checkpoints belong, beside the last deleted session of that id.

        None where there is no such session, it has checkpoints, or it was deleted before the last
        of these was saved: then they belong to a later session of that id, whose file is lost.
        """
        source = self._checkpoints.folder(session_id)
        times = [os.lstat(os.path.join(source, name)).st_mtime for name in os.listdir(source)]
        for item in self.items():
            if item.session_id == session_id and not item.checkpoints_only:
                beside = _beside(item.path)
                is_theirs = max(times, default=0) <= item.deleted_at.timestamp()
                return beside if is_theirs and durable.status_of(beside) is None else None
        return None

    def paths(self, session_id: str, deleted_at: datetime) -> tuple[str, str]:
        """Return the path of a deleted session's file, and that of its checkpoints."""
        path = self._target(session_id, deleted_at, SUFFIX)
        return path, _beside(path)

    def _target(self, session_id: str, deleted_at: datetime, suffix: str) -> str:
        name = f"{stamp_of(deleted_at)}-{file_stem(session_id)}{suffix}"
        return os.path.join(self.folder, name)

    def _refuse_second(self, target: str) -> None:
        if durable.status_of(target) is not None:
            raise FileExistsError(errno.EEXIST, "deleted twice in one microsecond", target)

    def _move(
        self, source: str, target: str, session_id: str, *, is_durable: bool = False
    ) -> DurabilityUnknownError | None:
        """Rename from one folder into another and sync both, durably before the next step.

        The folder of the new name is synced first. Each sync covers one folder only: a power cut
        between the two syncs may leave both names. In the other order it could leave none.
        """
        _system.rename(source, target)
        there = self._publisher.sync(os.path.dirname(target), session_id, is_durable=is_durable)
        gone = self._publisher.sync(os.path.dirname(source), session_id, is_durable=is_durable)
        return there or gone

    # -- listing -----------------------------------------------------------------------------

    def items(self) -> list[TrashedSession]:
        """Return the contents of the trash, the last deleted first."""
        if os.path.islink(self.folder):
            return []  # the store writes and removes nothing behind a link
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(self._items(names), key=lambda item: item.deleted_at, reverse=True)

    def misnamed(self) -> list[str]:
        """Return the paths of what looks like a deleted session and has the name of none.

        It is the folder itself if that is a link: the store reads nothing behind it.
        """
        if os.path.islink(self.folder):
            return [self.folder]
        try:
            names = sorted(os.listdir(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        alike = (
            name for name in names if name.endswith((SUFFIX, FOLDER_SUFFIX)) and name[0] != "."
        )
        return [os.path.join(self.folder, name) for name in alike if _said_by(name) is None]

    def bytes_on_disk(self) -> int:
        """Return what everything in the trash takes on the disk."""
        return bytes_of_tree(self.folder)

    def _items(self, names: list[str]) -> Iterator[TrashedSession]:
        present = frozenset(names)
        for name in names:
            root, suffix = os.path.splitext(name)
            is_alone = suffix == FOLDER_SUFFIX and root + SUFFIX not in present
            is_ours = suffix == SUFFIX or is_alone
            if not is_ours or (said := _said_by(name)) is None:
                continue
            path = os.path.join(self.folder, name)
            try:
                size_bytes = _size_of_all(path) if is_alone else os.lstat(path).st_size
            except (FileNotFoundError, NotADirectoryError):
                continue  # not ours, or purged just now
            yield models.TrashedSession(*said, size_bytes, path, is_alone)

    def read(self, item: TrashedSession) -> FileRead:
        """Return what a deleted session's file holds.

        Raises:
            FileNotFoundError: It was purged just now.
            UnreadableSessionError: As ``read_whole``.
        """
        return read_whole(item.path, item.session_id, self._max_file_bytes)

    # -- out of the trash --------------------------------------------------------------------

    def restore(self, item: TrashedSession, path: str) -> None:
        """Move a session with its checkpoints back, its file to ``path``.

        Raises:
            SessionExistsError: A session of that id exists.
            DurabilityUnknownError: It was moved, but the disk did not confirm.
        """
        if durable.status_of(path) is not None:
            raise SessionExistsError(item.session_id, path=path)
        self._locks.check(item.session_id)
        source, target = _beside(item.path), self._checkpoints.folder(item.session_id)
        doubt = None
        if durable.is_folder(source) and durable.status_of(target) is None:
            doubt = self._move(source, target, item.session_id)
        # Durable, whatever the store promises: the next write may go into this very file. If a
        # power cut brought its name in the trash back, that name would lead to the changed file.
        if doubt := self._move(item.path, path, item.session_id, is_durable=True) or doubt:
            raise doubt

    def restore_checkpoints(self, item: TrashedSession) -> None:
        """Move checkpoints that are alone in the trash back to their session.

        Raises:
            FileExistsError: The session has other checkpoints now.
            DurabilityUnknownError: They were moved, but the disk did not confirm.
        """
        target = self._checkpoints.folder(item.session_id)
        if durable.status_of(target) is not None:
            raise FileExistsError(errno.EEXIST, "the session has checkpoints again", target)
        self._locks.check(item.session_id)
        if doubt := self._move(item.path, target, item.session_id):
            raise doubt

    def purge(self, item: TrashedSession) -> None:
        """Remove a deleted session and its checkpoints, or checkpoints alone, for good.

        The file is removed first, so that no session is restored with half its checkpoints. Until
        ``sync``, a power cut may bring them back.

        Raises:
            DurabilityUnknownError: They were removed, but the disk did not confirm.
        """
        doubt = None
        beside = item.path if item.checkpoints_only else _beside(item.path)
        status = durable.status_of(beside)
        if not item.checkpoints_only:
            durable.unlink(item.path)
        if status is not None and stat.S_ISLNK(status.st_mode):
            durable.unlink(beside)
        elif status is not None and stat.S_ISDIR(status.st_mode):
            if not item.checkpoints_only:
                doubt = self._publisher.sync(self.folder, item.session_id)
            for name in os.listdir(beside):
                durable.unlink(os.path.join(beside, name))
            os.rmdir(beside)
        if doubt:
            raise doubt

    def sync(self, session_id: str) -> None:
        """Make the removal of purged sessions durable; ``session_id`` is the last of them.

        Raises:
            DurabilityUnknownError: They were removed, but the disk did not confirm.
        """
        if doubt := self._publisher.sync(self.folder, session_id):
            raise doubt


def _said_by(name: str) -> tuple[str, datetime] | None:
    """Return which session a name in the trash says, and when it was deleted; None if nothing."""
    stamp, _, stem = os.path.splitext(name)[0].partition("-")
    session_id = session_id_of(stem)
    try:
        return None if session_id is None else (session_id, instant_of_stamp(stamp))
    except ValueError:
        return None


def _beside(trashed: str) -> str:
    """Return the path of the checkpoints of a deleted session."""
    return trashed.removesuffix(SUFFIX) + FOLDER_SUFFIX


def _size_of_all(folder: str) -> int:
    return sum(os.lstat(os.path.join(folder, name)).st_size for name in os.listdir(folder))

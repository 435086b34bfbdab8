"""Copies: the files of a session with its checkpoints, byte for byte, read and written together.

A session and its checkpoints have one set of names in the folder and another one in the trash.
Checkpoints are written first and removed last: while the session's file is there, none is missing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, TypeAlias

from localsessions._codec import MAX_FILE_BYTES
from localsessions._codec.names import SUFFIX, checkpoint_id_of, file_stem, is_session_id
from localsessions._local.files import durable
from localsessions._local.files.checkpoints import Checkpoints
from localsessions._local.files.publishing import Prepared, Publisher
from localsessions._local.files.reading import read_whole
from localsessions._local.files.trash import TrashFolder
from localsessions.errors import DurabilityUnknownError, UnreadableSessionError
from localsessions.models.copies import SessionCopy, StoredBytes
from localsessions.models.instants import microseconds

__all__ = ["Copies", "Faults", "Place"]

Faults: TypeAlias = list[UnreadableSessionError]
"""What of a session cannot be read."""

_TRIES = 5


class Place(NamedTuple):
    """The path of a session's file, and that of the folder of its checkpoints."""

    content: str
    checkpoints: str

    @property
    def is_empty(self) -> bool:
        """Whether there is neither."""
        return all(durable.status_of(path) is None for path in self)


class Copies:
    """The copies of one store.

    Args:
        path: Returns the path of a session's file.
        checkpoints: The checkpoints of the store.
        trash: The trash of the store.
        publisher: The publisher of the store.
    """

    def __init__(
        self,
        path: Callable[[str], str],
        checkpoints: Checkpoints,
        trash: TrashFolder,
        publisher: Publisher,
    ) -> None:
        self._path = path
        self._checkpoints = checkpoints
        self._trash = trash
        self._publisher = publisher

    def place(self, session_id: str, deleted_at: datetime | None) -> Place:
        """Return where a session is or would be."""
        if deleted_at is not None:
            return Place(*self._trash.paths(session_id, deleted_at))
        return Place(self._path(session_id), self._checkpoints.folder(session_id))

    # -- reading -----------------------------------------------------------------------------

    def read(self, session_id: str, deleted_at: datetime | None) -> tuple[SessionCopy, Faults]:
        """Return a session as it was at one instant, and what of it cannot be read.

        The copy is empty where nothing is there.

        Raises:
            UnreadableSessionError: It comes and goes all the time.
        """
        place = self.place(session_id, deleted_at)
        for _ in range(_TRIES):
            faults: Faults = []
            was_there = durable.status_of(place.content) is not None
            content = _stored(place.content, session_id, faults)
            names = list(self._names(place, session_id, faults))
            found = {
                name: _stored(os.path.join(place.checkpoints, name + SUFFIX), session_id, faults)
                for name in names
            }
            is_there = durable.status_of(place.content) is not None
            if was_there == is_there and names == list(self._names(place, session_id, [])):
                checkpoints = {name: one for name, one in found.items() if one is not None}
                return SessionCopy(session_id, content, checkpoints, deleted_at), faults
        reason = "it, or a checkpoint of it, comes and goes all the time"
        raise UnreadableSessionError(session_id, reason, path=place.content)

    def _names(self, place: Place, session_id: str, faults: Faults) -> Iterator[str]:
        """Yield the names of the checkpoints that every system can store, in order."""
        folder = place.checkpoints
        try:
            durable.refuse_link(folder)
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return
        except OSError as error:
            reason = f"its checkpoints cannot be read: {error.strerror}"
            faults.append(UnreadableSessionError(session_id, reason, path=folder))
            return
        for name in names:
            if not name.endswith(SUFFIX) or name[0] == ".":
                continue
            stem = name.removesuffix(SUFFIX)
            checkpoint_id = checkpoint_id_of(stem)
            if checkpoint_id is None:
                reason = "no checkpoint has this file name; rename it, or move it elsewhere"
            elif not is_session_id(checkpoint_id) or file_stem(checkpoint_id) != checkpoint_id:
                reason = "not every system can store a checkpoint of this name"
            else:
                yield stem
                continue
            path = os.path.join(folder, name)
            faults.append(UnreadableSessionError(session_id, reason, path=path))

    # -- writing -----------------------------------------------------------------------------

    def lacking(self, copy: SessionCopy) -> SessionCopy | None:
        """Return the part of a copy that is not there yet; None if something else is there.

        Raises:
            UnreadableSessionError: What is there cannot be read, so nobody knows.
        """
        place = self.place(copy.session_id, copy.deleted_at)
        faults: Faults = []
        content = _lacking(place.content, copy.session_id, copy.content, faults)
        checkpoints = {
            name: lacked
            for name, one in copy.checkpoints.items()
            if (lacked := _lacking(_in(place, name), copy.session_id, one, faults)) is not None
        }
        for fault in faults:
            if _is_unread(fault):
                raise fault
        if faults or os.path.islink(place.checkpoints):
            return None
        return SessionCopy(copy.session_id, content, checkpoints, copy.deleted_at)

    def is_left(self, session_id: str) -> bool:
        """Tell whether an empty folder is all that is left of a session that was removed."""
        try:
            return os.listdir(self.place(session_id, None).checkpoints) == []
        except (FileNotFoundError, NotADirectoryError):
            return False

    def refuse_large(self, copy: SessionCopy) -> None:
        """Refuse a copy of which a part is too large to be read again.

        Raises:
            UnstorableValueError: It is too large.
        """
        parts = [*copy.checkpoints.values(), *([] if copy.content is None else [copy.content])]
        for one in parts:
            self._publisher.refuse_large(copy.session_id, len(one.data))

    def write(self, copy: SessionCopy) -> DurabilityUnknownError | None:
        """Write what is lacking, inside the session's lock, durably whatever the store promises.

        All of it is on the disk under private names before the first part gets its own.

        Returns:
            The error if the disk did not confirm.

        Raises:
            Overtaken: Another program wrote a file of that name first.
            OSError: Nothing of it, or not all of it, is there, and the session is not.
        """
        place = self.place(copy.session_id, copy.deleted_at)
        if copy.deleted_at is not None:
            self._trash.make()
        durable.refuse_link(place.checkpoints)
        parts = {_in(place, name): one for name, one in copy.checkpoints.items()}
        if copy.content is not None:
            parts[place.content] = copy.content
        prepared: dict[str, Prepared] = {}
        try:
            for path, stored in parts.items():
                prepared[path] = self._prepared(copy.session_id, stored)
            return self._put_in_place(copy.session_id, place, prepared)
        # After an error or Ctrl-C, nothing else knows the names of the temp files.
        except BaseException:
            for one in prepared.values():
                durable.discard(one.temp)
            with suppress(OSError):  # it holds a checkpoint, or is not there
                os.rmdir(place.checkpoints)
            raise

    def _prepared(self, session_id: str, stored: StoredBytes) -> Prepared:
        temp = self._publisher.temp_path(session_id, ".tmp")
        mtime_ns = microseconds(stored.modified_at) * 1000
        return Prepared(temp, durable.write_new(temp, stored.data, mtime_ns=mtime_ns, durable=True))

    def _put_in_place(
        self, session_id: str, place: Place, prepared: Mapping[str, Prepared]
    ) -> DurabilityUnknownError | None:
        """Give the checkpoints their names, durably, and then the session."""
        doubts = []
        checkpoints = [path for path in prepared if path != place.content]
        if checkpoints:
            durable.make_folder(place.checkpoints, durable=True)
        for paths in (checkpoints, prepared.keys() - checkpoints):
            for path in paths:
                temp, new = prepared[path]
                self._publisher.refuse_overtaken(path, None, temp)
                doubts.append(self._publisher.put_in_place(session_id, temp, path, new))
            doubts += [self._sync(session_id, path) for path in [*paths][-1:]]
        return next(filter(None, doubts), None)

    def _sync(self, session_id: str, path: str) -> DurabilityUnknownError | None:
        return self._publisher.sync(os.path.dirname(path), session_id, is_durable=True)

    # -- removing ----------------------------------------------------------------------------

    def remove(self, copy: SessionCopy) -> DurabilityUnknownError | None:
        """Remove the files of a copy for good, inside the session's lock.

        Returns:
            The error if the disk did not confirm.
        """
        place = self.place(copy.session_id, copy.deleted_at)
        durable.unlink(place.content)
        doubt = self._sync(copy.session_id, place.content)
        if copy.checkpoints or self.is_left(copy.session_id):
            durable.refuse_link(place.checkpoints)
            for name in copy.checkpoints:
                durable.unlink(_in(place, name))
            _remove_folder(place.checkpoints)
            doubt = self._sync(copy.session_id, place.checkpoints) or doubt
        return doubt


def _remove_folder(path: str) -> None:
    """Remove a folder; if something is in it that is no checkpoint, that stays, and the folder."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _is_unread(fault: UnreadableSessionError) -> bool:
    """Tell whether a file could be read another time; a folder or a link in its place cannot."""
    cause = fault.__cause__
    is_refused = isinstance(cause, OSError) and cause.errno in (errno.EIO, errno.EACCES)
    return is_refused and not os.path.isdir(fault.path or "")


def _in(place: Place, name: str) -> str:
    return os.path.join(place.checkpoints, name + SUFFIX)


def _stored(path: str, session_id: str, faults: Faults) -> StoredBytes | None:
    """Return what a file holds; None where there is none, or where it cannot be read."""
    try:
        read = read_whole(path, session_id, MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnreadableSessionError as error:
        faults.append(error)
        return None
    return StoredBytes(read.data, read.fingerprint.modified_at)


def _lacking(
    path: str, session_id: str, wanted: StoredBytes | None, faults: Faults
) -> StoredBytes | None:
    """Return ``wanted`` if there is no such file; if it has other content, that is a fault."""
    found = _stored(path, session_id, faults)
    if wanted is None or found is None:
        return wanted
    if found.data != wanted.data:
        faults.append(UnreadableSessionError(session_id, "other content", path=path))
    return None

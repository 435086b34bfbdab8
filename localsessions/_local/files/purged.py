"""Purged: what is remembered of deleted sessions that were removed for good.

Each emptying of the trash leaves a file ``.trash/purged-<name>.jsonl`` with a line of JSON for each
session: its id, where it came from, and when it was deleted. So a session that was imported and
deleted is not imported again. The file is whole before the first session is removed. On a full
disk, trashed files become such files: their own room is used. Sessions that move to another folder
share ``purged-moved.jsonl``: one line each, until ``forget``.
"""

from __future__ import annotations

import errno
import json
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from localsessions import _system, models
from localsessions._codec import parse_json
from localsessions._codec.names import is_session_id
from localsessions._local.files import durable
from localsessions._local.files.publishing import Publisher
from localsessions._local.version import Fingerprint
from localsessions.errors import DurabilityUnknownError
from localsessions.models import parse_instant
from localsessions.models.ids import random_hex

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Deletion

__all__ = ["Purged", "key_of"]

_PREFIX, _SUFFIX = "purged-", ".jsonl"
_SHARED = f"{_PREFIX}moved{_SUFFIX}"


class Purged:
    """The lines of one store.

    Args:
        folder: The folder of the trash; it exists where something is noted.
        publisher: The publisher of the store.
    """

    def __init__(self, folder: str, publisher: Publisher) -> None:
        self._folder = folder
        self._publisher = publisher
        self._moved: dict[str, _Moved] = {}

    def note(self, deletions: Sequence[Deletion], locked: str) -> DurabilityUnknownError | None:
        """Note deletions, inside the lock of the session ``locked``.

        Returns:
            The error if the disk did not confirm.

        Raises:
            OSError: Nothing was noted.
        """
        lines = b"".join(map(_line, deletions))
        return self._write(locked, self._new_path(), lines)

    def note_also(self, deletion: Deletion) -> DurabilityUnknownError | None:
        """Note one of many deletions, inside its lock and that of the whole folder.

        It goes to the end of a file that many share. A line that a kill or a full disk tore says
        nothing: each line begins on a new one.

        Returns:
            The error if the disk did not confirm.

        Raises:
            OSError: It was not noted.
        """
        path, line = os.path.join(self._folder, _SHARED), _line(deletion)
        try:
            fd = _system.open_file(path, _system.EDITING)
        except FileNotFoundError:
            return self._write(deletion.session_id, path, line)
        with durable.closing(fd, path):
            durable.write_after(fd, b"\n" + line)
        return None

    def _write(self, session_id: str, path: str, lines: bytes) -> DurabilityUnknownError | None:
        durable.refuse_link(self._folder)
        temp = self._publisher.temp_path(session_id, ".tmp")
        durable.write_new(temp, lines, mtime_ns=None, durable=True)
        try:
            _system.rename(temp, path)
        except BaseException:  # Ctrl-C too: remove the temp file, then re-raise
            durable.discard(temp)
            raise
        return self._publisher.sync(self._folder, session_id)

    def note_over(
        self,
        trashed: Sequence[tuple[str, Deletion]],
        lock: Callable[[str], AbstractContextManager[None]],
    ) -> bool:
        """Note deletions in the place of trashed files; this needs no room.

        A file holds its own deletion before those of others, so none is forgotten if this ends in
        the middle.

        Args:
            trashed: The paths of the files of sessions that are to be removed for good, and what
                is to be noted of each.
            lock: Takes the lock of a session.

        Returns:
            Whether all is noted. If there is too little room, nothing is; nor is everything if a
            file was removed just now.

        Raises:
            OSError: Even this needs room. The file that could not be written is as it was.
        """
        durable.refuse_link(self._folder)
        places = _places(trashed)
        return places is not None and all(self._write_over(place, lock) for place in places)

    def _write_over(
        self, place: _Place, lock: Callable[[str], AbstractContextManager[None]]
    ) -> bool:
        """Give a trashed file another name and its lines; return whether it was there.

        The name is the first: until the lines are written, what it holds is no line of a deletion.
        """
        with lock(place.session_id):
            try:
                fd = _system.open_file(place.trashed, _system.EDITING)
            except FileNotFoundError:
                return False
            with durable.closing(fd, place.trashed):
                size, head = _system.fstat(fd).st_size, durable.read_at(fd, 0, len(place.lines))
                path = self._new_path()
                _system.rename(place.trashed, path)
                try:
                    durable.write_over(fd, place.lines)
                except BaseException:  # Ctrl-C too: undo it, then re-raise
                    if _system.fstat(fd).st_size == size:  # it is not cut yet
                        try:
                            durable.write_begin(fd, head)
                        finally:
                            _system.rename(path, place.trashed)
                    raise
        return True

    def _new_path(self) -> str:
        return os.path.join(self._folder, f"{_PREFIX}{random_hex(8)}{_SUFFIX}")

    def deletions(self, session_ids: Collection[str] | None = None) -> list[Deletion]:
        """Return what is remembered of some sessions, or of all."""
        return [
            deletion
            for path in self._paths()
            for line in _lines(path)
            if (deletion := _deletion(line)) is not None
            and (session_ids is None or deletion.session_id in session_ids)
        ]

    def is_moved(self, session_id: str) -> bool:
        """Tell whether a line says that a session was moved away."""
        return any(session_id in self._moved_in(path) for path in self._paths())

    def _moved_in(self, path: str) -> frozenset[str]:
        """Return which sessions a file says were moved away; it is read again if it changed."""
        fingerprint, known = durable.fingerprint_at(path), self._moved.get(path)
        if known is None or known.fingerprint != fingerprint:
            every = filter(None, map(_deletion, _lines(path)))
            gone = frozenset(one.session_id for one in every if one.moved_to is not None)
            known = self._moved[path] = _Moved(fingerprint, gone)
        return known.session_ids

    def forget_moved(self, session_id: str) -> None:
        """Forget that a session was moved away, inside its lock and that of the whole folder.

        Spaces are written over the lines, which needs no room; half a line says nothing. A file in
        which nothing is left is removed.

        Raises:
            OSError: Not all of it is forgotten.
        """
        durable.refuse_link(self._folder)
        for path in self._paths():
            if session_id in self._moved_in(path) and not _write_spaces(path, session_id):
                durable.unlink(path)

    def forget(self) -> None:
        """Remove all lines.

        Raises:
            DurabilityUnknownError: They are removed, but the disk did not confirm.
            PermissionError: The folder is read-only.
        """
        durable.refuse_link(self._folder)
        try:
            removed = [path for path in self._paths() if durable.unlink(path)]
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            # No lock is taken here, which would say so.
            raise PermissionError(
                errno.EROFS, "the session folder is read-only", self._folder
            ) from error
        if removed and (doubt := self._publisher.sync(self._folder, "")):
            raise doubt

    def _paths(self) -> list[str]:
        if os.path.islink(self._folder):
            return []  # the store reads and removes nothing behind a link
        try:
            names = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        ours = (name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX))
        return [os.path.join(self._folder, name) for name in ours]


class _Moved(NamedTuple):
    """Which sessions the lines of a version of a file say were moved away."""

    fingerprint: Fingerprint | None
    session_ids: frozenset[str]


class _Place(NamedTuple):
    """A trashed file, its session, and the lines that are to be written over it."""

    trashed: str
    session_id: str
    lines: bytes


def _places(trashed: Sequence[tuple[str, Deletion]]) -> list[_Place] | None:
    """Return where the lines of all deletions have room, in the largest files; None if nowhere."""
    places: list[_Place] = []
    noted: set[str] = set()
    left = deque(trashed)
    for room, path, own in sorted(
        ((_room_in(path), path, own) for path, own in trashed), key=itemgetter(0), reverse=True
    ):
        lines = b"" if path in noted else _line(own)
        if len(lines) > room:
            continue
        noted.add(path)
        while left and (left[0][0] in noted or len(lines) + len(_line(left[0][1])) <= room):
            other, deletion = left.popleft()
            if other not in noted:
                lines += _line(deletion)
                noted.add(other)
        if lines:
            places.append(_Place(path, own.session_id, lines))
        if len(noted) == len(trashed):
            return places
    return None


def _room_in(path: str) -> int:
    try:
        status = _system.lstat(path)
    except FileNotFoundError:
        return 0  # it was removed just now
    # What has another name, as in a backup of hard links, is not only this session's.
    return status.st_size if status.st_nlink == 1 else 0


def _write_spaces(path: str, session_id: str) -> bool:
    """Write spaces over the lines that say where a session is; return whether there are others."""
    try:
        fd = _system.open_file(path, _system.EDITING)
    except FileNotFoundError:
        return True  # forgotten just now
    with durable.closing(fd, path):
        lines = durable.read_at(fd, 0, _system.fstat(fd).st_size).splitlines(keepends=True)
        for number, line in enumerate(lines):
            deletion = _deletion(line)
            if deletion and deletion.moved_to is not None and deletion.session_id == session_id:
                lines[number] = b" " * (len(line) - 1) + b"\n"
        written = b"".join(lines)
        durable.write_begin(fd, written)
        _system.sync(fd)
    return bool(written.strip())


def _lines(path: str) -> Iterator[bytes]:
    try:
        fd = durable.open_regular(path)
    except FileNotFoundError:
        return  # forgotten just now
    with durable.closing(fd, path, was_read=True):
        yield from durable.read_at(fd, 0, _system.fstat(fd).st_size).splitlines()


def key_of(deletion: Deletion) -> str:
    """Return the same text for deletions that are equal."""
    told = [
        deletion.session_id,
        deletion.source,
        deletion.deleted_at.isoformat(),
        deletion.moved_to,
    ]
    return json.dumps(told, sort_keys=True, default=dict)


def _line(deletion: Deletion) -> bytes:
    document: dict[str, JsonValue] = {
        "session_id": deletion.session_id,
        "source": {**deletion.source},
        "deleted_at": deletion.deleted_at.isoformat(),
    }
    if deletion.moved_to is not None:
        document["moved_to"] = deletion.moved_to
    return json.dumps(document).encode() + b"\n"


def _deletion(line: bytes) -> Deletion | None:
    """Return the deletion that a line says; None if a person changed it to something else."""
    try:
        document = parse_json(line)
        told = document if isinstance(document, dict) else {}
        session_id, source = told["session_id"], told["source"]
        deleted_at, moved_to = parse_instant(str(told["deleted_at"])), told.get("moved_to")
    except (ValueError, KeyError):
        return None
    is_whole = isinstance(session_id, str) and is_session_id(session_id)
    if not (is_whole and isinstance(source, dict)):
        return None
    where = moved_to if isinstance(moved_to, str) else None
    return models.Deletion(str(session_id), source, deleted_at, where)

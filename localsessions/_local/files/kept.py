"""KeptVersions: copies of the last good versions of session files, in case a file breaks.

An editor that writes in place destroys what the file held, so the copy must exist before.
Copies are made while the store is watched, never by a write. They are compressed, as gzip does it.
Durability is not promised for them: if they are lost, no session is lost.
"""

from __future__ import annotations

import os
import time
import zlib

from localsessions import _system
from localsessions._codec.names import file_stem
from localsessions._local.files import durable

__all__ = ["KeptVersions"]

_MOST = 1_000
_LARGEST = 32 << 20
# What the copies may take: a part of what the sessions take; of a small store, all that is needed.
_SHARE, _LEAST_BYTES = 4, 2 << 20
_PRUNE_EVERY = 32
_LEVEL = 1  # the next levels take twice the time and save a tenth
_GZIP = 31  # how zlib is told to read and write the format of gzip
_PART = ".part"
_PART_SECONDS = 60.0


class KeptVersions:
    """The copies of one store, one for each session: the newest 1,000.

    Together they take at most a quarter of what the sessions take, or 2 MiB. The newest stays
    whatever it takes.

    Args:
        folder: The folder of the copies; created when first needed.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._changes = 0
        self._room_bytes = 0

    def keep(self, session_id: str, data: bytes) -> None:
        """Replace the copy by ``data``; a version over 32 MiB is not kept."""
        if os.path.islink(self.folder):
            return  # the store writes and removes nothing behind a link
        if len(data) > _LARGEST:
            self.drop(session_id)
            return
        path = self._path(session_id)
        durable.make_folder(self.folder, durable=False)
        packed = zlib.compress(data, _LEVEL, _GZIP)
        try:
            durable.write_new(path + _PART, packed, mtime_ns=None, durable=False)
        except FileExistsError:
            return  # another process is writing it, or was killed while it did: see prune
        self._room_bytes += _taken(path) - _taken(path + _PART)
        _system.rename(path + _PART, path)
        self._changes += 1

    def read(self, session_id: str) -> bytes | None:
        """Return the copy of a session; None where there is none."""
        try:
            fd = durable.open_regular(self._path(session_id))
        except OSError:
            return None  # whatever the reason, there is no readable copy
        with durable.closing(fd, self._path(session_id), was_read=True):
            packed = durable.read_open(fd, _system.fstat(fd).st_size)
        return _unpacked(packed)

    def kept_ns(self, session_id: str) -> int:
        """Return when the copy was made, in nanoseconds; 0 where there is none."""
        try:
            return os.lstat(self._path(session_id)).st_mtime_ns
        except OSError:
            return 0

    def drop(self, session_id: str) -> None:
        """Remove the copy of a session."""
        if not os.path.islink(self.folder):
            durable.unlink(self._path(session_id))
            self._changes += 1

    @property
    def is_to_be_pruned(self) -> bool:
        """Whether there may be too many copies; other processes make some, too."""
        return self._room_bytes < 0 or self._changes >= _PRUNE_EVERY

    def prune(self, sessions_bytes: int) -> None:
        """Remove the oldest copies beyond the limits, and what a killed process left.

        Args:
            sessions_bytes: What all sessions take.
        """
        self._changes, room = 0, max(_LEAST_BYTES, sessions_bytes // _SHARE)
        found = []
        for entry in self._entries():
            status = entry.stat(follow_symlinks=False)
            if not entry.name.endswith(_PART):
                found.append((status.st_mtime_ns, entry.path))
            elif time.time() - status.st_mtime > _PART_SECONDS:
                durable.unlink(entry.path)
        count = 0
        for _, path in sorted(found, reverse=True):
            taken = _taken(path)
            if count and (count >= _MOST or taken > room):
                durable.unlink(path)
            else:
                count, room = count + 1, room - taken
        self._room_bytes = room

    def _entries(self) -> list[os.DirEntry[str]]:
        if os.path.islink(self.folder):
            return []
        try:
            with os.scandir(self.folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    def _path(self, session_id: str) -> str:
        return os.path.join(self.folder, f"{file_stem(session_id)}.json.gz")


def _taken(path: str) -> int:
    try:
        return _system.bytes_on_disk(path)
    except OSError:
        return 0  # not there


def _unpacked(packed: bytes) -> bytes | None:
    """Return what a copy holds; None if it is torn, or holds more than a copy may."""
    unpacking = zlib.decompressobj(_GZIP)
    try:
        data = unpacking.decompress(packed, _LARGEST + 1)
    except zlib.error:
        return None
    return data if unpacking.eof and len(data) <= _LARGEST else None

"""KeptVersions: copies of the last good versions of session files, in case a file breaks.

An editor that writes in place destroys what the file held, so the copy must exist before.
Copies are made while the store is watched, never by a write. Durability is not promised for
them: if they are lost, no session is lost.
"""

from __future__ import annotations

import os
import time

from localsessions import _system
from localsessions._codec.names import file_stem
from localsessions._local.files import durable

__all__ = ["KeptVersions"]

_MOST = 1_000
_MOST_BYTES = 256 * 1024 * 1024
_LARGEST = _MOST_BYTES // 8
_PRUNE_EVERY = 32
_PART = ".part"
_PART_SECONDS = 60.0


class KeptVersions:
    """The copies of one store, one for each session: the newest 1,000, together at most 256 MiB.

    Args:
        folder: The folder of the copies; created when first needed.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._written = 0

    def keep(self, session_id: str, data: bytes) -> None:
        """Replace the copy by ``data``; a version over 32 MiB is not kept."""
        if os.path.islink(self.folder):
            return  # the store writes and removes nothing behind a link
        if len(data) > _LARGEST:
            self.drop(session_id)
            return
        path = self._path(session_id)
        durable.make_folder(self.folder, durable=False)
        try:
            durable.write_new(path + _PART, data, mtime_ns=None, durable=False)
        except FileExistsError:
            return  # another process is writing it, or was killed while it did: see prune
        _system.rename(path + _PART, path)
        if self._written % _PRUNE_EVERY == 0:
            self.prune()
        self._written += 1

    def read(self, session_id: str) -> bytes | None:
        """Return the copy of a session; None where there is none."""
        try:
            fd = durable.open_regular(self._path(session_id))
        except OSError:
            return None  # whatever the reason, there is no readable copy
        with durable.closing(fd, self._path(session_id), was_read=True):
            return durable.read_open(fd, _system.fstat(fd).st_size)

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

    def prune(self) -> None:
        """Remove the oldest copies beyond the limits, and what a killed process left."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if not entry.name.endswith(_PART):
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
                elif time.time() - status.st_mtime > _PART_SECONDS:
                    durable.unlink(entry.path)
        room = _MOST_BYTES
        for place, (_, size, path) in enumerate(sorted(found, reverse=True)):
            room -= size
            if place >= _MOST or room < 0:
                durable.unlink(path)

    def _path(self, session_id: str) -> str:
        return os.path.join(self.folder, f"{file_stem(session_id)}.json")

"""Checkpoints: a folder beside each session, with immutable snapshots.

``<session_id>.checkpoints/<seq 8 digits>-<checkpoint_id>.json``, numbered in the order of saving. A
merged folder or a program without the lock may bring a number twice: then their ids say the order.
"""

from __future__ import annotations

import os

from localsessions._codec.names import (
    SUFFIX,
    checkpoint_id_taken,
    checkpoints_among,
    file_stem,
    session_id_of,
)
from localsessions._local.files import durable
from localsessions._local.files.publishing import FileWritten, Publisher
from localsessions._local.files.reading import read_whole

__all__ = ["FOLDER_SUFFIX", "Checkpoints"]

FOLDER_SUFFIX = ".checkpoints"


class Checkpoints:
    """The checkpoints of one store.

    Args:
        save_dir: The folder of the sessions.
        publisher: The publisher of the store.
        max_file_bytes: Larger files are unreadable.
    """

    def __init__(self, save_dir: str, publisher: Publisher, max_file_bytes: int) -> None:
        self._save_dir = save_dir
        self._publisher = publisher
        self._max_file_bytes = max_file_bytes

    def folder(self, session_id: str) -> str:
        """Return the path of the session's folder of checkpoints; it may not exist."""
        return os.path.join(self._save_dir, file_stem(session_id) + FOLDER_SUFFIX)

    def names(self, session_id: str) -> list[str]:
        """Return the names of the checkpoints, ``<seq>-<checkpoint_id>``, in order of saving.

        Raises:
            OSError: ``ELOOP``: the path of their folder is a symbolic link.
        """
        folder = self.folder(session_id)
        durable.refuse_link(folder)
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        return checkpoints_among(names)

    def write(self, session_id: str, checkpoint_id: str, data: bytes) -> FileWritten:
        """Write a checkpoint after the last one; the lock must be held.

        Raises:
            UnstorableValueError: It is too large to be read again.
            ValueError: The session has a checkpoint with that id.
        """
        self._publisher.refuse_large(session_id, len(data))
        folder = self.folder(session_id)
        durable.refuse_link(folder)
        durable.make_folder(folder, durable=self._publisher.is_durable)
        names = self.names(session_id)
        if checkpoint_id in (name[9:] for name in names):  # numbers tell twins by letter case apart
            raise checkpoint_id_taken(checkpoint_id)
        seq = int(names[-1][:8]) + 1 if names else 1
        path = os.path.join(folder, f"{seq:08}-{checkpoint_id}{SUFFIX}")
        return self._publisher.replace(session_id, path, data, None)

    def read(self, session_id: str, name: str) -> tuple[bytes, str]:
        """Return the bytes and the path of a checkpoint.

        Raises:
            FileNotFoundError: There is no such checkpoint.
            UnreadableSessionError: As ``read_whole``.
        """
        path = os.path.join(self.folder(session_id), name + SUFFIX)
        return read_whole(path, session_id, self._max_file_bytes).data, path

    def delete(self, session_id: str, name: str) -> bool:
        """Remove a checkpoint; return whether it existed. The lock must be held.

        Raises:
            DurabilityUnknownError: It was removed, but the disk did not confirm.
        """
        folder = self.folder(session_id)
        durable.refuse_link(folder)
        was_there = durable.unlink(os.path.join(folder, name + SUFFIX))
        if was_there and (doubt := self._publisher.sync(folder, session_id)):
            raise doubt
        return was_there

    def sessions(self) -> list[str]:
        """Return the ids that have a folder of checkpoints, with or without a session."""
        ids = (session_id_of(name[: -len(FOLDER_SUFFIX)]) for name in self._folders())
        return sorted(session_id for session_id in ids if session_id is not None)

    def misnamed(self) -> list[str]:
        """Return the paths of folders that would be of checkpoints if an id had their names."""
        return [
            os.path.join(self._save_dir, name)
            for name in sorted(self._folders())
            if session_id_of(name[: -len(FOLDER_SUFFIX)]) is None
        ]

    def _folders(self) -> list[str]:
        names = os.listdir(self._save_dir)
        return [name for name in names if name.endswith(FOLDER_SUFFIX) and name[0] != "."]

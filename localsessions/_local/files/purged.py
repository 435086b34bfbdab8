"""Purged: what is remembered of deleted sessions that were removed for good.

Each emptying of the trash leaves a file ``.trash/purged-<name>.jsonl`` with a line of JSON for each
session: its id, where it came from, and when it was deleted. So a session that was imported and
deleted is not imported again. The file is whole before the first session is removed. On a full
disk, trashed files become such files: their own room is used.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Collection, Iterator, Sequence

from pydantic import JsonValue

from localsessions import _system
from localsessions._local.files import durable
from localsessions._local.files.publishing import Publisher
from localsessions.errors import DurabilityUnknownError
from localsessions.models import Deletion, parse_instant

__all__ = ["Purged"]

_PREFIX, _SUFFIX = "purged-", ".jsonl"


class Purged:
    """The lines of one store.

    Args:
        folder: The folder of the trash; it exists where something is noted.
        publisher: The publisher of the store.
    """

    def __init__(self, folder: str, publisher: Publisher) -> None:
        self._folder = folder
        self._publisher = publisher

    def note(self, deletions: Sequence[Deletion]) -> DurabilityUnknownError | None:
        """Note deletions, inside the lock of the first.

        Returns:
            The error if the disk did not confirm.

        Raises:
            OSError: Nothing was noted.
        """
        durable.refuse_link(self._folder)
        session_id = deletions[0].session_id
        temp = self._publisher.temp_path(session_id, ".tmp")
        durable.write_new(temp, b"".join(map(_line, deletions)), mtime_ns=None, durable=True)
        try:
            _system.rename(temp, self._new_path())
        except BaseException:  # Ctrl-C too: remove the temp file, then re-raise
            durable.discard(temp)
            raise
        return self._publisher.sync(self._folder, session_id)

    def note_over(self, trashed: str, deletions: Sequence[Deletion]) -> Sequence[Deletion]:
        """Note deletions in the place of a trashed file, inside its lock; this needs no room.

        The file gets its new name first. Until its lines are written, it says nothing: what it
        holds is no line of a deletion.

        Args:
            trashed: The path of the file of a session that is to be removed for good.
            deletions: What is to be noted.

        Returns:
            The deletions that found no room in the file.

        Raises:
            OSError: Even this needs room. If nothing was noted, the file has its old name again.
        """
        durable.refuse_link(self._folder)
        path = self._new_path()
        try:
            status = _system.lstat(trashed)
            # What has another name, as in a backup of hard links, is not only this session's.
            room = status.st_size if status.st_nlink == 1 else 0
            lines, waiting = b"", [*deletions]
            while waiting and len(lines) + len(line := _line(waiting[0])) <= room:
                lines += line
                del waiting[0]
            if not lines:
                return deletions
            _system.rename(trashed, path)
        except FileNotFoundError:
            return deletions  # it was removed just now
        try:
            _write_over(path, lines)
        except BaseException:  # Ctrl-C too: undo what did nothing, then re-raise
            if not any(map(_deletion, _lines(path))):
                _system.rename(path, trashed)
            raise
        return waiting

    def _new_path(self) -> str:
        return os.path.join(self._folder, f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")

    def deletions(self, session_ids: Collection[str]) -> list[Deletion]:
        """Return what is remembered of sessions."""
        return [
            deletion
            for path in self._paths()
            for line in _lines(path)
            if (deletion := _deletion(line)) is not None and deletion.session_id in session_ids
        ]

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


def _write_over(path: str, lines: bytes) -> None:
    fd = _system.open_file(path, _system.EDITING)
    with durable.closing(fd, path):
        durable.write_over(fd, lines)


def _lines(path: str) -> Iterator[bytes]:
    try:
        fd = durable.open_regular(path)
    except FileNotFoundError:
        return  # forgotten just now
    with durable.closing(fd, path, was_read=True):
        yield from durable.read_at(fd, 0, _system.fstat(fd).st_size).splitlines()


def _line(deletion: Deletion) -> bytes:
    document: dict[str, JsonValue] = {
        "session_id": deletion.session_id,
        "source": {**deletion.source},
        "deleted_at": deletion.deleted_at.isoformat(),
    }
    return json.dumps(document).encode() + b"\n"


def _deletion(line: bytes) -> Deletion | None:
    """Return the deletion that a line says; None if a person changed it to something else."""
    try:
        document = json.loads(line)
        session_id, source = document["session_id"], document["source"]
        deleted_at = parse_instant(document["deleted_at"])
    except (ValueError, TypeError, KeyError):
        return None
    is_whole = isinstance(session_id, str) and isinstance(source, dict)
    return Deletion(session_id, source, deleted_at) if is_whole else None

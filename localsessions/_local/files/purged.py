"""Purged: what is remembered of deleted sessions that were removed for good.

``.trash/purged.jsonl`` has a line of JSON for each: its id, where it came from, and when it was
deleted. So a session that was imported and deleted is not imported again. A line is written
before the session is removed. A line that a crash tore is no line: its session was not removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence

from pydantic import JsonValue

from localsessions import _system
from localsessions._local.files import durable
from localsessions._local.files.publishing import Publisher
from localsessions.errors import DurabilityUnknownError
from localsessions.models import Deletion, parse_instant

__all__ = ["Purged"]

_NAME = "purged.jsonl"


class Purged:
    """The lines of one store. Each method that writes needs the lock of ``name`` held.

    Args:
        folder: The folder of the trash; it exists where something is noted.
        publisher: The publisher of the store.
    """

    name = "purged"

    def __init__(self, folder: str, publisher: Publisher) -> None:
        self._folder = folder
        self._path = os.path.join(folder, _NAME)
        self._publisher = publisher

    def note(self, deletions: Sequence[Deletion]) -> DurabilityUnknownError | None:
        """Add a line for each deletion; return the error if the disk did not confirm.

        Raises:
            OSError: The lines are perhaps not written.
        """
        durable.refuse_link(self._folder)
        lines = b"".join(json.dumps(_document(one)).encode() + b"\n" for one in deletions)
        is_new = durable.append(self._path, lines, durable=self._publisher.is_durable)
        return self._publisher.sync(self._folder, deletions[-1].session_id) if is_new else None

    def deletions(self, session_ids: Collection[str]) -> list[Deletion]:
        """Return what is remembered of sessions."""
        if os.path.islink(self._folder) or durable.status_of(self._path) is None:
            return []
        fd = durable.open_regular(self._path)
        with durable.closing(fd, self._path, was_read=True):
            data = durable.read_at(fd, 0, _system.fstat(fd).st_size)
        found = [one for line in data.splitlines() if (one := _deletion(line)) is not None]
        return [one for one in found if one.session_id in session_ids]

    def forget(self) -> None:
        """Remove all lines.

        Raises:
            DurabilityUnknownError: They are removed, but the disk did not confirm.
        """
        durable.refuse_link(self._folder)
        if durable.unlink(self._path) and (doubt := self._publisher.sync(self._folder, self.name)):
            raise doubt


def _document(deletion: Deletion) -> dict[str, JsonValue]:
    return {
        "session_id": deletion.session_id,
        "source": {**deletion.source},
        "deleted_at": deletion.deleted_at.isoformat(),
    }


def _deletion(line: bytes) -> Deletion | None:
    try:
        document = json.loads(line)
        session_id, source = document["session_id"], document["source"]
        deleted_at = parse_instant(document["deleted_at"])
    except (ValueError, TypeError, KeyError):
        return None  # torn
    is_whole = isinstance(session_id, str) and isinstance(source, dict)
    return Deletion(session_id, source, deleted_at) if is_whole else None

"""``back_up``: every session of a store, byte for byte, into one archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from localsessions.backups.archives import ArchiveWriter, Compression
from localsessions.backups.manifests import (
    MANIFEST,
    Entry,
    Left,
    Manifest,
    hash_of,
    name_of,
)
from localsessions.errors import UnreadableSessionError
from localsessions.format import folded
from localsessions.models import utc_now
from localsessions.models.instants import file_time, microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localsessions.models import SessionCopy, StoredBytes
    from localsessions.store import SessionStore

__all__ = ["back_up"]


def back_up(
    store: SessionStore,
    file: IO[bytes],
    *,
    compression: Compression = "gzip",
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write every session of a store with its checkpoints, and the trash, into an archive of tar.

    Each file is in it byte for byte, also one that is no session. Sessions may be changed, made
    and deleted meanwhile: no lock is taken, and each is in it as one whole version. Unpacked by
    hand, the archive is a folder of sessions. Memory holds one session with its checkpoints.

    Args:
        store: An open store; only read.
        file: Where the archive is written. It may be a pipe. The caller syncs and closes it.
        compression: "gzip", "zstd" or "none".
        on_progress: Called with how many sessions are written, and how many there are or more.

    Returns:
        The manifest, which is the last member. ``left_out`` says what is not in the backup: what
        cannot be read at all, what looks like a session and has the name of none, and of two names
        that differ only by letter case or Unicode form, the second.

    Raises:
        ImportError: zstd is asked for, and ``localsessions[zstd]`` is not installed.
        OSError: The file, or the folder of the store, failed; or, as ``EFBIG``, so much is in the
            store that no reader would take the manifest.
    """
    created_at, total = utc_now(), store.count()
    with ArchiveWriter(file, compression) as writer:
        archive = _Archive(writer)
        for done, copy in enumerate(store.engine.copies(), start=1):
            if isinstance(copy, UnreadableSessionError):
                archive.left_out.append(Left(copy.session_id, copy.path, copy.reason))
            else:
                archive.add(copy)
            if on_progress is not None:
                on_progress(done, max(done, total))
        manifest = Manifest(
            created_at, archive.entries, tuple(store.engine.purged()), tuple(archive.left_out)
        )
        writer.add(MANIFEST, manifest.encode(), modified=microseconds(created_at) // 10**6)
    return manifest


@dataclass
class _Archive:
    """An archive that is being written, and what is in it."""

    writer: ArchiveWriter
    entries: list[Entry] = field(default_factory=list)
    left_out: list[Left] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, copy: SessionCopy) -> None:
        """Write the checkpoints of a session, and then the session."""
        for name, checkpoint, stored in _parts(copy):
            if twin := self._names.get(folded(name)):
                reason = f"its name differs from {twin!r} only by letter case or Unicode form"
                self.left_out.append(Left(copy.session_id, name, f"{reason}; rename one of them"))
                continue
            self._names[folded(name)] = name
            self.entries.append(_entry(name, copy, checkpoint, stored))
            modified = microseconds(stored.modified_at) // 10**6
            self.writer.add(name, stored.data, modified=modified)


def _parts(copy: SessionCopy) -> Iterator[tuple[str, str | None, StoredBytes]]:
    session_id, deleted_at = copy.session_id, copy.deleted_at
    for checkpoint, stored in copy.checkpoints.items():
        yield name_of(session_id, checkpoint, deleted_at), checkpoint, stored
    if copy.content is not None:
        yield name_of(session_id, None, deleted_at), None, copy.content


def _entry(name: str, copy: SessionCopy, checkpoint: str | None, stored: StoredBytes) -> Entry:
    session_id, deleted_at = copy.session_id, copy.deleted_at
    size_bytes, sha256 = len(stored.data), hash_of(stored.data)
    modified_at = file_time(stored.modified_at)
    return Entry(name, size_bytes, sha256, session_id, checkpoint, deleted_at, modified_at)

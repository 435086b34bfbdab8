"""``check_backup``, ``restore_backup``: all is checked before anything is written."""

from __future__ import annotations

import errno
import hashlib
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import IO, TYPE_CHECKING

from localsessions.backups.archives import Member, members
from localsessions.backups.manifests import (
    LARGEST_BYTES,
    MANIFEST,
    Entry,
    Manifest,
    Restored,
    hash_of,
)
from localsessions.errors import BackupError
from localsessions.format import folded
from localsessions.models import SessionCopy, StoredBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from localsessions.models import Arrival
    from localsessions.store import SessionStore

__all__ = ["Backup", "RestoreReport", "check_backup", "restore_backup"]

_OVERTAKEN = "it was changed while it was restored"


@dataclass(frozen=True, slots=True)
class Backup:
    """An archive that was checked.

    Attributes:
        file: The open file.
        manifest: What it holds.
    """

    file: IO[bytes]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What came of each session of a backup.

    Attributes:
        brought: What was not there, or not all of it, and is there now.
        same: What was there as it is in the backup.
        kept: What the store has in another version, which it kept; that of the backup is only in
            the backup.
        dry_run: Whether nothing was done.
    """

    brought: Sequence[Restored]
    same: Sequence[Restored]
    kept: Sequence[Restored]
    dry_run: bool


# -- checking ------------------------------------------------------------------------------------


def check_backup(file: IO[bytes], *, on_progress: Callable[[int], None] | None = None) -> Backup:
    """Read an archive from its beginning to its end, and check all that it says.

    Args:
        file: It must be able to seek.
        on_progress: Called with how many members are checked.

    Raises:
        BackupError: It is torn, cut, garbled, foreign, or of another version; a member is no file,
            is not what the manifest says, is there twice, or is missing.
        ImportError: It is compressed with zstd, and ``localsessions[zstd]`` is not installed.
    """
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    for member in members(file):
        if manifest is not None:
            raise BackupError("it stands behind the manifest", member=member.name)
        if member.name == MANIFEST:
            manifest = Manifest.decode(_small(member))
            continue
        _refuse_second(member.name, found)
        found[member.name] = _measured(member)
        if on_progress is not None:
            on_progress(len(found))
    if manifest is None:
        raise BackupError("it has no manifest: it is cut, or no backup of localsessions")
    _compare(manifest.entries, found)
    return Backup(file, manifest)


def _small(member: Member) -> bytes:
    if member.size > LARGEST_BYTES:
        raise BackupError(f"the manifest has {member.size} bytes", member=member.name)
    return b"".join(member.chunks)


def _measured(member: Member) -> tuple[int, str]:
    """Return the size and the hash of a member."""
    hashing = hashlib.sha256()
    for chunk in member.chunks:
        hashing.update(chunk)
    return member.size, hashing.hexdigest()


def _refuse_second(name: str, found: Mapping[str, object]) -> None:
    if name in found:
        raise BackupError("it is there twice", member=name)


def _compare(entries: Sequence[Entry], found: Mapping[str, tuple[int, str]]) -> None:
    """Compare the manifest with the members; the first difference is raised."""
    names: dict[str, str] = {}
    for entry in entries:
        if (twin := names.setdefault(folded(entry.name), entry.name)) != entry.name:
            reason = f"its name differs from {twin!r} only by letter case or Unicode form"
            raise BackupError(reason, member=entry.name)
        if entry.name not in found:
            raise BackupError("the manifest names it, and it is missing", member=entry.name)
        size_bytes, sha256 = found[entry.name]
        if size_bytes != entry.size_bytes:
            reason = f"it has {size_bytes} bytes, and {entry.size_bytes} by the manifest"
            raise BackupError(reason, member=entry.name)
        if sha256 != entry.sha256:
            raise BackupError("its bytes are not those of the manifest", member=entry.name)
    named = {entry.name for entry in entries}
    if unnamed := [name for name in found if name not in named]:
        raise BackupError("the manifest does not name it", member=unnamed[0])
    if [entry.name for entry in entries] != [*found]:
        raise BackupError("the members have another order in the manifest", member=MANIFEST)
    whole = [key for key, _ in groupby(entries, _key)]
    if len(whole) != len({*whole}):
        raise BackupError("the members of a session do not stand together", member=MANIFEST)


def _key(entry: Entry) -> Restored:
    return Restored(entry.session_id, entry.deleted_at)


# -- restoring -----------------------------------------------------------------------------------


def restore_backup(
    store: SessionStore,
    backup: Backup,
    *,
    merge: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RestoreReport:
    """Bring the sessions of a backup into a store, live and deleted ones, byte for byte.

    Without ``merge`` the store must be empty. With it, what is not there comes in, and nothing
    that is there is changed: where the store has another version of a session, it keeps its own.
    So nothing is lost: the other version stays in the backup, and restored into a folder of its
    own it can be read. A session that was deleted after the backup comes back; the trash keeps the
    deleted one. Killed in the middle, it is completed by another call with ``merge``.

    Args:
        store: An open store.
        backup: An archive that ``check_backup`` has checked.
        merge: Whether the store may have sessions.
        dry_run: Only report; change nothing.
        on_progress: Called with how many sessions are done, and how many there are.

    Raises:
        BackupError: The file was changed since it was checked; ``brought`` says how many sessions
            were restored before. They are whole.
        FileExistsError: The store is not empty, and ``merge`` was not given; nothing was changed.
        OSError: The folder of the store failed; what was brought is whole.
        UnreadableSessionError: A file of the store cannot be read; what was brought is whole.
        UnstorableValueError: The store takes no file so large; what was brought is whole.
    """
    engine = store.engine
    if not merge and (next(engine.copies(), None) or engine.purged()):
        raise FileExistsError(
            errno.EEXIST, "there are sessions already; merge=True keeps them", engine.address
        )
    arrivals: dict[Arrival, list[Restored]] = {"new": [], "same": [], "other": []}
    total = len(backup.manifest.sessions)
    try:
        for done, copy in enumerate(_copies(backup), start=1):
            arrivals[engine.bring(copy, dry_run=dry_run)].append(
                Restored(copy.session_id, copy.deleted_at)
            )
            if on_progress is not None:
                on_progress(done, total)
    except BackupError as error:
        brought = 0 if dry_run else len(arrivals["new"])
        raise BackupError(error.reason, member=error.member, brought=brought) from error
    if not dry_run:
        engine.remember(backup.manifest.deletions)
    return RestoreReport(arrivals["new"], arrivals["same"], arrivals["other"], dry_run)


def _copies(backup: Backup) -> Iterator[SessionCopy]:
    """Yield each session with its checkpoints; the bytes are compared once more."""
    with closing(members(backup.file)) as found:
        read = ((entry, _stored(entry, next(found, None))) for entry in backup.manifest.entries)
        for (session_id, deleted_at), parts in groupby(read, lambda part: _key(part[0])):
            content, checkpoints = None, {}
            for entry, one in parts:
                if entry.checkpoint is None:
                    content = one
                else:
                    checkpoints[entry.checkpoint] = one
            yield SessionCopy(session_id, content, checkpoints, deleted_at)


def _stored(entry: Entry, member: Member | None) -> StoredBytes:
    if member is None or (member.name, member.size) != (entry.name, entry.size_bytes):
        raise BackupError(_OVERTAKEN, member=entry.name)
    data = b"".join(member.chunks)
    if hash_of(data) != entry.sha256:
        raise BackupError(_OVERTAKEN, member=entry.name)
    return StoredBytes(data, entry.modified_at)

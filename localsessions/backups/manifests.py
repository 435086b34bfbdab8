"""The manifest of a backup: what it holds, as JSON in its last member.

Where a member goes is never taken from its name: the manifest says of which session it is, and the
name has to be the one that follows from that. So no name leads out of the folder.

Its last field is the hash of all the bytes before: what is garbled is not believed.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from localsessions.errors import BackupError
from localsessions.format import checkpoint_id_of, file_stem
from localsessions.models import Deletion, format_instant, parse_instant
from localsessions.models.instants import file_time, stamp_of

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "LARGEST_BYTES",
    "MANIFEST",
    "VERSION",
    "Entry",
    "Left",
    "Manifest",
    "Restored",
    "hash_of",
    "name_of",
]

MANIFEST = ".localsessions-backup.json"
"""The name of the last member; no session has a file of this name."""

VERSION = 1
"""The version of the format that is written, and the only one that is read."""

LARGEST_BYTES = 128 << 20
"""A larger manifest is neither written nor read: it would take gigabytes of memory."""

_FORMAT = "localsessions-backup"


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of a backup.

    Attributes:
        name: Its name in the archive.
        size_bytes: How many bytes it has.
        sha256: Their hash, in hexadecimal digits.
        session_id: Of which session it is.
        checkpoint: The name of the checkpoint, ``<number>-<id>``; None for the session itself.
        deleted_at: When the session was deleted, if it is in the trash.
        modified_at: When the bytes were written, as every system can store it.
    """

    name: str
    size_bytes: int
    sha256: str
    session_id: str
    checkpoint: str | None
    deleted_at: datetime | None
    modified_at: datetime


class Restored(NamedTuple):
    """A session of a backup; ``deleted_at`` says that it is one in the trash."""

    session_id: str
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Left:
    """What is not in a backup, or not restored, and why."""

    session_id: str | None
    path: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        created_at: When it was made.
        entries: Its members, in their order.
        deletions: What is remembered of sessions that were removed for good.
        left_out: What could not be read when it was made.
    """

    created_at: datetime
    entries: Sequence[Entry]
    deletions: Sequence[Deletion]
    left_out: Sequence[Left]

    @property
    def sessions(self) -> Sequence[Restored]:
        """Which sessions it holds, live and deleted ones, in their order."""
        keys = (Restored(entry.session_id, entry.deleted_at) for entry in self.entries)
        return tuple(dict.fromkeys(keys))

    def encode(self) -> bytes:
        """Return the bytes of the member.

        Raises:
            OSError: ``EFBIG``: nobody would read them again.
        """
        document = {
            "format": _FORMAT,
            "version": VERSION,
            "created_at": format_instant(self.created_at),
            "members": [_entry_told(entry) for entry in self.entries],
            "deletions": [_deletion_told(deletion) for deletion in self.deletions],
            "left_out": [
                {"session_id": one.session_id, "path": one.path, "reason": one.reason}
                for one in self.left_out
            ],
        }
        body = json.dumps(document, indent=1).removesuffix("\n}").encode()
        data = _sealed(body)
        if len(data) > LARGEST_BYTES:
            reason = f"the manifest takes {len(data)} bytes, and may take {LARGEST_BYTES}"
            remedy = "move some sessions to another folder, and back up both"
            raise OSError(errno.EFBIG, f"too much for one backup: {reason}; {remedy}")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Return what the bytes of the member say.

        Raises:
            BackupError: They are no manifest, or one of another version.
        """
        try:
            document = json.loads(data)
            if not isinstance(document, dict) or document.get("format") != _FORMAT:
                raise BackupError("this is no manifest of a backup", member=MANIFEST)
            if (version := document.get("version")) != VERSION:
                raise BackupError(_other_version(version), member=MANIFEST)
            _refuse_garbled(data)
            return cls(
                _instant(document["created_at"]),
                tuple(map(_entry, document["members"])),
                tuple(map(_deletion, document["deletions"])),
                tuple(map(_left, document["left_out"])),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, BackupError):
                raise
            raise BackupError(f"the manifest is garbled ({error!r})", member=MANIFEST) from error


def _sealed(body: bytes) -> bytes:
    """Return a manifest with its end: the hash of what comes before."""
    return body + f',\n "sha256": "{hash_of(body)}"\n}}\n'.encode()


def _refuse_garbled(data: bytes) -> None:
    size = len(_sealed(b""))
    if data != _sealed(data[:-size]):
        raise BackupError("the manifest is garbled: its hash is another", member=MANIFEST)


def name_of(session_id: str, checkpoint: str | None, deleted_at: datetime | None) -> str:
    """Return the name of a member; unpacked by hand, the archive is a folder of sessions.

    Raises:
        ValueError: There is no such session or checkpoint.
    """
    stem = file_stem(session_id)
    if deleted_at is not None:
        stem = f".trash/{stamp_of(deleted_at)}-{stem}"
    if checkpoint is None:
        return f"{stem}.json"
    checkpoint_id = checkpoint_id_of(checkpoint)
    if checkpoint_id is None or file_stem(checkpoint_id) != checkpoint_id:
        raise ValueError(f"{checkpoint!r} is no name of a checkpoint")
    return f"{stem}.checkpoints/{checkpoint}.json"


def hash_of(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def _other_version(version: object) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"its format has version {version}, which a newer localsessions made; upgrade"
    return f"its format has version {version!r}, and this localsessions reads version {VERSION}"


def _entry_told(entry: Entry) -> Mapping[str, JsonValue]:
    told: dict[str, JsonValue] = {
        "name": entry.name,
        "size": entry.size_bytes,
        "sha256": entry.sha256,
        "session_id": entry.session_id,
        "modified_at": format_instant(entry.modified_at),
    }
    if entry.checkpoint is not None:
        told["checkpoint"] = entry.checkpoint
    if entry.deleted_at is not None:
        told["deleted_at"] = format_instant(entry.deleted_at)
    return told


def _entry(told: Mapping[str, JsonValue]) -> Entry:
    deleted_at = told.get("deleted_at")
    checkpoint = told.get("checkpoint")
    entry = Entry(
        _text(told["name"]),
        _number(told["size"]),
        _text(told["sha256"]),
        _text(told["session_id"]),
        None if checkpoint is None else _text(checkpoint),
        None if deleted_at is None else _instant(deleted_at),
        _modified(told["modified_at"]),
    )
    name = name_of(entry.session_id, entry.checkpoint, entry.deleted_at)
    if entry.name != name:
        reason = f"the file of session {entry.session_id!r} would be {name!r}"
        raise BackupError(reason, member=entry.name)
    return entry


def _deletion_told(deletion: Deletion) -> Mapping[str, JsonValue]:
    return {
        "session_id": deletion.session_id,
        "source": {**deletion.source},
        "deleted_at": format_instant(deletion.deleted_at),
        "moved_to": deletion.moved_to,
    }


def _deletion(told: Mapping[str, JsonValue]) -> Deletion:
    source, moved_to = told["source"], told["moved_to"]
    if not isinstance(source, dict):
        raise TypeError(f"{source!r} is no source of a session")
    where = None if moved_to is None else _text(moved_to)
    session_id = _text(told["session_id"])
    file_stem(session_id)  # refuses what is no id
    return Deletion(session_id, source, _instant(told["deleted_at"]), where)


def _left(told: Mapping[str, JsonValue]) -> Left:
    session_id, path = told["session_id"], told["path"]
    return Left(
        None if session_id is None else _text(session_id),
        None if path is None else _text(path),
        _text(told["reason"]),
    )


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is no size")
    return value


def _modified(value: JsonValue) -> datetime:
    instant = _instant(value)
    if instant != file_time(instant):
        raise ValueError(f"no file was written at {value!r}")
    return instant


def _instant(value: JsonValue) -> datetime:
    return parse_instant(_text(value))

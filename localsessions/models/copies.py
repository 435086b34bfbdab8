"""A stored session byte for byte, as it goes into a backup or to another engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

__all__ = ["Arrival", "SessionCopy", "StoredBytes"]

Arrival: TypeAlias = Literal["new", "same", "other"]
"""What an engine has where a copy goes: less than the copy, all of it, or something else."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What is stored under one name.

    Attributes:
        data: The bytes, whatever they say.
        modified_at: When they were written. A session without times gets its times from this.
    """

    data: bytes
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class SessionCopy:
    """A session with its checkpoints, byte for byte.

    Attributes:
        session_id: Its id.
        content: The session, readable or not; None if only checkpoints are there.
        checkpoints: The checkpoints by name, ``<number 8 digits>-<checkpoint_id>``, in the order
            of saving.
        deleted_at: When it was deleted, to the microsecond, if it is in the trash; else None.
    """

    session_id: str
    content: StoredBytes | None
    checkpoints: Mapping[str, StoredBytes]
    deleted_at: datetime | None = None

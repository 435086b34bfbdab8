"""What a session in memory stands on: kept with it, and read by those who put it there.

``Original`` is what a codec read the session from; the version is whatever an engine tells one
state of a stored session from another by, and nobody else looks into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import JsonValue

if TYPE_CHECKING:
    from localsessions.models.session import Session

__all__ = ["Original", "original_of", "set_extra", "stand", "version_of"]


class Original(NamedTuple):
    """What a session was read from, or was last written as.

    Attributes:
        data: The bytes of the file.
        keys: The top-level keys, in the order of the file.
        times: The instants as the file spells them, by key.
        modified_at: When the file was written: it stands for the times that the file lacks.
        canonical: Whether writing the session unchanged gives ``data`` again.
        proven: Whether ``data`` is canonical and orjson is known to read it without loss, because a
            store wrote or has proven it: a reader need not write it out again to compare.
    """

    data: bytes
    keys: tuple[str, ...]
    times: Mapping[str, str]
    modified_at: datetime
    canonical: bool = False
    proven: bool = False


# Not as attributes: each access through pydantic takes 1.5 microseconds.


def original_of(session: Session) -> Original | None:
    """Return what a session was read from; None of one that was made in memory."""
    original: Original | None = (session.__pydantic_private__ or {})["_original"]
    return original


def version_of(session: Session) -> object | None:
    """Return the version that a session stands on; None where it stands on none."""
    version: object | None = (session.__pydantic_private__ or {})["_version"]
    return version


def stand(session: Session, original: Original | None, version: object | None) -> None:
    """Let a session stand on a version of what is stored, and be what was read of it."""
    (session.__pydantic_private__ or {}).update(_original=original, _version=version)


def set_extra(session: Session, extra: dict[str, JsonValue]) -> None:
    """Give a session the top-level fields that this version of the format does not know."""
    (session.__pydantic_private__ or {})["_extra"] = extra

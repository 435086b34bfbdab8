"""The stored version on which a session in memory is based; the session keeps it.

``Original`` is the file from which a codec read the session. The version is any object by which an
engine distinguishes the states of a stored session; only that engine reads its content.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models.session import Session

__all__ = ["Original", "original_of", "set_extra", "stand", "version_of"]


class Original(NamedTuple):
    """The file from which a session was read, or as which it was last written.

    Attributes:
        data: The bytes of the file.
        keys: The top-level keys, in the order of the file.
        times: The instants as the file spells them, by key.
        modified_at: When the file was written; it replaces the times that the file lacks.
        canonical: Whether writing the unchanged session gives ``data`` again.
        proven: Whether ``data`` is canonical and orjson is known to read it without loss, because a
            store wrote or proved it. A reader then need not write it out again to compare.
    """

    data: bytes
    keys: tuple[str, ...]
    times: Mapping[str, str]
    modified_at: datetime
    canonical: bool = False
    proven: bool = False


# These are not attributes: each access through pydantic takes 1.5 microseconds.


def original_of(session: Session) -> Original | None:
    """Return the original of a session; None if the session was made in memory."""
    original: Original | None = (session.__pydantic_private__ or {})["_original"]
    return original


def version_of(session: Session) -> object | None:
    """Return the version on which a session is based; None if it is based on none."""
    version: object | None = (session.__pydantic_private__ or {})["_version"]
    return version


def stand(session: Session, original: Original | None, version: object | None) -> None:
    """Base a session on a stored version and on the original that was read from it."""
    (session.__pydantic_private__ or {}).update(_original=original, _version=version)


def set_extra(session: Session, extra: dict[str, JsonValue]) -> None:
    """Give a session the top-level fields that this version of the format does not know."""
    (session.__pydantic_private__ or {})["_extra"] = extra

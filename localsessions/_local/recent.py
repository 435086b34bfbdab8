"""Recent: what is kept of the sessions that were used last, bounded in number and in bytes."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")

_FEW, _MOST_BYTES = 32, 64 << 20
_MANY, _MOST_BYTES_OF_MANY = 256, 8 << 20


class Recent(Generic[T]):
    """Something of each session that was used last.

    It keeps up to 32 while these take at most 64 MiB, and up to 256 while these take at most 8 MiB;
    the last one in any case. Several threads may use it at once; it has no lock, which a fork
    could leave locked in the child.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[T, int]] = {}

    def get(self, session_id: str) -> T | None:
        """Return what is kept of a session; None if nothing is."""
        found = self._kept.get(session_id)
        return None if found is None else found[0]

    def pop(self, session_id: str) -> T | None:
        """Return what is kept of a session, and keep it no longer; None if nothing is."""
        found = self._kept.pop(session_id, None)
        return None if found is None else found[0]

    def keep(self, session_id: str, what: T, size_bytes: int) -> list[T]:
        """Keep something of a session; return what is not kept any more in exchange."""
        replaced = self._kept.pop(session_id, None)
        self._kept[session_id] = what, size_bytes
        gone = [] if replaced is None else [replaced]
        while (count := len(self._kept)) > 1:
            oldest = list(self._kept)[0]  # noqa: RUF015  (other threads change it)
            took = sum(size for _, size in list(self._kept.values()))
            most_bytes = _MOST_BYTES if count <= _FEW else _MOST_BYTES_OF_MANY
            if count <= _MANY and took <= most_bytes:
                break
            if (found := self._kept.pop(oldest, None)) is not None:
                gone.append(found)
        return [what for what, _ in gone]

    def ids(self) -> list[str]:
        """Return the sessions of which something is kept."""
        return list(self._kept)

"""Which version of a stored session a session of ADK is: told by ADK's marker of storage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from localsessions import Session as Stored
    from localsessions.adapters.google_adk.adk import Session

__all__ = ["TICK", "Version", "instant_of"]

TICK = timedelta(microseconds=1)
"""The smallest difference of two times in a store."""

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class Version(NamedTuple):
    """A version of a stored session.

    Attributes:
        revision: Of the session.
        last_id: The id of its last message; empty if it has none.
        at: Its last activity.
    """

    revision: int
    last_id: str
    at: datetime

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """Return the version of a session that was read with its last message."""
        last = stored.messages[-1].get("id") if stored.messages else ""
        return cls(stored.revision, str(last), stored.last_activity)

    @classmethod
    def told(cls, session: Session) -> Self | None:
        """Return the version that a session of ADK tells; None if no store of ours made it."""
        revision, _, last_id = (session._storage_update_marker or "").partition(" ")  # noqa: SLF001
        is_ours = revision.startswith("#") and revision[1:].isdecimal()
        return cls(int(revision[1:]), last_id, _BEGIN) if is_ours else None

    def tell(self, session: Session) -> None:
        """Let a session of ADK tell this version."""
        session.last_update_time = self.at.timestamp()
        session._storage_update_marker = f"#{self.revision} {self.last_id}"  # noqa: SLF001


def instant_of(timestamp: float) -> datetime:
    """Return the instant of a time of ADK's, in seconds since 1970.

    Raises:
        ValueError: No date has that time.
    """
    try:
        return _BEGIN + timedelta(seconds=timestamp)
    except OverflowError as error:
        raise ValueError(f"the timestamp {timestamp!r} is no time of a date") from error

"""Recorded: what a store wrote, and which version it replaced.

``table`` puts it into a session's row and into the log of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from localsessions._local.index.changelog import State
from localsessions._local.index.row import IndexRow, state_of
from localsessions._local.version import Fingerprint

if TYPE_CHECKING:
    from localsessions._rules.touched import Touched

__all__ = ["BaseUnknown", "Recorded", "WrittenRow"]


class BaseUnknown(Exception):  # noqa: N818  (no error: the next look at the files finds it)
    """The version that a line of the journal replaced is unknown."""


class Recorded(Protocol):
    """What a store wrote, and which version it replaced: ``WrittenRow`` or ``Turn``."""

    @property
    def session_id(self) -> str:
        """The id of the session that was written."""

    @property
    def row(self) -> IndexRow:
        """The row of the written version."""

    @property
    def origin(self) -> str:
        """The store that wrote it."""

    @property
    def seen_at(self) -> int | None:
        """When, in microseconds since 1970; None means now."""

    @property
    def touched(self) -> Touched:
        """The messages that the write touched; None if that is not known."""

    def state(self, indexed: State | None) -> State:
        """Return the state that it gives to the log; ``indexed`` is the state that the row has."""

    def is_recorded(self, logged: State | None) -> bool:
        """Tell whether this very version was logged last."""

    def is_based_on(self, logged: State | None) -> bool:
        """Tell whether the replaced version is certainly the version that was logged last."""

    def replaced(self, logged: State | None, indexed: State | None) -> State | None:
        """Return the state of the replaced version; called only if it is not logged.

        Raises:
            BaseUnknown: It is not known.
        """


class WrittenRow(NamedTuple):
    """A version that a store wrote, and which it replaced.

    Attributes:
        row: The row of the written version.
        base: The fingerprint of the version that it replaced; None if there was no file.
        read_base: Returns the row of the version that it replaced. Called only if that version is
            not logged; then it is logged too, as an external change.
        origin: The store that wrote it.
        touched: The messages that the write touched; None if that is not known.
    """

    row: IndexRow
    base: Fingerprint | None
    read_base: Callable[[], IndexRow | None]
    origin: str
    touched: Touched = None

    @property
    def session_id(self) -> str:
        """The id of the session that was written."""
        return self.row.summary.session_id

    @property
    def seen_at(self) -> None:
        """It is recorded when it is written."""
        return

    def state(self, indexed: State | None) -> State:
        """Return the state that it gives to the log."""
        return state_of(self.row, indexed)

    def is_recorded(self, logged: State | None) -> bool:
        """Tell whether this very version was logged last; the same content may be written again."""
        row = self.row
        return logged is not None and logged[:3] == (row.fingerprint, row.settled, row.digest)

    def is_based_on(self, logged: State | None) -> bool:
        """Tell whether the replaced version is certainly the version that was logged last."""
        if logged is None or self.base is None:
            return logged is None and self.base is None
        return logged.settled and logged.fingerprint == self.base

    def replaced(self, logged: State | None, _indexed: State | None) -> State | None:
        """Return the state of the replaced version."""
        read = self.read_base()
        return None if read is None else state_of(read, logged)

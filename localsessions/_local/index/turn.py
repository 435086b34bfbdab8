"""Turn: what a line of the journal says of it, and how it is packed.

A turn adds to a session whose row is known, so the line has the new row and names the version that
was replaced by its hash.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from localsessions._local.index.changelog import State, packed_messages, unpacked_messages
from localsessions._local.index.recorded import BaseUnknown
from localsessions._local.index.row import (
    IndexRow,
    packed_tail,
    read_fingerprint,
    row_of_state,
    state_of,
)

if TYPE_CHECKING:
    from localsessions._rules.touched import Touched

__all__ = ["Turn", "line_of"]


class Turn(NamedTuple):
    """A turn of a session, as a store wrote it.

    Attributes:
        session_id: The session.
        after: The state of the written version.
        tail: Where its messages end, packed.
        base: The hash of the version that it replaced.
        origin: The store that wrote it.
        seen_at: When, in microseconds since 1970.
        touched: The messages that it touched; None if that is not known.
    """

    session_id: str
    after: State
    tail: str | None
    base: bytes
    origin: str
    seen_at: int
    touched: Touched

    @classmethod
    def read(cls, line: bytes) -> Turn:
        """Return what a line says; ValueError or TypeError if it is no such line."""
        session_id, fingerprint, digest, summary, tail, base, origin, at, messages = _loads(line)
        state = State(read_fingerprint(fingerprint), True, bytes.fromhex(digest), summary, None)
        touched = unpacked_messages(messages)
        return cls(session_id, state, tail, bytes.fromhex(base), origin, at, touched)

    @property
    def row(self) -> IndexRow:
        """The row of the written version."""
        return row_of_state(self.after, self.tail)

    def state(self, _indexed: State | None) -> State:
        """Return the state that it gives to the log."""
        return self.after

    def is_recorded(self, logged: State | None) -> bool:
        """Tell whether this is what was logged last: a line may come twice."""
        return logged is not None and logged.digest == self.after.digest

    def is_based_on(self, logged: State | None) -> bool:
        """Tell whether the replaced version is the version that was logged last."""
        return logged is not None and logged.digest == self.base

    def replaced(self, _logged: State | None, indexed: State | None) -> State | None:
        """Return the state of the replaced version.

        Raises:
            BaseUnknown: It is not known: a line before this one is lost, or was not read in time.
        """
        if not self.is_based_on(indexed):
            raise BaseUnknown(self.session_id)
        return indexed


def line_of(row: IndexRow, base: IndexRow, origin: str, touched: Touched) -> bytes:
    """Return the line of a turn: the row of what was written, and that of what it replaced."""
    state = state_of(row, None)
    told = (
        *(row.summary.session_id, row.fingerprint.text, row.digest.hex(), state.summary),
        *(packed_tail(row.tail), base.digest.hex(), origin, time.time_ns() // 1000),
        packed_messages(touched),
    )
    try:
        return orjson.dumps(told)
    except TypeError:  # lone surrogates: they are escaped
        return json.dumps(told, separators=(",", ":")).encode()


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # lone surrogates: only json reads them
        return json.loads(line)

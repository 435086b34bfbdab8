"""Which messages of a session are shown: the last ones, all of them, or those around one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import summary_of
from localsessions.cli.screen.safe import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localsessions.models import Message, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["Selection", "Shown"]

_USUAL, _USUAL_TAIL = 5, 1


class Shown(NamedTuple):
    """What is shown of a session: some messages, of which the first has a position."""

    summary: SessionSummary
    messages: Sequence[Message]
    first: int
    total: int

    @property
    def later(self) -> int:
        """How many messages stand behind those that are shown."""
        return self.total - self.first - len(self.messages)


@dataclass(frozen=True)
class Selection:
    """What a person asks for.

    Attributes:
        last: So many of the last messages; None is the usual number.
        every: All messages.
        number: This message, counted from 1.
        beside: So many messages before and after it, too.
        is_tail: Only the last messages, and nothing else of the session.
    """

    last: int | None
    every: bool
    number: int | None
    beside: int
    is_tail: bool

    def refuse_contradictions(self) -> None:
        """Refuse options that exclude each other."""
        given = [name for name, is_given in self._ways().items() if is_given]
        if len(given) > 1:
            raise click.UsageError(f"{given[0]} and {given[1]} exclude each other")
        if self.beside and self.number is None:
            raise click.UsageError("--context needs --at, the number of a message")

    def _ways(self) -> dict[str, bool]:
        return {
            "--messages": self.last is not None and not self.is_tail,
            "--all": self.every,
            "--at": self.number is not None,
            "--tail": self.is_tail,
        }

    def last_of(self, total: int) -> int:
        """Return how many of the last messages are asked for."""
        usual = _USUAL_TAIL if self.is_tail else _USUAL
        return total if self.every else min(total, usual if self.last is None else self.last)

    def shown(self, store: SessionStore, session_id: str) -> Shown:
        """Return the messages that are asked for."""
        return (self.is_tail and self._tail(store, session_id)) or self._loaded(store, session_id)

    def _tail(self, store: SessionStore, session_id: str) -> Shown | None:
        """Return only the last messages; None if another program writes meanwhile."""
        summary = store.engine.summary(session_id)
        if summary is None or summary.unreadable is not None:
            return None  # the reader says why
        messages = store.tail(session_id, self.last_of(summary.message_count))
        if store.engine.summary(session_id) != summary:
            return None
        total = summary.message_count
        return Shown(summary, messages, total - len(messages), total)

    def _loaded(self, store: SessionStore, session_id: str) -> Shown:
        session = store.load(session_id)
        total = len(session.messages)
        first, end = self._positions(total)
        return Shown(summary_of(store, session), session.messages[first:end], first, total)

    def _positions(self, total: int) -> tuple[int, int]:
        """Return the position of the first message that is shown, and that behind the last."""
        if self.number is None:
            return total - self.last_of(total), total
        if self.number > total:
            has = f"the session has {counted(total, 'message')}"
            stop(f"there is no message {self.number}: {has}", ExitCode.NOT_FOUND)
        at = self.number - 1
        return max(0, at - self.beside), min(total, at + self.beside + 1)

"""``show --follow``: the messages of a session as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from localsessions.cli.exits import ExitCode
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import note
from localsessions.cli.typed import to_type
from localsessions.cli.watching import Heard, following
from localsessions.errors import SessionNotFoundError, UnreadableSessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions.cli.selection import Selection
    from localsessions.models import Message, SessionChange
    from localsessions.store import SessionStore

    Show = Callable[[Sequence[Message], int], object]

__all__ = ["follow"]


def follow(store: SessionStore, session_id: str, selection: Selection, show: Show) -> None:
    """Show the last messages of a session, and each new one as it comes, until Ctrl-C.

    Args:
        store: An open store.
        session_id: Which session.
        selection: How many messages are shown at once.
        show: Called with messages and the position of the first of them.
    """
    number = store.last_change()
    known = _Known(store, session_id, show)
    known.begin(selection)
    heard = Heard()
    with heard.warnings(), following(store, number, heard):
        try:
            note("following; Ctrl-C ends")
            for change in heard:
                if change.session_id == session_id:
                    known.follow(change)
        except KeyboardInterrupt:
            # The terminal shows ^C on the current line; the empty line ends it.
            note("")
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


class _Known:
    """The messages of a session as they were last seen."""

    def __init__(self, store: SessionStore, session_id: str, show: Show) -> None:
        self._store, self._id, self._show = store, session_id, show
        self._messages: Sequence[Message] = []
        self._seen = 0  # the number of the last change that the messages have
        self._edited: set[int] = set()

    def begin(self, selection: Selection) -> None:
        """Show the last messages as they are now."""
        self._load()
        first = len(self._messages) - selection.last_of(len(self._messages))
        self._show(self._messages[first:], first)

    def follow(self, change: SessionChange) -> None:
        """Tell what a change brought, if it was not seen with a former one."""
        if change.kind == "deleted":
            restore = to_type("restore", session=self._id)
            note(f"the session was deleted; '{restore}' brings it back, and following goes on")
        elif change.unreadable is not None:
            note(f"the file cannot be read now: {one_line(change.unreadable.reason)}")
        elif change.number > self._seen:
            self._look()

    def _look(self) -> None:
        former = self._messages
        try:
            self._load()
        except (SessionNotFoundError, UnreadableSessionError):
            return  # its own change tells it
        new = self._messages
        if len(new) < len(former):
            note(f"{counted(len(former) - len(new), 'message')} went; {len(new):,} are left")
        pairs = zip(former, new, strict=False)
        edited = {at for at, (was, now) in enumerate(pairs, 1) if was is not now and was != now}
        for number in sorted(edited - self._edited):
            note(f"message {number} changed; --at {number} shows it")
        self._edited |= edited  # a message that grows is told once
        if len(new) > len(former):
            self._edited.clear()
            self._show(new[len(former) :], len(former))

    def _load(self) -> None:
        seen = self._store.last_change()
        self._messages = self._store.load(self._id).messages
        self._seen = seen

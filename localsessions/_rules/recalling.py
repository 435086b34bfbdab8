"""Recalling: the messages of a window, read from the end of a session; what is before is not read.

The session is read in longer and longer ends, until one holds the whole window. So the work grows
with the window and not with the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from localsessions.models import Message, Session
from localsessions.models.history import Window, seen, turns, whole_turns

__all__ = ["Recalled", "recalled"]

_FIRST = 32
_GROWS = 4


class Recalled(NamedTuple):
    """What was read of a session for a window.

    Attributes:
        session: The session, perhaps without its earlier messages.
        messages: Those of its messages that are in the window; they are the session's own.
    """

    session: Session
    messages: list[Message]


def recalled(
    read: Callable[[], Session], tail: Callable[[int], Session], window: Window
) -> Recalled:
    """Return the messages of a session that are in a window.

    Args:
        read: Returns the whole session.
        tail: Returns the session with only so many of its last messages.
        window: Which messages.

    Raises:
        ValueError: The window makes no sense.
    """
    window = window.checked()
    is_bounded = (window.last_runs, window.last_messages, window.max_tokens) != (None, None, None)
    count = max(_FIRST, window.last_messages or 0)
    while is_bounded:
        session = tail(count)
        if len(session.messages) < count:
            return _all_in(session, window)
        found = seen(whole_turns(session.messages, session.runs), window)
        if found.is_full:
            return Recalled(session, found.messages)
        count *= _GROWS
    return _all_in(read(), window)


def _all_in(session: Session, window: Window) -> Recalled:
    return Recalled(session, seen(turns(session.messages, session.runs), window).messages)

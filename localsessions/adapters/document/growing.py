"""Adding messages to a session that may not be there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions import ConflictError, Session, SessionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions import Message, SessionStore

__all__ = ["add_messages"]

# Others may create and delete a session again and again.
_TRIES = 100


def add_messages(
    store: SessionStore,
    session_id: str,
    messages: Sequence[Message],
    make: Callable[[Session], object] | None = None,
) -> None:
    """Add messages at the end of a session, durably and all or none; create it if it is absent.

    One step for all callers: of any number of threads and processes, one creates the session.

    Args:
        store: Where.
        session_id: Which session.
        messages: What ``Shape.message_of`` made.
        make: Called with a new session, to fill in what it begins with.

    Raises:
        UnreadableSessionError, LockTimeoutError, UnstorableValueError: As ``SessionStore.append``;
            nothing was written.
        SessionExistsError: There is a session with an id that differs only by letter case or
            Unicode form.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            store.append(session_id, *messages)
            return
        except SessionNotFoundError:
            session = Session(session_id=session_id, messages=[*messages])
        if make is not None:
            make(session)
        try:
            store.save(session)
            return
        except ConflictError:  # another caller created it first
            if not tries_left:
                raise

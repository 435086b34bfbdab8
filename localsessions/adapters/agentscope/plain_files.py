"""The session files that agentscope itself wrote: read, and converted to the store's format.

Such a file is a JSON object, ``{name of the module: state}``, each state an object. To the store it
is a session with unknown fields. If a module has the name of a field that is not an object
(``messages``, ``title``), it is an unreadable file. A file counts as agentscope's if both hold:

- It is a JSON object, not empty, in which every value is an object. A session that a store wrote
  has ``format``, a text; a session that a person wrote has some field that is not an object.
- It is not a file that a person wrote for this adapter: such a file has ``modules`` with only
  objects in it, and otherwise only other object fields of the format.

So a module called ``state`` or ``metadata`` counts as a module, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from localsessions import ConflictError, Session, SessionNotFoundError, SessionStore
from localsessions.adapters.agentscope.memories import put
from localsessions.adapters.agentscope.modules import State, states_in
from localsessions.adapters.agentscope.seen import Seen
from localsessions.format import original_bytes, original_keys, parse_json

__all__ = ["plain_states", "plain_states_of", "read_plain_states", "take_over"]

States: TypeAlias = Mapping[str, State]

_OBJECTS_OF_A_SESSION = frozenset({"modules", "state", "metadata", "agent_context", "forked_from"})


def plain_states(data: bytes) -> States | None:
    """Return the states in a file of agentscope's; None if it is not such a file."""
    try:
        # agentscope writes lone surrogates in bytes that are not UTF-8; JSON has an escape.
        text = data.decode("utf-8", "surrogatepass")
        document = parse_json(text.encode("utf-8", "backslashreplace"))
    except ValueError:
        return None  # the store says what is wrong with it when it reads the file
    if not isinstance(document, dict) or not document:
        return None
    states = states_in(document)
    return None if len(states) < len(document) or _is_session(states) else states


def _is_session(states: States) -> bool:
    modules = states.get("modules")
    return (
        modules is not None
        and states.keys() <= _OBJECTS_OF_A_SESSION
        and all(isinstance(state, dict) for state in modules.values())
    )


def plain_states_of(session: Session) -> States | None:
    """Return the states if a session was loaded from a file of agentscope's, else None."""
    data = original_bytes(session)
    # Nearly every file has a format; it is a text, so the file need not be parsed again.
    if data is None or "format" in original_keys(session):
        return None
    return plain_states(data)


def read_plain_states(store: SessionStore, session_id: str) -> States | None:
    """Return the states in a file that the store cannot read; None if it is not agentscope's.

    Raises:
        SessionNotFoundError: The file is gone.
        UnreadableSessionError: It is not a regular file, may not be read, or is too large.
    """
    return plain_states(store.raw(session_id))


def take_over(
    store: SessionStore, session_id: str, states: States, seen: Mapping[str, Seen]
) -> dict[str, Seen] | None:
    """Rewrite a file of agentscope's as a session with its modules; ``states`` override them.

    One atomic replacement under the session's lock; nothing that the file said is lost. The
    session's creation time is the time of the last write to the file.

    Returns:
        What the modules have seen now. None if it is not a file of agentscope's; then nothing was
        written.

    Raises:
        ConflictError: It was deleted; nothing was written.
        UnstorableValueError: A state cannot be stored without loss; nothing was written.
    """
    now: dict[str, Seen] = {}

    def made(data: bytes) -> Session | None:
        former = plain_states(data)
        if former is None:
            return None
        written_at = os.stat(store.path(session_id)).st_mtime_ns // 1_000_000 / 1000
        session = Session(
            session_id=session_id, created_at=datetime.fromtimestamp(written_at, UTC), revision=1
        )
        now.update(put(session, {**former, **states}, seen))
        return session

    try:
        return now if store.adopt(session_id, made) is not None else None
    except SessionNotFoundError:
        raise ConflictError(session_id, path=store.path(session_id)) from None

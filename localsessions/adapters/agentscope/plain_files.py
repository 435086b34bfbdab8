"""The session files that agentscope itself wrote: read, and taken over into the store's format.

Such a file is one JSON object, ``{name of the module: state}``, each state an object. To the store
it is a session with fields that nobody knows; or, where a module has the name of a field that is no
object (``messages``, ``title``), an unreadable file. A file is taken for agentscope's when

- it is a JSON object, not empty, in which every value is an object: a session that a store wrote
  has ``format``, a text, and one that a person wrote has some field that is no object;
- and it is not one that a person wrote for this very adapter: ``modules`` with nothing but objects
  in it, beside nothing but the other objects of the format.

So a module called ``state`` or ``metadata`` is taken for a module, too.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TypeAlias

from localsessions import ConflictError, Session, SessionNotFoundError, SessionStore
from localsessions.adapters.agentscope.modules import State, states_in
from localsessions.format import original_bytes, original_keys, parse_json

__all__ = ["plain_states", "plain_states_of", "read_plain_states", "take_over"]

States: TypeAlias = dict[str, State]

_OBJECTS_OF_A_SESSION = frozenset({"modules", "state", "metadata", "agent_context", "forked_from"})


def plain_states(data: bytes) -> States | None:
    """Return the states in a file of agentscope's; None when it is not one."""
    try:
        # agentscope writes lone surrogates as what is not UTF-8; JSON has an escape for them.
        text = data.decode("utf-8", "surrogatepass")
        document = parse_json(text.encode("utf-8", "backslashreplace"))
    except ValueError:
        return None  # what is wrong with it, the store says when it reads the file
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
    """Return the states where a session was loaded from a file of agentscope's."""
    data = original_bytes(session)
    # Nearly every file has a format, and need not be parsed again to see that it is a text.
    if data is None or "format" in original_keys(session):
        return None
    return plain_states(data)


def read_plain_states(store: SessionStore, session_id: str) -> States | None:
    """Return the states in a file that the store cannot read; None when it is not agentscope's.

    Raises:
        SessionNotFoundError: It is gone.
        UnreadableSessionError: It is no regular file, may not be read, or is too large.
    """
    return plain_states(store.raw(session_id))


def take_over(store: SessionStore, session_id: str, states: States) -> bool:
    """Write a file of agentscope's anew, as a session with its modules and ``states`` over them.

    One atomic replacement under the session's lock; nothing that the file said is lost. The
    session was made when the file was written last.

    Returns:
        False when it is no file of agentscope's; then nothing was written.

    Raises:
        ConflictError: It was deleted; nothing was written.
        UnstorableValueError: A state cannot be stored without loss; nothing was written.
    """

    def made(data: bytes) -> Session | None:
        former = plain_states(data)
        if former is None:
            return None
        written_at = os.stat(store.path(session_id)).st_mtime_ns // 1_000_000 / 1000
        return Session(
            session_id=session_id,
            created_at=datetime.fromtimestamp(written_at, UTC),
            modules={**former, **states},
            revision=1,
        )

    try:
        return store.adopt(session_id, made) is not None
    except SessionNotFoundError:
        raise ConflictError(session_id, path=store.path(session_id)) from None

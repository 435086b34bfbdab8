"""What the verbs change in a session, in memory; pure: no file and no lock.

Every value from a caller is checked and copied here: the session shares no object with the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from localsessions.models import expiry_of, formatted_now, made_id, utc_now
from localsessions.models.calls import ITEM_ROLES
from localsessions.models.standing import stand

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message, Session

__all__ = ["fork_of", "message_of", "switch_agent", "upsert_run", "upserted"]


def message_of(given: Mapping[str, object], now: str) -> Message:
    """Return a message as it is stored, with an ``id`` and ``created_at``.

    An item of the Responses interface that has no role gets the one that its ``type`` implies.

    Raises:
        TypeError: The message is not an object.
        ValueError: The message has no ``role``.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"a message must be an object, as in {{'role': 'user'}}, not {type(given).__name__}"
        )
    implied = ITEM_ROLES.get(str(given.get("type")))
    if not isinstance(given.get("role", implied), str):
        raise ValueError("a message needs a role, a text, as in {'role': 'user', 'content': 'Hi'}")  # noqa: TRY004
    made: dict[str, Any] = {} if "id" in given else {"id": made_id("msg")}
    if "role" not in given:
        made["role"] = implied
    try:
        made.update((key, _copied(value)) for key, value in given.items())
    except RecursionError:  # perhaps it contains itself; that is refused later, with its place
        made.update(copy.deepcopy(dict(given)))
    made.setdefault("created_at", now)
    return made


def _copied(value: object) -> object:
    """Return a copy of JSON containers; values that are not JSON stay, and are refused later."""
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    if type(value) is list:
        return [_copied(item) for item in value]
    return value


def upsert_run(
    session: Session,
    run_id: str,
    run: Mapping[str, object],
    messages: Sequence[Mapping[str, object]],
) -> None:
    """Replace the run of the same id, or add the run at the end; do the same for its messages."""
    places = [at for at, known in enumerate(session.runs) if known["run_id"] == run_id]
    place = slice(places[0], places[0] + 1) if places else slice(len(session.runs), None)
    copied: dict[str, Any] = copy.deepcopy(dict(run))
    session.runs[place] = [copied]
    session.messages = upserted(session.messages, messages, run_id)


def upserted(
    messages: Sequence[Message], new: Sequence[Mapping[str, object]], run_id: str
) -> list[Message]:
    """Replace the run's messages that have the same ids; add the other new messages at the end."""
    places = {
        message_id: at
        for at, message in enumerate(messages)
        if message.get("run_id") == run_id and isinstance(message_id := message.get("id"), str)
    }
    made, now = list(messages), formatted_now()
    for given in new:
        own_id = given.get("id")
        known = places.get(own_id) if isinstance(own_id, str) else None
        place = len(made) if known is None else known
        elder = made[place] if place < len(made) else {}
        message: dict[str, object] = {**given, "run_id": run_id}
        if "created_at" in elder:
            message.setdefault("created_at", elder["created_at"])
        made[place : place + 1] = [message_of(message, now)]
    return made


def switch_agent(session: Session, agent: str, reason: str | None, now: str) -> bool:
    """Make an agent the current agent and record the switch; False if it already is."""
    if session.current_agent == agent:
        return False
    context = session.agent_context
    switch: JsonValue = {
        "from": session.current_agent,
        "to": agent,
        "reason": reason,
        "timestamp": now,
    }
    former = context.get("switches")
    switches = [*former, switch] if isinstance(former, list) else [switch]
    times: dict[str, JsonValue] = {"last_switch_at": now, "switches": switches}
    session.agent_context = {"created_at": now, **context, "current_agent": agent, **times}
    return True


def fork_of(source: Session, at: str | int | None, new_id: str | None) -> Session:
    """Return a new session with the messages up to and including ``at``; see ``SessionStore.fork``.

    Raises:
        LookupError: There is no such message.
    """
    count = len(source.messages) if at is None else _position_of(source, at) + 1
    now = utc_now()
    fork = source.model_copy(deep=True)
    stand(fork, None, None)
    fork.session_id = made_id("sess") if new_id is None else new_id
    if title := source.title or source.made_title:
        fork.title = f"{title} (fork)"
    fork.messages = fork.messages[:count]
    last = fork.messages[-1].get("id") if fork.messages else None
    origin: dict[str, JsonValue] = {"session_id": source.session_id, "message_id": last}
    fork.forked_from = {**origin, "message_count": count}
    fork.source = {}  # what the program says later belongs to the first session
    if at is not None:
        kept = {message.get("run_id") for message in fork.messages}
        fork.runs = [run for run in fork.runs if run["run_id"] in kept]
    fork.created_at = fork.last_activity = now
    fork.pinned, fork.status, fork.revision = False, "active", 0
    fork.expires_at = expiry_of(now, fork.ttl)
    return fork


def _position_of(session: Session, at: str | int) -> int:
    if isinstance(at, int):
        if 0 <= at < len(session.messages):
            return at
        count = len(session.messages)
        raise LookupError(f"session {session.session_id!r} has {count} messages, none at {at}")
    for position, message in enumerate(session.messages):
        if message.get("id") == at:
            return position
    raise LookupError(f"session {session.session_id!r} has no message with the id {at!r}")

"""What a session has of Strands beside messages: its agents, and groups of agents. Pure.

The shape of the data::

    modules[agent_id]        state, conversation_manager_state, _internal_state, created_at, ...
    strands.agent_id         the main agent
    strands.multi_agents     the state of each group of agents, by its id
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localsessions.adapters.document import escaped, unescaped
from localsessions.adapters.strands.shape import SHAPE, Object
from localsessions.transcripts.foreign import as_object

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Session

__all__ = ["agent_in", "group_in", "main_agent_of", "newcomer", "own_of", "put_agent", "put_group"]

_GROUPS = "multi_agents"
_STATES = ("state", "conversation_manager_state")


class _AnyName(str):
    """The name of whichever class restores it: a conversation manager refuses another's state."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def own_of(session: Session) -> Object:
    """Return what stands under the key of Strands."""
    return as_object(session.extra.get(SHAPE.key))


def main_agent_of(session: Session) -> str | None:
    """Return the id of the agent whose messages are those of the session; None if none is."""
    agent_id = own_of(session).get("agent_id")
    return agent_id if isinstance(agent_id, str) else None


def agent_in(session: Session, agent_id: str) -> dict[str, Any] | None:
    """Return what ``SessionAgent.from_dict`` takes; None if the module is not of Strands."""
    module = as_object(session.modules.get(agent_id))
    if not all(isinstance(module.get(name), dict) for name in _STATES):
        return None
    return {**unescaped(module), "agent_id": agent_id}


def put_agent(session: Session, fields: Object) -> None:
    """Keep the state of an agent; the first one becomes the main agent."""
    agent_id = str(fields["agent_id"])
    state = as_object(escaped({name: one for name, one in fields.items() if name != "agent_id"}))
    former = as_object(session.modules.get(agent_id))
    session.modules = {**session.modules, agent_id: {**former, **state}}
    if main_agent_of(session) is None:
        session.extra[SHAPE.key] = {**own_of(session), "agent_id": agent_id}


def newcomer(agent_id: str, session: Session) -> dict[str, Any]:
    """Return the state of an agent in a session in which only other programs spoke."""
    at = session.created_at.isoformat()
    managed = {"__name__": _AnyName(), "removed_message_count": 0}
    state = {"state": {}, "conversation_manager_state": managed}
    return {"agent_id": agent_id, **state, "created_at": at, "updated_at": at}


def group_in(session: Session, group_id: str) -> dict[str, Any] | None:
    """Return the state of a group of agents; None if there is none."""
    states = as_object(own_of(session).get(_GROUPS))
    found: dict[str, Any] | None = unescaped(states.get(group_id))
    return found


def put_group(session: Session, group_id: str, state: JsonValue) -> None:
    """Keep the state of a group of agents."""
    own = own_of(session)
    states = {**as_object(own.get(_GROUPS)), group_id: escaped(state)}
    session.extra[SHAPE.key] = {**own, _GROUPS: states}

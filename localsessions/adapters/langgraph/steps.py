"""One checkpoint of a graph on its way into records and a session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions.adapters.document import add_messages
from localsessions.adapters.langgraph.chat import CHANNEL, Chat, Last, State
from localsessions.adapters.langgraph.records import Thread
from localsessions.adapters.langgraph.values import Values

if TYPE_CHECKING:
    from localsessions import Session

__all__ = ["SEEN", "Step", "record_of"]

SEEN = "__localsessions__"
"""In ``versions_seen`` of the newest checkpoint as it is read: the messages of others in it.

A graph carries it along, so a later checkpoint tells what that graph knew. It is not stored."""


class Plan(NamedTuple):
    """The messages of a checkpoint that is not stored yet.

    Attributes:
        holder: The record that brought those of the checkpoint before.
        state: The messages; if ``last`` is given, those that came to it.
        packed: All of them as the serializer packs them.
        last: What was put last, if the messages only grew.
    """

    holder: dict[str, Any] | None
    state: State
    packed: list[Any]
    last: Last | None


class Step(NamedTuple):
    """What one checkpoint does to the chat of its session.

    Attributes:
        chat: The chats.
        thread: The records before it.
        place: How the names of its own begin.
        make: Names a new session.
    """

    chat: Chat
    thread: Thread
    place: str
    make: Callable[[Session], object]

    def plan(
        self, before: dict[str, Any] | None, last: Last | None, value: Any, metadata: Any
    ) -> Plan | None:
        """Return what is to stand in the session; None if a value cannot."""
        holder, run_id = self._holder(before), _run_of(metadata)
        if last is not None and last.holder is holder and not self.thread.has_left_since(holder):
            grown = self.chat.grown(last, value, run_id)
            if grown is not None:
                return Plan(holder, grown[0], grown[1], last)
        state = self.chat.state_of(value, self._former(holder), run_id)
        return None if state is None else Plan(holder, state, self.chat.packed(value), None)

    def do(self, plan: Plan, seen: Iterable[str] | None) -> Last:
        """Let the session have the messages of a plan; return them for a record yet to come."""
        state, last = plan.state, plan.last
        if last is not None:
            if state.refs:
                add_messages(self.chat.store, self.thread.session_id, state.messages, self.make)
            spec = self.chat.spec_of_growth(last, state.refs)
            return Last({CHANNEL: spec}, [*last.refs, *state.refs], plan.packed)
        former = self._former(plan.holder)
        self.chat.write(
            self.thread,
            self.place,
            state,
            seen={*(seen or ()), *(self.chat.refs(self.thread, plan.holder) or ())},
            is_latest=seen is not None,
            make=self.make,
        )
        spec = self.chat.spec(self.thread, plan.holder if former is not None else None, state)
        return Last({CHANNEL: spec}, state.refs, plan.packed)

    def go_back(self, before: dict[str, Any] | None) -> None:
        """Let the session have the messages that an older checkpoint has."""
        if (former := self._former(self._holder(before))) is not None:
            self.chat.write(
                self.thread, self.place, former, seen=(), is_latest=False, make=self.make
            )

    def _holder(self, before: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the record that brought the messages of the checkpoint before."""
        if before is None or CHANNEL in before["new"]:
            return before
        return self.thread.put(before["ns"], before["at"].get(CHANNEL))

    def _former(self, holder: dict[str, Any] | None) -> State | None:
        refs = self.chat.refs(self.thread, holder)
        return (
            None if holder is None or refs is None else self.chat.state(self.thread, holder, refs)
        )


def _run_of(metadata: Any) -> str | None:
    run_id = metadata.get("run_id")
    return run_id if isinstance(run_id, str) else None


def record_of(
    values: Values,
    checkpoint: Any,
    metadata: Any,
    after: tuple[str, str | None, dict[str, Any] | None],
    new: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record of a checkpoint, without the values of its channels.

    Raises:
        TypeError: The serializer cannot pack it.
    """
    ns, parent, before = after
    told = {name: value for name, value in checkpoint.items() if name != "channel_values"}
    if SEEN in (seen := told.get("versions_seen", {})):
        told["versions_seen"] = {node: one for node, one in seen.items() if node != SEEN}
    return {
        "ns": ns,
        "id": checkpoint["id"],
        "parent": parent,
        "checkpoint": values.stored(told),
        "metadata": values.stored(metadata),
        "new": {**new},
        "at": _places(checkpoint["channel_versions"], new, parent, before),
    }


def _places(
    versions: Mapping[str, Any],
    new: Mapping[str, Any],
    parent: str | None,
    before: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return which checkpoint has the value of each channel that is not new."""
    if before is None:
        return {}
    known = {**before["at"], **dict.fromkeys(before["new"], parent)}
    return {
        channel: known[channel] for channel in versions if channel not in new and channel in known
    }

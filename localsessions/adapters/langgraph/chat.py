"""The messages of a graph's state as the messages of its session.

A checkpoint names the messages that it has, by what is new beyond an earlier one::

    {"kept": 4, "base": "1f0c…", "added": ["msg_…"]}     the first 4 of that one, and these

The session has those of the newest checkpoint. What leaves the session, because the graph removed
or replaced it or went back, is kept in a record before; read in the order of saving, these records
undo what came after a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions import Session, SessionNotFoundError
from localsessions.adapters.document import Shape, add_messages, unreadable_message
from localsessions.adapters.langgraph.sdk import BaseMessage
from localsessions.adapters.langgraph.shape import KEY, shape_of
from localsessions.adapters.langgraph.values import Values, fields_of, message_of
from localsessions.adapters.langgraph.weaving import Said, Woven, said_in, weave, woven_in
from localsessions.models import utc_now

if TYPE_CHECKING:
    from localsessions import Message, SessionStore
    from localsessions.adapters.langgraph.records import Records, Thread

__all__ = ["CHANNEL", "Chat", "Last", "State"]

CHANNEL = "messages"
"""The channel that is the chat of a session."""

# A list of messages is told whole again after so many checkpoints that only add to it.
_STEPS = 32
_ON_ITS_WAY = timedelta(minutes=1)


class State(NamedTuple):
    """The messages of a state: the ref of each, and the message of a session that it is."""

    refs: list[str]
    messages: list[Message]


class Last(NamedTuple):
    """What was put last into a thread by this process: what only grows is written without a look.

    Attributes:
        holder: The record that brought the messages.
        refs: The messages.
        packed: Each as the serializer packs it.
    """

    holder: dict[str, Any]
    refs: list[str]
    packed: list[Any]


class Chat:
    """The messages of the sessions of one saver.

    Args:
        store: Where the sessions are.
        records: Their records.
        values: How values are stored.
    """

    def __init__(self, store: SessionStore, records: Records, values: Values) -> None:
        self.store = store
        self._records = records
        self._values = values
        self.shape: Shape = shape_of(values.unpack_safely)

    def state_of(self, value: Any, before: State | None, run_id: str | None) -> State | None:
        """Return the messages of a channel's value; None if they cannot stand in a session.

        Args:
            value: The value.
            before: What the checkpoint before had: a message that says the same is the same.
            run_id: The run that new messages belong to.
        """
        if type(value) is not list or not self._values.is_readable:
            return None
        known = dict(zip(before.refs, before.messages, strict=True)) if before else {}
        nameless = _nameless(self.shape, before)
        state = State([], [])
        for one in value:
            message = self._message(one, run_id)
            if message is None:
                return None
            item = self.shape.items_of(message)[-1]
            ref = str(item.get("id") or _taken(nameless, item) or message["id"])
            same = known.get(ref)
            if same is not None and self.shape.items_of(same)[-1:] == [item]:
                message = same
            state.refs.append(ref)
            state.messages.append({**message, "id": ref} if message is not same else message)
        return state if len(set(state.refs)) == len(state.refs) else None

    def _message(self, one: Any, run_id: str | None) -> Message | None:
        """Return a message for a session; None if it would not come back equal."""
        if not isinstance(one, BaseMessage):
            return None
        try:
            message = self.shape.message_of(self._values.normal(fields_of(one)), run_id=run_id)
            again = message_of(self.shape.items_of(message)[-1])
        except (TypeError, ValueError):
            return None
        dumps = self._values.serde.dumps_typed
        return message if type(again) is type(one) and dumps(again) == dumps(one) else None

    def packed(self, value: list[Any]) -> list[Any]:
        """Return the messages of a value as the serializer packs them."""
        return [self._values.serde.dumps_typed(one) for one in value]

    def grown(self, last: Last, value: Any, run_id: str | None) -> tuple[State, list[Any]] | None:
        """Return what a value has beyond the last one, and all of it packed.

        None if that is not all that changed, or if it cannot stand in a session.
        """
        if type(value) is not list or not all(isinstance(one, BaseMessage) for one in value):
            return None
        packed, count = self.packed(value), len(last.refs)
        added = (
            self.state_of(value[count:], None, run_id) if packed[:count] == last.packed else None
        )
        if added is None or not {*last.refs}.isdisjoint(added.refs):
            return None
        return added, packed

    # -- writing -----------------------------------------------------------------------------------

    def write(
        self,
        thread: Thread,
        place: str,
        state: State,
        *,
        seen: Collection[str],
        is_latest: bool,
        make: Callable[[Session], object],
    ) -> None:
        """Let a session have the messages of a state; keep first what leaves it.

        Args:
            thread: The records before.
            place: How the name of a record of this checkpoint begins.
            state: The messages.
            seen: The refs that the graph had before.
            is_latest: Whether it goes on from the newest checkpoint, and so what other runs said
                meanwhile stays. Going on from an older one, what came after it leaves the session.
            make: Names a new session.
        """
        session_id, told = thread.session_id, _Told(thread)
        pairs = [*zip(state.refs, state.messages, strict=True)]

        def is_said(ref: str, message: Message) -> bool:
            return is_latest and (_is_fresh(message) or ref in told)

        def woven_into(session: Session) -> Woven:
            return woven_in(self.shape, session.messages, pairs, seen, is_said)

        while True:
            try:
                session = self.store.load(session_id)
            except SessionNotFoundError:
                add_messages(self.store, session_id, state.messages, make)
                return
            woven, there = woven_into(session), len(session.messages)
            tail = woven.messages[there:]
            if woven.messages[:there] == session.messages and not _has_any(tail, seen):
                if tail:
                    add_messages(self.store, session_id, tail, make)
                return
            if woven.left:
                self._records.save(session_id, place, "left", {"messages": woven.left}, make)
            with self.store.edit(session_id) as now:
                again = woven_into(now)
                if again.left == woven.left:  # else more leaves than the record keeps: look again
                    now.messages = again.messages
                    return

    # -- reading -----------------------------------------------------------------------------------

    def spec(self, thread: Thread, holder: dict[str, Any] | None, state: State) -> dict[str, Any]:
        """Return how a checkpoint names its messages, beyond those of an earlier one."""
        before = self.refs(thread, holder) if holder is not None else None
        steps = holder[CHANNEL].get("steps", 0) + 1 if holder and before is not None else _STEPS
        if holder is None or before is None or steps >= _STEPS:
            return {"kept": 0, "added": state.refs}
        kept = next(
            (
                at
                for at, (one, two) in enumerate(zip(before, state.refs, strict=False))
                if one != two
            ),
            min(len(before), len(state.refs)),
        )
        return {"base": holder["id"], "kept": kept, "added": state.refs[kept:], "steps": steps}

    def spec_of_growth(self, last: Last, added: Sequence[str]) -> dict[str, Any]:
        """Return how a checkpoint names the messages that came to the last ones."""
        steps = last.holder[CHANNEL].get("steps", 0) + 1
        if steps >= _STEPS:
            return {"kept": 0, "added": [*last.refs, *added]}
        return {"base": last.holder["id"], "kept": len(last.refs), "added": added, "steps": steps}

    def refs(self, thread: Thread, holder: dict[str, Any] | None) -> list[str] | None:
        """Return the refs of the messages that a record brought; None if it has none."""
        specs = []
        while holder is not None and CHANNEL in holder:
            spec = holder[CHANNEL]
            specs.append(spec)
            if "base" not in spec:
                refs: list[str] = []
                for one in reversed(specs):
                    refs = [*refs[: one["kept"]], *one["added"]]
                return refs
            holder = thread.put("", spec["base"])
        return None

    def state(self, thread: Thread, holder: dict[str, Any], refs: Sequence[str]) -> State:
        """Return the messages that a record names, as they were when it was saved."""
        there = {said.ref: said.message for said in self._said(self._messages(thread))}
        for message in self._undone(thread, holder):
            there.update({said.ref: said.message for said in self._said([message])})
        kept = [ref for ref in refs if ref in there]
        return State(kept, [there[ref] for ref in kept])

    def is_as_it_was(self, thread: Thread, holder: dict[str, Any], refs: Sequence[str]) -> bool:
        """Tell whether the session has all that a record names, as it was."""
        there = {said.ref for said in self._said(self._messages(thread))}
        undone = {said.ref for said in self._said(self._undone(thread, holder))}
        return all(ref in there and ref not in undone for ref in refs)

    def value(
        self, thread: Thread, holder: dict[str, Any] | None, *, is_latest: bool
    ) -> tuple[list[BaseMessage], list[str]]:
        """Return the messages of a checkpoint, and the refs of those that it did not know.

        Args:
            thread: Its thread.
            holder: The record that brought them; None for a session without a checkpoint.
            is_latest: Whether what other programs said since belongs to it.

        Raises:
            ValueError: A message is none for LangChain after a person changed it.
        """
        refs = self.refs(thread, holder) or []
        standing = self._said(self._messages(thread))
        undone = self._undone(thread, holder) if holder is not None else []
        there = {said.ref: said for said in (*standing, *self._said(undone))}
        chosen = [(ref, there[ref]) for ref in refs if ref in there]
        if not is_latest:
            return [_made(said, thread.session_id) for _, said in chosen], []
        known = {ref for ref, _ in chosen}
        told = _Told(thread)
        others = {
            said.ref: said
            for said in standing
            if said.ref not in known and (not said.is_own or said.ref in told)
        }
        woven = weave(chosen, [(said.ref, others.get(said.ref)) for said in standing])
        new = [said.ref for said in woven if said.ref not in known]
        return [_made(said, thread.session_id) for said in _answered(woven, known)], new

    def _said(self, messages: Sequence[Message]) -> list[Said]:
        return said_in(self.shape, messages)

    def _messages(self, thread: Thread) -> list[Message]:
        try:
            return self.store.load(thread.session_id).messages
        except SessionNotFoundError:
            return []

    def _undone(self, thread: Thread, holder: dict[str, Any]) -> list[Message]:
        """Return the messages as they were at a record, of those that left since; the last first.

        What left several times since counts as it left the first time.
        """
        saved = thread.position[thread.name("", holder["id"])]
        later = [name for name in thread.lefts if thread.position[name] > saved]
        return [one for name in reversed(later) for one in thread.data(name)["messages"]]


class _Told:
    """The refs that any checkpoint of a thread has; found out if it is asked for.

    If no checkpoint names messages, they were removed, or the session came without them: then
    what stands in the session is the only one who knows of the chat, and all of it counts.
    """

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self._specs: list[dict[str, Any]] | None = None
        self._refs: set[str] = set()

    def __contains__(self, ref: str) -> bool:
        if self._specs is None:
            puts = (
                self._thread.put("", checkpoint_id) for _, checkpoint_id in self._thread.ids("")
            )
            self._specs = [put[CHANNEL] for put in puts if put is not None and CHANNEL in put]
            self._refs = {one for spec in self._specs for one in spec["added"]}
        return not self._specs or ref in self._refs


def _made(said: Said, session_id: str) -> BaseMessage:
    try:
        return message_of(said.item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # as its classes raise them
        raise unreadable_message(
            session_id, said.message.get("id"), reader="LangChain", key=KEY, error=error
        ) from error


def _has_any(messages: Sequence[Message], refs: Collection[str]) -> bool:
    """Tell whether messages are known: what comes back may come back by another run, too."""
    return any(one.get("id") in refs for one in messages)


def _is_fresh(message: Message) -> bool:
    """Tell whether a message was stored just now: the checkpoint that has it is on its way."""
    try:
        age = utc_now() - datetime.fromisoformat(str(message.get("created_at")))
    except (TypeError, ValueError):  # a person wrote it
        return False
    return abs(age) < _ON_ITS_WAY


def _nameless(shape: Shape, before: State | None) -> list[tuple[str, Any]]:
    """Return the messages without an id that were there before, in order."""
    if before is None:
        return []
    pairs = zip(before.refs, before.messages, strict=True)
    items = [(ref, shape.items_of(message)[-1]) for ref, message in pairs]
    return [(ref, item) for ref, item in items if not item.get("id")]


def _taken(nameless: list[tuple[str, Any]], item: Any) -> str | None:
    """Return the ref of the next message that says the same, and all before it are passed."""
    for at, (ref, former) in enumerate(nameless):
        if former == item:
            del nameless[: at + 1]
            return ref
    return None


def _answered(woven: Sequence[Said], known: Collection[str]) -> list[Said]:
    """Return messages in which nothing of others stands between a call and its result."""
    asked: set[Any] = set()
    arranged: list[Said] = []
    waiting: list[Said] = []
    for said in woven:
        result = said.item.get("tool_call_id")
        if asked and result not in asked:
            if said.ref not in known:
                waiting.append(said)
                continue
            asked = set()  # the graph goes on without it
        asked = (asked | {one.get("id") for one in said.item.get("tool_calls") or ()}) - {result}
        if not asked or said.item.get("tool_calls"):
            arranged += waiting
            waiting = []
        arranged.append(said)
        if not asked:
            arranged += waiting
            waiting = []
    return [*arranged, *waiting]

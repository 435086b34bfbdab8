"""Memories in the states of modules: their Msgs stand in the session's ``messages``. Pure.

A memory is an object, at any depth of objects in a state, whose ``content`` is what
``InMemoryMemory.state_dict()`` of agentscope 1.0 gives: pairs of a Msg and its marks, or Msgs alone
(its first versions). The shape of the data, in a state and in the file::

    {"content": [[msg, marks]]}
    {"content": [[{"$message": id}, marks]], "$after": id}

``$after`` is the last message that the memory has seen: what others said after it is put into the
memory when it is loaded. A real key of that name has one ``$`` more. Each Msg is one message,
however many memories hold it. A Msg that another memory has otherwise stands in the state itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

from localsessions.adapters.agentscope.messages import Chat, Msg, digest, is_msg
from localsessions.adapters.agentscope.seen import Seen
from localsessions.adapters.document.remainder import are_same
from localsessions.transcripts.foreign import as_list, as_object, as_text, without

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message, Session

__all__ = ["has_memory", "put", "restored"]

Object: TypeAlias = "dict[str, JsonValue]"
States: TypeAlias = "Mapping[str, Object]"
Path: TypeAlias = "tuple[str, ...]"
Removed: TypeAlias = "dict[str | None, str | None]"
"""The ids of messages that were removed, each with that of the message before it."""

_AFTER = "$after"
_MESSAGE = "$message"
_REAL = re.compile(r"\$+after")


def has_memory(state: Object) -> bool:
    """Tell whether there is a memory in the state of a module."""
    return any(_is_memory(one) for _, one in _objects(state))


# -- from a module to the file ---------------------------------------------------------------------


def put(session: Session, states: States, seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """Put states of modules into a session; they replace the former ones of the same names.

    A Msg to which no memory refers any more goes from the messages; what others said stays. A
    message that somebody edited since the module saw it stays as it was edited.

    Args:
        session: Changed.
        states: As modules gave them.
        seen: What modules have seen of the session; those that are not named, nothing.

    Returns:
        What each of these modules has seen now.
    """
    keeping = _Keeping(session.messages, session.modules, states)
    before = {name: _before(session, seen.get(name, Seen(""))) for name in states}
    made = {name: keeping.kept(name, state, before[name]) for name, state in states.items()}
    modules: Object = {**session.modules, **made}
    if removed := keeping.remove_forgotten(modules):
        modules = _walked(modules, lambda _, one: _moved(one, removed))
    for memory in _memories(modules[name] for name in made):
        memory[_AFTER] = keeping.last_seen(memory)
    session.modules = modules
    if keeping.chat.messages != session.messages:
        session.messages = keeping.chat.messages
    return {
        name: replace(
            before[name],
            last=removed.get(before[name].last, before[name].last),
            digests=_digests(states[name], made[name]),
            heard=before[name].heard | _heard(states[name], keeping.chat),
        )
        for name in states
        if name in seen
    }


def _before(session: Session, seen: Seen) -> Seen:
    """Return what a module has seen: nothing, if the session that it saw has gone."""
    if seen.created_at == session.created_at:
        return seen
    return Seen(seen.place, session.created_at)


class _Keeping:
    """Puts Msgs of memories into messages, and removes the messages that are not needed any more.

    Attributes:
        chat: The messages.
    """

    def __init__(
        self, messages: Sequence[Message], modules: Mapping[str, JsonValue], states: States
    ) -> None:
        self.chat = Chat(messages)
        self._last = next(reversed(self.chat.places), None)
        self._former = {name: modules[name] for name in states if name in modules}
        self._held_elsewhere = _references(
            state for name, state in modules.items() if name not in states
        )
        self._digests: dict[int, str] = {}
        self._versions: dict[str, set[str]] = {}
        for msg in (msg for state in states.values() for msg in _msgs(state)):
            self._digests[id(msg)] = made = digest(msg)
            self._versions.setdefault(str(msg["id"]), set()).add(made)

    def kept(self, name: str, state: Object, seen: Seen) -> Object:
        """Return a state as it stands in the file; ``$after`` is what it was before."""
        former = {
            path: one.get(_AFTER, self._last)
            for path, one in _objects(self._former.get(name))
            if _AFTER in one or _is_memory(one)
        }

        def change(path: Path, one: Object) -> Object:
            made = {_escaped(key): item for key, item in one.items()}
            if _is_memory(one):
                entries = (self._kept(entry, seen) for entry in as_list(one["content"]))
                made["content"] = [entry for entry in entries if entry is not None]
                made[_AFTER] = former.get(path) if seen.last is None else seen.last
            return made

        made: Object = _walked(state, change)
        return made

    def _kept(self, entry: JsonValue, seen: Seen) -> JsonValue:
        """Return an entry with a reference in the place of its Msg.

        Where another memory has the Msg otherwise, return the entry as it is. If what somebody else
        said was taken out of the session since the module saw it, return None.
        """
        msg = as_object(_msg_in(entry))
        if (own := _id_of(msg)) is None:
            return entry
        is_changed = seen.digests.get(own) != self._digests[id(msg)]
        place = self.chat.places.get(own)
        if place is None:
            if own in seen.heard and not is_changed:
                return None
            self.chat.add(msg)
        elif is_changed and not self._is_said(own, msg):
            if not self._may_change(own):
                return entry
            self.chat.change(place, msg)
        return _with_msg(entry, {_MESSAGE: self.chat.refer(own)})

    def _is_said(self, own: str, msg: Msg) -> bool:
        said = self.chat.msg_of(own)
        if said is None or self.chat.is_own(self.chat.places[own]):
            return are_same(said, msg)
        # The time of what others said is the clock's, if they did not tell it.
        return are_same(without(said, "timestamp"), without(msg, "timestamp"))

    def _may_change(self, own: str) -> bool:
        """Tell whether a message is agentscope's, and the same for all memories that have it."""
        return (
            self.chat.is_own(self.chat.places[own])
            and own not in self._held_elsewhere
            and len(self._versions[own]) == 1
        )

    def remove_forgotten(self, modules: Object) -> Removed:
        """Remove the messages to which only the former states of the modules referred.

        Returns:
            For each message that was removed, the one before it that is still there.
        """
        chat = self.chat
        forgotten = _references(self._former.values()) - _references(modules.values())
        before: str | None = None
        removed: Removed = {}
        for own, place in chat.places.items():
            if own in forgotten and chat.is_own(place):
                removed[own] = before
            else:
                before = own
        if removed:
            kept = zip(chat.places, chat.messages, strict=True)
            self.chat = Chat([message for own, message in kept if own not in removed])
        return removed

    def last_seen(self, memory: Object) -> str | None:
        """Return the last message that a memory has seen: agentscope's own ones behind it count."""
        held = _held(memory)
        place = _place_of(as_text(memory[_AFTER]), held, self.chat)
        names = [*self.chat.places]
        while place + 1 < len(names) and (names[place + 1] in held or self.chat.is_own(place + 1)):
            place += 1
        return self.chat.refer(names[place]) if place >= 0 else None


def _moved(one: Object, removed: Removed) -> Object:
    last = as_text(one.get(_AFTER))
    return {**one, _AFTER: removed[last]} if last in removed else one


def _digests(state: Object, kept: Object) -> dict[str, str]:
    """Return the digests of the Msgs in a state for which messages stand in the file, by id."""
    standing = {
        _id_of(_msg_in(entry))
        for memory in _memories([kept])
        for entry in as_list(memory.get("content"))
    }
    return {own: digest(msg) for msg in _msgs(state) if (own := str(msg["id"])) not in standing}


def _heard(state: Object, chat: Chat) -> frozenset[str]:
    """Return the ids of those Msgs in a state that others said."""
    ids = (str(msg["id"]) for msg in _msgs(state))
    return frozenset(own for own in ids if own in chat.places and not chat.is_own(chat.places[own]))


# -- from the file to a module ---------------------------------------------------------------------


def restored(
    session: Session, state: Object, place: str, *, is_new: bool = False
) -> tuple[Object, Seen]:
    """Return the state of a module with its Msgs, and with what others have said meanwhile.

    A reference to a message that is not there any more is left out: somebody removed it.

    Args:
        session: Not changed.
        state: As it stands in the file; or, if ``is_new``, of a module that was never saved.
        place: The path of the session's file.
        is_new: Whether its memories have seen nothing yet.

    Returns:
        The second is what the module has seen then.
    """
    chat = Chat(session.messages)

    def change(_: Path, one: Object) -> Object:
        if is_new:
            is_memory = _is_memory(one)
            return {**one, "content": _restored({**one, _AFTER: None}, chat)} if is_memory else one
        is_memory = _AFTER in one and isinstance(one.get("content"), list)
        own = without(one, _AFTER) if is_memory else one
        made = {_unescaped(key): item for key, item in own.items()}
        return {**made, "content": _restored(one, chat)} if is_memory else made

    made = _walked(state, change)
    last = next(reversed(chat.places), None)
    stamps = (place, session.created_at, last)
    return made, Seen(*stamps, _digests(made, state), _heard(made, chat))


def _restored(memory: Object, chat: Chat) -> list[JsonValue]:
    listed = as_list(memory["content"])
    is_plain = bool(listed) and all(isinstance(entry, dict) for entry in listed)
    entries: list[JsonValue] = []
    places: list[int] = []
    for entry in listed:
        own = _reference_in(_msg_in(entry))
        if own is None:
            entries.append(entry)
        elif own in chat.places and (said := chat.msg_of(own)) is not None:
            entries.append(_with_msg(entry, said))
        else:
            continue
        places.append(chat.places.get(own or _id_of(_msg_in(entry)) or "", -1))
    highest = [*accumulate(places, max)]
    made: list[JsonValue] = []
    done = 0
    for place, msg in _unseen(memory, chat):
        until = bisect_right(highest, place)
        made += entries[done:until]
        made.append(msg if is_plain else [msg, []])
        done = max(done, until)
    return [*made, *entries[done:]]


def _unseen(memory: Object, chat: Chat) -> Iterator[tuple[int, Msg]]:
    """Yield what others said after what a memory has seen, with its place."""
    held = _held(memory)
    last = _place_of(as_text(memory[_AFTER]), held, chat)
    for own, place in chat.places.items():
        is_unseen = place > last and own not in held and not chat.is_own(place)
        if is_unseen and (msg := chat.msg_of(own)) is not None:
            yield place, msg


def _place_of(own: str | None, held: set[str], chat: Chat) -> int:
    """Return the place of a message; without it, of the last one that a memory has of others."""
    if own is not None and own in chat.places:
        return chat.places[own]
    places = (chat.places[one] for one in held if one in chat.places)
    return max((place for place in places if not chat.is_own(place)), default=-1)


# -- what a memory is ------------------------------------------------------------------------------


def _escaped(key: str) -> str:
    """Return a key with one ``$`` more if it would mean something; the store refuses no texts."""
    return f"${key}" if type(key) is str and _REAL.fullmatch(key) else key


def _unescaped(key: str) -> str:
    return key[1:] if key[:2] == "$$" and _REAL.fullmatch(key) else key


def _is_memory(one: Object) -> bool:
    """Tell whether an object of a module's state is a memory."""
    content = one.get("content")
    if not isinstance(content, list):
        return False
    return all(map(_is_entry, content)) if content else "_compressed_summary" in one


def _is_entry(entry: JsonValue) -> bool:
    if isinstance(entry, list):
        return len(entry) == 2 and is_msg(entry[0]) and isinstance(entry[1], list)
    return is_msg(entry)


def _msg_in(entry: JsonValue) -> JsonValue:
    """Return the Msg of an entry of a memory, or the reference in its place."""
    if isinstance(entry, list):
        return entry[0] if entry else None
    return entry


def _with_msg(entry: JsonValue, msg: Object) -> JsonValue:
    return [msg, *entry[1:]] if isinstance(entry, list) else msg


def _id_of(msg: JsonValue) -> str | None:
    return as_text(as_object(msg).get("id"))


def _reference_in(msg: JsonValue) -> str | None:
    fields = as_object(msg)
    return as_text(fields.get(_MESSAGE)) if len(fields) == 1 else None


def _msgs(state: JsonValue) -> Iterator[Msg]:
    """Yield the Msgs of all memories in the state of a module that can be found again by an id."""
    for _, one in _objects(state):
        for entry in as_list(one["content"]) if _is_memory(one) else ():
            msg = as_object(_msg_in(entry))
            if _id_of(msg) is not None:
                yield msg


def _memories(states: Iterable[JsonValue]) -> Iterator[Object]:
    """Yield the memories in states as they stand in a file."""
    for state in states:
        yield from (one for _, one in _objects(state) if _AFTER in one)


def _references(states: Iterable[JsonValue]) -> set[str]:
    """Return the ids of the messages to which the memories in states refer."""
    return {
        own
        for memory in _memories(states)
        for entry in as_list(memory.get("content"))
        if (own := _reference_in(_msg_in(entry))) is not None
    }


def _held(memory: Object) -> set[str]:
    """Return the ids of what a memory has, by reference or itself."""
    msgs = map(_msg_in, as_list(memory.get("content")))
    return {own for msg in msgs if (own := _reference_in(msg) or _id_of(msg)) is not None}


def _objects(value: JsonValue, path: Path = ()) -> Iterator[tuple[Path, Object]]:
    """Yield the objects in objects, and where they are."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _objects(item, (*path, key))


def _walked(value: Any, change: Callable[[Path, Object], Object], path: Path = ()) -> Any:
    """Return a copy of an object in which each object in objects is changed."""
    if not isinstance(value, dict):
        return value
    return change(path, {key: _walked(item, change, (*path, key)) for key, item in value.items()})

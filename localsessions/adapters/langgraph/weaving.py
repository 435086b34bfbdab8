"""How the messages of a graph and those of other programs stand in one session. Pure.

A graph knows the messages of its state, in order. The session has these, and what other programs
said meanwhile. What is not of the graph stays in its place: behind what stood before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from localsessions.adapters.document import Shape

if TYPE_CHECKING:
    from localsessions import Message

__all__ = ["Said", "Woven", "said_in", "weave", "woven_in"]

T = TypeVar("T")


class Said(NamedTuple):
    """A message of LangChain that a message of the session is, or one of several.

    Attributes:
        ref: By what checkpoints name it: its id, if it has one.
        item: Its fields.
        message: The message of the session.
        is_own: Whether LangGraph stored it.
    """

    ref: str
    item: dict[str, Any]
    message: Message
    is_own: bool


class Woven(NamedTuple):
    """The messages of a session after a step of the graph.

    Attributes:
        messages: All of them.
        left: Those that were there before and are no more, or are otherwise now.
    """

    messages: list[Message]
    left: list[Message]


def said_in(shape: Shape, messages: Sequence[Message]) -> list[Said]:
    """Return what the messages of a session say to a graph, in order."""
    found: list[Said] = []
    for message in messages:
        is_own = shape.is_own(message)
        items = shape.items_of(message)
        ref = _ref_of(message)
        for at, item in enumerate(items):
            is_last = at == len(items) - 1
            own_ref = ref if is_last else f"{ref}.{at}"
            told = item if is_own and is_last else {**item, "id": own_ref}
            found.append(Said(own_ref, told, message, is_own))
    return found


def _ref_of(message: Message) -> str:
    own = message.get("id")
    if isinstance(own, str) and own:
        return own
    exact = json.dumps(message, sort_keys=True)  # a person wrote it into the file
    return f"msg_{hashlib.sha256(exact.encode()).hexdigest()[:24]}"


def weave(chosen: Sequence[tuple[str, T]], standing: Iterable[tuple[str, T | None]]) -> list[T]:
    """Return what was chosen, in order, with what else stands, each behind what it stands behind.

    Args:
        chosen: Names and things.
        standing: Names and things in their order; None for what is chosen or does not stay.
    """
    behind: dict[str | None, list[T]] = {}
    names = {name for name, _ in chosen}
    last: str | None = None
    for name, thing in standing:
        if name in names:
            last = name
        elif thing is not None:
            behind.setdefault(last, []).append(thing)
    woven = behind.get(None, [])
    for name, thing in chosen:
        woven += [thing, *behind.get(name, ())]
    return woven


def woven_in(
    shape: Shape,
    messages: Sequence[Message],
    state: Sequence[tuple[str, Message]],
    seen: Collection[str],
    is_said: Callable[[str, Message], bool],
) -> Woven:
    """Return the messages of a session that has the state of a graph among its messages.

    Args:
        shape: How messages of the session say what.
        messages: Those of the session.
        state: What the graph has: the ref of each, and the message that it would be. A message of
            the session that says the same stays as it is.
        seen: The refs that the graph had before: what it has no more leaves the session. What
            it never saw stays.
        is_said: Called with a ref and a message of LangGraph's own that the graph never saw:
            whether another run said it, and it stays.
    """
    there = {said.ref: said for said in said_in(shape, messages)}
    of_others = _whole(shape, there.values(), state)
    chosen: list[tuple[str, Message]] = []
    placed: set[int] = set()
    for ref, made in state:
        said = there.get(ref)
        kept = said.message if said is not None and _is_kept(shape, said, made, of_others) else made
        if id(kept) not in placed:
            placed.add(id(kept))
            chosen.append((_ref_of(kept), kept))
    names = {name for name, _ in chosen}
    standing: list[tuple[str, Message | None]] = []
    left: list[Message] = []
    for message in messages:
        stays = id(message) in placed or _stays(shape, message, seen, is_said)
        if not stays or (_ref_of(message) in names and id(message) not in placed):
            left.append(message)
        standing.append((_ref_of(message), message if stays else None))
    return Woven(weave(chosen, standing), left)


def _whole(shape: Shape, there: Iterable[Said], state: Sequence[tuple[str, Message]]) -> set[int]:
    """Return which messages of others the graph has as they are, with all that they say."""
    has = {ref: _said_by(shape, made) for ref, made in state}
    parts: dict[int, list[bool]] = {}
    for said in there:
        if not said.is_own:
            parts.setdefault(id(said.message), []).append(has.get(said.ref) == said.item)
    return {one for one, same in parts.items() if all(same)}


def _is_kept(shape: Shape, said: Said, made: Message, of_others: set[int]) -> bool:
    if not said.is_own:
        return id(said.message) in of_others
    return bool(_said_by(shape, made) == said.item)


def _said_by(shape: Shape, made: Message) -> Any:
    items = shape.items_of(made)
    return items[-1] if items else None


def _stays(
    shape: Shape,
    message: Message,
    seen: Collection[str],
    is_said: Callable[[str, Message], bool],
) -> bool:
    """Tell whether a message that the graph does not have is none of its business."""
    refs = [said.ref for said in said_in(shape, [message])]
    if any(ref in seen for ref in refs):
        return False
    return not shape.is_own(message) or all(is_said(ref, message) for ref in refs)

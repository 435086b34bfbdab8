"""A native item of a framework as one message of a session, and back. Pure.

A framework says with a ``Shape`` how an item reads as a message, and which items a message is. All
else is the same for all: what the message cannot say goes under the framework's key, and what is no
chat is an event. Whatever the item is, it comes back equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from localsessions.adapters.document.escapes import Typed, escaped, has_escapes, unescaped
from localsessions.adapters.document.remainder import are_same, laid_over, remainder_of
from localsessions.models import formatted_now, made_id

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

__all__ = ["EVENT", "Object", "Shape"]

Object: TypeAlias = "dict[str, JsonValue]"

EVENT = "event"
"""The role of what is stored in its place among the messages, and is no chat."""

_WHOLE = "$item"
_STAMPS = ("id", "created_at", "run_id")


@dataclass(frozen=True)
class Shape:
    """How a framework's items and messages belong together.

    Both functions work on escaped JSON, take anything, and raise nothing.

    Attributes:
        key: The framework's key in a message; nobody else's.
        project: Returns what everybody reads of an item: ``role``, and where the item has them
            ``content``, ``name``, ``tool_calls``, ``tool_call_id``, ``run_id``, ``id``,
            ``created_at``. The role "event" for what is no chat.
        build: Called with a message, and with what stands under the key, or None for a message of
            another program. Returns the items that the message is, in order; none if it is nothing
            for the framework. With a ``rest``, the last item is the framework's own: ``rest`` may
            tell its kind, and is laid over it afterwards. Of an event, an empty list leaves all to
            ``rest``; of another message, it says that a person took the item out of it. While an
            item is split, ``rest`` is the item.
        pack: As in ``escaped``.
        unpack: As in ``unescaped``.
    """

    key: str
    project: Callable[[Object], Message]
    build: Callable[[Message, Object | None], Sequence[Object]]
    pack: Callable[[Any], Typed | None] | None = None
    unpack: Callable[[Typed], Any] | None = None

    def message_of(self, item: object, *, run_id: str | None = None) -> Message:
        """Return the message of an item, with an ``id`` and ``created_at``.

        Args:
            item: Any value: not changed. What the store refuses is left for it to refuse.
            run_id: The run that it belongs to, unless ``project`` says it.
        """
        plain = escaped(item, self.pack)
        made = dict(self.project(plain)) if isinstance(plain, dict) else {"role": EVENT}
        last: Message = {"created_at": made.pop("created_at", formatted_now())}
        if run_id is not None or "run_id" in made:
            last["run_id"] = made.pop("run_id", run_id)
        message: Message = {"id": made.pop("id", made_id("msg")), **made, **last}
        if not isinstance(plain, dict):
            return {**message, self.key: {_WHOLE: plain}}
        built = self._built(message, plain)
        rest = remainder_of(plain, built[-1]) if built else plain
        # Any program may have written a message without the key, so its words are not unescaped.
        is_plain = not rest and not has_escapes(plain)
        if is_plain and are_same([plain], [*self.build(message, None)]):
            return message
        if are_same([plain], self._own(message, rest)):
            return {**message, self.key: rest}
        # ``build`` saw the item and now sees less of it: keep it whole, and say nothing else.
        kept: Message = {name: message[name] for name in _STAMPS if name in message}
        return {**kept, "role": EVENT, self.key: {_WHOLE: plain}}

    def items_of(self, message: Message) -> list[Any]:
        """Return the items of a message, of the framework's own or of any other program's.

        Nothing that another program said is unescaped or unpacked: its words are only data.
        """
        rest = message.get(self.key)
        if not isinstance(rest, dict):
            return [_copied(item) for item in self.build(message, None)]
        if _WHOLE in rest:
            return [self._native(rest[_WHOLE])]
        return [self._native(item) for item in self._own(message, rest)]

    def is_own(self, message: Message) -> bool:
        """Tell whether the framework stored a message."""
        return isinstance(message.get(self.key), dict)

    def _own(self, message: Message, rest: Object) -> list[Object]:
        built = self._built(message, rest)
        return [*built[:-1], laid_over(built[-1], rest)] if built else []

    def _built(self, message: Message, rest: Object) -> Sequence[Object]:
        return self.build(message, rest) or ([{}] if message["role"] == EVENT else [])

    def _native(self, item: JsonValue) -> Any:
        return unescaped(item, self.unpack)


def _copied(value: JsonValue) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value

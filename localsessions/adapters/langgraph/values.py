"""Values of channels as JSON: plain JSON as it is, messages readable, all else as it is packed.

What is stored is what the serializer would make of the value: it is packed both ways, and only if
the bytes are the same does the readable one stand. So nothing comes back otherwise than from
LangGraph's own savers. The shape of the data::

    {"$message": {"type": "ai", "content": "Hi", ...}}     a message of LangChain
    {"$typed": "msgpack", "base64": ...}                   what only the serializer can read

A real object with a key ``$message`` has one ``$`` more in it. With any other serializer than
LangGraph's default, such as an encrypted one, a value is one ``$typed``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from localsessions.adapters.document import Typed, escaped, unescaped
from localsessions.adapters.langgraph.sdk import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    JsonPlusSerializer,
    RemoveMessage,
    SerializerProtocol,
    SystemMessage,
    ToolMessage,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["Values", "fields_of", "message_of"]

_CLASSES: dict[str, Any] = {
    "human": HumanMessage,
    "ai": AIMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
    "chat": ChatMessage,
    "remove": RemoveMessage,
    "AIMessageChunk": AIMessageChunk,
    "HumanMessageChunk": HumanMessageChunk,
}
_KNOWN = frozenset(_CLASSES.values())
_DEFAULTS: dict[str, Any] = {
    "additional_kwargs": {},
    "response_metadata": {},
    "tool_calls": [],
    "invalid_tool_calls": [],
    **dict.fromkeys(("name", "usage_metadata", "artifact"), None),
    "status": "success",
}
_SCALARS = frozenset({str, int, bool, float, bytes, type(None)})
_MARK = "$message"
_MARKED = re.compile(r"\$+message")


def fields_of(message: BaseMessage) -> dict[str, Any]:
    """Return what a message says, without what every message says."""
    told: dict[str, Any] = message.model_dump()
    return {
        name: value
        for name, value in told.items()
        if name not in _DEFAULTS or value != _DEFAULTS[name]
    }


def message_of(fields: dict[str, Any]) -> BaseMessage:
    """Return the message that ``fields_of`` took apart.

    Raises:
        ValueError: It is none, after an edit.
    """
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise ValueError(f"LangChain has no message of the type {kind!r}")
    made: BaseMessage = _CLASSES[kind](**fields)
    return made


class Values:
    """How the values of one saver are stored.

    Args:
        serde: The serializer of the saver; None builds only what LangGraph takes for safe, and
            refuses to store what it would not give back.
    """

    def __init__(self, serde: SerializerProtocol | None) -> None:
        self._is_safe = serde is None
        self._safe = JsonPlusSerializer(allowed_msgpack_modules=None)
        self.serde = self._safe if serde is None else serde
        self.is_readable = type(serde) is JsonPlusSerializer

    def stored(self, value: Any) -> JsonValue:
        """Return a value as JSON.

        Raises:
            TypeError: The serializer cannot pack it, would pickle it, or would not give it back.
        """
        packed = Typed(*self.serde.dumps_typed(value))
        if packed.name.partition("+")[0] == "pickle":
            raise TypeError(f"a {type(value).__name__} would be pickled; pickles are not stored")
        if self.is_readable and packed.name in ("msgpack", "null", "bytes"):
            readable = escaped(self.normal(value))
            if self._is_same(readable, packed):
                return readable
        whole = escaped(packed)
        if self._is_safe and not self._is_same(whole, packed):
            raise TypeError(
                f"a {type(value).__name__}, or something in it, would come back as something else: "
                "a file may be anybody's, so it says nothing of which classes are built; give its "
                "fields as JSON"
            )
        return whole

    def value(self, stored: JsonValue) -> Any:
        """Return the value that ``stored`` made JSON of."""
        return _restored(unescaped(stored, lambda typed: _Unpacked(self.unpack(typed))))

    def unpack(self, typed: Typed) -> Any:
        """Return what a packed value is."""
        return self.serde.loads_typed(tuple(typed))

    def unpack_safely(self, typed: Typed) -> Any:
        """Return what a packed value in a message is: anybody may have written the message.

        LangGraph's serializer would call what the value names, unless it is told what it may.
        """
        return self._safe.loads_typed(tuple(typed))

    def normal(self, value: Any) -> Any:
        """Return a value in lists, objects and scalars, all else packed, for ``escaped``."""
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind in _SCALARS:
            return value
        if kind is list or kind is tuple:
            return [self.normal(item) for item in value]
        if kind is dict and all(type(key) is str for key in value):
            return {_more(self._text(key)): self.normal(item) for key, item in value.items()}
        if kind in _KNOWN:
            return {_MARK: self.normal(fields_of(value))}
        return Typed(*self.serde.dumps_typed(value))

    def _text(self, text: str) -> str:
        """Return a text as the serializer has it: it replaces lone surrogates."""
        try:
            text.encode()
        except UnicodeEncodeError:
            replaced: str = self.serde.loads_typed(self.serde.dumps_typed(text))
            return replaced
        return text

    def _is_same(self, readable: JsonValue, packed: Typed) -> bool:
        try:
            again = self.serde.dumps_typed(self.value(readable))
        except Exception:  # noqa: BLE001  # whatever a class of a message or an extension raises
            return False
        return bool(again == tuple(packed)) and not _has_other(readable)


class _Unpacked(NamedTuple):
    """What the serializer made, in which nothing is a mark."""

    value: Any


def _has_other(readable: JsonValue) -> bool:
    """Tell whether a value inside is packed as no part of a value is: alone, it is another type."""
    if isinstance(readable, list):
        return any(map(_has_other, readable))
    if not isinstance(readable, dict):
        return False
    return readable.get("$typed", "msgpack") != "msgpack" or any(map(_has_other, readable.values()))


def _restored(value: Any) -> Any:
    if type(value) is list:
        return [_restored(item) for item in value]
    if type(value) is not dict:
        return value.value if type(value) is _Unpacked else value
    if len(value) == 1 and type(inside := value.get(_MARK)) is dict:
        return message_of(_restored(inside))
    return {_less(key): _restored(item) for key, item in value.items()}


def _more(key: str) -> str:
    return f"${key}" if key[:1] == "$" and _MARKED.fullmatch(key) else key


def _less(key: Any) -> Any:
    is_more = type(key) is str and key[:2] == "$$" and _MARKED.fullmatch(key)
    return key[1:] if is_more else key

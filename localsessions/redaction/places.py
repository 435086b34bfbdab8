"""Every text of a JSON object: a copy of the object, in which the texts can be replaced. Pure.

Some texts are not listed, because a change would break what they are for: signatures that a program
checks, and pictures. Ids that link messages, roles and types are listed apart. The shape of the
data::

    Copy       the copied object
      slots    Slot: a text, and the object or list of the copy that holds it under a key
      links    an id, role or type, and the slots in which it stands
      keys     the keys of its objects that are no names of the format, each with a number as of a
               slot, and the path of the object where it was seen first
      objects  the objects in it, the innermost first
      hashes   the hashes that import keeps, by the ids of their messages, which are links
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

__all__ = ["Copy", "Path", "Slot", "path_text"]

Path: TypeAlias = tuple[str | int, ...]


class Slot(NamedTuple):
    """A text of a copy; ``path`` leads to its holder, ``number`` counts what was seen before."""

    text: str
    holder: dict[str, JsonValue] | list[JsonValue]
    key: str | int
    path: Path
    number: int

    def beside(self) -> Iterator[str]:
        """Yield every text that its holder has now, itself too."""
        values = self.holder.values() if isinstance(self.holder, dict) else self.holder
        return (value for value in values if isinstance(value, str) and value)

    def fill(self, text: str) -> None:
        """Put another text in its place."""
        if isinstance(self.holder, dict):
            self.holder[str(self.key)] = text
        else:
            self.holder[int(self.key)] = text


class Copy:
    """A copy of a JSON object; nothing in it is shared with the object."""

    def __init__(self, fields: Mapping[str, JsonValue]) -> None:
        self.slots: list[Slot] = []
        self.links: dict[str, list[Slot]] = {}
        self.keys: dict[str, tuple[int, Path]] = {}
        self.objects: list[dict[str, JsonValue]] = []
        self.hashes: dict[str, JsonValue] = {}
        self._seen = 0
        self.value = self._object(fields, ())

    def _object(self, source: Mapping[str, JsonValue], path: Path) -> dict[str, JsonValue]:
        copy: dict[str, JsonValue] = {}
        if path == _HASHES:
            self.hashes = copy
            copy.update(source)
            for linked in source:
                self.links.setdefault(linked, [])
            return copy
        for key, value in source.items():
            if key not in self.keys and key not in _NAMES and path:
                self._seen += 1
                self.keys[key] = (self._seen, path)
            if not isinstance(value, str):
                copy[key] = self._value(value, (*path, key))
                continue
            copy[key] = value
            if value and (listed := self._list_for(source, key, value)) is not None:
                self._seen += 1
                listed.append(Slot(value, copy, key, path, self._seen))
        if path:
            self.objects.append(copy)
        return copy

    def _list(self, source: list[JsonValue], path: Path) -> list[JsonValue]:
        copy: list[JsonValue] = []
        key = path[-1]
        for index, value in enumerate(source):
            if not isinstance(value, str):
                copy.append(self._value(value, (*path, index)))
                continue
            copy.append(value)
            if value and (listed := self._list_for({}, key, value)) is not None:
                self._seen += 1
                listed.append(Slot(value, copy, index, path, self._seen))
        return copy

    def _value(self, value: JsonValue, path: Path) -> JsonValue:
        if isinstance(value, dict):
            return self._object(value, path)
        return self._list(value, path) if isinstance(value, list) else value

    def _list_for(
        self, owner: Mapping[str, JsonValue], key: str | int, value: str
    ) -> list[Slot] | None:
        """Return the list in which a text stands; None if it is left alone."""
        role = _role_of(key)
        if role is _Role.LINK:
            # A text of words is read as such, whatever its key.
            if (known := self.links.get(value)) is not None or _SPACE.search(value):
                return self.slots if known is None else known
            return self.links.setdefault(value, [])
        if role is not None and _is_sealed(role, owner, value):
            return None
        return None if value.startswith(_PICTURES) and _is_picture(value) else self.slots

    def rename_keys(self, names: Mapping[str, str]) -> None:
        """Give keys other names, in all objects and in their places; no value is lost.

        A second key of an object that gets the same name is numbered.
        """
        for each in self.objects if names else ():
            if names.keys().isdisjoint(each):
                continue
            items = list(each.items())
            taken = each.keys() - names.keys()
            each.clear()
            numbers: Counter[str] = Counter()
            for key, value in items:
                own = wanted = names.get(key, key)
                while key in names and own in taken:
                    numbers[wanted] += 1
                    own = f"{wanted}~{numbers[wanted] + 1}"
                taken.add(own)
                each[own] = value


def path_text(path: Path) -> str:
    """Return a path as a person writes it, such as ``messages[3].content``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


# -- what is left alone --------------------------------------------------------------------------

_NAMES = frozenset(
    {"role", "content", "type", "text", "name", "tool_calls", "tool_call_id", "function"}
    | {"arguments", "input", "output", "thinking", "id", "run_id", "parent_run_id", "agent_id"}
    | {"status", "metrics", "created_at", "current_agent", "switches", "last_switch_at", "from"}
    | {"to", "reason", "timestamp", "session_id", "message_id", "program", "format", "file"}
    | {"project", "branch", "model", "parent", "undated", "title", "facts", "imported", "element"}
    | {"begins", "metadata"}
)
"""Keys by which the format and chat messages are read: no pattern renames them."""

_HASHES: Path = ("source", "imported")
"""Each message's id and hash, by which importing again finds it."""

_ID = re.compile(r"(?:^|_|-)(?:uu)?ids?$|[a-z](?:Id|ID|Uuid|UUID)s?$")
_NO_ID = re.compile(r"(?i)key_?-?ids?$")
"""The id of an access key is half of a secret."""

_SIGNATURE = re.compile(r"(?i)(?:^|_|[a-z])signature$|^encrypted(?:_|$|[A-Z])")
_KINDS = frozenset({"role", "type"})
_SEALED = frozenset({"redacted_thinking", "reasoning.encrypted"})
_MEDIA = ("media_type", "mediaType", "mime_type", "mimeType")

# How PNG, JPEG, GIF, WebP, SVG and PDF begin in base64.
_PICTURES = ("data:", "iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "PHN2Zy", "JVBERi0")

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*+={0,2}")
_DATA_URL = re.compile(r"data:[\w.+/;=-]{0,100};base64,")
_SPACE = re.compile(r"\s")


class _Role(Enum):
    """What a key says of the text under it."""

    LINK = auto()
    SIGNATURE = auto()
    DATA = auto()


@lru_cache(maxsize=4096)
def _role_of(key: str | int) -> _Role | None:
    if isinstance(key, int):
        return None
    if key in _KINDS or (_ID.search(key) and not _NO_ID.search(key)):
        return _Role.LINK
    if _SIGNATURE.search(key):
        return _Role.SIGNATURE
    return _Role.DATA if key == "data" else None


def _is_sealed(role: _Role, owner: Mapping[str, JsonValue], value: str) -> bool:
    if role is _Role.SIGNATURE:
        return not _SPACE.search(value)
    kind = owner.get("type")
    is_data = (isinstance(kind, str) and kind in _SEALED) or any(map(owner.get, _MEDIA))
    return is_data and _BASE64.fullmatch(value) is not None


def _is_picture(value: str) -> bool:
    url = _DATA_URL.match(value)
    return _BASE64.fullmatch(value, url.end() if url else 0) is not None

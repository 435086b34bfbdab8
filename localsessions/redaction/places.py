"""Every text of a JSON object: a copy of the object, in which the texts can be replaced. Pure.

Some texts are not listed, because a change would break what they are for: ids that link messages,
signatures that a program checks, roles and types, and pictures. The shape of the data::

    Copy       the copied object
      slots    Slot: a text, and the object or list of the copy that holds it under a key
      keys     the keys of its objects that are no names of fields, each with the path of the
               object where it was seen first
      objects  the objects in it, the innermost first
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

__all__ = ["Copy", "Path", "Slot", "path_text"]

Path: TypeAlias = tuple[str | int, ...]


class Slot(NamedTuple):
    """A text of a copy; ``path`` leads to its holder."""

    text: str
    holder: dict[str, JsonValue] | list[JsonValue]
    key: str | int
    path: Path

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
        self.keys: dict[str, Path] = {}
        self.objects: list[dict[str, JsonValue]] = []
        self.value = self._object(fields, ())

    def _object(self, source: Mapping[str, JsonValue], path: Path) -> dict[str, JsonValue]:
        copy: dict[str, JsonValue] = {}
        if path == _HASHES:
            copy.update(source)
            return copy
        for key, value in source.items():
            if key not in self.keys and not _is_field_name(key):
                self.keys[key] = path
            if not isinstance(value, str):
                copy[key] = self._value(value, (*path, key))
                continue
            copy[key] = value
            if value and not _is_left_alone(source, key, value):
                self.slots.append(Slot(value, copy, key, path))
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
            if value and not _is_left_alone({}, key, value):
                self.slots.append(Slot(value, copy, index, path))
        return copy

    def _value(self, value: JsonValue, path: Path) -> JsonValue:
        if isinstance(value, dict):
            return self._object(value, path)
        return self._list(value, path) if isinstance(value, list) else value

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

_FIELD_NAME = re.compile(r"[A-Za-z_]{1,40}")

_HASHES: Path = ("source", "imported")
"""Each message's id and hash, by which importing again finds it."""

_ID = re.compile(r"(?:^|_|-)(?:uu)?ids?$|[a-z](?:Id|ID|Uuid|UUID)s?$")
_NO_ID = re.compile(r"(?i)key_?-?ids?$")
"""The id of an access key is half of a secret."""

_SIGNATURE = re.compile(r"(?i)(?:^|_|[a-z])signature$|^encrypted(?:_|$|[A-Z])")
_KINDS = frozenset({"role", "type"})
_SEALED = frozenset({"redacted_thinking", "reasoning.encrypted"})
_MEDIA = ("media_type", "mediaType", "mime_type", "mimeType")
_KIND_LENGTH = 64

# How PNG, JPEG, GIF, WebP, SVG and PDF begin in base64.
_PICTURES = ("data:", "iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "PHN2Zy", "JVBERi0")

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*+={0,2}")
_DATA_URL = re.compile(r"data:[\w.+/;=-]{0,100};base64,")
_SPACE = re.compile(r"\s")


@lru_cache(maxsize=4096)
def _is_field_name(key: str) -> bool:
    return _FIELD_NAME.fullmatch(key) is not None


@lru_cache(maxsize=4096)
def _is_id(key: str) -> bool:
    return _ID.search(key) is not None and _NO_ID.search(key) is None


@lru_cache(maxsize=4096)
def _is_signature(key: str) -> bool:
    return _SIGNATURE.search(key) is not None


def _is_left_alone(owner: Mapping[str, JsonValue], key: str | int, value: str) -> bool:
    """Tell whether a text is not to be read: a text of words always is, whatever its key."""
    if isinstance(key, str):
        if key in _KINDS:
            return len(value) <= _KIND_LENGTH and not _SPACE.search(value)
        if _is_id(key) or _is_signature(key):
            return not _SPACE.search(value)
        if key == "data" and (owner.get("type") in _SEALED or any(map(owner.get, _MEDIA))):
            return _BASE64.fullmatch(value) is not None
    return value.startswith(_PICTURES) and _is_picture(value)


def _is_picture(value: str) -> bool:
    url = _DATA_URL.match(value)
    return _BASE64.fullmatch(value, url.end() if url else 0) is not None

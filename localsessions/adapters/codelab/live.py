"""Lists and dicts of a session that store each change, at once and durably.

The former service returned the objects that it kept in memory, and its callers changed them in
place: ``state.messages.append(...)``, ``context.metadata["pending"][call_id] = ...``. A
``LiveList`` or ``LiveDict`` is a list or dict with the content of the file at the time of the
access. A change is applied to what the file says now, under the lock, so that no writer's change is
lost; then the object shows the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from pydantic import BaseModel

from localsessions.models import format_instant

__all__ = ["LiveDict", "LiveList", "LiveMessage", "Place", "plain"]

Lend: TypeAlias = Callable[[], AbstractContextManager[Any]]
"""Yields the list or dict of a session at which a place begins, and stores it afterwards."""


def plain(value: Any) -> Any:
    """Return a value as JSON has it: models as objects, times as texts in UTC, enums as values.

    Anything else that is not JSON is passed on, and the store refuses it. A naive time counts as
    local time, as in the former service.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain(item) for item in value]
    return value


@dataclass(frozen=True)
class Place:
    """Where in a session a list or dict is."""

    lend: Lend
    steps: tuple[Any, ...] = ()
    are_messages: bool = False

    def inside(self, step: Any) -> Place:
        """Return the place of an item."""
        return replace(self, steps=(*self.steps, step))

    def change(self, act: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Apply ``act`` to the present value at this place; return its result and the new value."""
        with self.lend() as root:
            here = root
            for step in self.steps:
                here = here[step]
            return act(here), here

    def living(self, value: Any, step: Any) -> Any:
        """Return an item of this place as an object that stores each change."""
        if isinstance(value, dict):
            is_message = self.are_messages and not self.steps
            return (LiveMessage if is_message else LiveDict)(value, self.inside(step))
        return LiveList(value, self.inside(step)) if isinstance(value, list) else value


def _storing(name: str) -> Any:
    """Return the method of that name, applied to the file."""

    def method(self: LiveDict | LiveList, *arguments: Any, **keywords: Any) -> Any:
        given = [item if isinstance(item, slice) else plain(item) for item in arguments]
        named = plain(keywords)
        result, now = self._place.change(lambda here: getattr(here, name)(*given, **named))
        self._show(now)
        if name in ("__iadd__", "__ior__", "__imul__"):
            return self
        return self[arguments[0]] if name == "setdefault" else result

    method.__name__ = name
    return method


class LiveDict(dict[str, Any]):
    """An object of a session; see the module."""

    _place: Place

    def __init__(self, value: Mapping[str, Any], place: Place) -> None:
        super().__init__()
        object.__setattr__(self, "_place", place)  # a message treats attributes as keys
        self._show(value)

    def _show(self, value: Mapping[str, Any]) -> None:
        super().clear()
        super().update({key: self._place.living(item, key) for key, item in value.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (plain(self),)  # a copy is an ordinary dict

    __setitem__ = _storing("__setitem__")
    __delitem__ = _storing("__delitem__")
    __ior__ = _storing("__ior__")
    clear = _storing("clear")
    pop = _storing("pop")
    popitem = _storing("popitem")
    setdefault = _storing("setdefault")
    update = _storing("update")


class LiveMessage(LiveDict):
    """A message, readable by attribute and by key; an attribute that it lacks is None."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class LiveList(list[Any]):
    """A list of a session; see the module."""

    def __init__(self, value: Sequence[Any], place: Place) -> None:
        super().__init__()
        self._place = place
        self._show(value)

    def _show(self, value: Sequence[Any]) -> None:
        super().clear()
        super().extend(self._place.living(item, at) for at, item in enumerate(value))

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (plain(self),)

    __setitem__ = _storing("__setitem__")
    __delitem__ = _storing("__delitem__")
    __iadd__ = _storing("__iadd__")
    __imul__ = _storing("__imul__")
    append = _storing("append")
    clear = _storing("clear")
    extend = _storing("extend")
    insert = _storing("insert")
    pop = _storing("pop")
    remove = _storing("remove")
    reverse = _storing("reverse")
    sort = _storing("sort")

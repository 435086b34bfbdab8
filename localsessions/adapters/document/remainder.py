"""What one object has beyond another, to be laid over it again. Pure JSON.

The shape of a remainder::

    {name: value}   a field that only the first object has; of an object that both have, an object
                    of such fields
    "$at": [...]    what differs: where, a hash of what stands there in the second object, and what
                    the first has there instead

    {"path": ["content", 0], "of": "1f0c66a2…", "with": {"annotations": []}}   some fields more
    {"path": ["content"], "of": "1f0c66a2…", "is": "Hi"}                       something else
    {"path": ["type"], "of": "1f0c66a2…"}                                      nothing

A difference is laid only over what the hash says. So if a person changed the second object at that
place, their text stays, and nothing that belonged to the former text comes back.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["are_same", "laid_over", "remainder_of"]

Object: TypeAlias = "dict[str, JsonValue]"
Path: TypeAlias = "tuple[str | int, ...]"

_AT = "$at"


def remainder_of(item: Object, made: Object) -> Object:
    """Return what ``item`` has beyond ``made``: ``laid_over(made, ...)`` is then ``item``.

    Neither may have a key ``$at``; ``escaped`` sees to that.
    """
    changed = [*_changes_in((), item, made)]
    rest = _more(item, made)
    return {**rest, _AT: changed} if changed else rest


def laid_over(made: Object, rest: Object) -> Object:
    """Return ``made`` with what a remainder says; what no longer fits is left out.

    Neither is changed; the result may share values with both.
    """
    listed = rest.get(_AT)
    item: Object = {**made} if listed is None else copy.deepcopy(made)
    for change in listed if isinstance(listed, list) else []:
        if isinstance(change, dict):
            _lay(item, made, change)
    _add(item, {name: value for name, value in rest.items() if name != _AT}, made)
    return item


def are_same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal and of the same types: 1, 1.0 and True differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(are_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(are_same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


# -- what differs --------------------------------------------------------------------------------


def _more(item: Object, made: Object) -> Object:
    """Return the fields that only ``item`` has, and those inside the objects that both have."""
    more: Object = {}
    for name, value in item.items():
        former = made.get(name)
        if name not in made:
            more[name] = value
        elif (
            isinstance(value, dict)
            and isinstance(former, dict)
            and (inside := _more(value, former))
        ):
            more[name] = inside
    return more


def _changes_in(path: Path, item: Object, made: Object) -> Iterator[JsonValue]:
    for name, value in made.items():
        if name in item:
            yield from _changes((*path, name), item[name], value)
        else:
            yield _change((*path, name), value)


def _changes(path: Path, item: JsonValue, made: JsonValue) -> Iterator[JsonValue]:
    if are_same(item, made):
        return
    if isinstance(item, list) and isinstance(made, list) and len(item) == len(made):
        for position, value in enumerate(made):
            yield from _changes((*path, position), item[position], value)
        return
    if isinstance(item, dict) and isinstance(made, dict):
        # Those of an object in objects stand with the outermost one.
        if isinstance(path[-1], int) and (more := _more(item, made)):
            yield {**_change(path, made), "with": more}
        yield from _changes_in(path, item, made)
        return
    yield {**_change(path, made), "is": item}


def _change(path: Path, made: JsonValue) -> Object:
    return {"path": [*path], "of": _hash(made)}


def _hash(value: JsonValue) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- laying it over ------------------------------------------------------------------------------


def _add(item: Object, more: Object, made: Object) -> None:
    for name, value in more.items():
        inside, former = item.get(name), made.get(name)
        if name not in made:
            item[name] = value
        elif isinstance(value, dict) and isinstance(inside, dict) and isinstance(former, dict):
            nested: Object = {**inside}
            _add(nested, value, former)
            item[name] = nested


def _lay(item: Object, made: Object, change: Object) -> None:
    listed = change.get("path")
    path = listed if isinstance(listed, list) else []
    try:
        if not path or _hash(_at(made, path)) != change.get("of"):
            return
        holder, last = _at(item, path[:-1]), path[-1]
        if isinstance(more := change.get("with"), dict):
            _add(holder[last], more, _at(made, path))
        elif "is" in change:
            holder[last] = change["is"]
        else:
            del holder[last]
    except (LookupError, TypeError, AttributeError):  # a person wrote something else there
        return


def _at(value: Any, path: Sequence[JsonValue]) -> Any:
    for step in path:
        value = value[step]
    return value

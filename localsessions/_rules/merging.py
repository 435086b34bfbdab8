"""Two versions of a session merged into a single version, or the places of conflict. Pure.

It uses no disk and no lock. It merges three sessions::

    base    the version from which both sides began
    ours    the session in memory
    theirs  the version in the file now

A change that only one side made is taken from that side. A change that both sides made alike is
taken once, except messages without an id: two people who say the same have said two things. If the
sides made different changes, the kind of the field decides: objects are merged key by key, lists
of records by the identity of each record, tags as a set, and of two instants the later is taken.
Every other difference is a conflict. No record is lost, and no removed record comes back: if both
sides changed a list, and a side removed or moved a record, that is a conflict too.

Values are compared as written JSON: ``True`` is not 1, 1 is not 1.0, and the order of keys counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple, Protocol, TypeAlias

from pydantic import JsonValue

from localsessions._codec import encode_value
from localsessions.models import Session, format_instant, parse_instant
from localsessions.models.standing import original_of, set_extra, stand, version_of

__all__ = ["Merged", "merge"]


class Merged(NamedTuple):
    """The result of a merge; if there are ``conflicts``, ``session`` has no meaning."""

    session: Session
    conflicts: tuple[str, ...]


def merge(base: Session, ours: Session, theirs: Session) -> Merged:
    """Merge ``ours`` and ``theirs``, which were both made from ``base``.

    The result is a new session, based on the same version as ``theirs``. It shares parts with the
    three sessions; none of these is changed. Format, revision and update time come from
    ``theirs``: the write sets its own.

    Returns:
        The session, and all places of conflict, such as ``title``, ``messages[id=msg_3]``,
        ``modules.friday`` or ``metadata.tier``, in the order of the fields. If records were
        removed or moved, the whole list is named (``messages``).
    """
    conflicts: list[str] = []
    fields = _fields(theirs)
    sides = Sides(_fields(base), _fields(ours), fields | _times_kept(base, theirs))
    for name, resolve in _RESOLVED_BY.items():
        merged = _merged(name, sides.at(name), conflicts, resolve)
        if merged is not ABSENT:
            fields[name] = merged
    session = Session.model_validate(fields)
    extra = _merged("", Sides(base.extra, ours.extra, theirs.extra), conflicts, _by_key)
    set_extra(session, dict(extra) if isinstance(extra, dict) else {})
    stand(session, original_of(theirs), version_of(theirs))
    return Merged(session, tuple(conflicts))


def _fields(session: Session) -> dict[str, JsonValue]:
    values = {name: getattr(session, name) for name in Session.model_fields}
    return {
        name: format_instant(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _times_kept(base: Session, theirs: Session) -> dict[str, JsonValue]:
    """Return ``created_at`` if the file lacks it: a time made from other times is no change."""
    original = original_of(theirs)
    if original is None or "created_at" in original.times:
        return {}
    return {"created_at": format_instant(base.created_at)}


class _Absent(Enum):
    ABSENT = "a key that is not there"


ABSENT: Final = _Absent.ABSENT
Value: TypeAlias = JsonValue | _Absent


class Sides(NamedTuple):
    """The three values at a place."""

    base: Value
    ours: Value
    theirs: Value

    def at(self, key: str) -> Sides:
        """Return the values under a key of three objects."""
        return Sides(
            *(side.get(key, ABSENT) if isinstance(side, dict) else ABSENT for side in self)
        )


class Resolve(Protocol):
    """Return the value for a place that the two sides changed differently, or note a conflict."""

    def __call__(self, place: str, sides: Sides, conflicts: list[str], /) -> Value: ...


def _merged(place: str, sides: Sides, conflicts: list[str], resolve: Resolve) -> Value:
    base, ours, theirs = map(_written, sides)
    if theirs == base or (theirs == ours and resolve is not _MESSAGES):
        return sides.ours
    if ours == base:
        return sides.theirs
    return resolve(place, sides, conflicts)


def _written(value: Value) -> bytes:
    return b"" if value is ABSENT else encode_value(value)


def _refused(place: str, sides: Sides, conflicts: list[str]) -> Value:
    conflicts.append(place)
    return sides.theirs if sides.ours is ABSENT else sides.ours


# -- objects ---------------------------------------------------------------------------------


def _by_key(
    place: str,
    sides: Sides,
    conflicts: list[str],
    *,
    keys: Mapping[str, Resolve] | None = None,
    others: Resolve | None = None,
) -> Value:
    """Merge three objects key by key, in the key order of ``theirs``; other values conflict.

    Args:
        place: Where the values are.
        sides: The three values.
        conflicts: Receives the places of conflict.
        keys: How to resolve certain keys.
        others: How to resolve all other keys; None resolves them with this function.
    """
    if not (isinstance(sides.ours, dict) and isinstance(sides.theirs, dict)):
        return _refused(place, sides, conflicts)
    if not isinstance(sides.base, dict):
        return _refused(place, sides, conflicts)
    result: dict[str, JsonValue] = {}
    for key in sides.theirs | sides.ours:
        resolve = (keys or {}).get(key, others or _by_key)
        value = _merged(_joined(place, key), sides.at(key), conflicts, resolve)
        if value is not ABSENT:
            result[key] = value
    return result


def _joined(place: str, key: str) -> str:
    if not key.isidentifier():
        return f"{place}[{key!r}]"
    return f"{place}.{key}" if place else key


def _agent_context(place: str, sides: Sides, conflicts: list[str]) -> Value:
    switches = sides.at("switches")
    if isinstance(sides.base, dict) and _written(switches.base) not in map(_written, switches[1:]):
        # A side that switched away and back has switched too. So two different agents are a
        # conflict, even if either is the agent of the base.
        base = {key: value for key, value in sides.base.items() if key != "current_agent"}
        sides = sides._replace(base=base)
    return _by_key(place, sides, conflicts, keys=_CONTEXT_RESOLVED_BY)


# -- lists -----------------------------------------------------------------------------------

# A record's id. If the record has no id: its content, and how often the same content came before;
# for a message, also the side that added it.
Identity: TypeAlias = str | tuple[bytes, int] | tuple[bytes, int, str]


def _by_identity(
    place: str, sides: Sides, conflicts: list[str], *, id_key: str | None = None
) -> Value:
    """Merge three lists of records, so that each side's list is a subsequence of the result.

    A record is identified by the text under ``id_key`` if no list has that text twice, else by its
    content. If both sides added records at the same place, ``theirs`` come first.
    """
    base, ours, theirs = _identified(sides, id_key)
    if id_key == "id":
        ours, theirs = _apart(base, ours, "ours"), _apart(base, theirs, "theirs")
    result: dict[Identity, Value] = {}
    for identity in _interleaved(ours, theirs):
        where = f"{place}[{id_key}={identity}]" if isinstance(identity, str) else place
        versions = Sides(*(side.get(identity, ABSENT) for side in (base, ours, theirs)))
        result[identity] = _merged(where, versions, conflicts, _refused)
    is_moved = [one for one in ours if one in theirs] != [one for one in theirs if one in ours]
    if is_moved or ABSENT in result.values():
        conflicts.append(place)
    return [record for record in result.values() if record is not ABSENT]


def _apart(
    base: Mapping[Identity, JsonValue], side: Mapping[Identity, JsonValue], name: str
) -> dict[Identity, JsonValue]:
    """Mark the records without an id that a side added, so that they differ from the other side's.

    Two people who both say "yes" have said two things.
    """
    return {
        one if isinstance(one, str) or one in base else (*one, name): record
        for one, record in side.items()
    }


def _identified(sides: Sides, id_key: str | None) -> list[dict[Identity, JsonValue]]:
    """Return each side's records by their identity, in order."""
    lists = [side if isinstance(side, list) else [] for side in sides]
    ids = [[_id_of(record, id_key) for record in records] for records in lists]
    doubled = {one for each in ids for one, times in Counter(each).items() if times > 1}
    return [
        dict(zip(_identities(records, each, doubled), records, strict=True))
        for records, each in zip(lists, ids, strict=True)
    ]


def _id_of(record: JsonValue, id_key: str | None) -> str | None:
    own = record.get(id_key) if isinstance(record, dict) and id_key is not None else None
    return own if isinstance(own, str) else None


def _identities(
    records: Sequence[JsonValue], ids: Sequence[str | None], doubled: set[str | None]
) -> list[Identity]:
    seen: Counter[bytes] = Counter()
    identities: list[Identity] = []
    for record, own in zip(records, ids, strict=True):
        if own is not None and own not in doubled:
            identities.append(own)
        else:
            content = encode_value(record)
            identities.append((content, seen[content]))
            seen[content] += 1
    return identities


def _interleaved(
    ours: Mapping[Identity, JsonValue], theirs: Mapping[Identity, JsonValue]
) -> list[Identity]:
    """Return all identities of both sides, each once, and in each side's order if they agree."""
    order: list[Identity] = []
    own: list[Identity] = []
    rest = iter(theirs)
    for identity in ours:
        if identity in theirs:
            order += [*_until(identity, rest), *own, identity]
            own = []
        else:
            own.append(identity)
    return list(dict.fromkeys((*order, *rest, *own)))


def _until(end: Identity, rest: Iterable[Identity]) -> Iterable[Identity]:
    return takewhile(lambda identity: identity != end, rest)


def _as_set(_place: str, sides: Sides, _conflicts: list[str]) -> Value:
    """Merge tags, each once: their tags without the tags that we removed, then our new tags."""
    base, ours, theirs = (side if isinstance(side, list) else [] for side in sides)
    kept = [tag for tag in theirs if tag in ours or tag not in base]
    added = [tag for tag in ours if tag not in base and tag not in theirs]
    return list(dict.fromkeys((*kept, *added)))


# -- instants --------------------------------------------------------------------------------


def _later(place: str, sides: Sides, conflicts: list[str]) -> Value:
    instants = _instants(sides)
    return max(instants, key=parse_instant) if instants else _refused(place, sides, conflicts)


def _latest_end(place: str, sides: Sides, conflicts: list[str]) -> Value:
    # No end (None) is later than every instant.
    return None if None in (sides.ours, sides.theirs) else _later(place, sides, conflicts)


def _beginning(place: str, sides: Sides, conflicts: list[str]) -> Value:
    """Return the earlier instant if the base has none and both sides set it."""
    instants = _instants(sides) if sides.base is ABSENT else ()
    return min(instants, key=parse_instant) if instants else _refused(place, sides, conflicts)


def _instants(sides: Sides) -> tuple[str, ...]:
    """Return the values of both sides if both are texts that name an instant, else nothing."""
    ours, theirs = sides.ours, sides.theirs
    if not (isinstance(ours, str) and isinstance(theirs, str)):
        return ()
    try:
        parse_instant(ours), parse_instant(theirs)
    except ValueError:
        return ()
    return ours, theirs


# -- how each field is resolved --------------------------------------------------------------

_CONTEXT_RESOLVED_BY: Mapping[str, Resolve] = {
    "created_at": _beginning,
    "last_switch_at": _later,
    "switches": _by_identity,
}
# Not here: session_id, which the file name gives, and format, updated_at and revision, which the
# write sets.
_MESSAGES: Final = partial(_by_identity, id_key="id")
_RESOLVED_BY: Mapping[str, Resolve] = {
    "title": _refused,
    "user_id": _refused,
    "agent_id": _refused,
    "forked_from": _refused,
    "source": _by_key,
    "created_at": _refused,
    "messages": _MESSAGES,
    "runs": partial(_by_identity, id_key="run_id"),
    "agent_context": _agent_context,
    "modules": partial(_by_key, others=_refused),  # the content of a module is never merged
    "state": _by_key,
    "metadata": _by_key,
    "tags": _as_set,
    "pinned": _refused,
    "status": _refused,
    "ttl": _refused,
    "expires_at": _latest_end,
    "last_activity": _later,
}

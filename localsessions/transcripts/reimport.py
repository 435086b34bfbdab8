"""A session that was imported before, brought up to what its source says now.

It is a merge of three versions: the stored session, what the source says now, and what was
imported last, of which ``source["imported"]`` keeps a hash for each message. By message id:

    unchanged here           takes what the source says now
    unchanged in the source  stays as it is here, also if it was removed here
    changed in both          stays, and the source's version comes beside it, as ``<id>~source``
    only here                stays, with the message before it
    gone from the source     stays, unless it was ``pending``: said and not yet taken up
    now ``abridged`` there   stays, if more of it was imported: the program dropped the rest

A file with less of the session than another is a copy: it adds, and changes nothing. What is
pending in a copy has a hash with ``+``; it stays until the copy or the other file takes it up.

So importing twice changes nothing, and no text of a person is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import orjson

from localsessions.transcripts.files import file_state
from localsessions.transcripts.foreign import (
    Object,
    as_instant,
    as_object,
    as_text,
    json_text,
    without,
)
from localsessions.transcripts.transcript import told_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from pydantic import JsonValue

    from localsessions.models import Message, Session

__all__ = [
    "Marked",
    "Update",
    "begins_alike",
    "identity_of",
    "is_changed_here",
    "is_same_source",
    "mark_imported",
    "update",
]

_BESIDE = "~source"
_OF_COPY = "+"


@dataclass(slots=True)
class Update:
    """What an update did.

    Attributes:
        added: Messages that are new.
        updated: Messages that took what the source says now.
        both: Messages that were changed here and in the source, and are kept twice.
        changed: Whether anything changed, also facts that are not messages.
    """

    added: int = 0
    updated: int = 0
    both: int = 0
    changed: bool = False


class Marked(NamedTuple):
    """A session that notes what is imported, and about how many bytes its messages take."""

    session: Session
    size_bytes: int


def mark_imported(session: Session) -> Marked:
    """Return a copy of a new session that notes what is imported, unless it is noted already.

    A session file of ours may have a source, and what was imported of it.
    """
    marks: Object = {}
    size_bytes = 0
    for key, message in _keyed(session.messages).items():
        data = _compact(message)
        marks[key] = _hash(data)
        size_bytes += len(data)
    if not session.source or "imported" in session.source:
        return Marked(session.model_copy(), size_bytes)
    source = session.source | {"imported": marks}
    return Marked(session.model_copy(update={"source": source}), size_bytes)


def identity_of(source: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
    """Return what makes two imports imports of the same session, whatever their content is."""
    if own := source.get("session_id"):
        return source.get("program"), own
    return source.get("program"), source.get("file"), source.get("element")


def begins_alike(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Tell whether the sources of two sessions begin alike, as far as is known.

    A file may have got other content; a session with an id of its own begins as it likes.
    """
    return one.get("begins") == other.get("begins") or "begins" not in one or "begins" not in other


def is_same_source(stored: Session, found: Session) -> bool:
    """Tell whether a stored session was imported from where ``found`` comes from.

    A session file of ours may have no source: then it is the same session if the two share a
    message, or if one of the two has none.
    """
    if stored.source or found.source:
        is_same = identity_of(stored.source) == identity_of(found.source)
        return is_same and begins_alike(stored.source, found.source)
    ours, theirs = _keyed(stored.messages), _keyed(found.messages)
    return not ours or not theirs or not ours.keys().isdisjoint(theirs)


def is_changed_here(session: Session) -> bool:
    """Tell whether messages were added, changed or removed since the last import.

    No for a session of which it is not known what was imported.
    """
    if "imported" not in session.source:
        return False
    marks = _hashes_of(_texts(session.source["imported"]))
    return marks != {key: _hash_of(one) for key, one in _keyed(session.messages).items()}


def update(stored: Session, found: Session) -> Update:
    """Bring a stored session up to ``found``, which its source says now; ``stored`` is changed."""
    did = Update()
    noted = _texts(stored.source.get("imported"))
    marks = _hashes_of(noted)
    ours, said = _keyed(stored.messages), _keyed(found.messages)
    pending = _pending(ours, marks)
    of_copies = {key for key in pending if noted[key] != marks[key]}
    is_owner = _is_owner(stored, found, marks.keys() - pending, said.keys())
    gone = (_taken_up(ours, said) & of_copies) - said.keys()
    if not is_owner:
        known = (marks.keys() - of_copies) | _taken_up(said, ours)
        said = {key: one for key, one in said.items() if key not in known}
    whole = {key: one for key, one in said.items() if not _is_abridged(key, one, ours, marks)}
    theirs, hashes = _theirs(ours, whole, marks, did)
    if is_owner:
        gone |= pending - of_copies - hashes.keys()
    else:
        hashes |= {key: hashes[key] + _OF_COPY for key, one in whole.items() if _is_pending(one)}
    ours = {key: message for key, message in ours.items() if key not in gone}
    kept = {key: mark for key, mark in noted.items() if key not in gone}
    every = ours | theirs
    messages = [every[key] for key in _in_order(ours, theirs, [*kept])]
    if messages != stored.messages:
        stored.messages = messages
        did.changed = True
    # A session file of ours says what the program said, beside what was changed there.
    taken = _texts(found.source["imported"]) if "imported" in found.source else hashes
    is_newer = any(key not in marks for key in said)
    is_whole = is_newer or all(
        key in said or key in of_copies or "source_of" in every.get(key, {}) for key in kept
    )
    _take_facts(stored, found, kept | taken, did, is_whole=is_whole and is_owner)
    return did


def _is_owner(
    stored: Session, found: Session, settled: AbstractSet[str], said: AbstractSet[str]
) -> bool:
    """Tell whether a file may change what is imported, and not only add to it.

    That is the file of the last import, or another file that has all of it, and more or later.
    Otherwise two files that hold one session would undo each other's changes at each import.

    Args:
        stored: The stored session.
        found: What the file says now.
        settled: What was imported and is not pending.
        said: The messages that the file has.
    """
    former, new = as_text(stored.source.get("file")), as_text(found.source.get("file"))
    before = file_state(former) if former else None
    if former == new or before is None:
        return True
    imported = {key for key in settled if _BESIDE not in key}
    now = file_state(new) if new else None
    is_later = now is not None and now.modified_ns > before.modified_ns
    return imported <= said and (len(said) > len(imported) or is_later)


def _taken_up(one: Mapping[str, Message], other: Mapping[str, Message]) -> set[str]:
    """Return what is pending in one version and is in the other, as what became of it.

    That is a message that says the same and that the first does not have apart; and each message of
    an answer, if the other has an answer to what was said before.
    """
    found: set[str] = set()
    if not any(map(_is_pending, one.values())):
        return found
    settled = {key: message for key, message in other.items() if not _is_pending(message)}
    places: dict[tuple[JsonValue, str], list[str]] = {}
    for key, message in settled.items():
        if key not in one or _is_pending(one[key]):
            places.setdefault((message["role"], told_text(message)), []).append(key)
    answered = _answered(settled)
    before = ""
    for key, message in one.items():
        if not _is_pending(message):
            before = key
        elif alike := places.get((message["role"], told_text(message))):
            found.add(key)
            before = alike.pop(0)
        elif message["role"] != "user" and before in answered:
            found.add(key)
    return found


def _answered(messages: Mapping[str, Message]) -> set[str]:
    """Return the messages after which an assistant speaks before the next prompt."""
    found: set[str] = set()
    is_answered = False
    for key, message in reversed([*messages.items()]):
        if is_answered:
            found.add(key)
        is_answered = message["role"] != "user" and (is_answered or message["role"] == "assistant")
    return found


def _is_pending(message: Message) -> bool:
    return message.get("pending") is True


def _pending(ours: Mapping[str, Message], marks: Mapping[str, str]) -> set[str]:
    """Return the messages that were pending in a source, and are here as they were imported."""
    return {
        key
        for key, message in ours.items()
        if _is_pending(message) and marks.get(key) == _hash_of(message)
    }


def _hashes_of(noted: Mapping[str, str]) -> dict[str, str]:
    return {key: mark.removesuffix(_OF_COPY) for key, mark in noted.items()}


def _is_abridged(
    key: str, message: Message, ours: Mapping[str, Message], marks: Mapping[str, str]
) -> bool:
    """Tell whether more of a message was imported than the source has now."""
    is_less = message.get("abridged") is True
    return is_less and key in marks and ours.get(key, {}).get("abridged") is not True


def _theirs(
    ours: Mapping[str, Message], said: Mapping[str, Message], marks: Mapping[str, str], did: Update
) -> tuple[dict[str, Message], dict[str, str]]:
    """Return the messages of the source as they are to be stored, and the hash of each."""
    theirs: dict[str, Message] = {}
    hashes: dict[str, str] = {}
    for key, message in said.items():
        then, now = marks.get(key), _hash_of(message)
        hashes[key] = now
        if key not in ours:
            if then != now:  # otherwise it was removed here
                theirs[key] = message
                did.added += 1
            continue
        here = _hash_of(ours[key])
        is_taken = here == then != now
        did.updated += is_taken
        theirs[key] = message if is_taken else ours[key]
        if here != now and then not in (here, now):
            _put_beside(key, message, ours, marks, theirs, hashes, did)
    return theirs, hashes


def _put_beside(
    key: str,
    message: Message,
    ours: Mapping[str, Message],
    marks: Mapping[str, str],
    theirs: dict[str, Message],
    hashes: dict[str, str],
    did: Update,
) -> None:
    """Put the source's version of a message that was changed here under an id of its own."""
    other, number = f"{key}{_BESIDE}", 1
    made: Message = {"id": other, **without(message, "id"), "source_of": key}
    while other in ours and _hash_of(ours[other]) not in (marks.get(other), _hash_of(made)):
        number += 1
        made["id"] = other = f"{key}{_BESIDE}{number}"
    there = ours.get(other)
    theirs[other], hashes[other] = made, _hash_of(made)
    did.both += there is None
    did.updated += there is not None and there != made


def _in_order(
    ours: Mapping[str, Message], theirs: Mapping[str, Message], before: Sequence[str]
) -> list[str]:
    """Return all keys, each once, in our order, or in the source's order if only it changed.

    A message of one side stays behind the message that comes before it there. Of two messages that
    the sides added at the same place, the earlier comes first.
    """
    if _is_moved(theirs, before) and not _is_moved(ours, before):
        return _woven(theirs, ours)
    return _woven(ours, theirs)


def _is_moved(side: Mapping[str, Message], before: Sequence[str]) -> bool:
    among = {*before}
    return [key for key in side if key in among] != [key for key in before if key in side]


def _woven(first: Mapping[str, Message], second: Mapping[str, Message]) -> list[str]:
    """Return the keys of ``first``, with those of ``second`` that it lacks put in."""
    follows: dict[str | None, list[str]] = {}
    anchor: str | None = None
    for key in second:
        if key in first:
            anchor = key
        else:
            follows.setdefault(anchor, []).append(key)
    woven: list[str] = []
    waiting = iter(follows.get(None, ()))
    upcoming = next(waiting, None)
    for key, message in first.items():
        while upcoming and (key in second or not _is_earlier(message, second[upcoming])):
            woven.append(upcoming)
            upcoming = next(waiting, None)
        woven.append(key)
        if key in second:
            waiting = iter(follows.get(key, ()))
            upcoming = next(waiting, None)
    return [*woven, *((upcoming, *waiting) if upcoming else ())]


def _is_earlier(message: Message, other: Message) -> bool:
    """Tell whether a message goes before another at the same place; yes, if no times say else."""
    said, other_said = as_instant(message.get("created_at")), as_instant(other.get("created_at"))
    return said is None or other_said is None or said <= other_said


def _take_facts(
    stored: Session, found: Session, marks: Mapping[str, str], did: Update, *, is_whole: bool
) -> None:
    """Take what the source says of the session as a whole, where it was not changed here.

    Args:
        stored: The stored session; it is changed.
        found: What the source says now.
        marks: What is imported now.
        did: Receives whether anything changed.
        is_whole: Whether the source has everything that was imported, or more. An older copy, or a
            part of the session in another file, says nothing new of the whole.
    """
    source = dict(stored.source)
    title = stored.title
    if stored.title == source.get("title") and (is_whole or not title):
        title = found.title or title
    if source and is_whole:
        facts = without(found.source, "imported")
        if source.get("undated") and "undated" not in facts:
            del source["undated"]
            stored.last_activity = found.last_activity
        if "undated" not in facts and stored.created_at != found.created_at:
            stored.created_at = found.created_at
            did.changed = True
        if not did.changed:
            facts = without(facts, "undated")  # the file was touched, and says nothing new
        source |= facts
    if source:
        source["imported"] = {**marks}
    link, said = stored.forked_from, found.forked_from
    if not link or (is_whole and link.get("session_id") == said.get("session_id")):
        link = said or link  # where it was forked may be known later than from what
    if (title, source, link) != (stored.title, stored.source, stored.forked_from):
        stored.title, stored.source, stored.forked_from = title, source, link
        did.changed = True
    if did.changed:
        stored.last_activity = max(stored.last_activity, found.last_activity)


def _keyed(messages: Sequence[Message]) -> dict[str, Message]:
    """Return messages by id; a message without an id, or with that of another, by its content."""
    keyed: dict[str, Message] = {}
    for message in messages:
        own = as_text(message.get("id"))
        if own is None or own in keyed:
            name = f"{own or ''}\0{_hash_of(message)}"
            own = next(key for number in count() if (key := f"{name}\0{number}") not in keyed)
        keyed[own] = message
    return keyed


def _texts(marks: JsonValue) -> dict[str, str]:
    return {key: mark for key, mark in as_object(marks).items() if isinstance(mark, str)}


def _hash_of(message: Message) -> str:
    return _hash(_compact(message))


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


def _compact(message: Message) -> bytes:
    """Return a message as JSON on a line, also what orjson refuses."""
    try:
        return orjson.dumps(message)
    except TypeError:  # a long integer, a lone surrogate
        return json_text(message).encode(errors="surrogatepass")

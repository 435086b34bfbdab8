"""``redact``: a session without its secrets, and what they were. The flow of the package.

The given session does not change. The copy is a session that was made in memory, based on nothing
that is stored: ``save`` refuses it over the given one, and stores it elsewhere as a new session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from pydantic import JsonValue

from localsessions.models import Session
from localsessions.models.standing import set_extra, stand
from localsessions.redaction.json_texts import (
    Span,
    replaced,
    respelled,
    spans_inside,
    without_needless_escapes,
)
from localsessions.redaction.patterns import PATTERNS, Pattern
from localsessions.redaction.places import Copy, Path, Slot, path_text
from localsessions.redaction.searching import Hit, search

__all__ = ["FoundSecret", "Redacted", "redact"]

_STAND_IN = re.compile(r"\[REDACTED:[a-z0-9][a-z0-9-]{0,39}\]")
_KEPT = ("format", "session_id")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A secret that was replaced; it does not hold the secret.

    Attributes:
        kind: The name of the pattern; the stand-in is ``[REDACTED:kind]``.
        where: The place in the session, such as ``messages[3].content``.
        message: The number of the message as exports show it, from 1; None outside of messages.
        beginning: Up to four characters, an eighth of the secret at most, and its length.
    """

    kind: str
    where: str
    message: int | None
    beginning: str


@dataclass(frozen=True, slots=True)
class Redacted:
    """A session without its secrets.

    Attributes:
        session: The copy in which each secret is a stand-in.
        findings: What was replaced, in the order of the session. A key of objects stands where it
            is seen first.
    """

    session: Session
    findings: tuple[FoundSecret, ...]


def redact(session: Session, *, patterns: Sequence[Pattern] = PATTERNS) -> Redacted:
    """Return a copy of a session in which secrets are replaced by ``[REDACTED:kind]``.

    It is a help and no guarantee: a secret without a known form, such as a password that a person
    invented, is not found. With the patterns of the table, redacting the copy again finds nothing.

    Texts are read wherever they stand: messages, calls, results, runs, state, title, unknown
    fields, and the keys of objects that are no names of the format. Signatures and pictures are
    left alone. In ids, roles and types, only patterns with anchors are looked for. JSON and JSON
    Lines inside a text stay such, eight texts deep. A secret that is found once is replaced
    wherever it stands as a word, if it has 16 to 512 characters, 10 of them different and none a
    space.

    The copy is a new session: ``save`` raises ``ConflictError`` where the given one is stored, and
    stores it elsewhere. Its file has the layout of the format: unknown fields stand at the end, and
    times are in UTC.

    Args:
        session: The session to copy; it does not change.
        patterns: What to look for; ``(*PATTERNS, *read_patterns(path))`` adds a person's own.
    """
    fields = {name: value for name, value in vars(session).items() if name not in _KEPT}
    copy = Copy({**fields, "extra": session.extra})
    found, names = _replace(copy, patterns)
    copy.rename_keys(names)
    if found:
        _drop_hashes(session, copy)
    findings = tuple(
        _found_secret(each.text, span, each.path, names)
        for each in sorted(found, key=attrgetter("number"))
        for span in each.spans
    )
    return Redacted(_session(session, copy.value), findings)


class _Found(NamedTuple):
    """What was replaced of one text; ``number`` is its place in the order of the copy."""

    number: int
    text: str
    spans: Sequence[Span]
    path: Path


def _replace(copy: Copy, patterns: Sequence[Pattern]) -> tuple[list[_Found], dict[str, str]]:
    """Replace the secrets in a copy; return them, and the new names of its keys."""
    keys, links = [*copy.keys], [*copy.links]
    begins = [True] * len(keys) + [*_begins(copy.slots)] + [True] * len(links)
    texts = _Texts([*keys, *(slot.text for slot in copy.slots)], links, [*accumulate(begins)])
    replacements = texts.replace(patterns, _keyed(copy, patterns))
    found: list[_Found] = []
    names: dict[str, str] = {}
    for index, text, spans in replacements:
        left = texts.every[index]
        slots: Sequence[Slot] = ()
        if index < len(keys):
            number, path = copy.keys[keys[index]]
            found.append(_Found(number, text, spans, (*path, keys[index])))
            names[keys[index]] = left
        elif index < texts.first_link:
            slots = (copy.slots[index - len(keys)],)
        else:
            link = links[index - texts.first_link]
            slots = copy.links[link]
            copy.hashes.pop(link, None)
        for slot in slots:
            slot.fill(left)
            found.append(_Found(slot.number, text, spans, (*slot.path, slot.key)))
    return found, names


def _begins(slots: Sequence[Slot]) -> Iterator[bool]:
    """Tell of each slot whether it is something else than the next item of the list before it."""
    yield from [True] * bool(slots)
    for before, slot in pairwise(slots):
        yield isinstance(slot.key, str) or slot.holder is not before.holder


_ROUNDS = 8
"""How often the texts are searched: a token may be seen only when one beside it is replaced."""


class _Texts:
    """The texts of a copy, the links last, in which secrets are replaced.

    Attributes:
        every: What is left of them.
        first_link: The index of the first link.
    """

    def __init__(self, texts: Sequence[str], links: Sequence[str], lists: Sequence[int]) -> None:
        self._lists = lists
        self._given = [*texts, *links]
        self._plain = [*map(without_needless_escapes, texts), *links]
        self.every = [*self._plain]
        self.first_link = len(texts)

    def replace(
        self, patterns: Sequence[Pattern], known: Iterable[Hit]
    ) -> list[tuple[int, str, list[Span]]]:
        """Replace until nothing more is found; return index, text and spans of each replacement."""
        made: list[tuple[int, str, list[Span]]] = []
        everywhere: Sequence[int] = range(len(self.every))
        for _ in range(_ROUNDS):
            found = [*self._found(everywhere, patterns, known)]
            for index, text, spans in found:
                self.every[index] = replaced(text, spans)
            made += found
            # What did not change has nothing more, unless there is a new secret to know it by.
            changed = {self._lists[index] for index, *_ in found}
            again = [index for index in everywhere if self._lists[index] in changed]
            if not any(self._found(again, patterns)):
                break
            known = ()
        for index in {index for index, *_ in made}:
            self.every[index] = respelled(self._given[index], self._plain[index], self.every[index])
        return made

    def _found(
        self, indexes: Sequence[int], patterns: Sequence[Pattern], known: Iterable[Hit] = ()
    ) -> Iterator[tuple[int, str, list[Span]]]:
        texts = [self.every[index] for index in indexes if index < self.first_link]
        links = [self.every[index] for index in indexes if index >= self.first_link]
        lists = [self._lists[index] for index in indexes]
        hits = search(texts, links, lists, patterns, known) if indexes else ()
        for place, group in groupby(hits, key=attrgetter("text")):
            index = indexes[place]
            if spans := _spans(self.every[index], group):
                yield index, self.every[index], spans


def _keyed(copy: Copy, patterns: Sequence[Pattern]) -> Iterator[Hit]:
    """Yield the texts that are secrets because of the key under which they stand.

    The key of a list or an object is that of its texts, if each of them may be such a secret.
    """
    keyed = [(rank, pattern) for rank, pattern in enumerate(patterns) if pattern.key]

    @cache
    def under(key: str | int) -> list[tuple[int, Pattern]]:
        if isinstance(key, int):
            return []
        return [each for each in keyed if each[1].key and each[1].key.search(key)]

    alike: dict[tuple[int, int], bool] = {}
    for index, slot in enumerate(copy.slots, start=len(copy.keys)):
        found = under(slot.key)
        for rank, pattern in under(slot.path[-1]) if slot.path else ():
            if (held := (id(slot.holder), rank)) not in alike:
                alike[held] = all(_value(pattern, text) for text in slot.beside())
            if alike[held]:
                found = [*found, (rank, pattern)]
        for rank, pattern in found:
            if match := _value(pattern, slot.text):
                yield Hit(index, match.start("secret"), rank, match.end("secret"), pattern.kind)


def _value(pattern: Pattern, text: str) -> re.Match[str] | None:
    """Return what is a secret in a text because of its key; None if nothing is."""
    match = pattern.value.fullmatch(text) if pattern.value else None
    is_one = match and (pattern.accepts is None or pattern.accepts(match["secret"]))
    return match if is_one else None


# -- one text ------------------------------------------------------------------------------------


def _spans(text: str, hits: Iterable[Hit]) -> list[Span]:
    """Return what of a text is replaced, in order; the first of hits that overlap names it."""
    spans: list[Span] = []
    for hit in hits:
        if spans and hit.start < spans[-1].end:
            spans[-1] = spans[-1]._replace(end=max(spans[-1].end, hit.end))
        else:
            spans.append(Span(hit.start, hit.end, hit.kind))
    if "[REDACTED:" in text:
        spans = list(_beside_stand_ins(text, spans))
    return spans_inside(text, spans) if spans else spans


def _beside_stand_ins(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield what of the spans is not replaced already."""
    walls = [*(found.span() for found in _STAND_IN.finditer(text)), (len(text), len(text))]
    at = 0
    for start, end, kind, *_ in spans:
        while walls[at][1] <= start and at < len(walls) - 1:
            at += 1
        begin, wall = start, at
        while begin < end:
            stop = min(end, walls[wall][0])
            if text[begin:stop].strip():
                yield Span(begin, stop, kind)
            begin = max(stop, walls[wall][1])
            wall += 1


def _found_secret(text: str, span: Span, path: Path, names: Mapping[str, str]) -> FoundSecret:
    is_in_message = path[0] == "messages" and len(path) > 1
    size = span.end - span.start
    beginning = text[span.start : span.start + min(_SHOWN, size // 8)]
    # No place shows a key that is a secret.
    shown = tuple(names.get(part, part) if isinstance(part, str) else part for part in path)
    return FoundSecret(
        kind=span.kind,
        where=path_text(shown),
        message=int(path[1]) + 1 if is_in_message else None,
        beginning=f"{beginning}… ({size} characters)",
    )


def _drop_hashes(session: Session, copy: Copy) -> None:
    """Drop the hash of each message that held a secret: by it a guess could be confirmed.

    Import keeps it by the id of the message, or by id and content, if that id is none or not the
    first: ``id``, a NUL and more.
    """
    messages = copy.value["messages"]
    if not copy.hashes or not isinstance(messages, list):
        return
    changed = {
        _id_of(message)
        for message, left in zip(session.messages, messages, strict=True)
        if message != left
    }
    for key in [*copy.hashes]:
        if key.partition("\0")[0] in changed:
            del copy.hashes[key]


def _id_of(message: Mapping[str, JsonValue]) -> str:
    own = message.get("id")
    return own if isinstance(own, str) else ""


# -- the session ---------------------------------------------------------------------------------


def _session(session: Session, value: dict[str, JsonValue]) -> Session:
    """Return the session of the copied fields, as one that was made in memory."""
    extra = value.pop("extra")
    made = session.model_copy(update=value)
    set_extra(made, extra if isinstance(extra, dict) else {})
    stand(made, None, None)
    return made

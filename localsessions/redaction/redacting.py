"""``redact``: a session without its secrets, and what they were. The flow of the package.

The given session does not change. The copy is based on no stored version: saving it over the
session is refused as a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from pydantic import JsonValue

from localsessions.format import encode
from localsessions.models import FORMAT, Session
from localsessions.models.standing import original_of, set_extra, stand
from localsessions.redaction.json_texts import Span, is_json, spans_inside
from localsessions.redaction.patterns import PATTERNS, Pattern
from localsessions.redaction.places import Copy, Path, path_text
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
        findings: What was replaced, in the order of the session.
    """

    session: Session
    findings: tuple[FoundSecret, ...]


def redact(session: Session, *, patterns: Sequence[Pattern] = PATTERNS) -> Redacted:
    """Return a copy of a session in which secrets are replaced by ``[REDACTED:kind]``.

    It is a help and no guarantee: a secret without a known form, such as a password that a person
    thought out, is not found. With the patterns of the table, redacting the copy again finds
    nothing.

    Texts are read wherever they stand: messages, calls, results, runs, state, title, unknown
    fields, and the keys of objects. Ids, signatures and pictures are left alone. JSON inside a
    text stays JSON. A secret that is found once is replaced wherever it stands as a word.

    Args:
        session: The session to copy; it does not change.
        patterns: What to look for; ``(*PATTERNS, *read_patterns(path))`` adds a person's own.

    Raises:
        UnstorableValueError: The session was read from a file, and now holds a value that no file
            can hold.
    """
    fields = {name: value for name, value in vars(session).items() if name not in _KEPT}
    copy = Copy({**fields, "extra": session.extra})
    texts = [*copy.keys, *(slot.text for slot in copy.slots)]
    hits = search(texts, patterns, _keyed(copy, patterns))
    names: dict[str, str] = {}
    findings: list[FoundSecret] = []
    for index, group in groupby(hits, key=attrgetter("text")):
        text = texts[index]
        spans = _spans(text, group)
        if index < len(copy.keys):
            names[text] = _replaced(text, spans)
            path: Path = (*copy.keys[text], text)
        else:
            slot = copy.slots[index - len(copy.keys)]
            slot.fill(_replaced(text, spans))
            path = (*slot.path, slot.key)
        # Keys come first, so that no place shows a key that is a secret.
        shown = tuple(names.get(part, part) if isinstance(part, str) else part for part in path)
        findings += (_found(text, span, shown) for span in spans)
    copy.rename_keys(names)
    _drop_hashes(copy.value, findings)
    return Redacted(_session(session, copy.value, names), tuple(findings))


def _keyed(copy: Copy, patterns: Sequence[Pattern]) -> Iterator[Hit]:
    """Yield the texts that are secrets because of the key under which they stand."""
    known: dict[str, list[tuple[int, Pattern]]] = {}
    keyed = [(rank, pattern) for rank, pattern in enumerate(patterns) if pattern.key]
    for index, slot in enumerate(copy.slots, start=len(copy.keys)):
        if not isinstance(key := slot.key, str):
            continue
        if key not in known:
            known[key] = [each for each in keyed if each[1].key and each[1].key.search(key)]
        for rank, pattern in known[key]:
            match = pattern.value.fullmatch(slot.text) if pattern.value else None
            if match and (pattern.accepts is None or pattern.accepts(match["secret"])):
                yield Hit(index, match.start("secret"), rank, match.end("secret"), pattern.kind)


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
    return spans_inside(text, spans) if spans and is_json(text) else spans


def _beside_stand_ins(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield what of the spans is not replaced already."""
    walls = [*(found.span() for found in _STAND_IN.finditer(text)), (len(text), len(text))]
    at = 0
    for start, end, kind, _ in spans:
        while walls[at][1] <= start and at < len(walls) - 1:
            at += 1
        begin, wall = start, at
        while begin < end:
            stop = min(end, walls[wall][0])
            if text[begin:stop].strip():
                yield Span(begin, stop, kind)
            begin = max(stop, walls[wall][1])
            wall += 1


def _replaced(text: str, spans: Iterable[Span]) -> str:
    parts, at = [], 0
    for span in spans:
        stand_in = f"[REDACTED:{span.kind}]"
        parts += [text[at : span.start], f'"{stand_in}"' if span.is_number else stand_in]
        at = span.end
    return "".join([*parts, text[at:]])


def _found(text: str, span: Span, path: Path) -> FoundSecret:
    is_in_message = path[0] == "messages" and len(path) > 1
    size = span.end - span.start
    beginning = text[span.start : span.start + min(_SHOWN, size // 8)]
    return FoundSecret(
        kind=span.kind,
        where=path_text(path),
        message=int(path[1]) + 1 if is_in_message else None,
        beginning=f"{beginning}… ({size} characters)",
    )


def _drop_hashes(value: Mapping[str, JsonValue], findings: Iterable[FoundSecret]) -> None:
    """Drop the hash of each message that held a secret: by it a guess could be confirmed."""
    source, messages = value.get("source"), value.get("messages")
    hashes = source.get("imported") if isinstance(source, dict) else None
    if isinstance(hashes, dict) and isinstance(messages, list):
        for number in {found.message for found in findings if found.message is not None}:
            message = messages[number - 1]
            hashes.pop(str(message.get("id")) if isinstance(message, dict) else "", None)


# -- the session ---------------------------------------------------------------------------------


def _session(session: Session, value: dict[str, JsonValue], names: Mapping[str, str]) -> Session:
    """Return the session of the copied fields; its file is laid out as that of the given one."""
    extra = value.pop("extra")
    made = session.model_copy(update=value)
    set_extra(made, extra if isinstance(extra, dict) else {})
    original = original_of(session)
    if original is None or session.format != FORMAT:
        stand(made, None, None)
        return made
    keys = tuple(names.get(key, key) for key in original.keys)
    # The bytes of the original hold the secrets.
    bare = original._replace(data=b"", keys=keys, canonical=False, proven=False)
    stand(made, bare, None)
    stand(made, bare._replace(data=encode(made)), None)
    return made

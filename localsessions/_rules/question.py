"""Question: what a person types into a search, taken apart. Any text is a question.

::

    race condition          both words, anywhere in one message; a message that has them side by
                            side comes first, one that has parts or forms of them comes later, then
                            a session that has them in several messages
    "race condition"        one after the other, as they are
    get_user SessionStore   what is written together is found one after the other
    race OR deadlock        one of both
    -flaky                  no message that has this word
    agent:codex             what the session or the message has in this field, see ``_FIELDS``
    -tag:draft              no session or message that has this in the field
    after:2026-01           the session's last activity, from a day, month or year on; or before: it

A word that is asked for may also be meant as a part of a longer word, or as another form of it;
only where no text has anything like it, one letter of it may be wrong.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple, TypeAlias

from localsessions._rules.beginnings import common
from localsessions._rules.words import fold, is_sign
from localsessions.models import activity_key
from localsessions.models.instants import microseconds
from localsessions.models.plain import Summary

__all__ = [
    "Near",
    "Question",
    "Term",
    "is_near",
    "is_typo",
    "is_wordlike",
    "read_question",
    "stem_of",
]

Near: TypeAlias = Mapping[str, tuple[str, ...]]
"""For a word that is asked for, other words that may be meant."""

_MOST_NEAR = 100  # the shortest

_MOST_WORDS, _MOST_PIECES = 100, 1_000
_PIECE = re.compile(
    r'(?P<no>-(?=[\w"]))?(?:(?P<field>[a-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+))'
)
_FIELDS = {
    "agent": "agent_id",
    "user": "user_id",
    "program": "program",
    "project": "project",
    "cwd": "project",
    "branch": "branch",
    "tag": "tags",
    "status": "status",
    "parent": "parent",
    "role": "role",
}
"""Which attribute of a summary each field is about; ``role`` is a message's."""
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", re.ASCII)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_JOINED = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)+", re.ASCII)
_ENDINGS = re.compile(
    "(?:s|es|ed|d|e|n|t|y|al|ly|ies|ied|ier|ive|able|ers?|ors?|ings?|ions?|ments?)?", re.ASCII
)
_LONGEST_ENDING = 3
_SHORTEST_STEM = 4
_SHORTEST_MISSPELT = 5
_LONGEST_WORD = 32


class Term(NamedTuple):
    """Words that must follow each other.

    Attributes:
        words: The words, folded.
        is_exact: Whether they are meant as they are: they were in quotes.
        otherwise: The same written in another way: the parts of one word in camel case as words,
            or the words that a hyphen or an underscore joins as one.
    """

    words: tuple[str, ...]
    is_exact: bool
    otherwise: tuple[str, ...] = ()

    @property
    def may_vary(self) -> str | None:
        """The word that may also be meant as another one; None if there is none."""
        last = self.words[-1]
        varies = not self.is_exact and 2 <= len(last) <= _LONGEST_WORD and not is_sign(last)
        return last if varies else None


class Question(NamedTuple):
    """A search, taken apart.

    Attributes:
        groups: Of each group, one term must occur.
        without: Terms that must not occur in the same message.
        fields: What is asked of the session or of the message's role, by the name of the field.
        without_fields: What it must not be, by the name of the field.
        since: The session's last activity is at this instant or later, if given.
        until: It is before this instant, if given.
    """

    groups: tuple[tuple[Term, ...], ...]
    without: tuple[Term, ...]
    fields: Mapping[str, tuple[str, ...]]
    since: datetime | None
    until: datetime | None
    without_fields: Mapping[str, tuple[str, ...]]

    @property
    def side_by_side(self) -> Term | None:
        """All words as one term; None if they are no row of words."""
        if len(self.groups) < 2 or any(len(group) > 1 for group in self.groups):
            return None
        return Term(tuple(word for (term,) in self.groups for word in term.words), is_exact=True)

    @property
    def left_out(self) -> Question | None:
        """What must not occur, as a question of its own; None if there is nothing."""
        return Question((self.without,), (), {}, None, None, {}) if self.without else None

    @property
    def varying(self) -> set[str]:
        """The words that may also be meant as others."""
        return {word for group in self.groups for term in group if (word := term.may_vary)}

    def near(self, vocabulary: Iterable[str]) -> Near:
        """Return which words of a vocabulary may be meant, too."""
        others = {*vocabulary}
        return {word: found for word in self.varying if (found := _near(word, others))}

    def matches(self, summary: Summary) -> bool:
        """Tell whether the fields match a session; ``role`` is a message's."""
        if not all(self.fits(name, _told(summary, name)) for name in self.attributes):
            return False
        for name, values in self.without_fields.items():
            told = _told(summary, _FIELDS[name]) if name != "role" else ()
            if any(_fit(_FIELDS[name], told, one) for one in values):
                return False
        at = activity_key(summary)
        is_after = self.since is None or at >= microseconds(self.since)
        return is_after and (self.until is None or at < microseconds(self.until))

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of a summary that its fields are about."""
        return tuple(dict.fromkeys(_FIELDS[name] for name in self.fields if name != "role"))

    def fits(self, attribute: str, values: Sequence[str | None]) -> bool:
        """Tell whether these are values that an attribute of a summary must have."""
        return all(_fit(attribute, values, wanted) for wanted in self._wanted(attribute))

    def may_fit(self, attribute: str, values: Sequence[str | None]) -> bool:
        """Tell whether these are some of the values that an attribute must have."""
        return any(_fit(attribute, values, wanted) for wanted in self._wanted(attribute))

    def _wanted(self, attribute: str) -> Iterator[str]:
        for name, wanted in self.fields.items():
            if _FIELDS[name] == attribute:
                yield from wanted

    def is_role(self, role: str | None) -> bool:
        """Tell whether a message of this role is asked for."""
        is_asked = all(_fit("role", (role,), one) for one in self.fields.get("role", ()))
        without = self.without_fields.get("role", ())
        return is_asked and not any(_fit("role", (role,), one) for one in without)

    @property
    def is_narrowed(self) -> bool:
        """Whether not every session is meant; a role narrows messages only."""
        has_times = self.since is not None or self.until is not None
        return has_times or bool((self.fields.keys() | self.without_fields.keys()) - {"role"})


def read_question(text: str) -> Question:
    """Take a text apart. What is no field and no sign of this language is a word.

    The first hundred words count.
    """
    reading = _Reading()
    pieces = [*islice(_PIECE.finditer(text), _MOST_PIECES)]
    for at, piece in enumerate(pieces):
        if not reading.takes_field(piece):
            reading.take(piece, is_last=at + 1 == len(pieces))
    return reading.question()


class _Reading:
    """A question that is being read, piece by piece."""

    def __init__(self) -> None:
        self._groups: list[tuple[Term, ...]] = []
        self._without: list[Term] = []
        self._fields: dict[str, tuple[str, ...]] = {}
        self._without_fields: dict[str, tuple[str, ...]] = {}
        self._times: dict[str, datetime] = {}
        self._joins = False
        self._left = _MOST_WORDS

    def takes_field(self, piece: re.Match[str]) -> bool:
        """Take a piece if it is a field with a value."""
        no, name, quoted, plain = piece.group("no", "field", "quoted", "plain")
        value = plain if quoted is None else quoted
        if name is None or not value.strip():
            return False
        fields = self._without_fields if no else self._fields
        if name in _FIELDS and len(fields.get(name, ())) < _MOST_WORDS:
            fields[name] = (*fields.get(name, ()), value)
            return True
        if not no and name in ("after", "before") and (day := _day(value)) is not None:
            choose = max if name == "after" else min
            self._times[name] = choose(day, self._times.get(name, day))
            return True
        return False

    def take(self, piece: re.Match[str], *, is_last: bool) -> None:
        """Take words, or what joins them."""
        no, name, quoted, plain = piece.group("no", "field", "quoted", "plain")
        has_fields = self._fields or self._times or self._without_fields
        is_between = bool(self._groups or has_fields) and not is_last
        if is_between and not name and not no and plain in ("OR", "AND"):
            self._joins = plain == "OR" and bool(self._groups)
            return
        written = piece.group().removeprefix(no or "") if name else quoted or plain or ""
        term = _term(written, quoted is not None, self._left)
        if term is None:
            return
        self._left -= len(term.words)
        if no:
            self._without.append(term)
        elif self._joins:
            self._groups[-1] = (*self._groups[-1], term)
        elif (term,) not in self._groups:
            self._groups.append((term,))
        self._joins = False

    def question(self) -> Question:
        """Return what was read."""
        groups, without = self._groups, self._without
        has_fields = self._fields or self._times or self._without_fields
        if not (groups or has_fields):  # nothing to leave words out of
            groups, without = [(term,) for term in without], []
        since, until = self._times.get("after"), self._times.get("before")
        fields = self._fields, since, until, self._without_fields
        return Question(tuple(groups), tuple(without), *fields)


def _term(text: str, is_quoted: bool, most_words: int) -> Term | None:
    words = tuple(fold(text).split()[:most_words])
    if not words:
        return None
    is_phrase = is_quoted and len(words) > 1
    return Term(words, is_quoted, () if is_phrase else _otherwise(text, words))


def _otherwise(text: str, words: tuple[str, ...]) -> tuple[str, ...]:
    whole = "".join(words)
    if len(whole) > _LONGEST_WORD:
        return ()
    if len(words) > 1:
        return (whole,) if _JOINED.fullmatch(text) else ()
    parts = tuple(fold(" ".join(_PARTS.findall(text))).split())
    is_camel = len(parts) > 1 and "".join(parts) == whole and not text.isupper()
    return parts if is_camel else ()


def _day(text: str) -> datetime | None:
    """Return the beginning of a year, a month or a day in UTC; None if it is none."""
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    try:
        year, month, day = (int(part or 1) for part in found.groups())
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def _told(summary: Summary, attribute: str) -> Sequence[str | None]:
    """Return what a summary has in an attribute; an agent may have handed over to another one."""
    if attribute == "agent_id":
        return summary.agent_id, summary.current_agent
    value: str | Sequence[str] | None = getattr(summary, attribute)
    return (value,) if value is None or isinstance(value, str) else value


def _fit(attribute: str, values: Sequence[str | None], wanted: str) -> bool:
    """Tell whether one of these values of an attribute is meant: of a project, also a part."""
    fit = operator.contains if attribute == "project" else operator.eq
    folded = fold if fold(wanted).strip() else str.strip  # of signs alone, folding leaves nothing
    return any(one is not None and fit(folded(one), folded(wanted)) for one in values)


# -- words that may be meant, too ----------------------------------------------------------------


def is_wordlike(word: str) -> bool:
    """Tell whether parts of a word are searched: not of hashes, numbers and very long runs."""
    if not 3 <= len(word) <= _LONGEST_WORD or is_sign(word):
        return False
    digits = sum(map(str.isdigit, word))
    return digits == 0 or (digits <= 4 and len(word) - digits >= 2)


def _near(word: str, others: set[str]) -> tuple[str, ...]:
    found = [one for one in others if one != word and is_near(word, one)]
    if not found and word not in others:
        found = [one for one in others if is_typo(word, one)]
    found.sort(key=lambda one: (not one.startswith(word), len(one), one))
    return tuple(found[:_MOST_NEAR])


def is_near(word: str, other: str) -> bool:
    """Tell whether ``other`` is a longer word with ``word`` in it, or another form of it.

    A form has the same beginning of at least four letters, and usual endings. Of a word of two
    letters, only longer words that begin with it are near.
    """
    if len(word) == 2:
        return other.startswith(word)
    if word in other:
        return " " not in other
    stem = common(word, other)
    if stem < max(_SHORTEST_STEM, (max(len(word), len(other)) + 1) // 2):
        return False
    return _is_ending(word[stem:]) and _is_ending(other[stem:])


def _is_ending(rest: str) -> bool:
    if rest.isascii():
        return _ENDINGS.fullmatch(rest) is not None
    return len(rest) <= _LONGEST_ENDING and rest.isalpha()


def stem_of(word: str) -> str:
    """Return the beginning that each other form of a word has."""
    return word[: max(_SHORTEST_STEM, (len(word) + 1) // 2)]


def is_typo(word: str, other: str) -> bool:
    """Tell whether one letter was changed, left out, added, or swapped with the next one.

    The word has at least five letters. It may also be a space that was left out.
    """
    if word == other.replace(" ", ""):
        return word != other
    if len(word) < _SHORTEST_MISSPELT or abs(len(word) - len(other)) > 1 or word == other:
        return False
    at = common(word, other)
    here, there = word[at:], other[at:]
    if len(here) == len(there):
        return here[1:] == there[1:] or (here[1::-1] == there[:2] and here[2:] == there[2:])
    return here[1:] == there or here == there[1:]

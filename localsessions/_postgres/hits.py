"""Hits: what a question finds in the texts, the best first, as the engine of a folder ranks it.

A search asks in steps, and each step only if the one before found too little: the words side by
side; the words; other words that may be meant; a session that has them in several messages. Of more
than 3,000 messages, the newest come first; fewer are ranked by bm25 in this module, of the counts
that the server found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from localsessions._postgres.conditions import Condition
from localsessions._postgres.place import Place
from localsessions._postgres.texts import tokens_of
from localsessions._postgres.vocabulary import Vocabulary
from localsessions._rules.finder import Finder
from localsessions._rules.grades import NO_WORDS, grades
from localsessions._rules.question import Near, Question, Term
from localsessions._rules.texts import SESSION_ITSELF
from localsessions.engine import Asked

__all__ = ["Found", "Hits"]

_MANY_HITS = 3000
_GRADES, _OWN_WEIGHT, _BESIDE = 20.0, 2.0, 0.5
_K1, _B = 1.2, 0.75
_MOST_CANDIDATES = 100

_TEXTS = "FROM localsessions.texts t JOIN localsessions.sessions s ON s.no = t.no"
_COUNT = f"""
SELECT (SELECT count(*) {_TEXTS} WHERE t.words @> string_to_array(asked.tokens, ' ')
  AND s.store = %s AND (strpos(t.said, asked.phrase) > 0 OR strpos(t.beside, asked.phrase) > 0))
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY asked (tokens, phrase, at) ORDER BY at
"""
_TOTALS = """
SELECT coalesce(sum(texts), 0)::bigint, coalesce(sum(words), 0)::bigint
FROM localsessions.sessions WHERE store = %s
"""


class Found(NamedTuple):
    """The best hit in one session.

    Attributes:
        session_id: The session.
        no: The number of its rows.
        position: The position of the message; -1 for the session's own text.
        score: Higher is better.
        finder: Finds in the text what was asked for.
        is_apart: Whether the session has the words in several messages.
    """

    session_id: str
    no: int
    position: int
    score: float
    finder: Finder
    is_apart: bool


class _Hit(NamedTuple):
    session_id: str
    no: int
    position: int
    role: str | None
    active_at: int
    score: float


class Hits:
    """What one question finds.

    Args:
        place: The store.
        question: What is asked; it has words.
        meant: Which sessions are asked for.
        asked: How much of the answer is wanted.
    """

    def __init__(self, place: Place, question: Question, meant: Condition, asked: Asked) -> None:
        self._place = place
        self._vocabulary = Vocabulary(place)
        self._question = question
        self._meant = meant
        self._asked = asked
        self._told: set[int] = set()

    @cached_property
    def _near(self) -> Near:
        """Which other words may be meant; most searches end before they need it."""
        return self._vocabulary.near(self._question)

    @cached_property
    def _totals(self) -> tuple[int, int]:
        texts, words = self._place.rows(_TOTALS, self._place.store)[0]
        return max(int(texts), 1), max(int(words), 1)

    def __iter__(self) -> Iterator[Found]:
        """Yield the best hit of each session, the best session first."""
        for one in grades(self._question, lambda: self._near):
            hits = self._apart() if one.is_apart else self._ranked(one.question, one.near)
            yield from self._step(hits, one.finder, one.number)

    def having(self, nos: Sequence[int]) -> set[int]:
        """Return those of some sessions of which a text has the words as they are."""
        return self._having(self._question, NO_WORDS, nos)

    def _step(self, hits: Iterator[_Hit], finder: Finder, grade: int) -> Iterator[Found]:
        """Yield the first hit of each session that was not told before."""
        for hit in hits:
            if hit.no not in self._told:
                self._told.add(hit.no)
                score = grade + hit.score / (1 + hit.score)
                yield Found(hit.session_id, hit.no, hit.position, score, finder, grade == 0)

    # -- one step ------------------------------------------------------------------------------

    def _ranked(self, question: Question, near: Near) -> Iterator[_Hit]:
        """Yield the hits of one step, the best first."""
        self._asked.refuse_unwanted()
        phrases = _phrases(question, near)
        where, values = self._match(question, near)
        query = (
            "SELECT s.session_id, t.no, t.position, t.role, s.last_activity, t.size, t.said,"
            f" t.beside {_TEXTS} WHERE {self._meant.sql} AND {where} LIMIT %s"
        )
        rows = self._place.rows(query, *self._meant.values, *values, _MANY_HITS + 1)
        if len(rows) > _MANY_HITS:
            yield from self._newest(where, values, question, near)
            return
        rows = [row for row in rows if _has(question, near, row[6], row[7])]
        if not rows:
            return
        known = self._weights([*dict.fromkeys(phrases)])
        weights = [(phrase, known[phrase]) for phrase in phrases]
        scored = [_hit(row, self._score(weights, *row[5:])) for row in rows]
        for hit in _in_order(scored):
            if question.is_role(hit.role):
                yield hit

    def _weights(self, phrases: Sequence[str]) -> Mapping[str, float]:
        """Return how much each phrase tells: the rarer, the more."""
        store = self._place.store
        tokens = [" ".join(tokens_of(store, phrase.split())) for phrase in phrases]
        rows = self._place.rows(_COUNT, store, tokens, [f" {one} " for one in phrases])
        texts, _ = self._totals
        weights = {}
        for phrase, (count,) in zip(phrases, rows, strict=True):
            found = math.log((texts - count + 0.5) / (count + 0.5)) if count < texts else 0.0
            weights[phrase] = found if found > 0 else 1e-6
        return weights

    def _score(
        self, weights: Sequence[tuple[str, float]], size: int, said: str, beside: str
    ) -> float:
        texts, words = self._totals
        length = _K1 * (1 - _B + _B * size / (words / texts))
        score = 0.0
        for phrase, weight in weights:
            count = _times(phrase, said) + _BESIDE * _times(phrase, beside)
            score += weight * (count * (_K1 + 1.0)) / (count + length) if count else 0.0
        return score

    def _newest(
        self, where: str, values: list[object], question: Question, near: Near
    ) -> Iterator[_Hit]:
        """Yield hits of very many: own texts first, then those that were active last."""
        query = (
            "SELECT DISTINCT ON (t.position >= 0, s.last_activity, s.session_id, t.role)"
            f" s.session_id, t.no, t.position, t.role, s.last_activity, t.said, t.beside {_TEXTS}"
            f" WHERE {self._meant.sql} AND {where}"
            " ORDER BY t.position >= 0, s.last_activity DESC, s.session_id, t.role,"
            " t.position DESC LIMIT %s OFFSET %s"
        )
        size = begin = 0
        while size == begin % _MANY_HITS == 0:
            self._asked.refuse_unwanted()
            rows = self._place.rows(query, *self._meant.values, *values, _MANY_HITS, begin)
            for row in rows:
                hit = _hit(row, 0.0)
                if question.is_role(hit.role) and _has(question, near, row[5], row[6]):
                    yield hit
            size, begin = len(rows) % _MANY_HITS, begin + max(len(rows), 1)

    def _match(self, question: Question, near: Near) -> tuple[str, list[object]]:
        """Return what the index is asked for: a little more than what is meant."""
        values: list[object] = []
        groups = []
        for group in question.groups:
            forms = [one for term in group for one in _forms(term, near)]
            single: list[list[str]] = []
            rows: list[list[str]] = []
            for words in forms:
                tokens = [*tokens_of(self._place.store, words)]
                (single if len(tokens) == 1 else rows).append(tokens)
            parts = ["t.words && %s::text[]"] if single else []
            values += [[token for tokens in single for token in tokens]] if single else []
            parts += ["t.words @> %s::text[]"] * len(rows)
            values += rows
            groups.append(f"({' OR '.join(parts)})")
        return " AND ".join(groups), values

    # -- words in several messages -------------------------------------------------------------

    def _apart(self) -> Iterator[_Hit]:
        """Yield sessions that have the words in several messages, by the best hit of the rarest."""
        singles = [self._question._replace(groups=(one,)) for one in self._question.groups]
        counts = [self._count(one) for one in singles]
        first, *others = [one for _, one in sorted(zip(counts, singles, strict=True), key=_first)]
        hits = (one for one in self._ranked(first, self._near) if one.no not in self._told)
        candidates = [*islice(hits, _MOST_CANDIDATES)]
        left = {one.no for one in candidates}
        for other in others:
            left &= self._having(other, self._near, sorted(left))
        yield from (one for one in candidates if one.no in left)

    def _count(self, question: Question) -> int:
        """Return in how many texts a question's words are, at most."""
        store, phrases = self._place.store, _phrases(question, self._near)
        tokens = [" ".join(tokens_of(store, phrase.split())) for phrase in phrases]
        rows = self._place.rows(_COUNT, store, tokens, [f" {one} " for one in phrases])
        return sum(min(int(count), _MANY_HITS + 1) for (count,) in rows)

    def _having(self, question: Question, near: Near, nos: Sequence[int]) -> set[int]:
        """Return those of some sessions of which a text has what is asked for."""
        if not nos:
            return set()
        self._asked.refuse_unwanted()
        where, values = self._match(question, near)
        query = (
            f"SELECT t.no, t.role, t.said, t.beside {_TEXTS}"
            f" WHERE t.no = ANY (%s::bigint[]) AND {where}"
        )
        return {
            no
            for no, role, said, beside in self._place.rows(query, [*nos], *values)
            if question.is_role(_role(role)) and _has(question, near, said, beside)
        }


def _hit(row: Sequence[Any], score: float) -> _Hit:
    session_id, no, position, role, active_at, *_ = row
    return _Hit(session_id, no, position, _role(role), active_at, score)


def _first(pair: tuple[int, Question]) -> int:
    return pair[0]


def _role(role: bytes | None) -> str | None:
    return None if role is None else role.decode("utf-8", "surrogatepass")


def _in_order(hits: Sequence[_Hit]) -> list[_Hit]:
    """Return the best hit of each session and role; equals by last activity."""
    best: dict[tuple[int, str | None], _Hit] = {}
    for hit in sorted(hits, key=lambda one: (one.no, one.position)):
        own = hit.position == SESSION_ITSELF
        weighted = hit._replace(score=hit.score * (_OWN_WEIGHT if own else 1.0))
        known = best.get((hit.no, hit.role))
        if known is None or weighted.score > known.score:
            best[hit.no, hit.role] = weighted
    top = max(one.score for one in best.values())

    def place(hit: _Hit) -> tuple[int, int, str, int]:
        grade = math.floor(_GRADES * hit.score / top + 0.5)
        return -grade, -hit.active_at, hit.session_id, hit.position

    return sorted(best.values(), key=place)


# -- phrases ---------------------------------------------------------------------------------------


def _forms(term: Term, near: Near) -> Iterator[tuple[str, ...]]:
    """Yield the rows of words by which a term is looked up."""
    yield term.words
    if term.otherwise:
        yield term.otherwise
    if (word := term.may_vary) is None or word not in near:
        return
    if len(term.words) > 1:
        yield term.words[:-1]  # the last word may go on
    else:
        yield from (tuple(other.split()) for other in near[word])


def _phrases(question: Question, near: Near) -> list[str]:
    """Return the phrases whose counts rank a text."""
    found: list[str] = []
    for group in question.groups:
        for term in group:
            found += [" ".join(term.words)]
            found += [" ".join(term.otherwise)] if term.otherwise else []
            word = term.may_vary
            if word in near and len(term.words) == 1:
                found += near[word or ""]
    return found  # one that two words mean counts twice


def _times(phrase: str, folded: str) -> int:
    """Return how often a phrase is in a folded text; two that follow each other share a space."""
    needle, count, at = f" {phrase} ", 0, folded.find(f" {phrase} ")
    while at >= 0:
        count += 1
        at = folded.find(needle, at + len(phrase) + 1)
    return count


def _has(question: Question, near: Near, said: str, beside: str) -> bool:
    """Tell whether a folded text has what is asked for."""

    def has(term: Term, near: Near) -> bool:
        if any(f" {one} " in said or f" {one} " in beside for one in _phrases_of(term, near)):
            return True
        word = term.may_vary
        goes_on = word is not None and word in near and len(term.words) > 1
        begin = f" {' '.join(term.words)}"
        return goes_on and (begin in said or begin in beside)

    if any(has(term, NO_WORDS) for term in question.without):
        return False
    return all(any(has(term, near) for term in group) for group in question.groups)


def _phrases_of(term: Term, near: Near) -> Iterator[str]:
    yield " ".join(term.words)
    if term.otherwise:
        yield " ".join(term.otherwise)
    word = term.may_vary
    if word is not None and word in near and len(term.words) == 1:
        yield from near[word]

"""Hits: what a question finds in the texts, the best first.

A search asks in steps, and each step only if the one before found too little: the words side by
side; the words; other words that may be meant; a session that has them in several messages. A step
is ranked by bm25 unless it finds very much: then what came in last comes first, and only as much is
looked at as is asked for. So the commonest word costs no more than a rare one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from localsessions._local.index.database import Database
from localsessions._local.index.text_row import blob_of, stored_texts, text_of
from localsessions._local.index.vocabulary import near_words, texts_with
from localsessions._rules.finder import Finder
from localsessions._rules.grades import NO_WORDS, grades
from localsessions._rules.question import Near, Question, Term
from localsessions._rules.texts import SESSION_ITSELF, Text

__all__ = ["Hits", "Meant", "TextHit", "match_of"]


class Meant(NamedTuple):
    """Which sessions are asked for.

    Attributes:
        among: Returns those of some sessions that are asked for.
        few: All of them, the most recently active first, if they are few.
    """

    among: Callable[[Sequence[str]], Collection[str]]
    few: Sequence[str] | None


# What a tool was given, and what was thought, say less about a session than what was said; a hit in
# the title or the metadata says more.
_RANK = "bm25(words, 1.0, 1.0, 0.5, 0.5)"
_OWN_WEIGHT = 2.0
_GRADES = 20.0
"""Hits whose scores are of the same twentieth of the best one are equals."""
_MANY_HITS = 3000
"""Of more hits than these the newest come first; the others are ranked."""
_WINDOW, _FEW_WINDOW = 400, 10
_CLOSE = 50
_OF_SESSION = "SELECT texts.session_id, texts.id, 0.0, texts.role, 0 FROM"
_MOST_CANDIDATES = 100


class TextHit(NamedTuple):
    """The best hit in one session.

    Attributes:
        session_id: The session.
        position: Index of the message; None for title and metadata.
        text: What is searched there.
        score: Higher is better.
        finder: Finds in the text what was asked for.
    """

    session_id: str
    position: int | None
    text: Text
    score: float
    finder: Finder


class Hits:
    """What one question finds.

    Args:
        database: The texts.
        question: What is asked; it has words.
        meant: Which sessions are asked for; None means all.
        learn: Sees to it that parts of all words are found.
        refuse_unwanted: Called between the steps; it may end the search by raising.
    """

    def __init__(
        self,
        database: Database,
        question: Question,
        meant: Meant | None,
        learn: Callable[[], None],
        refuse_unwanted: Callable[[], None],
    ) -> None:
        self._database = database
        self._refuse_unwanted = refuse_unwanted
        self._learn = learn
        self._question = question
        self._meant = meant
        self._few = None if meant is None or meant.few is None else frozenset(meant.few)
        self._told: set[str] = set()

    @cached_property
    def _near(self) -> Near:
        """Which other words may be meant; most searches end before they need it."""
        self._learn()
        return self._database.read(lambda db: near_words(db, self._question))

    def __iter__(self) -> Iterator[TextHit | None]:
        """Yield the best hit of each session, the best session first.

        None stands for a session whose texts another process replaced meanwhile: search again.
        """
        for one in grades(self._question, lambda: self._near):
            hits = self._apart() if one.is_apart else self._ranked(one.question, one.near)
            yield from self._step(hits, one.finder, one.number)

    def occurs_in(self, session_id: str) -> bool:
        """Tell whether a text of a session has the words as they are."""
        return self._last_in(session_id, self._question, NO_WORDS) is not None

    def _step(self, hits: Iterator[_Hit], finder: Finder, grade: int) -> Iterator[TextHit | None]:
        """Yield the first hit of each session that was not told before.

        What an earlier step finds has a higher grade, and so a higher score.
        """
        meant, size = self._meant, 1 if self._meant is None else _WINDOW
        if self._few is not None:
            few, size = self._few, _FEW_WINDOW
            hits = (one for one in hits if one.session_id in few)
        while some := [*islice(hits, size)]:
            new = {one.session_id: one for one in reversed(some)}
            for session_id in new.keys() & self._told:
                del new[session_id]
            self._told.update(new)
            allowed = new.keys() if meant is None else meant.among([*new])
            for one in some:
                if one.session_id in allowed and new[one.session_id] is one:
                    yield from self._checked(one, finder, grade)

    def _checked(self, hit: _Hit, finder: Finder, grade: int) -> Iterator[TextHit | None]:
        """Yield a hit after its text is checked: a garbled index cannot invent a hit."""
        found = self._body(hit.session_id, hit.row)
        if found is None:
            yield None
            return
        position, text = found
        if (finder.occurs_in if grade else finder.count_in)(text.body):
            place = None if position == SESSION_ITSELF else position
            score = grade + hit.score / (1 + hit.score)
            yield TextHit(hit.session_id, place, text, score, finder)

    def _ranked(self, question: Question, near: Near) -> Iterator[_Hit]:
        """Yield the hits of one step, the best first."""
        match = match_of(question, near)
        if not match:
            return
        if self._database.read(lambda db: _count(db, question, near)) > _MANY_HITS:
            if self._meant is not None and self._meant.few is not None:
                yield from self._one_by_one(self._meant.few, question, near)
                return
            yield from self._newest(f"{{own}} : ({match})", question)
            yield from self._newest(match, question)
            return
        query = (
            f"WITH hits AS MATERIALIZED (SELECT rowid AS id, {_RANK} AS score"  # noqa: S608
            " FROM words WHERE words MATCH ?) "
            "SELECT texts.session_id, texts.id,"
            f" min(hits.score * iif(texts.position < 0, {_OWN_WEIGHT}, 1.0)) AS best, texts.role,"
            " indexed.active_at FROM hits LEFT JOIN texts ON texts.id = hits.id "
            "LEFT JOIN indexed ON indexed.session_id = texts.session_id "
            "GROUP BY texts.session_id, texts.role "
            f"ORDER BY round({_GRADES} * best / min(best) OVER ()) DESC, indexed.active_at DESC,"
            " texts.session_id, texts.position"
        )

        def read(db: sqlite3.Connection) -> list[_Hit]:
            return _hits(db.execute(query, [match]))

        for found in self._database.read(read):
            if question.is_role(found.role):
                yield found

    def _newest(self, match: str, question: Question) -> Iterator[_Hit]:
        """Yield hits, those that came in last first; read them window by window."""
        query = (
            "SELECT texts.session_id, words.rowid, 0.0, texts.role, 0 FROM words"
            " LEFT JOIN texts ON texts.id = words.rowid"
            " WHERE words MATCH ? AND words.rowid < ? ORDER BY words.rowid DESC LIMIT ?"
        )
        before, size = (1 << 63) - 1, _WINDOW
        while size == _WINDOW:
            self._refuse_unwanted()
            values = [match, before, _WINDOW]

            def read(db: sqlite3.Connection, values: list[object] = values) -> list[_Hit]:
                return _hits(db.execute(query, values))

            rows = self._database.read(read)
            for found in rows:
                if question.is_role(found.role):
                    yield found
            size = len(rows)
            before = rows[-1].row if rows else 0

    def _one_by_one(
        self, session_ids: Sequence[str], question: Question, near: Near
    ) -> Iterator[_Hit]:
        """Yield the last hit of each of these sessions, in their order."""
        for session_id in session_ids:
            if session_id not in self._told:
                hit = self._last_in(session_id, question, near)
                if hit is not None:
                    yield hit

    def _apart(self) -> Iterator[_Hit]:
        """Yield sessions that have the words in several messages, by the best hit of the rarest."""
        groups = self._question.groups
        singles = [self._question._replace(groups=(group,)) for group in groups]

        def rarest_first(db: sqlite3.Connection) -> list[Question]:
            return sorted(singles, key=lambda one: _count(db, one, self._near))

        first, *others = self._database.read(rarest_first)
        candidates = (
            hit for hit in self._ranked(first, self._near) if hit.session_id not in self._told
        )
        for hit in islice(candidates, _MOST_CANDIDATES):
            if all(self._last_in(hit.session_id, one, self._near) for one in others):
                yield hit

    def _last_in(self, session_id: str, question: Question, near: Near) -> _Hit | None:
        """Return the last hit in a session; None if it has none."""
        self._refuse_unwanted()
        place = "SELECT min(id), max(id), count(*) FROM texts WHERE session_id = ?"
        # Texts that came in together are one row of ids; those of a session that grew beside others
        # are far apart, and are asked one by one.
        together = (
            f"{_OF_SESSION} words CROSS JOIN texts ON texts.id = words.rowid WHERE words MATCH ?"
            " AND texts.session_id = ? AND words.rowid BETWEEN ? AND ? ORDER BY words.rowid DESC"
        )
        apart = (
            f"{_OF_SESSION} texts CROSS JOIN words ON words.rowid = texts.id WHERE words MATCH ?"
            " AND texts.session_id = ? ORDER BY texts.position DESC"
        )

        def read(db: sqlite3.Connection) -> _Hit | None:
            begin, end, count = db.execute(place, [session_id]).fetchone()
            if not count:
                return None
            values = [match_of(question, near), session_id]
            if end - begin < _CLOSE * count:
                rows = db.execute(together, [*values, begin, end])
            else:
                rows = db.execute(apart, values)
            found = (one for row in rows for one in _hits([row]))
            return next((one for one in found if question.is_role(one.role)), None)

        return self._database.read(read)

    def _body(self, session_id: str, row: int) -> tuple[int, Text] | None:
        where, values = "texts.id = ? AND session_id = ?", [row, session_id]
        found = self._database.read(lambda db: stored_texts(db, where, values))
        return (found[0].position, found[0].text) if found else None


class _Hit(NamedTuple):
    """A hit that is not checked yet; it has its score and the role of its message."""

    session_id: str
    row: int
    score: float
    role: str | None


def _hits(rows: Iterable[tuple[str | None, int, float, object, object]]) -> list[_Hit]:
    found = []
    for session_id, row, score, role, active_at in rows:
        if session_id is None or not isinstance(active_at, int):
            raise sqlite3.DatabaseError("there are words of a text that is not there")
        told = None if role is None else text_of(blob_of(role))
        found.append(_Hit(session_id, row, -score, told))
    return found


# -- what FTS5 is asked --------------------------------------------------------------------------


def match_of(question: Question, near: Near) -> str:
    """Return a question in the syntax of FTS5; its words hold letters, digits and marks only."""
    groups = [
        " OR ".join(one for term in group for one in _forms(term, near))
        for group in question.groups
    ]
    without = " OR ".join(one for term in question.without for one in _forms(term, {}))
    asked = " AND ".join(f"({group})" for group in groups)
    return f"({asked}) NOT ({without})" if asked and without else asked


def _forms(term: Term, near: Near) -> Iterator[str]:
    phrase = " ".join(term.words)
    yield f'"{phrase}"'
    if term.otherwise:
        yield f'"{" ".join(term.otherwise)}"'
    if (word := term.may_vary) is None or word not in near:
        return
    if len(term.words) > 1:
        yield f'"{phrase}" *'
    else:
        yield from (f'"{other}"' for other in near[word])


def _count(db: sqlite3.Connection, question: Question, near: Near) -> int:
    """Return how many texts a question may find, at most."""
    counts = []
    for group in question.groups:
        count = 0
        for term in group:
            for words in (term.words, term.otherwise):
                count += texts_with(db, " ".join(words), _MANY_HITS + 1) if words else 0
            word = term.may_vary
            others = near.get(word, ()) if word is not None and len(term.words) == 1 else ()
            count += sum(texts_with(db, other, _MANY_HITS + 1) for other in others)
        counts.append(count)
    return min(counts, default=0)

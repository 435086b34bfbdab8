"""Searching by words: each hit of the full text is checked in the index and in its file.

The full text is updated when a search begins, so that a save never waits for it: only files that
changed since the last search are read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from localsessions._codec.summary import plain_document
from localsessions._local.files import FileRead
from localsessions._local.index import ChangedRow, Choices
from localsessions._local.index.fulltext import FullText, NewTexts
from localsessions._local.index.hits import Meant, TextHit
from localsessions._local.reading import decoded
from localsessions._local.reconciling import Reconciler
from localsessions._local.version import Fingerprint, digest_of
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.question import Question, read_question
from localsessions._rules.texts import neighbours_of, snippet_of, texts_in, texts_of
from localsessions.engine import Asked, Query
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import Neighbour, PlainSummary, SearchHit
from localsessions.models.results import checked

__all__ = ["Search"]

T = TypeVar("T")

# Sessions may change during a search, and databases may be lost when other processes rebuild them.
# Then the search begins again, at most this often.
_TRIES = 10
# How much is put in in one transaction; the log of the database grows as much.
_BATCH, _BATCH_LENGTH = 250, 2 << 20
# So few sessions are asked one by one for a word that stands everywhere.
_FEW = 2000
# Of so many sessions the words are learnt all at once.
_MANY = 200
# So long a thread waits for another one until it asks whether its own answer is still wanted.
_PATIENCE = 0.05


class Search:
    """The search of one folder."""

    def __init__(self, reconciler: Reconciler, texts: FullText) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index
        self._reconciler = reconciler
        self._texts = texts
        self._done = (-1, "", 0)
        self._turn = threading.RLock()  # on_progress may search

    def hits(self, text: str, query: Query, asked: Asked) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first."""
        hits: Sequence[SearchHit] = ()
        question = read_question(text)
        for _ in range(_TRIES):
            hits, is_current = self._answer(lambda: self._hits(question, query, asked), asked)
            if is_current:
                return hits
        # Other processes write faster than this one checks: each hit was right a moment ago, and
        # its file still exists.
        return [hit for hit in hits if self._reconciler.fingerprint(hit.session.session_id)]

    def _neighbours(self, hit: TextHit, count: int) -> tuple[Neighbour, ...]:
        if not count or hit.position is None:
            return ()
        around = self._texts.around(hit.session_id, hit.position, count)
        return neighbours_of(around, hit.position)

    def _hits(
        self, question: Question, query: Query, asked: Asked
    ) -> tuple[Sequence[SearchHit], bool]:
        """Return what is found, and whether all of it agrees with the files now."""
        narrowed = query.narrowed(since=question.since, until=question.until)
        choices = self._index.choices(question)
        if not question.groups:
            return self._listed(question, narrowed, choices, asked), True
        hits: list[SearchHit] = []
        is_current = True

        def allows(session_ids: Sequence[str]) -> set[str]:
            """Return the sessions that are asked for, and those without a row."""
            asked.refuse_unwanted()
            rows = self._index.rows(session_ids)
            summaries = {one: row.summary for one, row in rows.items()}
            others = {one for one, told in summaries.items() if not is_meant(told)}
            return {*session_ids} - others

        def is_meant(summary: PlainSummary) -> bool:
            is_asked = query.matches(summary) and question.matches(summary)
            return is_asked and not (query.folded and self._has_parent(summary))

        meant: Meant | None = None
        if choices or narrowed != Query():
            few = self._index.newest_ids(narrowed, choices, _FEW + 1)
            meant = Meant(allows, few if len(few) <= _FEW else None)
        for found in self._texts.search(question, meant, asked.refuse_unwanted):
            asked.refuse_unwanted()
            row = found and self._index.get(found.session_id)
            if found is None or (row is None and self._reconciler.summary(found.session_id)):
                is_current = False
            elif row is not None and is_meant(row.summary):
                is_current &= self._reconciler.refresh_row(row)
                snippet, highlights = snippet_of(found.text, found.finder)
                place = found.position, found.text.role
                shown = checked(row.summary)
                beside = self._neighbours(found, asked.neighbours)
                hits.append(SearchHit(shown, *place, snippet, highlights, found.score, beside))
            if len(hits) == asked.limit:
                break
        return hits, is_current

    def _has_parent(self, summary: PlainSummary) -> bool:
        return summary.parent is not None and self._index.get(summary.parent) is not None

    def _listed(
        self, question: Question, query: Query, choices: Choices, asked: Asked
    ) -> list[SearchHit]:
        """Return the sessions that a question without words asks for, the newest first."""
        hits: list[SearchHit] = []
        after, size = None, _BATCH if question.is_narrowed else 0
        while size == _BATCH and len(hits) < asked.limit:
            asked.refuse_unwanted()
            rows = self._index.page(query, "-last_activity", _BATCH, after, choices)
            found = [row.summary for row in rows if question.matches(row.summary)]
            if (left_out := question.left_out) is not None:
                occurs = partial(
                    self._texts.occurs, left_out, refuse_unwanted=asked.refuse_unwanted
                )
                found = [one for one in found if not occurs(one.session_id)]
            hits += [SearchHit(checked(one), None, None, one.preview, (), 0.0) for one in found]
            size = len(rows)
            after = Cursor("", *key_of(rows[-1].summary, "-last_activity")) if rows else None
        return hits[: asked.limit]

    # -- catching up ----------------------------------------------------------------------

    def _answer(self, ask: Callable[[], T], asked: Asked) -> T:
        """Update the texts, then return what they say; ask again where they were lost.

        Raises:
            OSError: They are lost again and again, in memory too.
        """

        def find() -> tuple[int | None, T]:
            # The generation is read before the question: another thread may find the words lost in
            # between.
            with self._in_turn(asked):
                generation = self._catch_up(asked)
            return generation, ask()

        return self._texts.ask_while_lost(lambda: self._reconciler.ask(find))

    @contextmanager
    def _in_turn(self, asked: Asked) -> Iterator[None]:
        """Let one thread read what changed; another one that waits finds nothing left to read."""
        while not self._turn.acquire(timeout=_PATIENCE):
            asked.refuse_unwanted()
        try:
            yield
        finally:
            self._turn.release()

    def _catch_up(self, asked: Asked) -> int | None:
        """Index the words of what changed since the last search; only those files are read.

        The first call compares all hashes: after a power cut, either database may be older than the
        other, so change numbers from before this object was made are useless. All hashes are also
        compared if the log has dropped tombstones of deleted sessions since the last search.

        Returns:
            The generation of the texts before the call: if still current, they hold all words.
            None where the index was lost: the caller sweeps and asks again.
        """
        generation, epoch = self._texts.generation, self._index.epoch()
        last = self._done[2] if self._done[:2] == (generation, epoch) else 0
        first = self._index.first_change()
        if last < first:
            last = 0  # the tombstones of that time were dropped
        changes = self._index.changed_since(last)
        if not self._reconciler.is_current():
            return None
        changed = [one.session_id for one in changes]
        known = self._known(changes) if last == 0 else self._texts.digests_of(changed)
        new = [one for one in changes if one.digest is None or known.get(one[1]) != one.digest]
        new.sort(key=lambda one: one.active_at)  # what is put in later counts as newer
        done = len(changes) - len(new)
        is_learning = len(new) < _MANY
        bring_in = self._bring_in if is_learning else self._bring_in_many
        for count in bring_in(new):
            done += count
            if asked.on_progress is not None:
                asked.on_progress(done, len(changes))
            asked.refuse_unwanted()
        if last == 0:
            self._texts.end_filling()
        # Rows that an index was filled with have numbers from before its log began.
        self._done = (generation, epoch, max(changes[-1].change if changes else last, first))
        return generation

    def _known(self, changes: Sequence[ChangedRow]) -> dict[str, bytes]:
        """Return the hashes of the files whose texts are there; forget the files that are not."""
        known = self._texts.digests()
        present = {one.session_id for one in changes if one.digest is not None}
        gone = [ChangedRow(0, one, None, 0) for one in known.keys() - present]
        for _ in self._bring_in(gone):
            pass
        return known

    def _bring_in(self, changes: Sequence[ChangedRow]) -> Iterator[int]:
        """Put in what the files of sessions say now; yield after each batch how many those were."""
        for batch in _batches(map(self._read, changes)):
            self._bring_in_again(self._texts.put(batch), changes, is_learning=True)
            yield len(batch)

    def _bring_in_many(self, changes: Sequence[ChangedRow]) -> Iterator[int]:
        """Do what ``_bring_in`` does; while one batch is put in, the next one is read."""
        put = partial(self._texts.put, is_learning=False)

        def ended(count: int, overtaken: Callable[[], list[str]]) -> int:
            self._bring_in_again(overtaken(), changes, is_learning=False)
            return count

        with ThreadPoolExecutor(1, "localsessions-search") as thread:
            former: tuple[int, Callable[[], list[str]]] | None = None
            for batch in _batches(self._read_unchecked(one) or self._read(one) for one in changes):
                read = [one._replace(packed=one.pack()) for one in batch]
                if former is not None:
                    yield ended(*former)
                try:
                    former = len(read), thread.submit(put, read).result
                except RuntimeError:  # no thread can be started: there are too many, or Python ends
                    former = len(read), partial(put, read)
            if former is not None:
                yield ended(*former)

    def _bring_in_again(
        self, overtaken: Sequence[str], changes: Sequence[ChangedRow], *, is_learning: bool
    ) -> None:
        """Put in what the files say now that changed while they were read."""
        for _ in range(_TRIES):
            if not overtaken:
                return
            read = [self._read(one) for one in changes if one.session_id in overtaken]
            overtaken = self._texts.put(read, is_learning=is_learning)

    def _read_unchecked(self, change: ChangedRow) -> NewTexts | None:
        """Return a file's words, with few calls of the system; None where ``_read`` has to.

        Of a file that is being written they may be of two versions; then it changes afterwards.
        """
        try:
            read = self._folder.read_unchecked(self._folder.path(change.session_id))
            return None if read is None else self._words(change, read, read.fingerprint)
        except (TypeError, ValueError, UnreadableSessionError):
            return None  # a garbled database has ids that no file can have

    def _read(self, change: ChangedRow) -> NewTexts:
        """Return a file's words; without any if the file is gone or unreadable."""
        session_id = change.session_id
        seen = self._reconciler.fingerprint(session_id)
        if seen is None:
            return NewTexts(session_id, None, 0, {}, self._is_as(session_id, seen))
        try:
            return self._words(change, self._folder.read(session_id), seen)
        except (SessionNotFoundError, UnreadableSessionError):
            # Its row must say so: otherwise no change is logged when the file is readable again.
            self._reconciler.summary(session_id)
            return NewTexts(session_id, b"", 0, {}, self._is_as(session_id, seen))

    def _is_as(self, session_id: str, seen: Fingerprint | None) -> Callable[[], bool]:
        """Return what tells whether a file is unchanged: no other search can have been faster."""
        return lambda: self._reconciler.fingerprint(session_id) == seen

    def _words(self, change: ChangedRow, read: FileRead, seen: Fingerprint) -> NewTexts:
        """Return the words of a file that was read.

        Raises:
            UnreadableSessionError: It is no session.
        """
        session_id, digest = change.session_id, digest_of(read.data)
        is_proven = change.is_proven and digest == change.digest
        if (plain := plain_document(read.data, is_proven=is_proven)) is not None:
            texts = texts_in(plain)
        else:
            texts = texts_of(decoded(read, session_id, self._folder.path(session_id)))
        is_current = self._is_as(session_id, seen)
        return NewTexts(session_id, digest, change.active_at, texts, is_current)


def _batches(read: Iterable[NewTexts]) -> Iterator[list[NewTexts]]:
    """Yield texts in batches of a bounded length."""
    batch: list[NewTexts] = []
    length = 0
    for one in read:
        batch.append(one)
        length += sum(len(text.body) for text in one.texts.values())
        if length > _BATCH_LENGTH or len(batch) == _BATCH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch

"""Searching by words: each hit of the full text is checked in the index and in its file.

The full text is updated when a search begins, so that a save never waits for it: only files that
changed since the last search are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from localsessions._codec.summary import plain_document
from localsessions._local.index import ChangedRow
from localsessions._local.index.fulltext import FullText, NewTexts
from localsessions._local.reading import decoded
from localsessions._local.reconciling import Reconciler
from localsessions._local.version import digest_of
from localsessions._rules.cursor import Cursor, key_of
from localsessions._rules.question import Question, read_question
from localsessions._rules.texts import snippet_of, texts_in, texts_of
from localsessions.engine import Progress, Query
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import SearchHit, SessionSummary

__all__ = ["Search"]

T = TypeVar("T")

# Sessions may change during a search, and databases may be lost when other processes rebuild them.
# Then the search begins again, at most this often.
_TRIES = 10
# How much is put in in one transaction; the log of the database grows as much.
_BATCH, _BATCH_BYTES = 500, 4 << 20
# Of so many sessions the words are learnt all at once.
_MANY = 200


class Search:
    """The search of one folder."""

    def __init__(self, reconciler: Reconciler, texts: FullText) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index
        self._reconciler = reconciler
        self._texts = texts
        self._done = (-1, "", 0)

    def hits(
        self, text: str, query: Query, limit: int, on_progress: Progress | None
    ) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first; at most ``limit``."""
        hits: Sequence[SearchHit] = ()
        question = read_question(text)
        for _ in range(_TRIES):
            hits, is_current = self._answer(lambda: self._hits(question, query, limit), on_progress)
            if is_current:
                return hits
        # Other processes write faster than this one checks: each hit was right a moment ago, and
        # its file still exists.
        return [hit for hit in hits if self._reconciler.fingerprint(hit.session.session_id)]

    def _hits(
        self, question: Question, query: Query, limit: int
    ) -> tuple[Sequence[SearchHit], bool]:
        """Return what is found, and whether all of it agrees with the files now."""
        if not question.groups:
            return self._listed(question, query, limit), True
        hits: list[SearchHit] = []
        is_current = True

        def allows(session_ids: Sequence[str]) -> set[str]:
            """Return the sessions that are asked for, and those without a row."""
            rows = self._index.rows(session_ids)
            summaries = {one: row.summary for one, row in rows.items()}
            others = {one for one, told in summaries.items() if not is_meant(told)}
            return {*session_ids} - others

        def is_meant(summary: SessionSummary) -> bool:
            return query.matches(summary) and question.matches(summary)

        is_narrowed = question.is_narrowed or query != Query()
        for found in self._texts.search(question, allows if is_narrowed else None):
            row = found and self._index.get(found.session_id)
            if found is None or (row is None and self._reconciler.summary(found.session_id)):
                is_current = False
            elif row is not None and is_meant(row.summary):
                is_current &= self._reconciler.refresh_row(row)
                snippet, highlights = snippet_of(found.text, found.finder)
                place = found.position, found.text.role
                hits.append(SearchHit(row.summary, *place, snippet, highlights, found.score))
            if len(hits) == limit:
                break
        return hits, is_current

    def _listed(self, question: Question, query: Query, limit: int) -> list[SearchHit]:
        """Return the sessions that a question without words asks for, the newest first."""
        hits: list[SearchHit] = []
        after, size = None, _BATCH if question.is_narrowed else 0
        while size == _BATCH and len(hits) < limit:
            rows = self._index.page(query, "-last_activity", _BATCH, after)
            found = [row.summary for row in rows if question.matches(row.summary)]
            hits += [SearchHit(one, None, None, one.preview, (), 0.0) for one in found]
            size = len(rows)
            after = Cursor("", *key_of(rows[-1].summary, "-last_activity")) if rows else None
        return hits[:limit]

    # -- catching up ----------------------------------------------------------------------

    def _answer(self, ask: Callable[[], T], on_progress: Progress | None = None) -> T:
        """Update the texts, then return what they say; ask again where they were lost.

        Raises:
            OSError: They are lost again and again, in memory too.
        """

        def find() -> tuple[int | None, T]:
            # The generation is read before the question: another thread may find the words lost in
            # between.
            return self._catch_up(on_progress), ask()

        return self._texts.ask_while_lost(lambda: self._reconciler.ask(find))

    def _catch_up(self, on_progress: Progress | None = None) -> int | None:
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
        for batch in self._batches(new):
            self._bring_in(batch, is_learning=is_learning)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(changes))
        self._texts.learn()
        # Rows that an index was filled with have numbers from before its log began.
        self._done = (generation, epoch, max(changes[-1].change if changes else last, first))
        return generation

    def _known(self, changes: Sequence[ChangedRow]) -> dict[str, bytes]:
        """Return the hashes of the files whose texts are there; forget the files that are not."""
        known = self._texts.digests()
        present = {one.session_id for one in changes if one.digest is not None}
        self._bring_in([ChangedRow(0, one, None, 0) for one in known.keys() - present])
        return known

    def _batches(self, changes: Sequence[ChangedRow]) -> Iterator[list[ChangedRow]]:
        """Yield changes in batches whose files have a bounded size."""
        batch, size_bytes = [], 0
        for change in changes:
            found = self._reconciler.fingerprint(change.session_id)
            batch.append(change)
            size_bytes += found.size_bytes if found is not None else 0
            if size_bytes > _BATCH_BYTES or len(batch) == _BATCH:
                yield batch
                batch, size_bytes = [], 0
        if batch:
            yield batch

    def _bring_in(self, changes: Sequence[ChangedRow], *, is_learning: bool = True) -> None:
        """Put in what the files of sessions say now."""
        for _ in range(_TRIES):
            if not changes:
                return
            overtaken = self._texts.put([*map(self._read, changes)], is_learning=is_learning)
            changes = [one for one in changes if one.session_id in overtaken]

    def _read(self, change: ChangedRow) -> NewTexts:
        """Return a file's words; without any if the file is gone or unreadable."""
        fingerprint, session_id = self._reconciler.fingerprint, change.session_id
        seen = fingerprint(session_id)

        def is_current() -> bool:
            """Return whether the file is unchanged: no other search can have been faster."""
            return fingerprint(session_id) == seen

        if seen is None:
            return NewTexts(session_id, None, 0, {}, is_current)
        try:
            read = self._folder.read(session_id)
            if (plain := plain_document(read.data)) is not None:
                texts = texts_in(plain)
            else:
                texts = texts_of(decoded(read, session_id, self._folder.path(session_id)))
        except (SessionNotFoundError, UnreadableSessionError):
            # Its row must say so: otherwise no change is logged when the file is readable again.
            self._reconciler.summary(session_id)
            return NewTexts(session_id, b"", 0, {}, is_current)
        digest = digest_of(read.data)
        return NewTexts(session_id, digest, change.active_at, texts, is_current)

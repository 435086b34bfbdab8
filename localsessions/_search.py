"""Searching by words: what the full text finds, each looked at in the index and its file."""

from __future__ import annotations

from collections.abc import Sequence

from localsessions._index import Filter, FullText, Query, SessionIndex
from localsessions._reconcile import Progress, Reconciler
from localsessions.models import SearchHit

__all__ = ["Search"]

# Sessions may change while it goes on; then it begins again, this often at most.
_TRIES = 10


class Search:
    """The search of one store.

    Args:
        index: Of the store, and so are the next two.
        texts: See there.
        reconciler: See there.
    """

    def __init__(self, index: SessionIndex, texts: FullText, reconciler: Reconciler) -> None:
        self._index = index
        self._texts = texts
        self._reconciler = reconciler

    def hits(
        self, query: Query, which: Filter, limit: int, on_progress: Progress | None
    ) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first; at most ``limit``."""

        def find() -> tuple[Sequence[SearchHit], bool]:
            # Taken before the question: another thread may find the words lost in between.
            generation = self._reconciler.catch_up_texts(on_progress)
            hits, is_current = self._hits(query, which, limit)
            return hits, is_current and generation == self._texts.generation

        hits: Sequence[SearchHit] = ()
        for _ in range(_TRIES):
            hits, is_current = self._reconciler.answer(find)
            if is_current:
                break
        return hits

    def _hits(self, query: Query, which: Filter, limit: int) -> tuple[Sequence[SearchHit], bool]:
        """Return what is found, and whether each is what its file says now."""
        hits: list[SearchHit] = []
        for found in self._texts.search(query):
            row = found and self._index.get(found.session_id)
            if found is None or (row is None and self._reconciler.look_at(found.session_id)):
                return hits, False
            if row is None or not which.matches(row.summary):
                continue
            if not self._reconciler.look(row):
                return hits, False
            snippet, highlights = query.snippet(found.text.body)
            place = found.position, found.text.role
            hits.append(SearchHit(row.summary, *place, snippet, highlights, found.score))
            if len(hits) == limit:
                break
        return hits, True

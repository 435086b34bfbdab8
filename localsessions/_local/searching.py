"""Searching by words: what the full text finds, each looked at in the index and its file."""

from __future__ import annotations

from collections.abc import Sequence

from localsessions._local.index import Filter, Query, SessionIndex
from localsessions._local.index.fulltext import FullText
from localsessions._local.reconciling import Progress, Reconciler
from localsessions._local.text_indexer import TextIndexer
from localsessions.models import SearchHit

__all__ = ["Search"]

# Sessions may change while it goes on; then it begins again, this often at most.
_TRIES = 10


class Search:
    """The search of one store.

    Args:
        index: Of the store, and so are the next three.
        texts: See there.
        reconciler: See there.
        indexer: See there.
    """

    def __init__(
        self,
        index: SessionIndex,
        texts: FullText,
        reconciler: Reconciler,
        indexer: TextIndexer,
    ) -> None:
        self._index = index
        self._texts = texts
        self._reconciler = reconciler
        self._indexer = indexer

    def hits(
        self, query: Query, which: Filter, limit: int, on_progress: Progress | None
    ) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first; at most ``limit``."""
        hits: Sequence[SearchHit] = ()
        for _ in range(_TRIES):
            hits, is_current = self._indexer.answer(
                lambda: self._hits(query, which, limit), on_progress
            )
            if is_current:
                return hits
        # Others write faster than we look: each was there a moment ago, and its file still is.
        return [hit for hit in hits if self._reconciler.fingerprint(hit.session.session_id)]

    def _hits(self, query: Query, which: Filter, limit: int) -> tuple[Sequence[SearchHit], bool]:
        """Return what is found, and whether all of it is what the files say now."""
        hits: list[SearchHit] = []
        is_current = True
        for found in self._texts.search(query):
            row = found and self._index.get(found.session_id)
            if found is None or (row is None and self._reconciler.look_at(found.session_id)):
                is_current = False
            elif row is not None and which.matches(row.summary):
                is_current &= self._reconciler.look(row)
                snippet, highlights = query.snippet(found.text.body)
                place = found.position, found.text.role
                hits.append(SearchHit(row.summary, *place, snippet, highlights, found.score))
            if len(hits) == limit:
                break
        return hits, is_current

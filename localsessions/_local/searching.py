"""Searching by words: each hit of the full text is checked in the index and in its file.

The full text is updated when a search begins, so that a save never waits for it: only files that
changed since the last search are read.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TypeVar

from localsessions._local.index.fulltext import FullText
from localsessions._local.reading import decoded
from localsessions._local.reconciling import Reconciler
from localsessions._local.version import Fingerprint, digest_of
from localsessions._rules.texts import Text, snippet_of, texts_of
from localsessions._rules.words import Phrases
from localsessions.engine import Progress, Query
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import SearchHit

__all__ = ["Search"]

T = TypeVar("T")

# Sessions may change during a search, and databases may be lost when other processes rebuild them.
# Then the search begins again, at most this often.
_TRIES = 10


class Search:
    """The search of one folder."""

    def __init__(self, reconciler: Reconciler, texts: FullText) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index
        self._reconciler = reconciler
        self._texts = texts
        self._done = (-1, "", 0)

    def hits(
        self, phrases: Phrases, query: Query, limit: int, on_progress: Progress | None
    ) -> Sequence[SearchHit]:
        """Return the sessions that are found, the best first; at most ``limit``."""
        hits: Sequence[SearchHit] = ()
        for _ in range(_TRIES):
            hits, is_current = self._answer(lambda: self._hits(phrases, query, limit), on_progress)
            if is_current:
                return hits
        # Other processes write faster than this one checks: each hit was right a moment ago, and
        # its file still exists.
        return [hit for hit in hits if self._reconciler.fingerprint(hit.session.session_id)]

    def _hits(self, phrases: Phrases, query: Query, limit: int) -> tuple[Sequence[SearchHit], bool]:
        """Return what is found, and whether all of it agrees with the files now."""
        hits: list[SearchHit] = []
        is_current = True
        for found in self._texts.search(phrases):
            row = found and self._index.get(found.session_id)
            if found is None or (row is None and self._reconciler.summary(found.session_id)):
                is_current = False
            elif row is not None and query.matches(row.summary):
                is_current &= self._reconciler.refresh_row(row)
                snippet, highlights = snippet_of(found.text, phrases)
                place = found.position, found.text.role
                hits.append(SearchHit(row.summary, *place, snippet, highlights, found.score))
            if len(hits) == limit:
                break
        return hits, is_current

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
        if last < self._index.first_change():
            last = 0  # the tombstones of that time were dropped
        changes = self._index.changed_since(last)
        if not self._reconciler.is_current():
            return None
        if last == 0:
            self._forget_others({one for _, one, digest in changes if digest is not None})
        for done, (_, session_id, digest) in enumerate(changes, 1):
            self._bring_in(session_id, digest)
            if on_progress is not None:
                on_progress(done, len(changes))
        self._done = (generation, epoch, changes[-1][0] if changes else last)
        return generation

    def _forget_others(self, present: Container[str]) -> None:
        for session_id in self._texts.digests():
            if session_id not in present:
                self._bring_in(session_id, None)

    def _bring_in(self, session_id: str, digest: bytes | None) -> None:
        if digest is not None and self._texts.digest(session_id) == digest:
            return
        fingerprint = self._reconciler.fingerprint
        for _ in range(_TRIES):
            seen = fingerprint(session_id)

            def is_current(seen: Fingerprint | None = seen) -> bool:
                """Return whether the file is unchanged: no other search can have been faster."""
                return fingerprint(session_id) == seen

            if seen is None:
                stored = self._texts.remove(session_id, is_current)
            else:
                stored = self._texts.put(session_id, *self._read(session_id), is_current)
            if stored:
                return

    def _read(self, session_id: str) -> tuple[bytes, dict[int, Text]]:
        """Return a file's hash and words; both are empty if the file is gone or unreadable."""
        try:
            read = self._folder.read(session_id)
            session = decoded(read, session_id, self._folder.path(session_id))
        except (SessionNotFoundError, UnreadableSessionError):
            # Its row must say so: otherwise no change is logged when the file is readable again.
            self._reconciler.summary(session_id)
            return b"", {}
        return digest_of(read.data), texts_of(session)

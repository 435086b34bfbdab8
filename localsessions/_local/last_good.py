"""LastGood: decides which version of a file is worth a copy, in case the file breaks.

``files`` stores the copies and limits their number; ``reading`` reads them.
"""

from __future__ import annotations

from localsessions._local.reconciling import Reconciler
from localsessions._local.version import digest_of
from localsessions.engine import Query
from localsessions.errors import SessionNotFoundError, UnreadableSessionError

__all__ = ["LastGood"]


class LastGood:
    """The last good versions of the sessions of one folder."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index

    def newest(self, count: int) -> list[str]:
        """Return the sessions that were active last: they are likely to be edited."""
        rows = self._index.page(Query(), "-last_activity", count, None)
        return [row.summary.session_id for row in rows]

    def keep(self, session_id: str) -> None:
        """Copy a session's file as it is now, if it is good and not copied yet."""
        row, kept = self._index.get(session_id), self._folder.kept
        if row is None:
            kept.drop(session_id)
            self._prune_if_due()
            return
        # A file that is too young to differ for sure from a later version is copied again, which is
        # harmless.
        if row.summary.unreadable or kept.kept_ns(session_id) > row.fingerprint.ctime_ns:
            return
        try:
            read = self._folder.read(session_id)
        except (SessionNotFoundError, UnreadableSessionError):
            return  # changed since: the report of that change leads here again
        if digest_of(read.data) == row.digest:
            kept.keep(session_id, read.data)
            self._prune_if_due()

    def _prune_if_due(self) -> None:
        if self._folder.kept.is_to_be_pruned:
            *_, sessions_bytes = self._index.totals()
            self._folder.kept.prune(sessions_bytes)

"""One cleanup of a store: which sessions it concerns, and what it does with each and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from localsessions._local.index import Cursor, Filter, SessionIndex, listing_of
from localsessions._local.reconciling import Reconciler
from localsessions._rules.retention import verdict
from localsessions.models import CleanupAction, CleanupReport, Order

__all__ = ["Cleanup"]

_ORDER: Order = "last_activity"
_PAGE = 500


class Cleanup:
    """A cleanup at one instant; it decides by what the files say, and does nothing itself.

    Args:
        index: Of the store, which is up to date.
        reconciler: Of the store.
        now: The instant.
        cutoff: Sessions last active before it are due; None goes by ``expires_at`` instead.
    """

    def __init__(
        self,
        index: SessionIndex,
        reconciler: Reconciler,
        now: datetime,
        cutoff: datetime | None,
    ) -> None:
        self._index = index
        self._reconciler = reconciler
        self._now = now
        self._cutoff = cutoff
        self._actions: dict[str, CleanupAction] = {}

    def concerned(self) -> Sequence[str]:
        """Return the sessions to look at, in the order in which they are told."""
        return self._reconciler.answer(self._concerned)

    def _concerned(self) -> Sequence[str]:
        if self._cutoff is None:
            return self._index.expired(self._now)
        kinds = Filter(until=self._cutoff), Filter(since=self._now)
        return [session_id for which in kinds for session_id in self._every(which)]

    def _every(self, which: Filter) -> Iterator[str]:
        after: Cursor | None = None
        while rows := self._index.page(which, _ORDER, _PAGE, after):
            yield from (row.summary.session_id for row in rows)
            text = self._index.cursor(rows[-1].summary, which, _ORDER)
            after = Cursor.decode(text, listing_of(which, _ORDER))

    def is_due(self, session_id: str) -> bool:
        """Tell, by the file, whether a session is to go; note what is done with it and why."""
        summary = self._reconciler.look_at(session_id)
        action = None if summary is None else verdict(summary, self._now, self._cutoff)
        if action is not None:
            self._actions[session_id] = action
        return action is not None and action.deleted

    def report(self, session_ids: Sequence[str], *, dry_run: bool) -> CleanupReport:
        """Return what was noted of sessions, in their order."""
        actions = tuple(self._actions[one] for one in session_ids if one in self._actions)
        return CleanupReport(self._cutoff or self._now, dry_run, actions)

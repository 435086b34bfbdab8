"""Listings: what the index says, brought up to date; each line is plain, without a model.

::

    Listings        of an engine that has a folder and its index open
    ListingEngine   opens both only to list: no other room is imported, nor pydantic
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from localsessions._codec import MAX_FILE_BYTES
from localsessions._codec.names import is_session_id
from localsessions._local.files import SessionFolder
from localsessions._local.index import IndexRow, SessionIndex, listing_of
from localsessions._local.reconciling import Reconciler
from localsessions._rules.beginnings import alone
from localsessions._rules.cursor import Cursor
from localsessions._rules.groups import joined
from localsessions.engine import Query
from localsessions.models import Group, Grouping, Order, Page, PlainSummary

__all__ = ["ListingEngine", "Listings", "database_in"]

# A page checks each row that it returns. While rows keep changing, it is read this often at most.
_LOOKS = 10
_MOST_ROWS = 2**31  # the limit of SQLite


class Listings:
    """The listings of one folder; see ``engine.Listings`` for the contract of each method."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._folder, self._index = reconciler.folder, reconciler.index

    def page(
        self, query: Query, *, order: Order, limit: int, cursor: str | None, fresh: bool
    ) -> Page[PlainSummary]:
        """Return a page of lines."""
        limit = min(limit, _MOST_ROWS)
        after = None if cursor is None else Cursor.decode(cursor, listing_of(query, order))
        if fresh:
            self._reconciler.refresh(fresh=True)
        rows = self._looked_at(lambda: self._index.page(query, order, limit + 1, after))
        items = tuple(row.summary for row in rows[:limit])
        more = self._index.cursor(items[-1], query, order) if len(rows) > limit else None
        return Page(items, more)

    def _looked_at(self, ask: Callable[[], Sequence[IndexRow]]) -> Sequence[IndexRow]:
        """Ask the index until each row that it returns agrees with its file."""
        rows: Sequence[IndexRow] = ()
        for _ in range(_LOOKS):
            rows = self._reconciler.ask(ask)
            stale = [row for row in rows if not self._reconciler.refresh_row(row)]
            if not stale:
                return rows
            self._reconciler.refresh()
        return [row for row in rows if self._folder.fingerprint(row.summary.session_id)]

    def summary(self, session_id: str) -> PlainSummary | None:
        """Return the line of a session; None if it does not exist."""
        return self._reconciler.summary(session_id)

    def count(self, query: Query) -> int:
        """Return how many sessions there are."""
        return self._reconciler.ask(lambda: self._index.count(query))

    def groups(self, by: Grouping, query: Query) -> Sequence[Group]:
        """Return the groups of the sessions."""
        return joined(self._reconciler.ask(lambda: self._index.parts(by, query)))

    def ids(self, query: Query, *, fresh: bool = False) -> Sequence[str]:
        """Return the ids of all sessions, the least recently active first."""
        self._reconciler.refresh(fresh=fresh)
        return self._reconciler.ask(lambda: self._index.ids(query))

    def named(self, reference: str, limit: int) -> Sequence[str]:
        """Return the ids that a person may mean."""
        self._reconciler.refresh()
        ids: Sequence[str] = ()
        if is_session_id(reference):
            if self._folder.fingerprint(reference) is not None:
                return [reference]
            ids = self._reconciler.ask(lambda: self._index.ids_like(reference, limit))
        titled = self._reconciler.ask(lambda: self._index.ids_titled(reference, limit))
        return list(dict.fromkeys([*ids, *titled]))[:limit]

    def short_ids(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return for each id its shortest beginning that no other id has."""
        # What a file names as its parent may be no id, nor a text that a database takes.
        asked = [one for one in session_ids if is_session_id(one)]
        beside = self._reconciler.ask(lambda: self._index.ids_beside(asked))
        return {one: alone(one, beside.get(one, ())) for one in session_ids}


class ListingEngine(Listings):
    """A folder that is opened only to be listed: this much of an engine, see ``engine``.

    It reads no session into memory and writes none. A file that is not in our layout is read as
    any store reads it, which imports pydantic.
    """

    def __init__(self, save_dir: str, *, lock_timeout: float, max_file_bytes: int) -> None:
        folder = SessionFolder(
            save_dir,
            durability="full",
            lock_timeout=lock_timeout,
            max_file_bytes=min(max_file_bytes, MAX_FILE_BYTES),
        )
        self.address = folder.save_dir
        super().__init__(Reconciler(folder, SessionIndex(database_in(folder, "index.sqlite3"))))

    def location(self, session_id: str) -> str:
        """Return the path of the session's file."""
        return self._folder.path(session_id)

    def close(self) -> None:
        """Close the index. Idempotent."""
        self._index.close()


def database_in(folder: SessionFolder, name: str) -> str | None:
    """Return the path of a database of a folder; None keeps it in memory."""
    return os.path.join(folder.private, name) if folder.read_only is None else None

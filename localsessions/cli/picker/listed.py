"""What is listed: the newest sessions, this folder's first, or those that a search finds."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from localsessions.cli.picker.rows import Columns, Row, columns_of
from localsessions.cli.screen.safe import counted, one_line

if TYPE_CHECKING:
    from localsessions.engine import IsWanted, Progress
    from localsessions.models import Filters
    from localsessions.store import SessionStore

__all__ = ["Asked", "Listed", "get_ready", "newest", "searched"]

_IN_NO_TEXT = "zqxjkvwq"
"""No word has it, so a search asks for all that a question may need."""


class Asked(NamedTuple):
    """What a person asks for.

    Attributes:
        words: What is searched for; blank lists the newest.
        here: This folder's project, whose sessions come first; None if it has none.
        project: Only sessions of this project.
        program: Only sessions of this program.
        archived: Whether archived ones are listed, too.
    """

    words: str = ""
    here: str | None = None
    project: str | None = None
    program: str | None = None
    archived: bool = False

    @property
    def filters(self) -> Filters:
        """What restricts the sessions."""
        archived = None if self.archived else False
        if re.search(r"(?:^|\s)-?status:\S", self.words):
            archived = None
        return {"project": self.project, "program": self.program, "archived": archived}

    def told(self, listed: Listed) -> str:
        """Say what is listed."""
        parts = [self._counted(listed)]
        if self.project is not None:
            parts.append(f"only of {self.project}")
        if self.program is not None:
            parts.append(f"only from {self.program}")
        if listed.hidden:
            parts.append(f"{counted(listed.hidden, 'archived one')} hidden, h shows")
        return one_line(", ".join(parts))

    def _counted(self, listed: Listed) -> str:
        if not self.words.strip():
            return counted(listed.total, "session") if listed.total else "no sessions"
        if not listed.total:
            return "nothing found"
        if listed.total > len(listed.rows):
            return f"found more than {counted(len(listed.rows), 'session')}"
        return f"found {counted(listed.total, 'session')}"


class Listed(NamedTuple):
    """What is listed.

    Attributes:
        rows: The rows, in order.
        columns: What their cells have in common.
        total: How many there are, with those that are not in ``rows``; of what a search finds, more
            than are in ``rows`` if there are more.
        hidden: How many archived ones are left out; of a search, only where it finds no others.
    """

    rows: tuple[Row, ...]
    columns: Columns
    total: int
    hidden: int = 0


def newest(store: SessionStore, asked: Asked, count: int) -> Listed:
    """Return the first ``count`` sessions: this folder's, the newest first, then the others."""
    filters, mine = asked.filters, asked.here
    total = store.count(**filters)
    archived: Filters = {**filters, "archived": True}
    hidden = 0 if asked.archived else store.count(**archived)
    if mine is None or asked.project is not None:
        rows = tuple(Row(one) for one in store.list(**filters, limit=count))
        return Listed(rows, columns_of(store, rows), total, hidden)
    of_here: Filters = {**filters, "project": mine}
    first = store.list(**of_here, limit=count).items
    # Those of this folder may be among the newest of all, and stand above already.
    others = (one for one in store.list(**filters, limit=count).items if one.project != mine)
    rest = islice(others, count - len(first))
    rows = tuple(Row(one) for one in (*first, *rest))
    return Listed(rows, columns_of(store, rows), total, hidden)


def searched(
    store: SessionStore, asked: Asked, count: int, is_wanted: IsWanted, on_progress: Progress
) -> Listed:
    """Return the first ``count`` sessions that a search finds, the best first.

    Raises:
        SearchGivenUpError: ``is_wanted`` said no.
    """
    hits = store.search(
        asked.words,
        **asked.filters,
        limit=count + 1,
        is_wanted=is_wanted,
        on_progress=on_progress,
    )
    rows = tuple(Row(hit.session, hit) for hit in hits[:count])
    hidden = 0
    if not rows and asked.filters["archived"] is False:
        archived: Filters = {**asked.filters, "archived": True}
        hidden = len(store.search(asked.words, **archived, limit=count, is_wanted=is_wanted))
    return Listed(rows, columns_of(store, rows), len(hits), hidden)


def get_ready(store: SessionStore, is_wanted: IsWanted, on_progress: Progress) -> None:
    """Read what changed since the last search, and learn the parts of new words.

    Raises:
        SearchGivenUpError: ``is_wanted`` said no; what was read stays read.
    """
    store.search(_IN_NO_TEXT, limit=1, is_wanted=is_wanted, on_progress=on_progress)

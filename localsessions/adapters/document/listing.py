"""All sessions that fit, from the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localsessions import SessionStore, SessionSummary

__all__ = ["summaries"]

_PAGE = 1000


def summaries(store: SessionStore, **asked: Any) -> Iterator[SessionSummary]:
    """Yield the summaries of all sessions that fit, page by page.

    Args:
        store: Where they are.
        asked: The order and the filters of ``store.list``.
    """
    page = store.list(limit=_PAGE, **asked)
    yield from page
    while page.next_cursor is not None:
        page = store.list(limit=_PAGE, cursor=page.next_cursor, **asked)
        yield from page

"""The sessions that a name fits, a line for each: what a person needs to choose one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from localsessions.cli.screen.moments import ago, local_minute
from localsessions.cli.screen.safe import one_line
from localsessions.models import utc_now

__all__ = ["candidates"]

_LONGEST_TITLE = 36


def candidates(
    found: Sequence[tuple[str | None, datetime, str]], *, is_more: bool
) -> Iterator[str]:
    """Yield a line for each session, safe for a terminal, with its title, age and id.

    Args:
        found: Title, time and id of each.
        is_more: Whether there are others.
    """
    from rich.cells import set_cell_size

    titles = [one_line(title or "(no title)") for title, _, _ in found]
    width = min(_LONGEST_TITLE, max(map(_width, titles), default=0))
    now = utc_now()
    times = [ago(at, now) for _, at, _ in found]
    if len({*times}) < len(times):  # ages that do not tell them apart
        times = [local_minute(at) for _, at, _ in found]
    longest = max(map(len, times), default=0)
    for title, at, (_, _, session_id) in zip(titles, times, found, strict=True):
        yield f"  {set_cell_size(title, width)}  {at:{longest}}  {one_line(session_id)}"
    if is_more:
        yield "  and more"


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)

"""A hit of a search, drawn for a terminal: where it is, what it says, how to open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from localsessions.cli.screen.lines import title_of
from localsessions.cli.screen.moments import ago
from localsessions.cli.screen.names import project_names
from localsessions.cli.screen.rendering import rendered
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit
from localsessions.models import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localsessions.models import Neighbour, SearchHit

__all__ = ["emit_hit"]


def emit_hit(hit: SearchHit, short: Mapping[str, str], command: str) -> None:
    """Write a hit with the messages beside it.

    Args:
        hit: What was found.
        short: Short ids, by id; has that of its session's parent.
        command: What opens it, as a person types it.
    """
    lines = [Padding(line, (0, 0, 0, 2)) for line in (_place(hit), *_lines(hit))]
    emit(rendered(Group(_title(hit, short), *lines)))
    # Whole, also where it is longer than a line: a person copies it.
    emit(rendered(Text(f"  {command}", style="dim"), is_whole=True))


def _title(hit: SearchHit, short: Mapping[str, str]) -> Text:
    title = one_line(title_of(hit.session, short))
    return Text(title, "bold", overflow="ellipsis", no_wrap=True)


def _place(hit: SearchHit) -> Text:
    session = hit.session
    place = "title, tags or metadata" if hit.highlights else "last said"
    if hit.position is not None:
        place = f"message {hit.position + 1}, {hit.role}"
    age = "undated" if session.undated else ago(session.last_activity, utc_now())
    project = project_names([session.project])[session.project] if session.project else None
    facts = [one for one in (place, age, project, session.program) if one]
    return Text(one_line(", ".join(facts)), "dim", overflow="fold")


def _lines(hit: SearchHit) -> Iterator[Text]:
    before = [one for one in hit.neighbours if one.position < (hit.position or 0)]
    yield from map(_neighbour, before)
    yield _highlighted(hit)
    yield from map(_neighbour, hit.neighbours[len(before) :])


def _neighbour(one: Neighbour) -> Text:
    text = one_line(f"| {one.position + 1} {one.role}: {one.text}")
    return Text(text, "dim", overflow="fold")


def _highlighted(hit: SearchHit) -> Text:
    # Each part is made safe by itself: escapes make it longer, and would move the highlights.
    made, end = Text(overflow="fold"), 0
    for start, stop in hit.highlights:
        made.append(_safe(hit.snippet[end:start]))
        made.append(_safe(hit.snippet[start:stop]), "bold red")
        end = stop
    return made.append(_safe(hit.snippet[end:]))


def _safe(part: str) -> str:
    # Without the bars, one_line() would remove the spaces at the ends of a part.
    return one_line(f"|{part}|")[1:-1]

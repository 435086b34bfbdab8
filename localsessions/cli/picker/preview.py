"""What is read of a session: its head, and some of its messages; nothing here touches the screen.

Every text goes through ``screen.safe`` and into ``Text`` objects, so that nothing in it is taken
for markup, for a link or for an act.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from localsessions.cli.picker.looks import RICH
from localsessions.cli.picker.rows import Row, title_piece
from localsessions.cli.screen.moments import local_minute
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.transcript import Look, drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType

    from localsessions.models import Message, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["Shown", "head_of", "named", "previewed", "read"]

_LAST = 10  # messages of a preview
_BESIDE = 3  # messages before the hit, and after it
_FOLDED, _WHOLE = Look(hints=False), Look(full=True, reasoning=True, hints=False)


class Shown(NamedTuple):
    """Blocks, and the number of the one where reading begins; -1 means the end of the last."""

    blocks: Sequence[RenderableType]
    first: int = 0


def previewed(store: SessionStore, row: Row) -> Shown:
    """Return the head and the last messages, or the message of the hit with its neighbours."""
    head, one = head_of(row.summary), row.summary
    if one.unreadable is not None:
        return Shown([head])
    if row.hit is None or row.hit.position is None:
        tail = store.tail(one.session_id, _LAST)
        return Shown([head, *drawn(tail, _FOLDED, first=one.message_count - len(tail))])
    at = row.hit.position
    messages = store.load(one.session_id).messages[: at + _BESIDE + 1]
    return _from_hit(head, messages, max(at - _BESIDE, 0), at, _FOLDED)


def read(store: SessionStore, row: Row) -> tuple[Shown, Callable[[], Shown]]:
    """Return a session to be read, from the hit on, or its end; and what makes it whole."""
    messages = store.load(row.session_id).messages
    return _read(row, messages, _FOLDED), partial(_read, row, messages, _WHOLE)


def _read(row: Row, messages: Sequence[Message], look: Look) -> Shown:
    head = _told(row.summary)  # the title has a line of its own
    if row.hit is None or row.hit.position is None:
        return Shown([head, *drawn(messages, look)], -1)
    return _from_hit(head, messages, 0, row.hit.position, look)


def _from_hit(head: Text, messages: Sequence[Message], begin: int, at: int, look: Look) -> Shown:
    """Return messages from some position on, of which the hit is a block of its own."""
    look = replace(look, marked=at)
    before = [*drawn(messages[begin:at], look, first=begin)]
    return Shown([head, *before, *drawn(messages[at:], look, first=at)], 1 + len(before))


def head_of(one: SessionSummary) -> Text:
    """Return what is known of a session without its messages."""
    return Text.assemble(named(one), "\n", _told(one))


def named(one: SessionSummary) -> Text:
    """Return the title of a session on a line, or why it has none."""
    title = title_piece(one, {one.parent: one.parent} if one.parent else {})
    return Text(title.text, RICH[title.look] or "bold")


def _told(one: SessionSummary) -> Text:
    facts = [Text.assemble((f"{name}: ", "dim"), one_line(value)) for name, value in _facts(one)]
    if one.unreadable is not None:
        facts.append(
            Text("open it in an editor and mend it, or delete it: both keep what is in it")
        )
    return Text("\n").join(facts)


def _facts(one: SessionSummary) -> Iterator[tuple[str, str]]:
    yield "id", one.session_id
    came = [part for part in (one.program, one.project, one.branch) if part]
    if came:
        yield "from", ", ".join(came)
    if one.agent_id:
        yield "agent", one.agent_id
    yield "last active", "undated" if one.undated else local_minute(one.last_activity)
    yield "messages", f"{one.message_count:,}"
    if one.tags:
        yield "tags", ", ".join(one.tags)

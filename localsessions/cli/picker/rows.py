"""Rows of the list: a session on a line, and the words that a search found on a second one.

A row is made of pieces of clean text, so that the first screen and the list draw the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size

from localsessions.cli.picker.looks import Line, Look, Piece
from localsessions.cli.screen.lines import title_of
from localsessions.cli.screen.moments import ago
from localsessions.cli.screen.names import project_names
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.tables import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from localsessions.models import SearchHit, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["Columns", "Row", "columns_of", "lines_of", "title_piece"]

_CELLS = ("age", "project", "program", "messages", "id")  # beside the title, in this order
_SPARE = ("program", "project", "messages", "id")  # a narrow terminal leaves them out, in this one
_NUMBERS = ("messages",)
_AGE, _MOST = len("59 min ago"), 14
# Cells are left out until the title has this width.
_LEAST = 30
_BETWEEN = 2


class Row(NamedTuple):
    """A session that is listed, and where it was found if it was searched for."""

    summary: SessionSummary
    hit: SearchHit | None = None

    @property
    def session_id(self) -> str:
        """Its id."""
        return self.summary.session_id


class Columns(NamedTuple):
    """What the cells of some rows have in common.

    Attributes:
        short: Short ids, by id, of the sessions and their parents.
        names: Names of projects, by folder.
        widths: The width of each cell beside the title.
    """

    short: Mapping[str, str]
    names: Mapping[str, str]
    widths: Mapping[str, int]


def columns_of(store: SessionStore, rows: Iterable[Row]) -> Columns:
    """Return what the cells of these rows have in common."""
    ones = [row.summary for row in rows]
    short = store.short_ids({name for one in ones for name in (one.session_id, one.parent) if name})
    names = project_names(one.project for one in ones if one.project)
    longest = {
        "age": [_AGE],
        "project": [len(names.get(one.project or "", "")) for one in ones],
        "program": [len(one.program or "") for one in ones],
        "messages": [len(str(one.message_count)) for one in ones],
        "id": [len(short[one.session_id]) for one in ones],
    }
    widths = {name: min(max(longest[name], default=0), _MOST) for name in _CELLS}
    return Columns(short, names, {name: width for name, width in widths.items() if width})


def lines_of(row: Row, columns: Columns, width: int, now: datetime) -> list[Line]:
    """Return the lines of a row, none wider than the list."""
    lines = [_first(row.summary, columns, width, now)]
    if row.hit is not None:
        lines.append(_found(row.hit, width))
    return lines


def title_piece(one: SessionSummary, short: Mapping[str, str]) -> Piece:
    """Return what is read first of a session: its title with its marks, or why it has none."""
    title = title_of(one, short)
    look: Look = "fault" if isinstance(title, Fault) else "plain"
    return Piece(one_line(title), look)


def _first(one: SessionSummary, columns: Columns, width: int, now: datetime) -> Line:
    widths = _kept(columns.widths, width)
    title = title_piece(one, columns.short)
    room = max(width - _taken(widths), 1)
    pieces = [Piece(_fitted(title.text, room), title.look)]
    for name, cell in _cells(one, columns, now).items():
        if name in widths:
            text = _fitted(one_line(cell), widths[name], to_right=name in _NUMBERS)
            pieces.append(Piece(" " * _BETWEEN + text, "dim"))
    return pieces


def _cells(one: SessionSummary, columns: Columns, now: datetime) -> dict[str, str]:
    return {
        "age": "undated" if one.undated else ago(one.last_activity, now),
        "project": columns.names.get(one.project or "", ""),
        "program": one.program or "",
        "messages": str(one.message_count),
        "id": columns.short[one.session_id],
    }


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _BETWEEN * len(widths)


def _kept(widths: Mapping[str, int], width: int) -> dict[str, int]:
    """Return the cells that a list of this width has beside the title."""
    kept = dict(widths)
    for name in _SPARE:
        if width - _taken(kept) >= _LEAST:
            break
        kept.pop(name, None)
    return kept


def _found(hit: SearchHit, width: int) -> Line:
    """Return the text around a hit, so that the hit is in view."""
    pieces, end = list[Piece](), 0
    for start, stop in hit.highlights:
        pieces.append(Piece(_safe(hit.snippet[end:start]), "dim"))
        pieces.append(Piece(_safe(hit.snippet[start:stop]), "hit"))
        end = stop
    pieces.append(Piece(_safe(hit.snippet[end:]), "dim"))
    return [Piece("  "), *_cut_line(_in_view(pieces, width - 2), width - 2)]


def _in_view(pieces: list[Piece], width: int) -> list[Piece]:
    """Cut the beginning off if the first hit would be out of view."""
    before, *rest = pieces
    if not rest or cell_len(before.text) + cell_len(rest[0].text) <= width:
        return pieces
    text = before.text
    while cell_len(text) > width // 3:
        text = text[1:]
    return [Piece(f"…{text}", before.look), *rest]


def _cut_line(pieces: Sequence[Piece], width: int) -> list[Piece]:
    made, left = list[Piece](), width
    for piece in pieces:
        made.append(Piece(_cut(piece.text, left), piece.look))
        left -= cell_len(made[-1].text)
    return made


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def _fitted(text: str, width: int, *, to_right: bool = False) -> str:
    text = _cut(text, width)
    pad = " " * (width - cell_len(text))
    return pad + text if to_right else text + pad


def _safe(part: str) -> str:
    # Without the bars, one_line() would remove the spaces at the ends of a part.
    return one_line(f"|{part}|")[1:-1]

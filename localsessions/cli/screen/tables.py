"""Tables: fitted to a terminal, bare in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import click

from localsessions.cli.screen.safe import clean, one_line
from localsessions.cli.screen.streams import emit, is_fitted, is_plain, styled

__all__ = ["Row", "emit_rows", "emit_table"]

Row = Sequence[str]


def emit_table(
    header: Row,
    rows: Sequence[Row],
    *,
    numbers: Sequence[int] = (),
    spare: Sequence[int] = (),
) -> None:
    """Write a table: fitted to a terminal; otherwise bare rows, with a tab between the cells.

    Args:
        header: The names of the columns.
        rows: Cells of any text. On a terminal the first cell of a row is folded and not cut, and
            so is a last cell that begins with "unreadable"; other last cells are cut.
        numbers: The columns that are aligned to the right.
        spare: The columns that a narrow terminal leaves out, in this order.
    """
    if is_fitted():
        table = [[one_line(cell) for cell in row] for row in rows]
        emit(_fitted([header, *table], numbers, spare))
    else:
        emit_rows(rows)


def emit_rows(rows: Iterable[Row]) -> None:
    """Write bare rows, with a tab between the cells; one in a cell becomes a space."""
    for row in rows:
        emit("\t".join(clean(re.sub(r"[\t\r\n]", " ", cell)) for cell in row))


def _widths(table: Sequence[Row]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*table, strict=True)]


# Other columns are left out until the last column has this width.
_ROOM = 20
# The last column is narrowed down to this width before the others are.
_LEAST = 12


def _kept(table: Sequence[Row], spare: Sequence[int], width: int) -> list[int]:
    """Return the columns that fit on a terminal of this width."""
    *widths, last = (size + 2 for size in _widths(table))
    kept = list(range(len(widths)))
    for column in spare:
        if sum(widths[at] for at in kept) + min(last, _ROOM) > width:
            kept.remove(column)
    return [*kept, len(widths)]


def _fitted(table: Sequence[Row], numbers: Sequence[int], spare: Sequence[int]) -> str:
    # Not rich.table: its import takes as long as a whole listing.
    width = shutil.get_terminal_size().columns
    columns = _kept(table, spare, width)
    header, *rows = ([row[at] for at in columns] for row in table)
    widths = _narrowed(_widths([header, *rows]), width)
    is_right = [at in numbers for at in columns]
    lines = [styled(line) for line in _lines(header, widths, is_right)]
    return "\n".join([*lines, *(line for row in rows for line in _lines(row, widths, is_right))])


def _narrowed(widths: list[int], width: int) -> list[int]:
    """Return widths that fit: the last column is narrowed first, then each time the widest."""
    excess = sum(widths) + 2 * (len(widths) - 1) - width
    last = min(widths[-1], max(widths[-1] - excess, _LEAST))
    excess -= widths[-1] - last
    narrowed = [*widths[:-1], last]
    while excess > 0 and max(narrowed) > 1:
        narrowed[narrowed.index(max(narrowed))] -= 1
        excess -= 1
    return narrowed


def _lines(row: Row, widths: Sequence[int], is_right: Sequence[bool]) -> Iterator[str]:
    """Yield the lines of a row: more than one where a cell is folded."""
    from rich.cells import cell_len, set_cell_size

    _, *middle, end = (_cut(cell, width) for cell, width in zip(row, widths, strict=True))
    is_fault = row[-1].startswith("unreadable")
    if is_fault:
        end = _folded(row[-1], widths[-1])
    for cells in zip_longest(_folded(row[0], widths[0]), *middle, end, fillvalue=""):
        *others, last = (
            " " * (width - cell_len(cell)) + cell if right else set_cell_size(cell, width)
            for cell, width, right in zip(cells, widths, is_right, strict=True)
        )
        last = last.rstrip()
        red = is_fault and last and not is_plain(sys.stdout)
        yield "  ".join([*others, click.style(last, fg="red") if red else last]).rstrip()


def _folded(cell: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return [part for line in textwrap.wrap(cell, width) for part in chop_cells(line, width)]


def _cut(cell: str, width: int) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) <= width:
        return [cell]
    has_ellipsis = sys.stdout.encoding.lower().startswith("utf")
    return [set_cell_size(cell, width - 1) + "…" if has_ellipsis else set_cell_size(cell, width)]

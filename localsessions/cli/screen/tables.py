"""Tables: fitted to a terminal, bare in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

from localsessions.cli.screen.safe import clean, one_line
from localsessions.cli.screen.streams import emit, is_fitted, is_plain, styled

__all__ = ["Column", "Fault", "Row", "emit_rows", "emit_table"]

Row = Sequence[str]


class Column(NamedTuple):
    """A column of a table on a terminal.

    Attributes:
        header: What stands above it.
        is_wide: Whether it takes what the others leave; it is narrowed first, and cut. One column
            of a table is so.
        is_number: Whether it is aligned to the right.
        is_whole: Whether a cell that does not fit is folded and not cut.
        is_spare: Whether a narrow terminal leaves it out; of several, the last goes first.
    """

    header: str
    is_wide: bool = False
    is_number: bool = False
    is_whole: bool = False
    is_spare: bool = False


class Fault(str):
    """A cell that says what is wrong: it is red, and folded where it does not fit."""

    __slots__ = ()


def emit_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Write a table: fitted to a terminal; otherwise bare rows, with a tab between the cells."""
    if is_fitted():
        emit("\n".join(_fitted(columns, [[_flat(cell) for cell in row] for row in rows])))
    else:
        emit_rows(rows)


def emit_rows(rows: Iterable[Row]) -> None:
    """Write bare rows, with a tab between the cells; one in a cell becomes a space."""
    for row in rows:
        emit("\t".join(clean(re.sub(r"[\t\r\n]", " ", cell)) for cell in row))


def _flat(cell: str) -> str:
    return Fault(one_line(cell)) if isinstance(cell, Fault) else one_line(cell)


# Spare columns are left out until the wide one has this width.
_ROOM = 28
# The wide column is narrowed down to this width before the others are.
_LEAST = 12
_BETWEEN = 2


def _fitted(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    # Not rich.table: its import takes as long as a whole listing.
    from rich.cells import cell_len

    width = shutil.get_terminal_size().columns
    whole = [[one.header for one in columns], *rows]
    widths = [max(map(cell_len, cells)) for cells in zip(*whole, strict=True)]
    kept = _kept(columns, widths, width)
    columns = [columns[at] for at in kept]
    widths = _narrowed(columns, [widths[at] for at in kept], width)
    for row in whole:
        cells = [row[at] for at in kept]
        for line in _lines(cells, columns, widths):
            yield styled(line) if row is whole[0] else line


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the columns that fit on a terminal of this width."""
    kept = list(range(len(columns)))

    def needed() -> int:
        least = [min(widths[at], _ROOM) if columns[at].is_wide else widths[at] for at in kept]
        return sum(least) + _BETWEEN * (len(kept) - 1)

    for at in reversed(range(len(columns))):
        if columns[at].is_spare and needed() > width:
            kept.remove(at)
    return kept


def _narrowed(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return widths that fit: the wide column is narrowed first, then each time the widest."""
    narrowed = list(widths)
    excess = sum(widths) + _BETWEEN * (len(widths) - 1) - width
    wide = next((at for at, one in enumerate(columns) if one.is_wide), len(columns) - 1)
    narrowed[wide] = min(widths[wide], max(widths[wide] - excess, _LEAST))
    excess -= widths[wide] - narrowed[wide]
    while excess > 0 and max(narrowed) > 1:
        narrowed[narrowed.index(max(narrowed))] -= 1
        excess -= 1
    return narrowed


def _lines(row: Row, columns: Sequence[Column], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row: more than one where a cell is folded."""
    cells = [
        _folded(cell, width) if one.is_whole or isinstance(cell, Fault) else _cut(cell, width)
        for cell, one, width in zip(row, columns, widths, strict=True)
    ]
    faults = [isinstance(cell, Fault) and not is_plain(sys.stdout) for cell in row]
    for line in zip_longest(*cells, fillvalue=""):
        parts = [
            _aligned(part, width, to_right=one.is_number)
            for part, one, width in zip(line, columns, widths, strict=True)
        ]
        parts[-1] = parts[-1].rstrip()
        coloured = zip(parts, faults, strict=True)
        told = [click.style(part, fg="red") if is_red else part for part, is_red in coloured]
        yield (" " * _BETWEEN).join(told).rstrip()


def _aligned(cell: str, width: int, *, to_right: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    return " " * (width - cell_len(cell)) + cell if to_right else set_cell_size(cell, width)


def _folded(cell: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return [part for line in textwrap.wrap(cell, width) for part in chop_cells(line, width)]


def _cut(cell: str, width: int) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) <= width:
        return [cell]
    has_ellipsis = sys.stdout.encoding.lower().startswith("utf")
    return [set_cell_size(cell, width - 1) + "…" if has_ellipsis else set_cell_size(cell, width)]

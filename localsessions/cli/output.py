"""What reaches the terminal: texts made safe for it, JSON, tables, styles.

Other people and programs wrote the content of a session. No control character in it reaches a
terminal, and a character that the terminal's encoding lacks is written as an escape.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

import click

from localsessions.format import encode_value
from localsessions.models import format_instant

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "Row",
    "clean",
    "counted",
    "emit",
    "emit_data",
    "emit_json",
    "emit_json_line",
    "emit_rows",
    "emit_table",
    "is_fitted",
    "is_plain",
    "note",
    "one_line",
    "short_instant",
    "styled",
    "survive_any_encoding",
]

# C0 except tab and newline, DEL and C1; characters that turn the direction of writing; line
# separators; lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Return a text of several lines with every control character escaped."""
    return _UNSAFE.sub(lambda match: _spelled(match.group()), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return a text as one line, with every control character escaped."""
    return clean(" ".join(text.split()))


def counted(count: int, what: str) -> str:
    """Return a number with what it counts, of which the plural ends with an s."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _spelled(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def survive_any_encoding() -> None:
    """Make both streams escape what their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def emit(line: str) -> None:
    """Write a line of data."""
    if sys.stdout is not None:
        _write(sys.stdout, f"{line}\n".encode(sys.stdout.encoding, errors="backslashreplace"))


def note(line: str) -> None:
    """Tell the person something that is not data."""
    click.echo(line, file=sys.stderr)


def emit_data(data: bytes, *, is_json: bool = False) -> None:
    """Write bytes as they are; to a terminal, write them as clean text, or as the same JSON."""
    if is_json and _is_terminal(sys.stdout):
        _emit_escaped(data.decode())
    elif _is_terminal(sys.stdout):
        emit(clean(data.decode(errors="replace")).rstrip("\n"))
    elif sys.stdout is not None:
        _write(sys.stdout, data)


def _write(stream: TextIO, data: bytes) -> None:
    # Not click.echo(): with PYTHONUNBUFFERED the stream may write only a part and return how much.
    # If the disk is full or the reader goes away, the data would be cut without an error.
    try:
        stream.flush()
        rest = memoryview(data)
        while rest:
            written: int | None = stream.buffer.write(rest)
            if written is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), "standard output")
            rest = rest[written:]
        stream.buffer.flush()
    except OSError as error:
        # So Windows says of a pipe that its reader is gone, https://bugs.python.org/issue35754.
        if os.name == "nt" and error.errno == errno.EINVAL:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise


def emit_json(items: Sequence[object], **more: object) -> None:
    """Write a JSON document in UTF-8, the envelope of every command; see docs/command-line.md.

    Args:
        items: What the command is about; the fields of models by their names.
        **more: What the envelope says beside them.
    """
    _emit_escaped(encode_value(_envelope(items, more)).decode())


def emit_json_line(item: object) -> None:
    """Write an envelope with one item, on one line of many."""
    told = json.dumps(_envelope([item], {}), ensure_ascii=False, separators=(",", ":"))
    _emit_escaped(f"{told}\n")


def _envelope(items: Sequence[object], more: Mapping[str, object]) -> JsonValue:
    command = click.get_current_context().info_name
    return _plain({"version": _ENVELOPE, "command": command, "items": items, **more})


_ENVELOPE = 1


def _emit_escaped(text: str) -> None:
    # The remaining unsafe characters are all inside strings, where an escape means the same.
    escaped = _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    if sys.stdout is not None:
        _write(sys.stdout, escaped.encode())


def _plain(value: object) -> JsonValue:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, datetime):
        return format_instant(value)
    if names := getattr(type(value), "model_fields", None):  # of a pydantic model
        return {name: _plain(getattr(value, name)) for name in names}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise AssertionError(value)


def short_instant(instant: datetime) -> str:
    """Return an instant to the minute, in UTC, as a person reads it."""
    return f"{format_instant(instant)[:16].replace('T', ' ')}Z"


# -- styles --------------------------------------------------------------------------------------


def is_plain(stream: TextIO | None) -> bool:
    """Tell whether a stream gets no styles: it is not a terminal, or NO_COLOR is set.

    See https://no-color.org.
    """
    is_dumb = os.environ.get("TERM") == "dumb"
    return bool(not _is_terminal(stream) or os.environ.get("NO_COLOR") or is_dumb)


def is_fitted() -> bool:
    """Tell whether what is shown is for a person, at a terminal; otherwise a program reads it."""
    return _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def styled(text: str, *, colour: str | None = None) -> str:
    """Return a text in bold and perhaps a colour, if standard output takes styles."""
    return text if is_plain(sys.stdout) else click.style(text, fg=colour, bold=True)


# -- tables --------------------------------------------------------------------------------------

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

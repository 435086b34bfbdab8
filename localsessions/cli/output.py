"""What reaches the terminal: texts made safe for it, JSON, tables, styles.

Other people and programs wrote the content of a session. No control character in it reaches a
terminal, and a character that the terminal's encoding lacks is written as an escape.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TextIO

import click

from localsessions.format import encode_value
from localsessions.models import format_instant

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.text import Text

__all__ = [
    "Row",
    "clean",
    "counted",
    "emit",
    "emit_data",
    "emit_json",
    "emit_json_line",
    "emit_table",
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


def emit_json(value: object) -> None:
    """Write a value as a JSON document in UTF-8: the fields of models by their names."""
    _emit_escaped(encode_value(_plain(value)).decode())


def emit_json_line(value: object) -> None:
    """Write a value as ``emit_json`` does, on one line of many."""
    _emit_escaped(json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")) + "\n")


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
    """Return an instant to the minute, in UTC, as tables show it."""
    return f"{format_instant(instant)[:16].replace('T', ' ')}Z"


# -- styles --------------------------------------------------------------------------------------


def is_plain(stream: TextIO | None) -> bool:
    """Tell whether a stream gets no styles: it is not a terminal, or NO_COLOR is set.

    See https://no-color.org.
    """
    is_dumb = os.environ.get("TERM") == "dumb"
    return bool(not _is_terminal(stream) or os.environ.get("NO_COLOR") or is_dumb)


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
    """Write a table: fitted to a terminal; otherwise whole, with padded columns and tabs.

    Args:
        header: The names of the columns.
        rows: Cells of any text. On a terminal the first cell of a row is folded and not cut, and
            so is a last cell that begins with "unreadable"; other last cells are cut.
        numbers: The columns that are aligned to the right.
        spare: The columns that a narrow terminal leaves out, in this order.
    """
    table = [header, *([one_line(cell) for cell in row] for row in rows)]
    if _is_terminal(sys.stdout):
        emit(_fitted(table, numbers, spare))
    else:
        emit(_padded(table, numbers))


def _widths(table: Sequence[Row]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*table, strict=True)]


def _padded(table: Sequence[Row], numbers: Sequence[int]) -> str:
    from rich.cells import cell_len

    widths = _widths(table)

    def padded(cell: str, column: int) -> str:
        space = " " * (widths[column] - cell_len(cell))
        return space + cell if column in numbers else cell + space

    lines = ("\t".join(padded(cell, at) for at, cell in enumerate(row)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


# Other columns are left out until the last column has this width.
_ROOM = 20


def _kept(table: Sequence[Row], spare: Sequence[int], width: int) -> list[int]:
    """Return the columns that fit on a terminal of this width."""
    *widths, last = (size + 2 for size in _widths(table))
    kept = list(range(len(widths)))
    for column in spare:
        if sum(widths[at] for at in kept) + min(last, _ROOM) > width:
            kept.remove(column)
    return [*kept, len(widths)]


def _fitted(table: Sequence[Row], numbers: Sequence[int], spare: Sequence[int]) -> str:
    from rich.console import Console
    from rich.table import Table

    console = Console(color_system=None if is_plain(sys.stdout) else "auto", highlight=False)
    overflow: Literal["crop", "ellipsis"] = "crop" if console.options.ascii_only else "ellipsis"
    columns = _kept(table, spare, console.width)
    header, *rows = ([row[at] for at in columns] for row in table)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    last = columns[-1]
    for at, name in zip(columns, header, strict=True):
        justify: Literal["left", "right"] = "right" if at in numbers else "left"
        # The last column is narrowed first: rich keeps the width of columns that do not wrap.
        made.add_column(name, justify=justify, no_wrap=at != last, overflow=overflow)
    for first, *middle, end in rows:
        made.add_row(_folded(first), *map(_cut, middle), _last(end, overflow))
    with console.capture() as capture:
        console.print(made)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


def _folded(cell: str) -> Text:
    from rich.text import Text

    return Text(cell, overflow="fold", no_wrap=False)


def _cut(cell: str) -> Text:
    from rich.text import Text

    return Text(cell)


def _last(cell: str, overflow: Literal["crop", "ellipsis"]) -> Text:
    from rich.text import Text

    if cell.startswith("unreadable"):
        return Text(cell, style="red", overflow="fold", no_wrap=False)
    return Text(cell, overflow=overflow, no_wrap=True)

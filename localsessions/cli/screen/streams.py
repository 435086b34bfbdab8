"""The two streams: data goes to standard output, everything else to standard error.

A character that the terminal's encoding lacks is written as an escape.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from localsessions.cli.screen.safe import UNSAFE, clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DataStream",
    "emit",
    "emit_data",
    "emit_escaped",
    "is_fitted",
    "is_plain",
    "note",
    "styled",
    "survive_any_encoding",
    "taken",
    "write_text",
]


def survive_any_encoding() -> None:
    """Make both streams escape what their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def emit(line: str) -> None:
    """Write a line of data, or give it to what takes the lines now."""
    take = _takers[-1] if _takers else write_text
    take(f"{line}\n")


def write_text(text: str) -> None:
    """Write text to standard output, or to what takes its place now (``taken``)."""
    if sys.stdout is not None:
        _write(sys.stdout, text.encode(sys.stdout.encoding, errors="backslashreplace"))


# Who takes the lines instead of standard output: the pager, while it is open.
_takers: list[Callable[[str], object]] = []


@contextmanager
def taken(take: Callable[[str], object]) -> Iterator[None]:
    """Give what is emitted inside to ``take``, each time with its line break."""
    _takers.append(take)
    try:
        yield
    finally:
        _takers.pop()


def note(line: str) -> None:
    """Tell the person something that is not data."""
    click.echo(line, file=sys.stderr)


class DataStream:
    """Standard output as a file of bytes that is only written to."""

    def write(self, data: bytes) -> int:
        """Write all of the bytes."""
        if sys.stdout is not None:
            _write(sys.stdout, data)
        return len(data)


def emit_data(data: bytes, *, is_json: bool = False) -> None:
    """Write bytes as they are; to a terminal, write them as clean text, or as the same JSON."""
    if is_json and _is_terminal(sys.stdout):
        emit_escaped(data.decode())
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


def emit_escaped(text: str) -> None:
    """Write JSON, with an escape for each unsafe character."""
    # The remaining unsafe characters are all inside strings, where an escape means the same.
    escaped = UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    if sys.stdout is not None:
        _write(sys.stdout, escaped.encode())


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

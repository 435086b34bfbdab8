"""A pager for what is longer than the screen.

``$LOCALSESSIONS_PAGER``, else ``$PAGER``, else ``less -FRX`` where it is there. Like git, less
gets ``LESS=FRX`` unless ``$LESS`` is set, and an empty name or ``cat`` means none. Unlike git, no
shell reads the name: it is split into words as a shell does it, and that is all.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import click

from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import is_fitted, note, taken, write_text

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

__all__ = ["PAGER_VARIABLE", "paged"]

PAGER_VARIABLE = "LOCALSESSIONS_PAGER"


@contextmanager
def paged(*, wanted: bool = True) -> Iterator[None]:
    """Show what is emitted inside in the pager, once it is longer than the screen.

    What is inside ends where it is when the person quits the pager or presses Ctrl-C in it; the
    command goes on behind the block, and nothing is wrong.

    Args:
        wanted: Whether there may be a pager at all; there is none but on a terminal that knows
            more than plain lines.
    """
    if not wanted or not is_fitted() or os.environ.get("TERM") == "dumb":
        yield
        return
    screen = shutil.get_terminal_size()
    pages = _Pages(screen.columns, screen.lines - 1)
    with _interrupted_once():
        try:
            with taken(pages.take):
                yield
        except BaseException as error:
            is_paged = pages.end(is_interrupted=isinstance(error, KeyboardInterrupt))
            if not is_paged or not isinstance(error, BrokenPipeError | KeyboardInterrupt):
                raise
        else:
            pages.end()


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let the first Ctrl-C interrupt; the next ones, at whatever instant, are keys of the pager."""
    import signal
    import threading

    former, left = signal.getsignal(signal.SIGINT), [KeyboardInterrupt]
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or former is not signal.default_int_handler:
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        if left:
            raise left.pop()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


class _Pages:
    """The lines of one command: kept while they fit the screen, then in the pager."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._kept: list[str] = []
        self._lines = 0
        self._write: Callable[[str], object] | None = None
        self._pager: subprocess.Popen[bytes] | None = None

    def take(self, text: str) -> None:
        """Take some lines."""
        if self._write is None:
            self._kept.append(text)
            self._lines += _lines_of(text, self._width)
            if self._lines <= self._height:
                return
            self._pager = _begun()
            self._write = write_text if self._pager is None else partial(_feed, self._pager)
            text = "".join(self._kept)
        self._write(text)

    def end(self, *, is_interrupted: bool = False) -> bool:
        """Show what is left, wait until the person has read, and tell whether there is a pager."""
        if self._write is None:
            write_text("".join(self._kept))
        if self._pager is None:
            return False
        code = _finish(self._pager)
        if code and not is_interrupted:
            note(f"the pager {_said()} ended with {code}; --no-pager prints the text")
        return True


def _begun() -> subprocess.Popen[bytes] | None:
    """Start the pager; None if there is to be none, or if it cannot be run, which is said."""
    import subprocess

    try:
        command = _chosen()
        if not command:
            return None
        environment = {"LESS": "FRX", **_charset(), **os.environ}
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        note(
            f"the pager {_said()} cannot be run: {why}; ${PAGER_VARIABLE} names another, "
            "--no-pager uses none"
        )
        return None


def _feed(pager: subprocess.Popen[bytes], text: str) -> None:
    data = text.encode(sys.stdout.encoding, errors="backslashreplace")
    if pager.stdin is None:
        raise AssertionError(pager.args)
    try:
        pager.stdin.write(data)
        pager.stdin.flush()
    except OSError as error:  # Windows says EINVAL of a pipe whose reader is gone
        raise BrokenPipeError(*error.args) from error


def _charset() -> dict[str, str]:
    """Return what tells less that it gets UTF-8, whatever the language of the system is."""
    return {"LESSCHARSET": "utf-8"} if sys.stdout.encoding.lower().startswith("utf") else {}


def _lines_of(text: str, width: int) -> int:
    """Return how many lines of the terminal a text takes."""
    lines = click.unstyle(text).split("\n")[:-1]
    return sum(max(1, -(-len(line) // width)) for line in lines)


def _finish(process: subprocess.Popen[bytes]) -> int:
    """Wait until the pager is closed, and return its exit code; Ctrl-C is a key of its own."""
    while True:
        try:
            with suppress(OSError):  # the person quit before the end
                if process.stdin is not None:
                    process.stdin.close()
            return process.wait()
        except KeyboardInterrupt:
            continue


_LESS = ("less", "-FRX")


def _said() -> str:
    return one_line(_name() or shlex.join(_LESS))


def _name() -> str | None:
    return os.environ.get(PAGER_VARIABLE, os.environ.get("PAGER"))


def _chosen() -> list[str]:
    """Return the command of the pager; empty if there is to be none.

    Raises:
        ValueError: A quote in its name is not closed.
    """
    name = _name()
    if name is None:
        return list(_LESS) if shutil.which(_LESS[0]) else []
    words = shlex.split(name, posix=os.name != "nt")
    return [] if words == ["cat"] else words

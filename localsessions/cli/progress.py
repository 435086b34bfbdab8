"""Bars on standard error, for work that may take long; none if that is not a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localsessions.cli.screen.streams import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress"]


def _show_nothing(_done: int, _total: int | None) -> None:
    pass


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar while the block runs; it is gone afterwards.

    Yields:
        A function of (done, total); a total of None means that it is not known.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield _show_nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, color_system=None if is_plain(sys.stderr) else "auto")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

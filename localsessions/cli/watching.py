"""``watch``: each change as it happens.

The feed's thread only passes on what it receives. The main thread writes everything, so that
Ctrl-C ends the command even if the reader of its output does not read.
"""

from __future__ import annotations

import json
import logging
import select
import sys
import time
from contextlib import contextmanager
from dataclasses import fields
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import click

from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, optional_session_argument
from localsessions.cli.options import examples
from localsessions.cli.screen.envelope import emit_json_line
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit, is_fitted, note, styled
from localsessions.cli.screen.tables import emit_rows
from localsessions.errors import ChangesExpiredError
from localsessions.models import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.models import SessionChange
    from localsessions.store import SessionStore

__all__ = ["ChangeLines", "Heard", "following", "watch"]

# How long a wait lasts if the system does not end it at a Ctrl-C or a closed pipe.
_PATIENCE = 0.5
# How many changes may wait to be written. At more, the feed waits too; the rest stays in the index.
_MOST_WAITING = 10_000
_ORIGINS = {
    "this store": "this command",
    "another store": "another store",
    "external": "another program",
}
_LONGEST_VALUE = 80
# The length of the ids that the store makes.
_MADE_ID = 29


@click.command(
    epilog=examples(
        "localsessions watch latest", "localsessions watch --json --since 120 | jq .items[].kind"
    )
)
@optional_session_argument
@click.option(
    "--since",
    type=click.IntRange(min=0),
    metavar="N",
    help="Begin with what happened after the change of that number. Standard error says the "
    "number at the beginning and at the end; with --json each change has its own.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document a line.")
def watch(*, reference: str | None, since: int | None, as_json: bool) -> None:
    """Print each change as it happens, until Ctrl-C.

    Without SESSION, the changes of all sessions. Times are in UTC; messages are counted from 1, and
    in the JSON from 0.
    """
    with opened(is_told=False) as store:  # what it logs waits in the queue, too
        only = None if reference is None else store.resolve(reference)
        number = store.last_change() if since is None else since
        show = _emit_document if as_json else ChangeLines(only).emit
        heard = Heard()
        with heard.warnings(), following(store, number, heard):
            try:
                note(f"watching {one_line(store.save_dir)}: changes after {number}; Ctrl-C ends")
                for change in heard:
                    if only in (None, change.session_id):
                        show(change)
                    number = change.number  # after writing: better shown twice than not at all
            except KeyboardInterrupt:
                # The terminal shows ^C on the current line; the empty line ends it.
                note(f"\nwatched up to {number}; --since {number} goes on from there")
                raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


@contextmanager
def following(store: SessionStore, number: int, heard: Heard) -> Iterator[None]:
    """Let ``heard`` hear each change after that of a number, inside the block."""
    try:
        feed = store.watch(heard.hear, since=number, on_error=heard.fail)
    except ChangesExpiredError:
        stop(
            f"what happened since {number} is not known: the index was rebuilt, or too much "
            "happened; look at 'list' again and watch without --since",
            ExitCode.NOT_FOUND,
        )
    with feed:
        try:
            yield
        finally:
            heard.is_over = True


class Heard:
    """What the feed's thread reported and the main thread has not written yet.

    Iterating yields changes without end, and writes warnings in between.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._waiting: SimpleQueue[SessionChange | str] = SimpleQueue()

    def hear(self, change: SessionChange) -> None:
        """Take a change; waits while too many are not written yet."""
        while self._waiting.qsize() >= _MOST_WAITING and not self.is_over:
            time.sleep(0.01)
        self._waiting.put(change)

    def fail(self, error: Exception, _change: SessionChange | None) -> None:
        """Take an error of the feed."""
        # All other errors are logged too.
        if isinstance(error, ChangesExpiredError):
            self._waiting.put("some changes are not known: look at 'list' again; watching goes on")

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Pass on what the store logs meanwhile: that it has to poll the folder, and why."""
        log, handler = logging.getLogger("localsessions"), _Warnings(self._waiting)
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)

    def __iter__(self) -> Iterator[SessionChange]:
        while True:
            try:
                said = self._waiting.get(timeout=_PATIENCE)
            except Empty:
                _refuse_unread()
                continue
            if isinstance(said, str):
                note(f"warning: {one_line(said)}")
            else:
                yield said


class _Warnings(logging.Handler):
    def __init__(self, waiting: SimpleQueue[SessionChange | str]) -> None:
        super().__init__(logging.WARNING)
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.put(record.getMessage())


def _refuse_unread() -> None:
    """Raise ``BrokenPipeError`` if the reader of the output is gone, as far as the system tells."""
    if sys.stdout is None or not hasattr(select, "poll"):
        return
    try:
        descriptor = sys.stdout.fileno()
    except OSError:  # not a file of the system
        return
    poll = select.poll()
    poll.register(descriptor, 0)  # poll reports a closed reader even without a requested event
    if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        raise BrokenPipeError


def _emit_document(change: SessionChange) -> None:
    document = {item.name: getattr(change, item.name) for item in fields(change)}
    emit_json_line({**document, "new_messages": change.new_messages})


class ChangeLines:
    """Writes changes in columns; the column of the ids only grows."""

    def __init__(self, only: str | None) -> None:
        self._width = _MADE_ID if only is None else 0

    def emit(self, change: SessionChange) -> None:
        """Write a change; in a pipe as bare cells."""
        session_id, details = change.session_id, ", ".join(_details(change))
        if not is_fitted():
            at = format_instant(change.seen_at)
            row = at, change.kind, session_id, _ORIGINS[change.origin], details
            emit_rows([row])
            return
        from rich.cells import cell_len

        session_id = one_line(session_id)
        width = cell_len(session_id)
        self._width = max(self._width, width)
        kind = f"{change.kind:10}"
        cells = (
            f"{format_instant(change.seen_at)[:19].replace('T', ' ')}Z",
            styled(kind, colour="red") if change.kind == "unreadable" else kind,
            styled(session_id) + " " * (self._width - width),
            f"{_ORIGINS[change.origin]:15}",
            one_line(details),
        )
        emit("  ".join(cells).rstrip())


def _details(change: SessionChange) -> Iterator[str]:
    """Yield the details of a change for a person."""
    if (fault := change.unreadable) is not None:
        place = f"line {fault.line}, column {fault.column}: " if fault.line is not None else ""
        yield f"{place}{fault.reason}"
    elif change.kind == "modified" and not change.changed:
        yield "contents"
    if "message_count" in change.changed:
        yield _messages(change)
    for name, (was, now) in change.changed.items():
        if name != "message_count" and (was, now) != (None, "active"):
            yield _value(name.replace("_", " "), now)


def _messages(change: SessionChange) -> str:
    if change.new_messages is None:
        was, now = change.changed["message_count"]
        return f"{now or 0} instead of {was} messages"
    first, end = change.new_messages
    return f"message {end}" if end == first + 1 else f"messages {first + 1}-{end}"


def _value(name: str, value: JsonValue) -> str:
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if value in (None, "", []):
        return f"no {name}"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        value = value[: _LONGEST_VALUE - 1] + "…"
    return f"{name} {json.dumps(value, ensure_ascii=False)}"

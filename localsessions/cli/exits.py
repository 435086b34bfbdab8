"""Exit codes, and the only place that makes them from exceptions.

A person who mistypes, lacks a permission or fills a disk gets one line on standard error. An
exception that is not in the tables here is a bug and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from localsessions.cli.misuse import misuse_of
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import note
from localsessions.cli.words import message_of
from localsessions.errors import (
    AmbiguousReferenceError,
    BackupError,
    ChangesExpiredError,
    ConflictError,
    FormatVersionError,
    LockTimeoutError,
    NotOwnerError,
    SessionError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    UnreadableSessionError,
    UnstorableValueError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ExitCode", "code_of", "exit_code_of", "message_of", "stop"]


class ExitCode(IntEnum):
    """The exit code of the process."""

    DONE = 0
    NO = 1  # nothing was found, the answer was no, or something was left undone
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREADABLE = 5
    SYSTEM = 6  # the disk, a permission, another program
    INTERRUPTED = 130
    BROKEN_PIPE = 141  # 128 + SIGPIPE, like a filter that the signal ended


_OF_CLASSES = (
    (AmbiguousReferenceError, ExitCode.USAGE),
    (BackupError, ExitCode.UNREADABLE),
    (ChangesExpiredError, ExitCode.NOT_FOUND),
    (SessionNotFoundError, ExitCode.NOT_FOUND),
    (ConflictError, ExitCode.CONFLICT),
    (LockTimeoutError, ExitCode.CONFLICT),
    (NotOwnerError, ExitCode.CONFLICT),
    (SessionExistsError, ExitCode.CONFLICT),
    (SessionLimitError, ExitCode.CONFLICT),
    (FormatVersionError, ExitCode.UNREADABLE),
    (UnreadableSessionError, ExitCode.UNREADABLE),
    (UnstorableValueError, ExitCode.USAGE),
    (SessionError, ExitCode.SYSTEM),
    (FileNotFoundError, ExitCode.NOT_FOUND),
    (FileExistsError, ExitCode.CONFLICT),
    (OSError, ExitCode.SYSTEM),
)
# Misuse, as the store documents it. Subclasses (KeyError, UnicodeError, ...) are bugs of ours.
_OF_EXACT_CLASSES = {ValueError: ExitCode.USAGE, LookupError: ExitCode.NOT_FOUND}


def stop(message: str, code: ExitCode, *lines: str) -> NoReturn:
    """End the command with an error line, perhaps with lines that belong to it, and an exit code.

    Args:
        message: The error; it is made safe for a terminal here.
        code: The exit code.
        *lines: What follows it, safe already, such as the ``candidates`` for a name.
    """
    begin = "" if code is ExitCode.NO else "error: "  # a no is an answer
    for line in (f"{begin}{one_line(message)}", *lines):
        note(line)
    raise click.exceptions.Exit(code)


def exit_code_of(act: Callable[[], object]) -> int:
    """Call ``act``, report an error on standard error, and return the exit code."""
    try:
        act()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        # The terminal shows ^C on the current line; the empty line ends it.
        _report("\ninterrupted; nothing was lost: what was finished is stored")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.BROKEN_PIPE
    except click.ClickException as error:
        _report(f"error: {one_line(misuse_of(error))}")
        return error.exit_code
    except (SessionError, OSError, ValueError, LookupError) as error:
        code = code_of(error)
        if code is None:
            raise
        _report(f"error: {one_line(message_of(error))}")
        if isinstance(error, AmbiguousReferenceError):
            _report_candidates(error)
        return code
    finally:
        _settle(sys.stdout)
        _settle(sys.stderr)
    return ExitCode.DONE


def code_of(error: Exception) -> ExitCode | None:
    """Return the exit code of an error that a person can cause; None for a bug."""
    for kind, code in _OF_CLASSES:
        if isinstance(error, kind):
            return code
    return _OF_EXACT_CLASSES.get(type(error))


def _report(line: str) -> None:
    with suppress(OSError):  # the reader is gone
        note(line)


def _report_candidates(error: AmbiguousReferenceError) -> None:
    from localsessions.cli.screen.candidates import candidates

    found = [(one.title, one.last_activity, one.session_id) for one in error.fitting]
    for line in candidates(found, is_more=error.is_more):
        _report(line)


def _settle(stream: TextIO | None) -> None:
    """Discard what a stream could not write; otherwise Python complains at exit."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

"""The sessions of a file, one at a time, and what is to report of it once all were given.

Nothing here stores a session or knows a format. Memory holds one session and
what the source keeps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from localsessions.transcripts.kinds import cannot_be_read
from localsessions.transcripts.lines import BadLine
from localsessions.transcripts.registry import recognise, unknown
from localsessions.transcripts.snapshot import FileChangedError
from localsessions.transcripts.source import Source, Unread
from localsessions.transcripts.transcript import sessions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localsessions.models import Session
    from localsessions.transcripts.report import FileReport
    from localsessions.transcripts.transcript import Format, Reading

__all__ = ["TranscriptStream"]


class TranscriptStream:
    """The sessions of a source; it is gone through once, to its end.

    Args:
        report: The path of the file.
        found: What it is.
        wants: Tells whether to give a session; others are not in the report. None gives all.
        may_be_given_again: Whether the file is read again if it was rewritten meanwhile.

    Attributes:
        is_given_again: Whether it is, and so what was given of it is not the last word.
    """

    def __init__(
        self,
        report: FileReport,
        found: Source | Unread,
        wants: Callable[[Session], bool] | None = None,
        *,
        may_be_given_again: bool = False,
    ) -> None:
        self.is_given_again = False
        self._report = report
        self._found = found
        self._wants = wants
        self._may_be_given_again = may_be_given_again
        self._read: tuple[Format, Source, Reading] | None = None
        self._skipped: str | None = None
        self._broken_off: tuple[BadLine, ...] = ()
        self._messages = 0
        self._has_sessions = False

    def __iter__(self) -> Iterator[Session]:
        try:
            for session in self._sessions():
                self._has_sessions = True
                if self._wants is None or self._wants(session):
                    self._messages += len(session.messages)
                    yield session
        except OSError as error:
            self._break_off(error)

    def report(self) -> FileReport:
        """Return the report without what became of the sessions, once all were given."""
        if self._skipped is not None or self._read is None:
            return replace(self._report, skipped=self._skipped)
        form, source, reading = self._read
        bad_lines = (*source.bad_lines, *reading.bad_lines, *self._broken_off)
        return replace(
            self._report,
            format=form.name,
            skipped=reading.refused or (None if self._has_sessions else "holds no messages"),
            empty=reading.empty,
            messages=self._messages,
            bad_lines=tuple(sorted(bad_lines, key=lambda bad: bad.line)),
            bookkeeping=dict(+reading.bookkeeping),
        )

    def _sessions(self) -> Iterator[Session]:
        if isinstance(self._found, Unread):
            self._skipped = self._found.reason
            return
        form, source = _recognised(self._found)
        # Of a list that is one session, a part is not taken for the whole.
        if form is None or (not form.one_by_one and source.fault()):
            self._skipped = unknown(source)
            return
        reading = form.read(source)
        self._read = form, source, reading
        for session in sessions_of(form, source, reading):
            _check(source)
            yield session
        _check(source)

    def _break_off(self, error: OSError) -> None:
        """Note why a source cannot be read on; what was given of it stays."""
        self.is_given_again = self._may_be_given_again and isinstance(error, FileChangedError)
        reason = cannot_be_read(error)
        if self._has_sessions:
            self._broken_off = (BadLine(0, f"from here on it {reason}"),)
        else:
            self._skipped = reason


def _recognised(source: Source) -> tuple[Format | None, Source]:
    """Return the format of a source, and the source as that format reads it."""
    form = recognise(source)
    if not source.is_long or (form is not None and form.one_by_one):
        return form, source
    if form is None and source.rest is not None:
        return None, source  # of a list, the first elements tell it
    whole = source.whole()
    return recognise(whole), whole


def _check(source: Source) -> None:
    """Make sure that what was read of a database is of one state."""
    if source.database is not None:
        source.database.check()

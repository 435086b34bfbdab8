"""What an import reports, file by file. Values only; nothing here reads or writes.

Every file, session, line and record is counted in exactly one place, so that the report shows what
was left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localsessions.models import Session
    from localsessions.transcripts.lines import BadLine

__all__ = ["FileReport", "FormatTotals", "ImportReport", "RefusedSession", "TranscriptFile"]


@dataclass(frozen=True, slots=True)
class RefusedSession:
    """A session of a source that the store refused, and why."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """The sessions of a file, and the part of its report that needs no store."""

    sessions: tuple[Session, ...]
    report: FileReport


@dataclass(frozen=True, slots=True)
class FileReport:
    """The result for a file, or for a folder entry that is not a file.

    Attributes:
        path: As the caller gave it, or as it was found in a given folder.
        format: Name of the format; None if no format recognised the file.
        skipped: Why the file gave nothing; None if it gave something.
        imported: Sessions that are new in the store. ``beside`` of them have another id, since the
            store has a different session with their own id.
        grown: Sessions that were brought up to what their source says now.
        unchanged: Sessions that the store has already, perhaps with more messages.
        deleted: Sessions that were deleted here, and stay so.
        refused: Sessions that the store refused.
        empty: Sessions of the source without a message; they are not stored.
        messages: Messages read from the file, whether the store had them or not.
        added: Messages that are new in the store.
        updated: Messages that took what the source says now.
        both: Messages that were changed here and in the source, and are kept twice.
        bad_lines: Lines that were left out or mended, each with the reason.
        bookkeeping: The number of records of each type that are not messages.
        session_ids: The ids of the sessions in the store, in the order of the file.
    """

    path: str
    format: str | None = None
    skipped: str | None = None
    imported: int = 0
    beside: int = 0
    grown: int = 0
    unchanged: int = 0
    deleted: int = 0
    refused: tuple[RefusedSession, ...] = ()
    empty: int = 0
    messages: int = 0
    added: int = 0
    updated: int = 0
    both: int = 0
    bad_lines: tuple[BadLine, ...] = ()
    bookkeeping: Mapping[str, int] = field(default_factory=dict)
    session_ids: tuple[str, ...] = ()

    @property
    def sessions(self) -> int:
        """How many sessions of the file the store has now, new to it or not."""
        return self.imported + self.grown + self.unchanged


@dataclass(frozen=True, slots=True)
class FormatTotals:
    """Sums over the files of one format."""

    files: int = 0
    sessions: int = 0
    imported: int = 0
    grown: int = 0
    unchanged: int = 0
    deleted: int = 0
    refused: int = 0
    empty: int = 0
    messages: int = 0
    added: int = 0
    updated: int = 0
    both: int = 0
    bad_lines: int = 0

    def plus(self, file: FileReport) -> FormatTotals:
        """Return the sums with another file added."""
        counts: dict[str, int] = {"files": self.files + 1}
        for name in (item.name for item in fields(self)[1:]):
            value = getattr(file, name)
            counts[name] = getattr(self, name) + (value if isinstance(value, int) else len(value))
        return FormatTotals(**counts)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, in the order in which files were found."""

    files: tuple[FileReport, ...] = ()

    @property
    def skipped(self) -> tuple[FileReport, ...]:
        """The files that gave nothing, each with the reason."""
        return tuple(file for file in self.files if file.skipped is not None)

    @property
    def totals(self) -> Mapping[str, FormatTotals]:
        """The sums for each format that was found, in the order of their names."""
        sums: dict[str, FormatTotals] = {}
        for file in self.files:
            if file.format is not None:
                sums[file.format] = sums.get(file.format, FormatTotals()).plus(file)
        return dict(sorted(sums.items()))

    @property
    def total(self) -> FormatTotals:
        """The sums over all files that are transcripts."""
        sums = FormatTotals()
        for file in self.files:
            if file.format is not None:
                sums = sums.plus(file)
        return sums

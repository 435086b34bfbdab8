"""From paths to the sessions in the files; ``storing`` puts them into a store.

No format is known here.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from localsessions.transcripts.files import one_path, walk
from localsessions.transcripts.kinds import unknown
from localsessions.transcripts.registry import recognise
from localsessions.transcripts.report import FileReport, ImportReport, TranscriptFile
from localsessions.transcripts.source import BadLine, Source, Unread, read_sources
from localsessions.transcripts.storing import Importer
from localsessions.transcripts.transcript import Reading, sessions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from localsessions.models import Session
    from localsessions.store import SessionStore

__all__ = ["import_paths", "read_transcript", "read_transcripts"]


def import_paths(
    store: SessionStore,
    paths: Iterable[str | os.PathLike[str]],
    *,
    again: bool = False,
    wants_file: Callable[[str], bool] | None = None,
    wants_session: Callable[[Session], bool] | None = None,
    on_found: Callable[[int], None] | None = None,
    on_progress: Callable[[FileReport], None] | None = None,
) -> ImportReport:
    """Store the sessions of transcript files, whatever formats they are in.

    A session that was imported before is brought up to what its source says now; what was changed
    here stays. A session that was deleted here stays deleted, unless ``again``.

    Folders are walked in the order of names. Hidden entries in them and symbolic links are not
    followed. Every entry that gave no session is in the report, with the reason. A path that the
    caller gives is read even if it is hidden or a link.

    Args:
        store: An open store.
        paths: Files and folders.
        again: Whether to bring back sessions that were deleted here.
        wants_file: Tells whether to read a file; others are not in the report. None reads all.
        wants_session: Tells whether to store a session; others are not in the report. None stores
            all.
        on_found: Called once with the number of files and entries, before the first is read.
        on_progress: Called with the report of each file, in order, when its sessions are stored.

    Raises:
        OSError: The store cannot write, for example because the disk is full. Everything imported
            before stays, and a repeated import continues from there.
    """
    importer = Importer(store, on_progress, again=again)
    entries = [*walk(paths)]
    if wants_file is not None:
        entries = [one for one in entries if not isinstance(one, str) or wants_file(one)]
    if on_found is not None:
        on_found(len(entries))
    try:
        for found in entries:
            if isinstance(found, str):
                for one in read_transcripts(found):
                    importer.take(_only(one, wants_session))
            else:
                importer.take(TranscriptFile((), found))
    except KeyboardInterrupt:
        importer.finish()  # what was read is kept
        raise
    importer.finish()
    return ImportReport(tuple(importer.reports))


def _only(found: TranscriptFile, wants: Callable[[Session], bool] | None) -> TranscriptFile:
    if wants is None:
        return found
    sessions = tuple(filter(wants, found.sessions))
    messages = sum(len(session.messages) for session in sessions)
    return TranscriptFile(sessions, replace(found.report, messages=messages))


def read_transcript(path: str | os.PathLike[str]) -> TranscriptFile:
    """Return the sessions of a file without storing them; those of an archive together.

    Never raises for the content of the file, nor if the file cannot be read: the report says so
    as ``skipped``. The report of an archive has the format of its first transcript.
    """
    found = list(read_transcripts(path))
    if len(found) == 1:
        return found[0]
    reports = [one.report for one in found]
    bookkeeping: Counter[str] = Counter()
    for report in reports:
        bookkeeping.update(report.bookkeeping)
    full = [report for report in reports if report.skipped is None]
    return TranscriptFile(
        tuple(session for one in found for session in one.sessions),
        FileReport(
            os.fspath(path),
            format=next((report.format for report in full), None),
            skipped=None if full else "; ".join(str(report.skipped) for report in reports),
            empty=sum(report.empty for report in reports),
            messages=sum(report.messages for report in reports),
            bad_lines=tuple(bad for report in reports for bad in report.bad_lines),
            bookkeeping=dict(bookkeeping),
        ),
    )


def read_transcripts(path: str | os.PathLike[str]) -> Iterator[TranscriptFile]:
    """Yield what ``read_transcript`` returns, for each file in an archive apart."""
    given = os.fspath(path)
    with contextlib.closing(read_sources(given)) as sources:
        for found in sources:
            report = FileReport(given + found.path.removeprefix(one_path(given)))
            if isinstance(found, Unread):
                yield _skipped(report, found.reason)
            else:
                yield _transcript_file(report, found)


def _transcript_file(report: FileReport, source: Source) -> TranscriptFile:
    try:
        form = recognise(source)
        if form is None:
            return _skipped(report, unknown(source))
        reading = form.read(source)
        if source.database is not None:
            source.database.check()
    except OSError as error:
        return _skipped(report, f"cannot be read: {error.strerror or error}")
    sessions = tuple(sessions_of(form, source, reading))
    return TranscriptFile(
        sessions,
        FileReport(
            report.path,
            format=form.name,
            skipped=reading.refused or (None if sessions else "holds no messages"),
            empty=len(reading.sessions) - len(sessions),
            messages=sum(len(session.messages) for session in sessions),
            bad_lines=_in_order(source.bad_lines, reading),
            bookkeeping=dict(reading.bookkeeping),
        ),
    )


def _skipped(report: FileReport, reason: str) -> TranscriptFile:
    return TranscriptFile((), replace(report, skipped=reason))


def _in_order(bad_lines: Sequence[BadLine], reading: Reading) -> tuple[BadLine, ...]:
    return tuple(sorted((*bad_lines, *reading.bad_lines), key=lambda bad: bad.line))

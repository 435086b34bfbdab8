"""From paths to the sessions in the files; ``storing`` puts them into a store.

No format is known here.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING

from localsessions.transcripts.files import one_path, walk
from localsessions.transcripts.report import FileReport, ImportReport, TranscriptFile
from localsessions.transcripts.snapshot import ATTEMPTS
from localsessions.transcripts.source import read_sources
from localsessions.transcripts.storing import Importer
from localsessions.transcripts.streams import TranscriptStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
                for stream in open_transcripts(found, wants_session):
                    importer.take(stream)
            else:
                importer.note(found)
        importer.finish()
    except KeyboardInterrupt:
        importer.finish()  # what was read is kept
        raise
    return ImportReport(tuple(importer.reports))


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
    for stream in open_transcripts(path):
        sessions = tuple(stream)
        if not stream.is_given_again:
            yield TranscriptFile(sessions, stream.report())


def open_transcripts(
    path: str | os.PathLike[str], wants: Callable[[Session], bool] | None = None
) -> Iterator[TranscriptStream]:
    """Yield the sessions of a file as a stream, for each file in an archive apart.

    Read a stream to its end before you ask for the next. If a program rewrites the file meanwhile,
    the file comes again from the beginning; ``is_given_again`` of the stream before says so.
    """
    given = os.fspath(path)
    for again in reversed(range(ATTEMPTS)):
        is_given_again = False
        with contextlib.closing(read_sources(given)) as sources:
            for found in sources:
                report = FileReport(given + found.path.removeprefix(one_path(given)))
                stream = TranscriptStream(report, found, wants, may_be_given_again=again > 0)
                yield stream
                is_given_again = stream.is_given_again
        if not is_given_again:
            return

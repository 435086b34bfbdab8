"""From paths to a store: which files are found, and the result for each session.

No format is known here. New sessions wait until there are 256 of them, or 8 MiB of files, and are
stored together. Memory holds that much and one file more. If the store has a session with the same
id, the two are compared message by message, as values:

    the same messages, or fewer    unchanged: a person may have continued in the store
    the same and then more         grown: the new messages are appended
    other messages                 both are kept, the new session as ``<id>-<hash of its content>``

So importing twice changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from localsessions.errors import ConflictError, SessionError, SessionExistsError
from localsessions.format import encode_value
from localsessions.transcripts.kinds import unknown
from localsessions.transcripts.registry import recognise
from localsessions.transcripts.report import FileReport, ImportReport, RefusedSession
from localsessions.transcripts.source import BadLine, Source, Unread, read_sources
from localsessions.transcripts.transcript import Reading, cleaned_id, sessions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from localsessions.models import Session
    from localsessions.store import SessionStore

__all__ = ["TranscriptFile", "import_paths", "read_transcript", "read_transcripts"]

_TOGETHER = 256
_TOGETHER_BYTES = 8 * 1024 * 1024

_Outcome: TypeAlias = Literal["imported", "beside", "grown", "unchanged"]


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """The sessions of a file, and the part of its report that needs no store."""

    sessions: tuple[Session, ...]
    report: FileReport


def import_paths(
    store: SessionStore,
    paths: Iterable[str | os.PathLike[str]],
    *,
    on_progress: Callable[[FileReport], None] | None = None,
) -> ImportReport:
    """Store the sessions of transcript files, whatever formats they are in.

    Folders are walked in the order of names. Hidden entries in them and symbolic links are not
    followed. Every entry that gave no session is in the report, with the reason. A path that the
    caller gives is read even if it is hidden or a link.

    Args:
        store: An open store.
        paths: Files and folders.
        on_progress: Called with the report of each file, in order, when its sessions are stored.

    Raises:
        OSError: The store cannot write, for example because the disk is full. Everything imported
            before stays, and a repeated import continues from there.
    """
    importer = _Importer(store, on_progress)
    for found in _walk(paths):
        if isinstance(found, str):
            for one in read_transcripts(found):
                importer.take(one)
        else:
            importer.take(TranscriptFile((), found))
    importer.finish()
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
    given = os.fspath(path)
    with contextlib.closing(read_sources(given)) as sources:
        for found in sources:
            report = FileReport(given + found.path.removeprefix(os.path.abspath(given)))
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


def _walk(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str | FileReport]:
    """Yield each file to read, and a report on each entry that is not read."""
    for given in paths:
        path = os.fspath(given)
        if os.path.isdir(path):
            yield from _walk_folder(path)
        else:
            yield path


def _walk_folder(folder: str) -> Iterator[str | FileReport]:
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield FileReport(folder, skipped=f"cannot be read: {error.strerror or error}")
        return
    for entry in ordered:
        if entry.name.startswith("."):
            yield FileReport(entry.path, skipped="hidden")
        elif entry.is_symlink():
            yield FileReport(entry.path, skipped="a symbolic link")
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk_folder(entry.path)
        else:
            yield entry.path


def _size_of(path: str) -> int:
    try:
        # Of a file in an archive, the archive.
        return os.stat(path if os.path.exists(path) else path.rpartition("!")[0]).st_size
    except OSError:
        return 0  # the file is missing, and the report says so


@dataclass(slots=True)
class _Taken:
    """A file whose sessions are being stored, and the outcome for each session."""

    found: TranscriptFile
    outcomes: dict[int, _Kept | RefusedSession] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return len(self.outcomes) == len(self.found.sessions)

    def report(self) -> FileReport:
        every = [self.outcomes[at] for at in range(len(self.found.sessions))]
        kept = [one for one in every if isinstance(one, _Kept)]
        outcomes = [one.outcome for one in kept]
        return replace(
            self.found.report,
            imported=outcomes.count("imported") + outcomes.count("beside"),
            beside=outcomes.count("beside"),
            grown=outcomes.count("grown"),
            unchanged=outcomes.count("unchanged"),
            refused=tuple(one for one in every if isinstance(one, RefusedSession)),
            added=sum(one.added for one in kept),
            session_ids=tuple(one.session_id for one in kept),
        )


class _Importer:
    """Stores the sessions of files in order; new sessions wait and are stored together."""

    def __init__(
        self, store: SessionStore, on_progress: Callable[[FileReport], None] | None
    ) -> None:
        self.reports: list[FileReport] = []
        self._store = store
        self._on_progress = on_progress
        self._files: list[_Taken] = []
        self._waiting: dict[str, tuple[_Taken, int]] = {}
        self._size_bytes = 0

    def take(self, found: TranscriptFile) -> None:
        taken = _Taken(found)
        self._files.append(taken)
        self._size_bytes += _size_of(found.report.path)
        for at, session in enumerate(found.sessions):
            # A session that the store has may have to be compared with a session that waits.
            if not self._is_new(session) or len(self._waiting) == _TOGETHER:
                self._store_waiting()
            if self._is_new(session):
                self._waiting[session.session_id] = taken, at
            else:
                taken.outcomes[at] = _kept_or_refused(self._store, session)
        if self._size_bytes > _TOGETHER_BYTES:
            self._store_waiting()
        self._report()

    def finish(self) -> None:
        self._store_waiting()
        self._report()

    def _is_new(self, session: Session) -> bool:
        is_stored = os.path.lexists(self._store.path(session.session_id))
        return not is_stored and session.session_id not in self._waiting

    def _store_waiting(self) -> None:
        waiting, self._waiting, self._size_bytes = self._waiting, {}, 0
        sessions = {one: taken.found.sessions[at] for one, (taken, at) in waiting.items()}
        errors = _stored_together(self._store, [*sessions.values()])
        for session_id, (taken, at) in waiting.items():
            session, error = sessions[session_id], errors.get(session_id)
            if isinstance(error, SessionExistsError | ConflictError):
                # The file system cannot tell the ids apart, or another writer just created it.
                taken.outcomes[at] = _kept_or_refused(self._store, session)
            elif error is not None:
                taken.outcomes[at] = RefusedSession(session_id, str(error))
            else:
                taken.outcomes[at] = _Kept("imported", session_id, len(session.messages))

    def _report(self) -> None:
        """Report on finished files, in order, up to the first file with a waiting session."""
        while self._files and self._files[0].is_done:
            self.reports.append(report := self._files.pop(0).report())
            if self._on_progress is not None:
                self._on_progress(report)


def _stored_together(store: SessionStore, sessions: Sequence[Session]) -> dict[str, SessionError]:
    """Store new sessions; return why some were refused, by id.

    Raises:
        OSError: The store cannot write; it stored as much as it could.
    """
    try:
        store.save_many([session.model_copy() for session in sessions])
    except ExceptionGroup as group:
        refused: dict[str, SessionError] = {}
        for error in group.exceptions:
            if not isinstance(error, SessionError) or error.session_id is None:
                raise error from group
            refused[error.session_id] = error
        return refused
    return {}


@dataclass(frozen=True, slots=True)
class _Kept:
    outcome: _Outcome
    session_id: str
    added: int = 0


def _kept_or_refused(store: SessionStore, session: Session) -> _Kept | RefusedSession:
    try:
        return _keep(store, session)
    except SessionError as error:
        return RefusedSession(session.session_id, str(error))


def _keep(store: SessionStore, session: Session) -> _Kept:
    """Make sure that the store has a session, under its own id or a similar id."""
    other: SessionExistsError | None = None
    for session_id in _ids(session):
        try:
            kept = _keep_as(store, session, session_id)
        except SessionExistsError as error:
            # Some file systems cannot tell this id from another session's: try the next id.
            other = error
            continue
        if kept is not None:
            is_beside = kept.outcome == "imported" and session_id != session.session_id
            return replace(kept, outcome="beside") if is_beside else kept
    raise other or SessionExistsError(_id_beside(session))


def _ids(session: Session) -> Iterator[str]:
    yield session.session_id
    yield _id_beside(session)


def _id_beside(session: Session) -> str:
    content: list[JsonValue] = [*session.messages]
    digest = hashlib.sha256(encode_value(content)).hexdigest()[:8]
    return f"{cleaned_id(session.session_id, room_bytes=9)}-{digest}"


def _keep_as(store: SessionStore, session: Session, session_id: str) -> _Kept | None:
    """Store the session under an id, or update that session; None if it is another session."""
    stored = store.get(session_id)
    if stored is None:
        store.save(session.model_copy(update={"session_id": session_id}))
        return _Kept("imported", session_id, len(session.messages))
    if _is_prefix(session.messages, stored.messages):
        return _Kept("unchanged", session_id)
    if not _is_prefix(stored.messages, session.messages):
        return None
    return _grow(store, session, session_id)


def _grow(store: SessionStore, session: Session, session_id: str) -> _Kept | None:
    # Not append(): it sets times on messages that have none, and cannot see that another writer
    # wrote between the comparison and the lock.
    with store.edit(session_id) as stored:
        if not _is_prefix(stored.messages, session.messages):
            return None
        new = session.messages[len(stored.messages) :]
        stored.messages.extend(new)
        stored.title = stored.title or session.title
        stored.last_activity = max(stored.last_activity, session.last_activity)
    return _Kept("grown", session_id, len(new))


def _is_prefix(beginning: Sequence[object], whole: Sequence[object]) -> bool:
    return beginning == whole[: len(beginning)]

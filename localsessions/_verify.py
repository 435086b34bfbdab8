"""The check of a whole folder: each finding with the repair that a person can choose.

Changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from localsessions import _codec
from localsessions._files import SessionFolder
from localsessions._index import SessionIndex
from localsessions._reconcile import Progress, Reconciler
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import FORMAT, Finding, Fingerprint

__all__ = ["verify"]


def verify(
    folder: SessionFolder,
    index: SessionIndex,
    reconciler: Reconciler,
    on_progress: Progress | None,
) -> Iterator[Finding]:
    """Read every file, compare the index with the folder, and name what is not well."""
    scan = folder.scan()
    rows = index.fingerprints()
    for name in scan.misnamed:
        problem = "no session has this file name, so the file is not listed"
        repair = "rename it"
        yield Finding("file name", os.path.join(folder.save_dir, name), problem, repair)
    for done, session_id in enumerate(sorted(scan.files), 1):
        yield from _session(folder, reconciler, session_id)
        if rows.get(session_id, (None,))[0] != scan.files[session_id]:
            problem = "the index had not seen this version of the file"
            repair = "nothing, it has seen it now"
            yield Finding("index", folder.path(session_id), problem, repair, session_id)
        if on_progress is not None:
            on_progress(done, len(scan.files))
    yield from _leftovers(folder, scan.files)


def _session(folder: SessionFolder, reconciler: Reconciler, session_id: str) -> Iterator[Finding]:
    path = folder.path(session_id)
    try:
        session = reconciler.load(session_id)
    except SessionNotFoundError:
        return
    except UnreadableSessionError as error:
        place = f", at line {error.line}, column {error.column}" if error.line else ""
        repair = "repair the file by hand, or delete the session"
        yield Finding("unreadable", path, error.reason + place, repair, session_id)
        return
    if session.format != FORMAT:
        problem = f"it is of format {session.format}"
        yield Finding("newer format", path, problem, "upgrade localsessions", session_id)
    inner = _codec.inner_id(session)
    if inner not in (None, session_id):
        problem = f"the file says that it is session {inner!r}"
        repair = "nothing, the name counts; the next save puts it right"
        yield Finding("wrong inner id", path, problem, repair, session_id)


def _leftovers(folder: SessionFolder, files: Mapping[str, Fingerprint]) -> Iterator[Finding]:
    for session_id in folder.sessions_with_checkpoints():
        if session_id not in files:
            path = folder.checkpoint_folder(session_id)
            problem = "checkpoints of a session that is not there"
            repair = "restore the session, or remove the folder"
            yield Finding("orphan checkpoints", path, problem, repair, session_id)
    for path in folder.temp_files():
        problem = "a temp file, of a write going on or of a killed process"
        yield Finding("orphan temp file", path, problem, "open the store again: it is swept")
    mode = os.stat(folder.save_dir).st_mode
    if os.name == "posix" and mode & 0o022:
        problem = f"others may write here (mode {mode & 0o777:o})"
        yield Finding("permissions", folder.save_dir, problem, "chmod go-w the folder")

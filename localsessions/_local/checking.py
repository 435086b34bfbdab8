"""The check of a whole folder: each finding has a repair that a person can choose.

It changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from localsessions._codec import inner_id
from localsessions._local.files import SessionFolder
from localsessions._local.index import UNSETTLED
from localsessions._local.reconciling import Reconciler
from localsessions._local.recovery import recovery_of
from localsessions._local.version import Fingerprint
from localsessions.engine import Progress
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import FORMAT, Finding
from localsessions.models.standing import original_of

__all__ = ["verify"]


def verify(reconciler: Reconciler, on_progress: Progress | None) -> Iterator[Finding]:
    """Read every file, compare the index with the folder, and yield each problem."""
    folder = reconciler.folder
    scan = folder.scan()
    rows = reconciler.index.fingerprints()
    for name in scan.misnamed:
        problem = "no session has this file name, so the file is not listed"
        repair = "rename it"
        yield Finding("file name", os.path.join(folder.save_dir, name), problem, repair)
    for done, session_id in enumerate(sorted(scan.files), 1):
        yield from _session(reconciler, session_id)
        if rows.get(session_id, "").removeprefix(UNSETTLED) != scan.files[session_id].text:
            problem = "the index had not seen this version of the file"
            repair = "nothing, it has seen it now"
            yield Finding("index", folder.path(session_id), problem, repair, session_id)
        if on_progress is not None:
            on_progress(done, len(scan.files))
    yield from _leftovers(folder, scan.files)


def _session(reconciler: Reconciler, session_id: str) -> Iterator[Finding]:
    folder = reconciler.folder
    path = folder.path(session_id)
    try:
        session = reconciler.reader.session(session_id)
    except SessionNotFoundError:
        return
    except UnreadableSessionError as error:
        place = f", at line {error.line}, column {error.column}" if error.line else ""
        repair, automatic = _repair_of_unreadable(folder, session_id)
        if isinstance(error.__cause__, PermissionError):
            repair, automatic = "give yourself the permission to read it, as with chmod u+r", False
        yield Finding("unreadable", path, error.reason + place, repair, session_id, automatic)
        return
    is_ours = session.format == FORMAT
    if not is_ours:
        problem = f"it is of format {session.format}"
        yield Finding("newer format", path, problem, "upgrade localsessions", session_id)
    original = original_of(session)
    inner = inner_id(original.data) if original else None
    if inner not in (None, session_id):
        problem = f"the file says that it is session {inner!r}"
        repair = f"write the id {session_id!r} into it; the name counts, with or without"
        yield Finding("wrong inner id", path, problem, repair, session_id, automatic=is_ours)


def _repair_of_unreadable(folder: SessionFolder, session_id: str) -> tuple[str, bool]:
    """Return the repair in words, and whether it can be done automatically."""
    by_hand = "repair the file by hand, or delete the session"
    if (recovery := recovery_of(folder, session_id)) is None:
        return by_hand, False
    new_id, messages = recovery.session.session_id, len(recovery.session.messages)
    if recovery.is_done:
        return f"{by_hand}; session {new_id!r} holds its {messages} whole messages already", False
    return f"recover {messages} whole messages as session {new_id!r}; this file stays", True


def _leftovers(folder: SessionFolder, files: Mapping[str, Fingerprint]) -> Iterator[Finding]:
    for session_id in folder.checkpoints.sessions():
        if session_id not in files:
            path = folder.checkpoints.folder(session_id)
            problem = "checkpoints of a session that is not there"
            repair = "restore the session, or move the checkpoints to the trash"
            automatic = os.path.isdir(path) and not os.path.islink(path)
            yield Finding("orphan checkpoints", path, problem, repair, session_id, automatic)
    for path in folder.temp_files():
        yield _temp_file(path, is_ours=folder.is_temp_name(os.path.basename(path)))
    for path in (folder.save_dir, folder.private):
        if os.name == "posix" and os.path.isdir(path):
            yield from _permissions(path, os.stat(path))


def _permissions(path: str, status: os.stat_result) -> Iterator[Finding]:
    """Find folders that other users may write to: they could replace any file there."""
    if status.st_mode & 0o022:
        problem = f"others may write here (mode {status.st_mode & 0o7777:o})"
        yield Finding("permissions", path, problem, "chmod go-w the folder")
    if status.st_uid not in (0, os.geteuid()):
        problem = f"it belongs to another user ({status.st_uid})"
        yield Finding("permissions", path, problem, "chown the folder, or keep sessions elsewhere")


def _temp_file(path: str, *, is_ours: bool) -> Finding:
    problem = "a temp file, of a write going on or of a killed process"
    repair = "open the store again: it is swept"
    if not is_ours:
        problem, repair = "no temp file of the store has this name", "remove it by hand"
    return Finding("orphan temp file", path, problem, repair, automatic=is_ours)

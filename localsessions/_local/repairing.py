"""The repairs that need no person: each checks again inside the lock, then acts or says why not.

They remove only temp files that no process writes any more, and never change an unreadable file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from localsessions._codec import inner_id
from localsessions._local.files import SessionFolder
from localsessions._local.reconciling import Reconciler
from localsessions._local.recovery import recovery_of
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import Finding, Session
from localsessions.models.standing import original_of

__all__ = ["repair"]

Write: TypeAlias = Callable[[Session, bool], None]
"""Writes a session inside its lock: over its loaded version or, with True, as a new session."""


def repair(finding: Finding, reconciler: Reconciler, write: Write) -> str:
    """Do the repair that a finding names and say what was done.

    Raises:
        ValueError: The repair needs a person.
    """
    session_id, folder = finding.session_id, reconciler.folder
    if finding.automatic and finding.kind == "orphan temp file":
        return _sweep(folder, finding.path)
    if finding.automatic and session_id is not None:
        if finding.kind == "unreadable":
            return _recover(reconciler, session_id, write)
        if finding.kind == "orphan checkpoints":
            return _trash_checkpoints(folder, session_id)
        if finding.kind == "wrong inner id":
            return _write_id(reconciler, session_id, write)
    raise ValueError(f"{finding.path}: this needs a person: {finding.repair}")


def _sweep(folder: SessionFolder, path: str) -> str:
    if path not in folder.temp_files():
        return "nothing: the file is gone already"
    if not folder.sweep_temp(os.path.basename(path)):
        return "nothing: a write is going on; the file is in use and stays"
    return "removed the temp file"


def _trash_checkpoints(folder: SessionFolder, session_id: str) -> str:
    with folder.lock(session_id):
        if folder.fingerprint(session_id) is not None:
            return f"nothing: session {session_id!r} is there again"
        if not os.path.isdir(folder.checkpoints.folder(session_id)):
            return "nothing: the checkpoints are gone already"
        target = folder.trash.put_checkpoints(session_id, datetime.now(UTC))
    return f"moved the checkpoints to the trash, {target}"


def _write_id(reconciler: Reconciler, session_id: str, write: Write) -> str:
    with reconciler.folder.lock(session_id):
        try:
            session = reconciler.reader.session(session_id)
        except SessionNotFoundError:
            return f"nothing: session {session_id!r} is gone"
        except UnreadableSessionError:
            return f"nothing: session {session_id!r} cannot be read any more"
        original = original_of(session)
        if original is None or inner_id(original.data) in (None, session_id):
            return f"nothing: the file says already that it is session {session_id!r}"
        write(session, False)
    return f"wrote the id {session_id!r} into the file"


def _recover(reconciler: Reconciler, session_id: str, write: Write) -> str:
    folder = reconciler.folder
    while True:
        planned = recovery_of(folder, session_id)
        held = {session_id, planned.session.session_id if planned else session_id}
        with folder.lock(*held):
            if reason := _no_longer_unreadable(reconciler, session_id):
                return f"nothing: {reason}"
            if (recovery := recovery_of(folder, session_id)) is None:
                return "nothing: the file has changed, and nothing of it can be recovered"
            new_id, messages = recovery.session.session_id, len(recovery.session.messages)
            if recovery.is_done:
                return f"nothing: session {new_id!r} holds all that can be recovered already"
            if new_id in held:
                write(recovery.session, True)
                return f"recovered {messages} messages as session {new_id!r}; the file stays"
        # Another process took the id just now: the next id is free, but not locked yet.


def _no_longer_unreadable(reconciler: Reconciler, session_id: str) -> str:
    try:
        reconciler.reader.session(session_id)
    except SessionNotFoundError:
        return f"session {session_id!r} is gone"
    except UnreadableSessionError:
        return ""
    return f"session {session_id!r} can be read again"

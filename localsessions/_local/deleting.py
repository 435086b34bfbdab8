"""Deleting and restoring sessions, with their checkpoints and their rows in the index.

A session is deleted and restored inside its lock, which the caller holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from localsessions._local.files.batch import Refusal, trash_many
from localsessions._local.files.durable import NO_ROOM
from localsessions._local.growing import Growth
from localsessions._local.reading import decoded
from localsessions._local.reconciling import Reconciler
from localsessions._local.writing import refuse_twin
from localsessions.engine import Allows
from localsessions.errors import (
    DurabilityUnknownError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import Deletion, Session, TrashedSession, place_of
from localsessions.models.results import checked

__all__ = ["Trash"]


class Trash:
    """The trash of one folder."""

    def __init__(self, reconciler: Reconciler, growth: Growth) -> None:
        self._folder = reconciler.folder
        self._reader = reconciler.reader
        self._reconciler = reconciler
        self._growth = growth

    # -- deleting ----------------------------------------------------------------------------

    def is_to_go(self, session_id: str, allows: Allows) -> bool:
        """Return, inside the lock, whether a session exists and may be deleted."""
        summary = self._reconciler.summary(session_id)
        return summary is not None and allows(checked(summary))

    def put(self, session_id: str) -> None:
        """Delete an existing session."""
        self._growth.drop_spares([session_id])
        self._reconciler.log_held([session_id])
        with self._reconciler.changing():
            try:
                self._folder.trash.put(session_id, self._folder.path(session_id), datetime.now(UTC))
            finally:
                self._reconciler.record_removal(session_id)

    def put_many(self, session_ids: Sequence[str]) -> Mapping[str, Refusal]:
        """Delete existing sessions together; return the errors of those that were not deleted."""
        self._growth.drop_spares(session_ids)
        self._reconciler.log_held(session_ids)
        with self._reconciler.changing():
            try:
                return trash_many(self._folder, session_ids, datetime.now(UTC))
            finally:
                self._reconciler.record_removals(session_ids)

    # -- restoring ---------------------------------------------------------------------------

    def restore(self, session_id: str) -> Session:
        """Restore the last deleted session of an id; see ``SessionStore.restore``."""
        is_there = self._folder.fingerprint(session_id) is not None
        items = [item for item in self._folder.trash.items() if item.session_id == session_id]
        # Checkpoints alone are restored only to an existing session; a session only where none
        # exists.
        for item in sorted(items, key=lambda item: item.checkpoints_only != is_there):
            if is_there or not item.checkpoints_only:
                refuse_twin(session_id, self._reconciler)
                return self._restore(item)
        path = self._folder.save_dir
        raise SessionNotFoundError(session_id, path=path, what="a deleted session")

    def _restore(self, item: TrashedSession) -> Session:
        """Restore an item; read it first, so that no error of reading comes after it was moved."""
        session_id = item.session_id
        if item.checkpoints_only:
            session = self._reader.session(session_id)
            self._folder.trash.restore_checkpoints(item)
            return session
        try:
            read = self._folder.trash.read(item)
        except UnreadableSessionError:
            read = None  # a person asked for it: restore it, although it is unreadable
        self._return(item)
        if read is None:
            return self._reader.session(session_id)
        # The move changed its name, and with it its ctime.
        moved = read._replace(settled=False)
        return decoded(moved, session_id, self._folder.path(session_id))

    def _return(self, item: TrashedSession) -> None:
        with self._reconciler.changing():
            try:
                self._folder.trash.restore(item, self._folder.path(item.session_id))
            except SessionExistsError:
                raise  # another session exists there: nothing to record
            # Ctrl-C or a failed sync may come when the file has its name back already. The index
            # must know that, so the return is recorded before the exception goes on.
            except BaseException:
                self._reconciler.record_return(item.session_id)
                raise
            self._reconciler.record_return(item.session_id)

    # -- removing for good -------------------------------------------------------------------

    def empty(self, deleted_until: datetime) -> Sequence[TrashedSession]:
        """Remove for good what was deleted up to an instant; this takes the locks itself."""
        items = self._folder.trash.items()
        purged = [item for item in items if item.deleted_at <= deleted_until]
        noted = [
            (item.path, self._deletion(item)) for item in purged[::-1] if not item.checkpoints_only
        ]
        doubt = None
        try:
            doubt = self._note([deletion for _, deletion in noted])
        except OSError as error:
            # On a full disk, files that are purged have room.
            is_full = error.errno in NO_ROOM
            if not (is_full and self._folder.purged.note_over(noted, self._folder.lock)):
                raise
        for item in purged:
            with self._folder.lock(item.session_id):
                self._folder.trash.purge(item)
        if purged:
            self._folder.trash.sync(purged[-1].session_id)
        if doubt:
            raise doubt
        return purged

    def _note(self, deletions: Sequence[Deletion]) -> DurabilityUnknownError | None:
        if not deletions:
            return None
        with self._folder.lock(deletions[0].session_id):
            return self._folder.purged.note(deletions, deletions[0].session_id)

    def forget(self) -> None:
        """Forget the sessions that were removed for good."""
        self._folder.purged.forget()

    # -- what was deleted --------------------------------------------------------------------

    def deletions(self, session_ids: Collection[str]) -> Sequence[Deletion]:
        """Return what is known of deleted sessions; see ``Engine.deletions``."""
        items = self._folder.trash.items()
        trashed = [
            self._deletion(item)
            for item in items
            if item.session_id in session_ids and not item.checkpoints_only
        ]
        known = [*self._folder.purged.deletions(session_ids), *trashed]
        return sorted(known, key=lambda deletion: deletion.deleted_at)

    def _deletion(self, item: TrashedSession) -> Deletion:
        try:
            read = self._folder.trash.read(item)
            source = decoded(read, item.session_id, item.path).source
        except (UnreadableSessionError, FileNotFoundError):
            source = {}  # unreadable, or purged just now: its source is not known
        return Deletion(item.session_id, place_of(source), item.deleted_at)

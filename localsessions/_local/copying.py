"""Whole sessions byte for byte: what goes into a backup or to another store, and what comes.

A copy is compared and never decoded, so that what is no session is copied, too. Copying waits for
no lock. What comes is written inside the session's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

from localsessions._codec import decode
from localsessions._local.files import Faults, Overtaken
from localsessions._local.files.durable import NO_ROOM
from localsessions._local.files.purged import key_of
from localsessions._local.growing import Growth
from localsessions._local.reconciling import Reconciler
from localsessions._local.writing import refuse_twin
from localsessions.errors import (
    ConflictError,
    DurabilityUnknownError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import Deletion, place_of
from localsessions.models.copies import Arrival, SessionCopy
from localsessions.models.results import checked

__all__ = ["Copying"]


class Copying:
    """Copies the sessions of one folder, and takes copies."""

    def __init__(self, reconciler: Reconciler, growth: Growth) -> None:
        self._folder = reconciler.folder
        self._reconciler = reconciler
        self._growth = growth

    # -- out ---------------------------------------------------------------------------------

    def each(self) -> Iterator[SessionCopy | UnreadableSessionError]:
        """Yield each session, those in the trash last; see ``Engine.copies``.

        A session may go into the trash or come back while the others are read. So both are looked
        at until there is nothing new.
        """
        told: set[tuple[str, datetime | None]] = set()
        while fresh := [one for one in self._keys() if one not in told]:
            for key in fresh:
                copy, faults = self._read(*key)
                is_empty = not (copy.content or copy.checkpoints or faults)
                if is_empty and self._folder.copies.place(*key).is_empty:
                    continue  # it has moved: the next look finds where to
                told.add(key)
                if copy.content or copy.checkpoints:
                    yield copy
                yield from faults
        yield from self._misnamed()

    def _misnamed(self) -> Iterator[UnreadableSessionError]:
        """Yield why what looks like a session, and has the name of none, is not among them."""
        folder = self._folder
        names = sorted(folder.scan().misnamed)
        paths = [os.path.join(folder.save_dir, name) for name in names]
        for path in [*paths, *folder.checkpoints.misnamed(), *folder.trash.misnamed()]:
            reason = "no session has this file name; rename it"
            if os.path.islink(path):
                reason = "it is a symbolic link, which is not followed"
            yield UnreadableSessionError(None, reason, path=path)

    def _keys(self) -> list[tuple[str, datetime | None]]:
        """Return the id of each session, and when it was deleted."""
        folder = self._folder
        there = sorted({*folder.scan().files, *folder.checkpoints.sessions()})
        trashed = [(item.session_id, item.deleted_at) for item in reversed(folder.trash.items())]
        return [*((session_id, None) for session_id in there), *trashed]

    def _read(self, session_id: str, deleted_at: datetime | None) -> tuple[SessionCopy, Faults]:
        try:
            return self._folder.copies.read(session_id, deleted_at)
        except UnreadableSessionError as error:
            return SessionCopy(session_id, None, {}, deleted_at), [error]

    # -- in ----------------------------------------------------------------------------------

    def bring(self, copy: SessionCopy, *, dry_run: bool) -> Arrival:
        """Store what is lacking of a copy; see ``Engine.bring``."""
        session_id = copy.session_id
        with nullcontext() if dry_run else self._folder.lock(session_id):
            lacking = self._folder.copies.lacking(copy)
            if lacking is None or (lacking.content and self._has_twin(copy)):
                return "other"
            self._folder.copies.refuse_large(lacking)
            is_new = bool(lacking.content or lacking.checkpoints)
            if not dry_run:
                try:
                    self._take(copy, lacking if is_new else None)
                except Overtaken:
                    return "other"
            return "new" if is_new else "same"

    def _take(self, copy: SessionCopy, lacking: SessionCopy | None) -> None:
        # Forgotten first: where that fails, nothing was brought.
        if copy.content is not None and copy.deleted_at is None:
            self._forget_moved(copy.session_id)
        if lacking is not None:
            self._write(lacking)

    def _forget_moved(self, session_id: str) -> None:
        """Forget that a session was moved away, which is here now."""
        if self._folder.purged.is_moved(session_id):
            with self._folder.lock_whole(session_id):
                self._folder.purged.forget_moved(session_id)

    def _has_twin(self, copy: SessionCopy) -> bool:
        if copy.deleted_at is not None:
            return False
        try:
            refuse_twin(copy.session_id, self._reconciler)
        except SessionExistsError:
            return True
        return False

    def _write(self, lacking: SessionCopy) -> None:
        with self._reconciler.changing():
            try:
                doubt = self._folder.copies.write(lacking)
            finally:
                if lacking.content is not None and lacking.deleted_at is None:
                    self._reconciler.record_return(lacking.session_id)
        if doubt is not None:
            raise doubt

    # -- away --------------------------------------------------------------------------------

    @contextmanager
    def leaving(self, session_id: str, *, moved_to: str) -> Iterator[SessionCopy]:
        """Lock a session, give a copy of it, and remove it for good; see ``Engine.leaving``."""
        with self._folder.lock(session_id):
            copy, faults = self._folder.copies.read(session_id, None)
            for fault in faults:
                raise fault
            is_any = copy.content is not None or copy.checkpoints
            if not is_any and not self._folder.copies.is_left(session_id):
                raise SessionNotFoundError(session_id, path=self._folder.path(session_id))
            yield copy
            if self._folder.copies.read(session_id, None) != (copy, []):
                raise self._conflict(session_id)
            doubt = self._remove(copy, moved_to)
        if doubt is not None:
            raise doubt

    def _conflict(self, session_id: str) -> ConflictError:
        found = self._reconciler.summary(session_id)
        now = None if found is None else checked(found)
        path = self._folder.path(session_id)
        return ConflictError(session_id, path=path, expected=now, found=now)

    def _remove(self, copy: SessionCopy, moved_to: str) -> DurabilityUnknownError | None:
        """Note first: killed in between, a session that is there is remembered as gone.

        Checkpoints alone are what a kill left of a session that was noted.
        """
        session_id = copy.session_id
        self._growth.drop_spares([session_id])
        self._reconciler.log_held([session_id])
        noted = None if copy.content is None else self._note(copy, moved_to)
        with self._reconciler.changing():
            try:
                return self._folder.copies.remove(copy) or noted
            finally:
                self._reconciler.record_removal(session_id)

    def _note(self, copy: SessionCopy, moved_to: str) -> DurabilityUnknownError | None:
        deletion = _deletion(copy, moved_to)
        self._folder.trash.make()
        try:
            with self._folder.lock_whole(deletion.session_id):
                return self._folder.purged.note_also(deletion)
        except OSError as error:
            # On a full disk, the session's own file, which goes now, has the room.
            there = [(self._folder.path(copy.session_id), deletion)]
            is_full = error.errno in NO_ROOM
            if not (is_full and self._folder.purged.note_over(there, lambda _: nullcontext())):
                raise
            return None

    # -- what was removed for good -----------------------------------------------------------

    def purged(self) -> Sequence[Deletion]:
        """Return what is remembered of sessions that were removed for good."""
        return self._folder.purged.deletions()

    def remember(self, deletions: Sequence[Deletion]) -> None:
        """Remember deletions of sessions that are not in the trash, each once."""
        if not deletions:
            return
        first, doubt = deletions[0].session_id, None
        with self._folder.lock(first), self._folder.lock_whole(first):
            known = {key_of(one) for one in self.purged()}
            wanted = {key_of(one): one for one in deletions if not self._is_back(one)}
            if new := [wanted[key] for key in wanted if key not in known]:
                self._folder.trash.make()
                doubt = self._folder.purged.note(new, first)
        if doubt is not None:
            raise doubt

    def _is_back(self, deletion: Deletion) -> bool:
        is_there = self._folder.fingerprint(deletion.session_id) is not None
        return deletion.moved_to is not None and is_there


def _deletion(copy: SessionCopy, moved_to: str) -> Deletion:
    source = {}
    if copy.content is not None:
        try:
            data, modified_at = copy.content.data, copy.content.modified_at
            source = decode(data, session_id=copy.session_id, modified_at=modified_at).source
        except UnreadableSessionError:
            pass  # it moves as it is, and where it came from is not known
    return Deletion(copy.session_id, place_of(source), datetime.now(UTC), moved_to)

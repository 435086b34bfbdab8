"""From the sessions of files to a store, once each.

No format is known here. New sessions wait until there are 256 of them, or 8 MiB, and are stored
together. Memory holds that much and one session more. A session that was imported before is
found by its source, under its own id or, if another session has that id, under
``<id>-<hash of its source>``; ``reimport`` brings it up to what the source says now.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from localsessions.addresses import is_address
from localsessions.errors import ConflictError, SessionError, SessionExistsError
from localsessions.transcripts.foreign import Object, as_object, as_text
from localsessions.transcripts.reimport import (
    Update,
    begins_alike,
    identity_of,
    is_same_source,
    mark_imported,
    update,
)
from localsessions.transcripts.report import FileReport, RefusedSession
from localsessions.transcripts.transcript import cleaned_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pydantic import JsonValue

    from localsessions.models import Deletion, Session
    from localsessions.store import SessionStore
    from localsessions.transcripts.streams import TranscriptStream

__all__ = ["Importer"]

_TOGETHER = 256
_TOGETHER_BYTES = 8 * 1024 * 1024

_Outcome: TypeAlias = Literal["imported", "grown", "unchanged", "deleted"]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What became of a session, and the id that it has in the store."""

    outcome: _Outcome
    session_id: str
    is_beside: bool = False
    did: Update = field(default_factory=Update)


@dataclass(slots=True)
class _Taken:
    """A file whose sessions are being stored, and what became of each.

    Attributes:
        found: Its report without what became of its sessions; None until all were given.
        given: How many were given.
        outcomes: By the number of a session; some come later than those after it.
    """

    found: FileReport | None = None
    given: int = 0
    outcomes: dict[int, _Kept | RefusedSession] = field(default_factory=dict)

    def report(self) -> FileReport | None:
        """Return the report; None if something is to come."""
        if self.found is None or len(self.outcomes) < self.given:
            return None
        every = [self.outcomes[at] for at in range(self.given)]
        kept = [one for one in every if isinstance(one, _Kept)]
        counts = Counter(one.outcome for one in kept)
        return replace(
            self.found,
            imported=counts["imported"],
            beside=sum(one.is_beside for one in kept if one.outcome == "imported"),
            grown=counts["grown"],
            unchanged=counts["unchanged"],
            deleted=counts["deleted"],
            refused=tuple(one for one in every if isinstance(one, RefusedSession)),
            added=sum(one.did.added for one in kept),
            updated=sum(one.did.updated for one in kept),
            both=sum(one.did.both for one in kept),
            session_ids=tuple(one.session_id for one in kept if one.outcome != "deleted"),
        )


class _Waiting(NamedTuple):
    """A new session, as it is stored, the file that gave it, and its number there."""

    session: Session
    marked: Session
    taken: _Taken
    at: int


class Importer:
    """Stores the sessions of files in order; new sessions wait and are stored together.

    Args:
        store: An open store.
        on_progress: Called with the report of each file, in order, when its sessions are stored.
        again: Whether to bring back sessions that were deleted here.
    """

    def __init__(
        self,
        store: SessionStore,
        on_progress: Callable[[FileReport], None] | None,
        *,
        again: bool,
    ) -> None:
        self.reports: list[FileReport] = []
        self._store = store
        self._on_progress = on_progress
        self._again = again
        self._files: list[_Taken] = []
        self._waiting: dict[str, _Waiting] = {}
        self._size_bytes = 0
        self._sources: dict[str, Object | None] = {}  # of sessions that others link to

    def take(self, stream: TranscriptStream) -> None:
        """Store the sessions of a file, now or with those of the next files."""
        taken = _Taken()
        self._files.append(taken)
        for session in stream:
            self._take(self._linked(session), taken)
        if stream.is_given_again:
            self._files.remove(taken)  # its sessions are kept, and compared with what comes
        taken.found = stream.report()
        self._report()

    def note(self, report: FileReport) -> None:
        """Report on an entry that gives no session, in its place."""
        self._files.append(_Taken(report))
        self._report()

    def _take(self, session: Session, taken: _Taken) -> None:
        at, taken.given = taken.given, taken.given + 1
        # A session that the store has may have to be compared with a session that waits.
        if not self._is_new(session) or len(self._waiting) == _TOGETHER:
            self._store_waiting()
        if not self._is_new(session):
            taken.outcomes[at] = self._kept_or_refused(session)
            return
        marked, size_bytes = mark_imported(session)
        self._waiting[session.session_id] = _Waiting(session, marked, taken, at)
        self._size_bytes += size_bytes
        if self._size_bytes > _TOGETHER_BYTES:
            self._store_waiting()

    def _linked(self, session: Session) -> Session:
        """Return a session whose links lead to sessions of its own program.

        Where a session of another program has the id of its parent, the parent stands beside it.
        """
        source, elder = session.source, session.forked_from
        parent = as_object(source.get("parent"))
        if parent:
            source = source | {"parent": parent | self._link(session, parent)}
        if elder:
            elder = elder | self._link(session, elder)
        if (source, elder) == (session.source, session.forked_from):
            return session
        return session.model_copy(update={"source": source, "forked_from": elder})

    def _link(self, session: Session, link: Object) -> Object:
        program, linked = session.source.get("program"), as_text(link.get("session_id"))
        if program is None or linked is None:
            return {}  # a session file of ours links to sessions of ours
        place = {"program": program, "session_id": linked}
        held = self._waiting.get(linked)
        source = held.session.source if held else self._source_of(linked)
        is_other = source is not None and identity_of(source) != identity_of(place)
        return {"session_id": _beside(linked, place)} if is_other else {}

    def _source_of(self, session_id: str) -> Object | None:
        """Return the source of a stored session; None if there is none to read."""
        if session_id not in self._sources:
            try:
                stored = self._store.get(session_id)
            except (SessionError, ValueError):  # unreadable, or no id
                stored = None
            self._sources[session_id] = stored.source if stored else None
        return self._sources[session_id]

    def finish(self) -> None:
        """Store what waits."""
        self._store_waiting()
        self._report()

    def _is_new(self, session: Session) -> bool:
        ids = _ids(session)
        is_stored = any(map(self._is_stored, ids))
        return not is_stored and self._waiting.keys().isdisjoint(ids)

    def _is_stored(self, session_id: str) -> bool:
        path = self._store.path(session_id)
        if is_address(path):
            return self._store.engine.summary(session_id) is not None
        return os.path.lexists(path)

    def _store_waiting(self) -> None:
        waiting = self._waiting
        deleted = self._deleted([held.session for held in waiting.values()])
        wanted = [held.marked for one, held in waiting.items() if one not in deleted]
        errors = _stored_together(self._store, wanted)
        for session_id, (session, _, taken, at) in waiting.items():
            error = errors.get(session_id)
            if session_id in deleted:
                taken.outcomes[at] = _Kept("deleted", session_id)
            elif isinstance(error, SessionExistsError | ConflictError):
                # The file system cannot tell the ids apart, or another writer just created it.
                taken.outcomes[at] = self._kept_or_refused(session)
            elif error is not None:
                taken.outcomes[at] = RefusedSession(session_id, str(error))
            else:
                taken.outcomes[at] = _imported(session, session_id)
        self._waiting, self._size_bytes = {}, 0  # only now: Ctrl-C loses none of them

    def _deleted(self, sessions: Sequence[Session]) -> Collection[str]:
        """Return the ids of those new sessions that were deleted here."""
        if self._again or not sessions:
            return ()
        known: dict[str, list[Deletion]] = {}
        for deletion in self._store.deletions([one for each in sessions for one in _ids(each)]):
            known.setdefault(deletion.session_id, []).append(deletion)
        return {
            session.session_id
            for session in sessions
            if any(
                _is_of(deletion, session)
                for one in _ids(session)
                for deletion in known.get(one, ())
            )
        }

    def _kept_or_refused(self, session: Session) -> _Kept | RefusedSession:
        try:
            return self._keep(session)
        except SessionError as error:
            return RefusedSession(session.session_id, str(error))

    def _keep(self, session: Session) -> _Kept:
        """Make sure that the store has a session, under its own id or the id beside it."""
        free: list[str] = []
        for session_id in _ids(session):
            stored = self._store.get(session_id)
            if stored is None:
                free.append(session_id)
            elif is_same_source(stored, session):
                return self._update(stored, session)
        if self._deleted([session]):
            return _Kept("deleted", session.session_id)
        other: SessionExistsError | None = None
        for session_id in free:
            made = mark_imported(session).session.model_copy(update={"session_id": session_id})
            try:
                self._store.save(made)
            except SessionExistsError as error:
                # Some file systems cannot tell this id from another session's: try the next id.
                other = error
            except ConflictError:
                return self._keep(session)  # another importer just stored it
            else:
                return _imported(session, session_id)
        raise other or SessionExistsError(_id_beside(session))

    def _update(self, stored: Session, session: Session) -> _Kept:
        session_id = stored.session_id
        if not update(stored, session).changed:
            return _Kept("unchanged", session_id)
        # Again, inside the lock: another writer may have written since. Not append(): it sets times
        # on messages that have none.
        with self._store.edit(session_id, is_activity=False) as held:
            did = update(held, session)
        return _Kept("grown" if did.changed else "unchanged", session_id, did=did)

    def _report(self) -> None:
        """Report on finished files, in order, up to the first file with a waiting session."""
        while self._files and (report := self._files[0].report()):
            del self._files[0]
            self.reports.append(report)
            if self._on_progress is not None:
                self._on_progress(report)


def _imported(session: Session, session_id: str) -> _Kept:
    did = Update(added=len(session.messages), changed=True)
    return _Kept("imported", session_id, is_beside=session_id != session.session_id, did=did)


def _stored_together(store: SessionStore, sessions: Sequence[Session]) -> dict[str, SessionError]:
    """Store new sessions; return why some were refused, by id.

    Raises:
        OSError: The store cannot write; it stored as much as it could.
    """
    try:
        store.save_many(sessions)
    except ExceptionGroup as group:
        refused: dict[str, SessionError] = {}
        for error in group.exceptions:
            if not isinstance(error, SessionError) or error.session_id is None:
                raise error from group
            refused[error.session_id] = error
        return refused
    return {}


def _is_of(deletion: Deletion, session: Session) -> bool:
    """Tell whether a deleted session is the one that is imported; without a source, by its id."""
    if not deletion.source and not session.source:
        return deletion.session_id == session.session_id
    is_same = identity_of(deletion.source) == identity_of(session.source)
    return is_same and begins_alike(deletion.source, session.source)


def _ids(session: Session) -> tuple[str, str]:
    return session.session_id, _id_beside(session)


def _id_beside(session: Session) -> str:
    if session.source:
        return _beside(session.session_id, session.source)
    return _with_hash(session.session_id, repr(session.messages[:1]))  # stays when it grows


def _beside(session_id: str, source: Mapping[str, JsonValue]) -> str:
    """Return the id of a session whose own id another session has."""
    return _with_hash(session_id, repr((*identity_of(source), source.get("begins"))))


def _with_hash(session_id: str, text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{cleaned_id(session_id, room_bytes=9)}-{digest}"

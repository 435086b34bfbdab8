"""Writing a session: what may be replaced, the new version, and its row in the index.

All of it is done inside the session's lock, which the caller holds. A draft is written: a session
that was encoded before the lock was taken, wherever that is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from localsessions._codec import common_end
from localsessions._local.files import FileWritten, Overtaken
from localsessions._local.files.batch import NewVersion, Refusal, write_many
from localsessions._local.growing import Growth, OpenEnd
from localsessions._local.index import IndexRow
from localsessions._local.reading import decoded
from localsessions._local.reconciling import Reconciler, Replaced, Written
from localsessions._local.version import (
    Fingerprint,
    Tail,
    Version,
    begin_digest,
    block_start,
    blocks_of,
    digest_of,
    digest_with,
)
from localsessions._rules.drafts import (
    Draft,
    conflict,
    draft_of,
    merged_draft,
    summary_of,
    take_over,
)
from localsessions.engine import Change
from localsessions.errors import (
    ConflictError,
    FormatVersionError,
    SessionExistsError,
    SessionNotFoundError,
    UnreadableSessionError,
)
from localsessions.models import FORMAT, Session, SessionSummary
from localsessions.models.results import checked
from localsessions.models.standing import Original, original_of, stand, version_of

__all__ = ["Writer", "refuse_twin", "stood_on"]

# A program that takes no locks may write first again and again.
_TRIES = 5


def stood_on(session: Session) -> Version | None:
    """Return the version of a file that a session is based on; None where it is based on none."""
    version = version_of(session)
    return version if isinstance(version, Version) else None


def _replaced(session: Session) -> Replaced | None:
    """Return the version that a write of a session replaces; None where there is none."""
    original, version = original_of(session), stood_on(session)
    if original is None or version is None:
        return None
    return Replaced(original.data, version.fingerprint)


class Writer:
    """Writes the sessions of one folder, each inside its lock."""

    def __init__(self, reconciler: Reconciler, growth: Growth) -> None:
        self._folder = reconciler.folder
        self._index = reconciler.index
        self._reader = reconciler.reader
        self._reconciler = reconciler
        self._growth = growth

    # -- what may be replaced ----------------------------------------------------------------

    def former_of(self, session: Session) -> Fingerprint | None:
        """Return the fingerprint of the file if it still holds what the session is based on.

        None where there is no file, and the session is based on none.

        Raises:
            ConflictError: The file has changed or is gone, or there is a file where there was none.
        """
        version, session_id = stood_on(session), session.session_id
        found = self._folder.fingerprint(session_id)
        if found is None and version is None:
            return None
        if found is None:
            raise self._conflict(session, None)
        if version is None or self._is_changed(session, version, found):
            raise self._conflict(session, self._reader.session(session_id))
        return found

    def refuse_existing(self, session: Session) -> None:
        """Raise if a session of that id exists."""
        if self._folder.fingerprint(session.session_id) is not None:
            path = self._folder.path(session.session_id)
            raise SessionExistsError(session.session_id, path=path)

    def _is_changed(self, session: Session, version: Version, found: Fingerprint) -> bool:
        if found == version.fingerprint and version.settled:
            return False
        original = original_of(session)
        return original is None or self._folder.read(session.session_id).data != original.data

    def _conflict(
        self, session: Session, found: Session | None, conflicts: tuple[str, ...] = ()
    ) -> ConflictError:
        path = self._folder.path(session.session_id)
        return conflict(session, found, conflicts, path=path)

    # -- a whole version ---------------------------------------------------------------------

    def write(self, draft: Draft, former: Fingerprint | None) -> None:
        """Write a session over the file with the fingerprint ``former``, or as a new session.

        Raises:
            SessionExistsError: A new session would share a file with another on some systems.
            ConflictError: A program that takes no locks wrote first.
            DurabilityUnknownError: Written and visible, but the disk did not confirm.
        """
        session, session_id, data = draft.session, draft.session.session_id, draft.data
        original, replaced = original_of(session), _replaced(session)
        if former is None:
            refuse_twin(session_id, self._reconciler)
        end = common_end(original, data) if former else None
        row = self._index.row_at(session_id, former) if former else None
        spare = row.tail.spare if row and row.tail else None
        if spare and end is None:
            self._folder.spares.drop(spare)
        tail = None if end is None else Tail(end, spare)
        digest = _begin_digest(data, original, row, end)
        touched = draft.touched()
        with self._reconciler.changing():
            try:
                written = self._folder.write(session_id, data, former, tail)
            except Overtaken:
                raise self._conflict(session, self._found(session_id)) from None
            # From here on the content is visible: memory and index follow it, whatever happens.
            draft.is_written(Version(written.fingerprint, settled=True))
            new = Written(session, data, written, replaced, digest(), touched)
            # A row that names a spare is of a version that a store wrote and recorded.
            is_recorded = row is not None and row.settled and spare is not None
            self._reconciler.record(new, row if is_recorded else None)
        if written.doubt is not None:
            raise written.doubt

    def _found(self, session_id: str) -> Session | None:
        try:
            return self._reader.session(session_id)
        except SessionNotFoundError:
            return None

    def write_many(
        self, versions: Sequence[tuple[Draft, Fingerprint | None]]
    ) -> list[FileWritten | Refusal | None]:
        """Write sessions together, each over the file with the fingerprint beside it.

        None of them may have a twin. Returns the outcome of each, see ``files.batch.write_many``.
        """
        overwritten = [one.session.session_id for one, former in versions if former is not None]
        self._growth.drop_spares(overwritten)
        new = [NewVersion(one.session.session_id, one.data, former) for one, former in versions]
        with self._reconciler.changing():
            outcomes = write_many(self._folder, new)
            records: list[Written] = []
            for (draft, _), outcome in zip(versions, outcomes, strict=True):
                if isinstance(outcome, FileWritten):
                    # It is visible: memory and index follow it, whatever happens.
                    session, data, replaced = draft.session, draft.data, _replaced(draft.session)
                    digest, touched = digest_of(data), draft.touched()
                    records.append(Written(session, data, outcome, replaced, digest, touched))
                    draft.is_written(Version(outcome.fingerprint, settled=True))
            self._reconciler.record_many(records)
        return outcomes

    def store(self, session: Session, *, is_activity: bool) -> None:
        """Write a session that was loaded inside the lock, if it was changed."""
        draft = draft_of(session, is_activity=is_activity)
        if draft.is_changed:
            # A program that takes no locks may have written meanwhile.
            self.write(draft, self.former_of(session))

    def put(self, session: Session, is_new: bool) -> None:
        """Write a session even if nothing was changed; that is no activity."""
        former = None if is_new else self.former_of(session)
        draft = draft_of(session, is_activity=False)
        if is_new:  # it was read from another file, which stays
            stand(session, None, None)
            draft = draft._replace(original=None)
        self.write(draft, former)

    def adopt(self, session_id: str, make: Callable[[bytes], Session | None]) -> Session | None:
        """Write a session in the place of a file that is no session; see ``Engine.adopt``."""
        read = self._folder.read(session_id)
        with suppress(UnreadableSessionError):
            self._refuse_newer(decoded(read, session_id, self._folder.path(session_id)))
        session = make(read.data)
        if session is None:
            return None
        session.session_id = session_id
        # The replaced version is given as an empty document: the log of changes reads it, and a
        # store may not be able to read the real bytes.
        nothing = Original(b"{}", (), {}, read.fingerprint.modified_at)
        stand(session, nothing, Version(read.fingerprint, read.settled))
        self.write(draft_of(session, stamps={}), read.fingerprint)
        return session

    # -- merging -----------------------------------------------------------------------------

    def write_merged(self, draft: Draft) -> None:
        """Write a session together with what others changed since it was loaded.

        Raises:
            ConflictError: Both changed the same thing differently, or there is no version to merge.
        """
        session = draft.session
        theirs = self._theirs(session)
        if theirs is None:
            self.write(draft, self.former_of(session))
        else:
            self._merge(session, theirs)

    def _theirs(self, session: Session) -> Session | None:
        """Return the session in the file if it is not the version that ``session`` is based on.

        None also where there is nothing to merge: no file, or a session that is based on none.
        """
        version, session_id = stood_on(session), session.session_id
        found = self._folder.fingerprint(session_id)
        if version is None or found is None or not self._is_changed(session, version, found):
            return None
        theirs = self._reader.session(session_id)
        self._refuse_newer(theirs)
        return theirs

    def _refuse_newer(self, session: Session) -> None:
        """Refuse to overwrite a session of a newer format."""
        if session.format != FORMAT:
            path = self._folder.path(session.session_id)
            raise FormatVersionError(session.session_id, session.format, FORMAT, path=path)

    def _merge(self, session: Session, theirs: Session) -> None:
        """Write the merge of both sessions, and let ``session`` be the result."""
        draft, conflicts = merged_draft(session, theirs)
        if draft is None:
            raise self._conflict(session, theirs, conflicts)
        merged = draft.session
        if not draft.is_changed:
            take_over(session, merged)
            return
        former = self.former_of(merged)
        try:
            self.write(draft, former)
        finally:
            if version_of(merged) is not version_of(theirs):  # it is visible, even after an error
                take_over(session, merged)

    # -- a turn ------------------------------------------------------------------------------

    def change(self, session_id: str, change: Change) -> SessionSummary:
        """Change the fields behind the messages, and add messages; see ``engine.Change``.

        The first attempt reads and writes none of the earlier messages, except those from the first
        message of the run that the change needs.
        """
        end = self._growth.begin(session_id, change.run_id, change.message_id)
        found = None if end is None else self._grow(end, change)
        if found is not None:
            return found
        session = self._changed(session_id, change)
        if change.run_id is not None:
            self._growth.learn(session)
        return summary_of(session)

    def _grow(self, end: OpenEnd, change: Change) -> SessionSummary | None:
        """Change without the earlier messages; None: they have to be read, and nothing was done."""
        change.apply(end.session)
        draft = draft_of(
            end.session, is_activity=change.is_activity, only_assigns=change.only_assigns
        )
        if not draft.is_changed:
            self._growth.keep(end)
            return checked(end.row.summary)
        with self._reconciler.changing():
            grown = self._growth.publish(end, draft)
            if grown is None:
                return None
            self._reconciler.record_turn(grown.row, end.row, grown.touched)
        # Kept only now: a turn that was interrupted before is recorded by the next one, which
        # finds another file than it knows.
        if grown.ends is not None:
            self._growth.keep(grown.ends)
        if grown.written.doubt is not None:
            raise grown.written.doubt
        return checked(grown.row.summary)

    def _changed(self, session_id: str, change: Change) -> Session:
        """Read a session, change it, store it; repeat if a program without locks wrote first."""
        tries_left = _TRIES
        while True:
            session = self._reader.session(session_id)
            change.apply(session)
            tries_left -= 1
            try:
                self.store(session, is_activity=change.is_activity)
            except ConflictError:
                if not tries_left:
                    raise
            else:
                return session


def refuse_twin(session_id: str, reconciler: Reconciler) -> None:
    """Refuse an id that would share a file with another id on macOS or Windows."""
    if twin := reconciler.twins([session_id]).get(session_id):
        path = reconciler.folder.path(session_id)
        raise SessionExistsError(session_id, path=path, existing=twin)


def _begin_digest(
    data: bytes, original: Original | None, row: IndexRow | None, end: int | None
) -> Callable[[], bytes]:
    """Begin to hash a file that equals ``original``, whose row is ``row``, up to ``end``."""
    if original is None or row is None or end is None or not row.settled:
        return begin_digest(data)
    start = block_start(end)
    former, blocks = blocks_of(original.data[start:], start), blocks_of(data[start:], start)
    digest = digest_with(row.digest, former, blocks)
    return lambda: digest

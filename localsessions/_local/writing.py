"""The writing of a session: what may be replaced, the new version, and its record in the index.

All of it is done inside the session's lock, which whoever calls holds. What is written is a draft:
a session, encoded before the lock was taken wherever that is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import JsonValue

from localsessions import _codec
from localsessions._codec.summary import summarize
from localsessions._local.files import FileWritten, Overtaken, SessionFolder
from localsessions._local.growing import Growing, Growth
from localsessions._local.index import IndexRow, SessionIndex
from localsessions._local.reconciling import Reconciler, Written
from localsessions._local.version import (
    Base,
    Fingerprint,
    Tail,
    begin_digest,
    block_start,
    blocks_of,
    digest_of,
    digest_with,
)
from localsessions.errors import (
    ConflictError,
    FormatVersionError,
    NotOwnerError,
    SessionExistsError,
    SessionNotFoundError,
)
from localsessions.models import (
    FORMAT,
    Session,
    SessionSummary,
    format_instant,
    parse_instant,
    utc_now,
)

if TYPE_CHECKING:
    from localsessions._local.files.batch import Refusal

__all__ = ["Draft", "Writer", "draft_of", "refuse_stranger", "refuse_twin"]

# Somebody without locks may be faster again and again.
_TRIES = 5


class Draft(NamedTuple):
    """A session that is to be written, encoded with ``stamps`` as ``data``.

    ``document`` is the top level of what that says.
    """

    session: Session
    data: bytes
    document: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]

    @property
    def is_changed(self) -> bool:
        """Whether it says anything else than what the session was loaded from."""
        return not _codec.is_unchanged(self.session, self.data, self.stamps)


def draft_of(
    session: Session,
    *,
    is_activity: bool = False,
    stamps: Mapping[str, JsonValue] | None = None,
) -> Draft:
    """Encode a session for writing, with stamps of now or, if given, with others.

    Raises:
        UnstorableValueError: A value would be lost or changed.
        FormatVersionError: It was read from a file of a newer format.
    """
    if stamps is None:
        stamps = _stamps(session, is_activity=is_activity)
    return Draft(session, *_codec.encode_document(session, stamps), stamps)


def _stamps(session: Session, *, is_activity: bool) -> dict[str, JsonValue]:
    """Return what a write sets: time and revision and, where it is activity, its time."""
    now = format_instant(utc_now())
    stamps: dict[str, JsonValue] = {"updated_at": now, "revision": session.revision + 1}
    base = session._base
    if is_activity and base is not None:
        spelled = base.times.get("last_activity")
        if spelled is None or parse_instant(spelled) == session.last_activity:
            stamps["last_activity"] = now
    return stamps


def _stamps_of_merge(session: Session, merged: Session) -> dict[str, JsonValue]:
    """Return what writing a merge sets; nobody's activity is put back."""
    is_activity = "last_activity" in _stamps(session, is_activity=True)
    stamps = _stamps(merged, is_activity=False)
    now = str(stamps["updated_at"])
    if is_activity and parse_instant(now) > merged.last_activity:
        stamps["last_activity"] = now
    return stamps


class Writer:
    """Writes the sessions of one store, each inside its lock.

    Args:
        folder: Of the store, and so are the next three.
        index: See there.
        growth: See there.
        reconciler: See there.
        wake: Called when something was written.
    """

    def __init__(
        self,
        folder: SessionFolder,
        index: SessionIndex,
        growth: Growth,
        reconciler: Reconciler,
        wake: Callable[[], object],
    ) -> None:
        self._folder = folder
        self._index = index
        self._growth = growth
        self._reconciler = reconciler
        self._wake = wake

    # -- what may be replaced ----------------------------------------------------------------

    def former_of(self, session: Session) -> Fingerprint | None:
        """Return the file's fingerprint if it still holds what the session was loaded from.

        Raises:
            ConflictError: It does not, or there is a file where there was none.
        """
        base = session._base
        found = self._folder.fingerprint(session.session_id)
        if found is None and base is None:
            return None
        if found is None or base is None:
            theirs = None if found is None else self._reconciler.load(session.session_id)
            raise self._conflict(session, theirs)
        if self._is_changed(session.session_id, base, found):
            raise self._conflict(session, self._reconciler.load(session.session_id))
        return found

    def refuse_existing(self, session: Session) -> None:
        """Refuse to make a session that is there."""
        if self._folder.fingerprint(session.session_id) is not None:
            path = self._folder.path(session.session_id)
            raise SessionExistsError(session.session_id, path=path)

    def _is_changed(self, session_id: str, base: Base, found: Fingerprint) -> bool:
        if found == base.fingerprint and base.settled:
            return False
        return self._folder.read(session_id).data != base.data

    def _conflict(
        self, session: Session, found: Session | None, conflicts: tuple[str, ...] = ()
    ) -> ConflictError:
        return ConflictError(
            session.session_id,
            path=self._folder.path(session.session_id),
            expected=_summary(_loaded(session)) if session._base else None,
            found=_summary(found) if found else None,
            conflicts=conflicts,
        )

    # -- a whole version ---------------------------------------------------------------------

    def write(self, draft: Draft, former: Fingerprint | None) -> None:
        """Write a session over what has the fingerprint ``former``, or as a new one.

        Raises:
            SessionExistsError: A new one would have the file of another on some systems.
            ConflictError: A program that knows no locks was faster.
            DurabilityUnknownError: Written and visible, but the disk did not confirm.
        """
        session, data, document, stamps = draft
        session_id, base = session.session_id, session._base
        if former is None:
            refuse_twin(session_id, self._folder, self._reconciler)
        end = _codec.common_end(base, data) if former else None
        row = self._row(session_id, former) if former else None
        spare = row.tail.spare if row and row.tail else None
        if spare and end is None:
            self._folder.spares.drop(spare)
        tail = None if end is None else Tail(end, spare)
        digest = _begin_digest(data, base, row, end)
        with self._reconciler.changing():
            try:
                written = self._folder.write(session_id, data, former, tail)
            except Overtaken:
                raise self._conflict(session, self._found(session_id)) from None
            # From here on the content is visible: memory and index move on with it, come what may.
            _codec.rebase(session, data, stamps, written.fingerprint, document)
            self._reconciler.record(Written(session, data, written, base, digest()))
        self._wake()
        if written.doubt is not None:
            raise written.doubt

    def _row(self, session_id: str, former: Fingerprint) -> IndexRow | None:
        """Return what the index says of the very file that has a fingerprint."""
        row = self._index.get(session_id)
        return row if row and row.fingerprint == former else None

    def _found(self, session_id: str) -> Session | None:
        try:
            return self._reconciler.load(session_id)
        except SessionNotFoundError:
            return None

    def write_many(
        self, versions: Sequence[tuple[Draft, Fingerprint | None]]
    ) -> list[FileWritten | Refusal | None]:
        """Write sessions together, each over what has the fingerprint beside it.

        None of them may have a twin. Returns what became of each, see ``_files.batch.write_many``.
        """
        from localsessions._local.files.batch import NewVersion, write_many

        replaced = [draft.session.session_id for draft, former in versions if former is not None]
        self._growth.drop_spares(replaced)
        new = [NewVersion(one.session.session_id, one.data, former) for one, former in versions]
        with self._reconciler.changing():
            outcomes = write_many(self._folder, new)
            records: list[Written] = []
            for (draft, _), outcome in zip(versions, outcomes, strict=True):
                session, data, document, stamps = draft
                if isinstance(outcome, FileWritten):
                    # It is visible: memory and index move on with it, come what may.
                    digest = digest_of(data)
                    records.append(Written(session, data, outcome, session._base, digest))
                    _codec.rebase(session, data, stamps, outcome.fingerprint, document)
            self._reconciler.record_many(records)
        self._wake()
        return outcomes

    def store(self, session: Session, *, is_activity: bool) -> None:
        """Write a session that was loaded inside the lock, if it was changed."""
        draft = draft_of(session, is_activity=is_activity)
        if draft.is_changed:
            # Programs that know nothing of our locks may have written meanwhile.
            self.write(draft, self.former_of(session))

    def put(self, session: Session, is_new: bool) -> None:
        """Write a session even where nothing was changed; no activity."""
        former = None if is_new else self.former_of(session)
        draft = draft_of(session, is_activity=False)
        if is_new:
            session._base = None  # what it was read from is another file, and stays
        self.write(draft, former)

    # -- two versions ------------------------------------------------------------------------

    def write_merged(self, draft: Draft) -> None:
        """Write a session together with what others changed since it was loaded.

        Raises:
            ConflictError: Both changed one thing differently, or there is nothing to merge with.
        """
        session = draft.session
        theirs = self._theirs(session)
        if theirs is None:
            self.write(draft, self.former_of(session))
        else:
            self._merge(session, theirs)

    def _theirs(self, session: Session) -> Session | None:
        """Return what the file says if that is not what the session was loaded from.

        None also where there is nothing to merge: no file, or a session that was never loaded.
        """
        base, session_id = session._base, session.session_id
        found = self._folder.fingerprint(session_id)
        if base is None or found is None or not self._is_changed(session_id, base, found):
            return None
        theirs = self._reconciler.load(session_id)
        if theirs.format != FORMAT:
            path = self._folder.path(session_id)
            raise FormatVersionError(session_id, theirs.format, FORMAT, path=path)
        return theirs

    def _merge(self, session: Session, theirs: Session) -> None:
        """Write what both say together, and let the session be that."""
        from localsessions._rules.merging import merge

        merged, conflicts = merge(_loaded(session), session, theirs)
        if conflicts:
            raise self._conflict(session, theirs, conflicts)
        stamps = _stamps_of_merge(session, merged)
        draft = draft_of(merged, stamps=stamps)
        if not draft.is_changed:
            _take_over(session, merged)
            return
        former = self.former_of(merged)
        try:
            self.write(draft, former)
        finally:
            if merged._base is not theirs._base:  # it is visible, whatever went wrong after that
                _take_over(session, merged)

    # -- a turn ------------------------------------------------------------------------------

    def add(
        self,
        session_id: str,
        add: Callable[[Session], None],
        *,
        user_id: str | None = None,
        is_activity: bool = True,
        run_id: str | None = None,
        only_assigns: bool = False,
    ) -> SessionSummary:
        """Change what stands behind the messages, and add some.

        ``add`` may be called again: first with a session whose own messages are not there, so that
        nothing of them is read or written, but for those from the first of the run that it needs.
        One that ``only_assigns`` fields puts nothing into lists and objects, which are not checked.
        """
        growing = self._growth.begin(session_id, run_id)
        found = growing and self._grow(
            growing, add, user_id, is_activity=is_activity, is_checked=only_assigns
        )
        if found is not None:
            return found
        session = self._added(session_id, add, user_id, is_activity=is_activity)
        if run_id is not None:
            self._growth.learn(session)
        return _summary(session)

    def _grow(
        self,
        growing: Growing,
        add: Callable[[Session], None],
        user_id: str | None,
        *,
        is_activity: bool,
        is_checked: bool,
    ) -> SessionSummary | None:
        """Add without what stands before; None: it has to be loaded, nothing was done."""
        session = growing.session
        refuse_stranger(session, user_id, self._folder)
        add(session)
        stamps = _stamps(session, is_activity=is_activity)
        data, document = _codec.encode_document(session, stamps, is_checked=is_checked)
        if _codec.is_unchanged(session, data, stamps):
            self._growth.keep(growing)
            return growing.row.summary
        with self._reconciler.changing():
            published = self._growth.publish(growing, data, document, stamps)
            if published is None:
                return None
            written, row = published
            self._reconciler.record_growth(row, growing.row)
        self._wake()
        if written.doubt is not None:
            raise written.doubt
        return row.summary

    def _added(
        self,
        session_id: str,
        add: Callable[[Session], None],
        user_id: str | None,
        *,
        is_activity: bool,
    ) -> Session:
        """Load a session, add to it and store it; again where somebody without locks was faster."""
        tries_left = _TRIES
        while True:
            session = self._reconciler.load(session_id)
            refuse_stranger(session, user_id, self._folder)
            add(session)
            tries_left -= 1
            try:
                self.store(session, is_activity=is_activity)
            except ConflictError:
                if not tries_left:
                    raise
            else:
                return session


def refuse_stranger(session: Session, user_id: str | None, folder: SessionFolder) -> None:
    """Refuse another user's session; None does not restrict."""
    if user_id is not None and session.user_id not in (None, user_id):
        path = folder.path(session.session_id)
        raise NotOwnerError(session.session_id, user_id, path=path)


def refuse_twin(session_id: str, folder: SessionFolder, reconciler: Reconciler) -> None:
    """Refuse an id that macOS or Windows would give the file of another one."""
    if twin := reconciler.twins([session_id]).get(session_id):
        raise SessionExistsError(session_id, path=folder.path(session_id), existing=twin)


def _summary(session: Session) -> SessionSummary:
    return summarize(session, len(session._base.data) if session._base else 0)


def _begin_digest(
    data: bytes, base: Base | None, row: IndexRow | None, end: int | None
) -> Callable[[], bytes]:
    """Begin to hash a file that says what ``base`` said up to ``end``, by that one's row."""
    if base is None or row is None or end is None or not row.settled:
        return begin_digest(data)
    start = block_start(end)
    former, blocks = blocks_of(base.data[start:], start), blocks_of(data[start:], start)
    digest = digest_with(row.digest, former, blocks)
    return lambda: digest


def _loaded(session: Session) -> Session:
    """Return a session as it was loaded; it was."""
    base = session._base
    assert base is not None  # noqa: S101  (for the type checker: the caller looked)
    return _codec.decode(base.data, session_id=session.session_id, fingerprint=base.fingerprint)


def _take_over(session: Session, merged: Session) -> None:
    """Let the caller's object be what was merged, and stand on what that stands on."""
    for name in Session.model_fields:
        setattr(session, name, getattr(merged, name))
    session._extra, session._base = merged._extra, merged._base

"""Drafts: a session encoded for writing, with the stamps that a write sets.

Pure, except that it reads the clock. If possible, a draft is encoded before any lock is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from localsessions._codec import (
    NOTHING,
    MessagesLaidOut,
    as_it_was,
    encode_document,
    is_unchanged,
    rebase,
)
from localsessions._codec.summary import summarize
from localsessions._rules.merging import merge
from localsessions._rules.touched import Touched, added, touched
from localsessions.errors import ConflictError
from localsessions.models import Session, SessionSummary, formatted_now, parse_instant
from localsessions.models.results import checked
from localsessions.models.standing import Original, original_of, set_extra, stand, version_of

__all__ = ["Draft", "conflict", "draft_of", "merged_draft", "summary_of", "take_over"]


class Draft(NamedTuple):
    """A session to be written; ``data`` is the session encoded with ``stamps``.

    ``document`` is the top level of the document in ``data``. ``original`` is the file from which
    the session was read.
    """

    session: Session
    data: bytes
    document: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]
    original: Original | None

    @property
    def is_changed(self) -> bool:
        """Whether the content differs from the file from which the session was read."""
        return not is_unchanged(self.session, self.data, self.stamps, self.original)

    def touched(self, before: int = 0) -> Touched:
        """Return the messages that the write touches; call it before ``is_written``.

        Args:
            before: How many messages stand before those of the session, which has not read them.
        """
        was = self._messages_before()
        if was.begin == was.end:
            return added(self.session.messages, before)
        now = MessagesLaidOut.of(self.data, tuple(self.document))
        return touched(was, now, len(self.session.messages), before)

    def _messages_before(self) -> MessagesLaidOut:
        original = self.original
        if original is None:
            return NOTHING
        if original.canonical:
            return MessagesLaidOut.of(original.data, original.keys)
        data, document = encode_document(as_it_was(self.session), {})  # another program wrote it
        return MessagesLaidOut.of(data, tuple(document))

    def is_written(self, version: object) -> Original:
        """Set the session to the state that was written, based on that version."""
        return rebase(self.session, self.data, self.stamps, self.document, version)


def draft_of(
    session: Session,
    *,
    is_activity: bool = False,
    stamps: Mapping[str, JsonValue] | None = None,
    only_assigns: bool = False,
) -> Draft:
    """Encode a session for writing, with stamps of the present time or with the given stamps.

    Args:
        session: The session to write.
        is_activity: Whether the write moves ``last_activity``, unless the caller set it.
        stamps: Used instead of the stamps of the present time.
        only_assigns: Whether nothing was added to its lists and objects since they were assigned.

    Raises:
        UnstorableValueError: A value would be lost or changed.
        FormatVersionError: The session was read from a file of a newer format.
    """
    original = original_of(session)
    if stamps is None:
        stamps = _stamps_of(session, original, is_activity=is_activity)
    data, document = encode_document(session, stamps, only_assigns=only_assigns)
    return Draft(session, data, document, stamps, original)


def _stamps_of(
    session: Session, original: Original | None, *, is_activity: bool
) -> dict[str, JsonValue]:
    """Return the fields that a write sets: update time, revision and, for activity, its time."""
    now = formatted_now()
    stamps: dict[str, JsonValue] = {"updated_at": now, "revision": session.revision + 1}
    if is_activity and original is not None:
        spelled = original.times.get("last_activity")
        if spelled is None or parse_instant(spelled) == session.last_activity:
            stamps["last_activity"] = now
    return stamps


def merged_draft(session: Session, theirs: Session) -> tuple[Draft | None, tuple[str, ...]]:
    """Merge a session with the version that others stored; return a draft, or the conflicts."""
    merged, conflicts = merge(as_it_was(session), session, theirs)
    if conflicts:
        return None, conflicts
    return draft_of(merged, stamps=_stamps_of_merge(session, merged)), ()


def _stamps_of_merge(session: Session, merged: Session) -> dict[str, JsonValue]:
    """Return the fields that writing a merge sets; ``last_activity`` never goes back."""
    original = original_of(session)
    is_activity = "last_activity" in _stamps_of(session, original, is_activity=True)
    stamps = _stamps_of(merged, None, is_activity=False)
    now = str(stamps["updated_at"])
    if is_activity and parse_instant(now) > merged.last_activity:
        stamps["last_activity"] = now
    return stamps


def conflict(
    session: Session, found: Session | None, conflicts: tuple[str, ...] = (), *, path: str
) -> ConflictError:
    """Return the error for a save of a session that is stored in another version now.

    Args:
        session: What was to be saved.
        found: What is stored; None if nothing is.
        conflicts: The places that could not be merged.
        path: Where the session is stored.
    """
    expected = summary_of(as_it_was(session)) if original_of(session) else None
    now = summary_of(found) if found else None
    session_id = session.session_id
    return ConflictError(session_id, path=path, expected=expected, found=now, conflicts=conflicts)


def summary_of(session: Session) -> SessionSummary:
    """Return the summary of a session as it was read or written last."""
    original = original_of(session)
    return checked(summarize(session, len(original.data) if original else 0))


def take_over(session: Session, merged: Session) -> None:
    """Copy the merged session into the caller's object, based on the version of the merge."""
    for name in Session.model_fields:
        setattr(session, name, getattr(merged, name))
    set_extra(session, merged.extra)
    stand(session, original_of(merged), version_of(merged))

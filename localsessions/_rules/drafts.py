"""Drafts: what is to be written of a session, with the stamps that a write sets. Pure but for now.

A draft is encoded before any lock is taken, wherever that is possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from localsessions._codec import as_it_was, encode_document, is_unchanged, rebase
from localsessions._rules.merging import merge
from localsessions.models import Session, formatted_now, parse_instant
from localsessions.models.standing import Original, original_of, set_extra, stand, version_of

__all__ = ["Draft", "draft_of", "merged_draft", "take_over"]


class Draft(NamedTuple):
    """A session that is to be written, encoded with ``stamps`` as ``data``.

    ``document`` is the top level of what that says, ``original`` what the session was read from.
    """

    session: Session
    data: bytes
    document: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]
    original: Original | None

    @property
    def is_changed(self) -> bool:
        """Whether it says anything else than what the session was read from."""
        return not is_unchanged(self.session, self.data, self.stamps, self.original)

    def is_written(self, version: object) -> Original:
        """Let the session be what was written of it, and stand on that version."""
        return rebase(self.session, self.data, self.stamps, self.document, version)


def draft_of(
    session: Session,
    *,
    is_activity: bool = False,
    stamps: Mapping[str, JsonValue] | None = None,
    only_assigns: bool = False,
) -> Draft:
    """Encode a session for writing, with stamps of now or, if given, with others.

    Args:
        session: What to write.
        is_activity: Whether the write moves ``last_activity``, unless the caller set it.
        stamps: Instead of those of now.
        only_assigns: Whether nothing was put into its lists and objects since they were assigned.

    Raises:
        UnstorableValueError: A value would be lost or changed.
        FormatVersionError: It was read from a file of a newer format.
    """
    original = original_of(session)
    if stamps is None:
        stamps = _stamps_of(session, original, is_activity=is_activity)
    data, document = encode_document(session, stamps, only_assigns=only_assigns)
    return Draft(session, data, document, stamps, original)


def _stamps_of(
    session: Session, original: Original | None, *, is_activity: bool
) -> dict[str, JsonValue]:
    """Return what a write sets: time and revision and, where it is activity, its time."""
    now = formatted_now()
    stamps: dict[str, JsonValue] = {"updated_at": now, "revision": session.revision + 1}
    if is_activity and original is not None:
        spelled = original.times.get("last_activity")
        if spelled is None or parse_instant(spelled) == session.last_activity:
            stamps["last_activity"] = now
    return stamps


def merged_draft(session: Session, theirs: Session) -> tuple[Draft | None, tuple[str, ...]]:
    """Return what a session and what others made of it say together, or the places of conflict."""
    merged, conflicts = merge(as_it_was(session), session, theirs)
    if conflicts:
        return None, conflicts
    return draft_of(merged, stamps=_stamps_of_merge(session, merged)), ()


def _stamps_of_merge(session: Session, merged: Session) -> dict[str, JsonValue]:
    """Return what writing a merge sets; nobody's activity is put back."""
    original = original_of(session)
    is_activity = "last_activity" in _stamps_of(session, original, is_activity=True)
    stamps = _stamps_of(merged, None, is_activity=False)
    now = str(stamps["updated_at"])
    if is_activity and parse_instant(now) > merged.last_activity:
        stamps["last_activity"] = now
    return stamps


def take_over(session: Session, merged: Session) -> None:
    """Let the caller's object be what was merged, and stand on what that stands on."""
    for name in Session.model_fields:
        setattr(session, name, getattr(merged, name))
    set_extra(session, merged.extra)
    stand(session, original_of(merged), version_of(merged))

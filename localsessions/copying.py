"""Copying the sessions of one store into another, one way, wherever both keep them.

A copy can be stopped and begun again: what is there already is found by its hash, and not written
again. What it says at the end is the number of a change of the source: each change up to it is in
the target, so the next copy can go on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from localsessions.engine import Query
from localsessions.errors import SessionError, SessionNotFoundError
from localsessions.models import Session, SessionChange
from localsessions.models.standing import original_of
from localsessions.store import SessionStore

__all__ = ["Copied", "copy_sessions"]

_BATCH = 64


@dataclass
class Copied:
    """What a copy did.

    Attributes:
        number: The change of the source up to which the target has everything, apart from
            ``refused``; the next copy goes on ``since`` it.
        written: How many sessions were written.
        equal: How many were there already, as they are in the source.
        deleted: How many were moved to the target's trash, since the source deleted them.
        checkpoints: How many checkpoints were written.
        refused: Why a session was not copied, by its id.
    """

    number: int = 0
    written: int = 0
    equal: int = 0
    deleted: int = 0
    checkpoints: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def copy_sessions(
    source: SessionStore,
    target: SessionStore,
    *,
    since: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Copy sessions with their checkpoints; what the target has under the same id is replaced.

    A session that is newer in the target than in the source is not replaced, but ``refused``.

    Args:
        source: Where the sessions are.
        target: Where they go.
        since: ``Copied.number`` of an earlier copy: only what changed after it is looked at, and
            what was deleted since then is deleted in the target, too. None looks at everything,
            and deletes nothing.
        on_progress: Called with (done, total).

    Raises:
        ChangesExpiredError: The source does not know ``since`` any more: copy everything.
    """
    copied = Copied(number=source.last_change())
    if since is None:
        ids = list(source.engine.ids(Query(), fresh=True))
        _copy(source, target, ids, copied, on_progress, deletes=False)
    number = copied.number if since is None else since
    while ids := list(dict.fromkeys(one.session_id for one in _read(source, number, copied))):
        _copy(source, target, ids, copied, on_progress, deletes=True)
        number = copied.number
    return copied


def _read(source: SessionStore, number: int, copied: Copied) -> Iterator[SessionChange]:
    """Yield what changed after a number; the copy is at the last of these when it has them."""
    for change in source.changes(number):
        copied.number = max(copied.number, change.number)
        yield change


def _copy(
    source: SessionStore,
    target: SessionStore,
    ids: Sequence[str],
    copied: Copied,
    on_progress: Callable[[int, int], None] | None,
    *,
    deletes: bool,
) -> None:
    done = 0
    for batch in _batches(ids):
        new: list[Session] = []
        for session_id in batch:
            try:
                _compare(source, target, session_id, copied, new, deletes=deletes)
            except SessionError as error:
                copied.refused[session_id] = str(error)
        _make(target, new, copied)
        for session_id in batch:
            if session_id not in copied.refused:
                copied.checkpoints += _copy_checkpoints(source, target, session_id)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(ids))


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _compare(
    source: SessionStore,
    target: SessionStore,
    session_id: str,
    copied: Copied,
    new: list[Session],
    *,
    deletes: bool,
) -> None:
    """Replace a session in the target if it differs; put it on the list if it is not there."""
    copied.refused.pop(session_id, None)  # what is tried again
    try:
        data = source.raw(session_id)
    except SessionNotFoundError:
        copied.deleted += deletes and target.delete(session_id)
        return
    try:
        there = target.raw(session_id)
    except SessionNotFoundError:
        new.append(source.load(session_id))
        return
    if _hash(there) == _hash(data):
        copied.equal += 1
        return
    _replace(target, source.load(session_id), copied)


def _replace(target: SessionStore, session: Session, copied: Copied) -> None:
    """Replace what the target has, in one step, unless that is newer or says the same."""
    found = target.load(session.session_id)
    if _said(found) == _said(session):
        copied.equal += 1
    elif found.updated_at > session.updated_at:
        copied.refused[session.session_id] = (
            f"session {session.session_id!r} is newer in the target; rename one of the two, or "
            "delete the one that is not wanted"
        )
    else:
        version = _hash(target.raw(session.session_id))

        def make(data: bytes) -> Session | None:
            return session if _hash(data) == version else None

        if target.adopt(session.session_id, make) is None:
            copied.refused[session.session_id] = (
                f"session {session.session_id!r} changed in the target; copy again"
            )
        else:
            copied.written += 1


def _make(target: SessionStore, new: list[Session], copied: Copied) -> None:
    """Make sessions that the target does not have, and give each the bytes of its source."""
    made = [_as_new(one) for one in new]
    errors = target.engine.create_many(made) if made else {}
    for session, stored in zip(new, made, strict=True):
        if (error := errors.get(session.session_id)) is not None:
            copied.refused[session.session_id] = str(error)
        else:
            _settle(target, session, stored)
            copied.written += 1


def _settle(target: SessionStore, session: Session, stored: Session) -> None:
    """Give a session that was just made the times of its source, unless somebody changed it."""
    original = original_of(stored)

    def make(data: bytes) -> Session | None:
        return session if original is not None and data == original.data else None

    target.adopt(session.session_id, make)


def _as_new(session: Session) -> Session:
    """Return a copy that was never stored."""
    made = Session(**{name: getattr(session, name) for name in Session.model_fields})
    return made.model_copy(deep=True)


def _copy_checkpoints(source: SessionStore, target: SessionStore, session_id: str) -> int:
    """Copy the checkpoints that the target lacks, the first saved first."""
    try:
        there = frozenset(target.checkpoints(session_id))
        lacking = [one for one in source.checkpoints(session_id) if one not in there]
        for checkpoint_id in reversed(lacking):
            target.engine.save_checkpoint(source.load_checkpoint(session_id, checkpoint_id))
    except SessionNotFoundError:
        return 0  # deleted meanwhile: the next look at the changes says so
    return len(lacking)


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _said(session: Session) -> object:
    return session.model_dump(), session.extra

"""``move``: sessions from one store to another, with their checkpoints, byte for byte."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from localsessions.errors import SessionError, SessionExistsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from localsessions.store import SessionStore

__all__ = ["move"]


def move(
    source: SessionStore,
    target: SessionStore,
    session_ids: Iterable[str],
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, SessionError]:
    """Move sessions to another store; return why some were not moved, by id.

    Each is durable there before it is gone here, and its lock is held here meanwhile. Killed at any
    moment, one of the stores has it, or both have the same; then another call completes the move.
    A session that cannot be decoded moves, too. What stands in the trash stays. Each move waits for
    the lock there while it holds the one here: if a session is moved both ways at the same time,
    the two wait for each other, and those that wait longest end with ``LockTimeoutError``.

    The source remembers where it went: ``deletions`` says so, and an import into the source does
    not bring it back. ``forget_deletions`` forgets it, and so does a move back. It is removed for
    good, so it is not in the trash. Who watches is told of a deleted session here, and of a created
    one there.

    Args:
        source: Where the sessions are.
        target: Where they go; it may not be the same sessions.
        session_ids: Which; what is given twice is moved once.
        dry_run: Only look for what would be refused; change nothing.
        on_progress: Called with how many are done, and how many there are.

    Returns:
        An error for each session that stays: ``SessionNotFoundError``; ``SessionExistsError``, if
        the target has another session of that id; ``ConflictError``, if a program that takes no
        lock wrote it meanwhile, and both stores have a version of it; ``LockTimeoutError``;
        ``UnreadableSessionError``, if its bytes cannot be read; ``UnstorableValueError``, if the
        target takes no file so large.

    Raises:
        OSError: A folder failed; the sessions before are moved, and the others stay.
        ValueError: Both are the same store.
    """
    if _is_same(source.save_dir, target.save_dir):
        raise ValueError(f"the sessions of {source.save_dir} are there already; name another store")
    wanted = tuple(dict.fromkeys(session_ids))
    refused: dict[str, SessionError] = {}
    for done, session_id in enumerate(wanted, start=1):
        try:
            with suppress(_LookedAtOnly):
                _move(source, target, session_id, dry_run=dry_run)
        except SessionError as error:
            refused[session_id] = error
        if on_progress is not None:
            on_progress(done, len(wanted))
    return refused


def _is_same(one: str, other: str) -> bool:
    """Tell whether two places are one, perhaps by way of a link."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False  # not both are folders


class _LookedAtOnly(Exception):  # noqa: N818  (no error: it keeps the session where it is)
    """Ends the block of a session that is to stay."""


def _move(source: SessionStore, target: SessionStore, session_id: str, *, dry_run: bool) -> None:
    with source.engine.leaving(session_id, moved_to=target.save_dir) as copy:
        if target.engine.bring(copy, dry_run=dry_run) == "other":
            raise SessionExistsError(session_id, path=target.path(session_id))
        if dry_run:
            raise _LookedAtOnly

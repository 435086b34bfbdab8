"""``delete``, ``restore``: into the trash, and out of it.

A command that removes asks on a terminal; without a terminal it needs ``--yes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from localsessions.cli.asking import ask_to_remove, refuse_unasked
from localsessions.cli.choosing import (
    Chosen,
    end_if_refused,
    some_sessions,
    tell_first,
    tell_refused,
    tell_titles,
)
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, summary_of
from localsessions.cli.options import (
    examples,
    json_option,
    yes_option,
)
from localsessions.cli.progress import progress
from localsessions.cli.screen.candidates import candidates
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.moments import local_minute
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit, is_fitted, note
from localsessions.cli.screen.tables import Column, emit_rows, emit_table
from localsessions.cli.typed import to_type
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.format import parse_json
from localsessions.models import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localsessions.models import TrashedSession
    from localsessions.store import SessionStore

__all__ = ["delete", "restore"]

_TOGETHER = 128


# -- delete --------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        'localsessions delete sess_0192 "Show the files"',
        "localsessions delete --tag draft --dry-run",
        "localsessions list --until 90d | localsessions delete - --yes",
    )
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@some_sessions
@yes_option
@json_option
def delete(*, chosen: Chosen, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Move sessions to the trash; 'restore' brings them back."""
    with opened() as store:
        session_ids = chosen.ids(store)
        if dry_run:
            _emit_doomed(store, session_ids, as_json=as_json)
            return
        refuse_unasked("remove them", yes=yes)
        if not yes:
            tell_titles(map(store.engine.summary, session_ids), len(session_ids))
        ask_to_remove(f"Move {counted(len(session_ids), 'session')} to the trash?", yes=yes)
        gone, errors = _deleted(store, session_ids)
        deleted = _last_of(store.trash(), gone)
    if as_json:
        emit_json(deleted)
    else:
        tell_first([_told(one.session_id) for one in deleted])
    tell_refused(errors)
    end_if_refused(errors)
    if missed := [one for one in session_ids if one not in {*gone}]:
        stop(f"deleted by someone else meanwhile: {', '.join(missed)}", ExitCode.NOT_FOUND)


def _told(session_id: str) -> str:
    return f"deleted {session_id}; to bring it back: {to_type('restore', session=session_id)}"


def _emit_doomed(store: SessionStore, session_ids: Sequence[str], *, as_json: bool) -> None:
    doomed = [one for one in map(store.engine.summary, session_ids) if one is not None]
    if as_json:
        emit_json(doomed)
        return
    for one in doomed:
        emit(one_line(f"would delete {one.session_id}: {one.title or '(no title)'}"))


def _deleted(
    store: SessionStore, session_ids: Sequence[str]
) -> tuple[list[str], Mapping[str, Exception]]:
    """Delete sessions together; return which are gone by that, and by id why others stay."""
    gone: list[str] = []
    errors: dict[str, Exception] = {}
    with progress("deleting") as show:
        for at in range(0, len(session_ids), _TOGETHER):
            batch = session_ids[at : at + _TOGETHER]
            try:
                gone += store.delete_many(batch)
            except ExceptionGroup as group:
                errors |= _by_id(group, batch)
                gone += [one for one in batch if one not in errors]
            show(at + len(batch), len(session_ids))
    if len(session_ids) == 1:
        for error in errors.values():
            raise error
    return gone, errors


def _by_id(group: ExceptionGroup[Exception], session_ids: Sequence[str]) -> dict[str, Exception]:
    """Return the errors of many by the session that each names, itself or in a note."""
    found: dict[str, Exception] = {}
    for error in group.exceptions:
        notes = getattr(error, "__notes__", [])
        named = [one for one in session_ids if f"session {one!r}" in notes]
        found[getattr(error, "session_id", None) or named[0]] = error
    return found


def _last_of(trash: Sequence[TrashedSession], session_ids: Sequence[str]) -> list[TrashedSession]:
    # The trash is sorted by time, the last deleted first. For each id, the last deleted wins.
    newest = {item.session_id: item for item in reversed(trash)}
    return [newest[session_id] for session_id in session_ids if session_id in newest]


# -- restore -------------------------------------------------------------------------------------


@click.command(epilog=examples("localsessions restore --list", "localsessions restore latest"))
@click.argument("reference", metavar="[SESSION]", required=False)
@click.option("--list", "listing", is_flag=True, help="Show what is in the trash.")
@json_option
def restore(*, reference: str | None, listing: bool, as_json: bool) -> None:
    """Bring a deleted session back, or list the trash.

    SESSION is an id, the beginning of an id, a title, or 'latest' for the last deleted.
    """
    if listing == bool(reference):
        raise click.UsageError("give either a SESSION or --list")
    with opened() as store:
        if reference:
            _restore(store, _resolve_deleted(store.trash(), reference), as_json=as_json)
        else:
            _emit_trash(store.trash(), as_json=as_json)


def _restore(store: SessionStore, session_id: str, *, as_json: bool) -> None:
    try:
        restored = store.restore(session_id)
    except UnreadableSessionError:
        note(one_line(f"restored {session_id}, which was unreadable when it was deleted"))
        raise
    if as_json:
        emit_json([summary_of(store, restored)])
    else:
        note(one_line(f"restored {session_id}"))


def _resolve_deleted(trash: Sequence[TrashedSession], reference: str) -> str:
    """Return the deleted session that a person means, as ``SessionStore.resolve`` would."""
    # Checkpoints alone can be restored only to a session that exists: sessions come first.
    sessions_first = sorted(trash, key=lambda item: item.checkpoints_only)
    ids = list(dict.fromkeys(item.session_id for item in sessions_first))
    if reference in ids:
        return reference
    if reference == "latest" and ids:
        return ids[0]
    fitting = [session_id for session_id in ids if session_id.startswith(reference)]
    if not fitting:
        titled = [item.session_id for item in trash if _title(item.path) == reference]
        fitting = list(dict.fromkeys(titled))
    if not fitting:
        raise SessionNotFoundError(reference, what="a deleted session")
    if len(fitting) > 1:
        last = {item.session_id: item for item in reversed(trash)}
        found = [(_title(last[one].path), last[one].deleted_at, one) for one in fitting[:5]]
        stop(
            f"{reference!r} fits more than one deleted session; give more of the id of one",
            ExitCode.USAGE,
            *candidates(found, is_more=len(fitting) > 5),
        )
    return fitting[0]


def _title(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            document = parse_json(file.read())
    except (OSError, ValueError):
        return None  # just removed for good, or unreadable: its title is not known
    title = document.get("title") if isinstance(document, dict) else None
    return title if isinstance(title, str) else None


def _emit_trash(trash: Sequence[TrashedSession], *, as_json: bool) -> None:
    if as_json:
        emit_json(trash)
    elif trash and not is_fitted():
        emit_rows(map(_fields, trash))
    elif trash:
        rows = [
            (
                item.session_id + (" (checkpoints)" if item.checkpoints_only else ""),
                local_minute(item.deleted_at),
                str(item.size_bytes),
            )
            for item in trash
        ]
        columns = Column("ID", is_whole=True), Column("DELETED"), Column("BYTES", is_number=True)
        emit_table(columns, rows)
    else:
        note("the trash is empty")


def _fields(item: TrashedSession) -> tuple[str, ...]:
    """Return what a program reads of it in a pipe."""
    what = "checkpoints" if item.checkpoints_only else "session"
    return item.session_id, format_instant(item.deleted_at), str(item.size_bytes), what

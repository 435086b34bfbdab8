"""``delete``, ``restore``, ``cleanup``: into the trash, out of it, and removed for good.

A command that removes asks on a terminal; without a terminal it needs ``--yes``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from localsessions.cli.asking import agrees, refuse_unasked
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, sessions_argument, summary_of
from localsessions.cli.options import (
    are_given,
    examples,
    filter_options,
    json_option,
    yes_option,
)
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.moments import local_minute
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit, is_fitted, note
from localsessions.cli.screen.tables import Column, emit_rows, emit_table
from localsessions.cli.times import age
from localsessions.errors import UnreadableSessionError
from localsessions.format import parse_json
from localsessions.models import CleanupReport, format_instant, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from localsessions.models import Filters, TrashedSession
    from localsessions.store import SessionStore

__all__ = ["cleanup", "delete", "restore"]


def _ask(question: str, *, yes: bool) -> None:
    if not agrees(question, yes=yes):
        stop("nothing was removed", ExitCode.NO)


# -- delete --------------------------------------------------------------------------------------


@click.command(epilog=examples('localsessions delete sess_0192 "Show the files"'))
@sessions_argument
@yes_option
@json_option
def delete(*, references: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Move sessions to the trash; 'restore' brings them back."""
    refuse_unasked("remove them", yes=yes)
    with opened() as store:
        session_ids = list(dict.fromkeys(map(store.resolve, references)))
        _ask(f"Move to the trash: {', '.join(session_ids)}?", yes=yes)
        gone = [session_id for session_id in session_ids if store.delete(session_id)]
        deleted = _last_of(store.trash(), gone)
    if as_json:
        emit_json(deleted)
    else:
        for item in deleted:
            note(one_line(f"deleted {item.session_id}; 'restore' brings it back"))
    if missed := [session_id for session_id in session_ids if session_id not in gone]:
        stop(f"deleted by someone else meanwhile: {', '.join(missed)}", ExitCode.NOT_FOUND)


def _last_of(trash: Sequence[TrashedSession], session_ids: list[str]) -> list[TrashedSession]:
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
        stop(f"there is no deleted session {reference!r}; see 'restore --list'", ExitCode.NOT_FOUND)
    if len(fitting) > 1:
        names = ", ".join(fitting[:5]) + (", ..." if len(fitting) > 5 else "")
        stop(f"{reference!r} fits more than one deleted session: {names}", ExitCode.USAGE)
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


# -- cleanup -------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "localsessions cleanup --older-than 30d --dry-run",
        "localsessions cleanup --expired --yes",
        "localsessions cleanup --empty-trash --deleted-for 90d",
    )
)
@click.option(
    "--older-than", type=age, metavar="AGE", help="Sessions last active longer ago than this: 30d."
)
@click.option("--expired", is_flag=True, help="Sessions whose time to live has passed.")
@click.option("--empty-trash", is_flag=True, help="Remove deleted sessions FOR GOOD.")
@click.option(
    "--deleted-for",
    type=age,
    metavar="AGE",
    help="With --empty-trash: only what was deleted longer ago than this.",
)
@click.option(
    "--forget",
    is_flag=True,
    help="With --empty-trash: forget what was removed for good, too; an import may bring it back.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed, and why.")
@filter_options
@yes_option
@json_option
def cleanup(
    *,
    older_than: timedelta | None,
    expired: bool,
    empty_trash: bool,
    deleted_for: timedelta | None,
    forget: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    filters: Filters,
) -> None:
    """Move old or expired sessions to the trash, or empty the trash.

    It uses the sessions' own last activity. Pinned, unreadable and future-dated sessions are
    kept, and archived ones, unless an option asks for them.
    """
    is_due = older_than is not None or expired
    if is_due == empty_trash:
        raise click.UsageError("give --older-than, --expired or both, or else --empty-trash")
    if deleted_for is not None and not empty_trash:
        raise click.UsageError("--deleted-for goes with --empty-trash only")
    if forget and not empty_trash:
        raise click.UsageError("--forget goes with --empty-trash only")
    if empty_trash and are_given(filters):
        raise click.UsageError("--empty-trash removes all that was deleted; --deleted-for narrows")
    if not dry_run:
        refuse_unasked("remove them", yes=yes)
    with opened() as store:
        if empty_trash:
            _empty_trash(store, deleted_for, dry_run=dry_run, yes=yes, as_json=as_json)
            if forget and not dry_run:
                store.forget_deletions()
        else:
            clean = partial(_cleaned, store, filters, expired=expired)
            _clean(clean, older_than, dry_run=dry_run, yes=yes, as_json=as_json)


def _clean(
    clean: Callable[..., CleanupReport],
    older_than: timedelta | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    if not dry_run and not yes:
        plan = clean(older_than, dry_run=True)
        if plan.deleted:
            _emit_report(plan, to=note)
            _ask(f"Move {len(plan.deleted)} sessions to the trash?", yes=yes)
        if older_than is not None:
            # Leave out sessions that became old while the person decided.
            older_than = utc_now() - plan.cutoff
    report = clean(older_than, dry_run=dry_run)
    if as_json:
        emit_json(report.actions, cutoff=report.cutoff, dry_run=report.dry_run)
    else:
        _emit_report(report, to=emit)


def _cleaned(
    store: SessionStore,
    filters: Filters,
    older_than: timedelta | None,
    *,
    expired: bool,
    dry_run: bool,
) -> CleanupReport:
    """Return a report of one or both cleanups; each session is in it once."""
    reports = []
    if older_than is not None:
        reports.append(store.cleanup(max_age=older_than, dry_run=dry_run, **filters))
    if expired:
        reports.append(store.purge_expired(dry_run=dry_run, **filters))
    actions = {
        action.session_id: action for report in reversed(reports) for action in report.actions
    }
    return replace(reports[0], actions=tuple(actions.values()))


def _emit_report(report: CleanupReport, *, to: Callable[[str], None]) -> None:
    verb = "would delete" if report.dry_run else "deleted"
    for action in report.actions:
        did = verb if action.deleted else "kept"
        to(one_line(f"{did} {action.session_id}: {action.reason}"))
    if not report.deleted:
        note("there is nothing to remove")


def _empty_trash(
    store: SessionStore, deleted_for: timedelta | None, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    now = utc_now()
    cutoff = now if deleted_for is None else now - deleted_for
    doomed = [item for item in store.trash() if item.deleted_at <= cutoff]
    if doomed and not dry_run:
        _ask(f"Remove {len(doomed)} deleted sessions for good?", yes=yes)
        doomed = list(store.empty_trash(max_age=utc_now() - cutoff))
    if as_json:
        emit_json(doomed)
        return
    verb = "would remove" if dry_run else "removed"
    for item in doomed:
        deleted_at = local_minute(item.deleted_at)
        emit(one_line(f"{verb} {item.session_id} for good: deleted {deleted_at}"))
    if not doomed:
        note("there is nothing to remove")

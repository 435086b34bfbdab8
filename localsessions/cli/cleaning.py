"""``cleanup``: old and expired sessions into the trash, and the trash removed for good."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from localsessions.cli.asking import ask_to_remove, refuse_unasked
from localsessions.cli.choosing import SHOWN, Chosen, any_sessions, tell_first
from localsessions.cli.folder import opened
from localsessions.cli.options import are_given, examples, json_option, yes_option
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.moments import local_minute
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit, note
from localsessions.cli.times import age
from localsessions.models import CleanupReport, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from localsessions.models import Filters, TrashedSession
    from localsessions.store import SessionStore

__all__ = ["cleanup"]


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
@any_sessions
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
    chosen: Chosen,
) -> None:
    """Move old or expired sessions to the trash, or empty the trash.

    It uses the sessions' own last activity. Pinned, unreadable and future-dated sessions are
    kept, and archived ones, unless an option asks for them or they are named.

    Which sessions: all; or some SESSIONs; or all that the options from --user on ask for; or '-',
    and one a line on standard input, where what follows a tab does not count.
    """
    is_due = older_than is not None or expired
    if is_due == empty_trash:
        raise click.UsageError("give --older-than, --expired or both, or else --empty-trash")
    if deleted_for is not None and not empty_trash:
        raise click.UsageError("--deleted-for goes with --empty-trash only")
    if forget and not empty_trash:
        raise click.UsageError("--forget goes with --empty-trash only")
    if empty_trash and (chosen.names is not None or are_given(chosen.filters)):
        raise click.UsageError("--empty-trash removes all that was deleted; --deleted-for narrows")
    if not dry_run:
        refuse_unasked("remove them", yes=yes)
    with opened() as store:
        if empty_trash:
            _empty_trash(store, deleted_for, dry_run=dry_run, yes=yes, as_json=as_json)
            if forget and not dry_run:
                store.forget_deletions()
        else:
            if chosen.names is not None:
                chosen.filters["archived"] = None
            only = None if chosen.names is None else chosen.ids(store)
            clean = partial(_cleaned, store, chosen.filters, only, expired=expired)
            _clean(store, clean, older_than, dry_run=dry_run, yes=yes, as_json=as_json)


def _clean(
    store: SessionStore,
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
            _tell_due(store, plan)
            ask_to_remove(f"Move {counted(len(plan.deleted), 'session')} to the trash?", yes=yes)
        if older_than is not None:
            # Leave out sessions that became old while the person decided.
            older_than = utc_now() - plan.cutoff
    report = clean(older_than, dry_run=dry_run)
    if as_json:
        emit_json(report.actions, cutoff=report.cutoff, dry_run=report.dry_run)
    else:
        _emit_report(report, to=emit)


def _tell_due(store: SessionStore, plan: CleanupReport) -> None:
    lines = []
    for action in plan.deleted[:SHOWN]:
        summary = store.engine.summary(action.session_id)
        title = f" ({summary.title})" if summary and summary.title else ""
        lines.append(f"would delete {action.session_id}{title}: {action.reason}")
    tell_first(lines, len(plan.deleted))


def _cleaned(
    store: SessionStore,
    filters: Filters,
    only: Sequence[str] | None,
    older_than: timedelta | None,
    *,
    expired: bool,
    dry_run: bool,
) -> CleanupReport:
    """Return a report of one or both cleanups; each session is in it once."""
    reports = []
    if older_than is not None:
        reports.append(store.cleanup(max_age=older_than, only=only, dry_run=dry_run, **filters))
    if expired:
        reports.append(store.purge_expired(only=only, dry_run=dry_run, **filters))
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
        if not yes:
            _tell_doomed(doomed)
        ask_to_remove(f"Remove {counted(len(doomed), 'deleted session')} for good?", yes=yes)
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


def _tell_doomed(doomed: Sequence[TrashedSession]) -> None:
    lines = [f"{one.session_id}  deleted {local_minute(one.deleted_at)}" for one in doomed]
    tell_first(lines, indent="  ")

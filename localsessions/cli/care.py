"""``verify`` and ``reindex``: check all files, repair what can be repaired, rebuild the index."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import click

from localsessions.cli.asking import agrees, refuse_unasked
from localsessions.cli.exits import ExitCode, message_of
from localsessions.cli.folder import opened
from localsessions.cli.options import examples, json_option, yes_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import one_line
from localsessions.cli.screen.streams import emit, note
from localsessions.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localsessions.models import Finding
    from localsessions.store import SessionStore

__all__ = ["reindex", "verify"]

# The store repairs these by itself.
_HARMLESS = frozenset({"index", "orphan temp file", "wrong inner id"})


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A finding and the result of its repair; without a repair there is no result."""

    finding: Finding
    done: str | None = None
    failed: str | None = None


@click.command(epilog=examples("localsessions verify", "localsessions verify --repair"))
@click.option("--repair", is_flag=True, help="Do the repairs that need no person, after asking.")
@yes_option
@json_option
@click.pass_context
def verify(ctx: click.Context, *, repair: bool, yes: bool, as_json: bool) -> None:
    """Check every file and name each repair; change nothing unless --repair is given.

    Ends with 5 if a session is unreadable, with 1 if something else needs a person, with 6 if a
    repair failed, with 0 if all is well or the store repairs it by itself.
    """
    if yes and not repair:
        raise click.UsageError("--yes goes with --repair only")
    with opened() as store:
        findings = _verified(store)
        if repair:
            ctx.exit(_repair(store, findings, yes=yes, as_json=as_json))
    if as_json:
        emit_json(findings)
    else:
        _emit_findings(findings, to=emit)
    ctx.exit(_verdict(findings))


def _verified(store: SessionStore) -> Sequence[Finding]:
    with progress("reading") as show:
        return store.verify(on_progress=show)


def _verdict(findings: Sequence[Finding]) -> ExitCode:
    kinds = {finding.kind for finding in findings}
    if "unreadable" in kinds:
        return ExitCode.UNREADABLE
    return ExitCode.NO if kinds - _HARMLESS else ExitCode.DONE


def _emit_findings(findings: Sequence[Finding], *, to: Callable[[str], None]) -> None:
    # After the index was deleted, there is such a finding for every file.
    unseen = sum(finding.kind == "index" for finding in findings)
    for finding in findings:
        if finding.kind != "index":
            who = " (--repair does it)" if finding.automatic else ""
            to(one_line(f"{finding.kind}: {finding.path}: {finding.problem}"))
            to(one_line(f"repair: {finding.repair}{who}").join(("  ", "")))
    if unseen:
        to(f"index: it had not seen {unseen} files as they are; it has seen them now")
    if not findings:
        note("all is well")


# -- repairing -----------------------------------------------------------------------------------


def _repair(
    store: SessionStore, findings: Sequence[Finding], *, yes: bool, as_json: bool
) -> ExitCode:
    """Show the findings, ask once, repair what needs no person; return the exit code."""
    repairable = sum(finding.automatic for finding in findings)
    if not as_json:
        _emit_findings(findings, to=emit)
    elif repairable and not yes:
        _emit_findings(findings, to=note)
    if repairable:
        refuse_unasked("repair them", yes=yes)
    if not repairable or not agrees(f"Repair {repairable} findings?", yes=yes):
        if findings:
            note("nothing was repaired")
        _emit_outcomes([_Outcome(finding) for finding in findings], as_json=as_json)
        return _verdict(findings)
    outcomes = [_outcome(store, finding, as_json=as_json) for finding in findings]
    _emit_outcomes(outcomes, as_json=as_json)
    verdict = _verdict(_verified(store))
    has_failed = any(outcome.failed for outcome in outcomes)
    return ExitCode.SYSTEM if has_failed and verdict is ExitCode.DONE else verdict


def _outcome(store: SessionStore, finding: Finding, *, as_json: bool) -> _Outcome:
    """Do one repair and report it at once: if the next is interrupted, this report is there."""
    if not finding.automatic:
        return _Outcome(finding)
    try:
        done = store.repair(finding)
    except (SessionError, OSError) as error:
        failed = message_of(error)
        note(one_line(f"error: cannot repair {finding.path}: {failed}"))
        return _Outcome(finding, failed=failed)
    if not as_json:
        emit(one_line(f"{finding.path}: {done}"))
    return _Outcome(finding, done=done)


def _emit_outcomes(outcomes: Sequence[_Outcome], *, as_json: bool) -> None:
    if as_json:
        emit_json([_plain(outcome) for outcome in outcomes])


def _plain(outcome: _Outcome) -> dict[str, object]:
    finding = outcome.finding
    known = {item.name: getattr(finding, item.name) for item in fields(finding)}
    return {**known, "done": outcome.done, "failed": outcome.failed}


@click.command(epilog=examples("localsessions reindex"))
@json_option
def reindex(*, as_json: bool) -> None:
    """Delete the index and rebuild it from the files."""
    with opened() as store, progress("reading") as show:
        count = store.reindex(on_progress=show)
    if as_json:
        emit_json([{"sessions": count}])
    else:
        note(f"indexed {count} sessions")

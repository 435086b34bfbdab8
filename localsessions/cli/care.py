"""``verify`` and ``reindex``: whether all is well, and the index made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from localsessions.cli.exits import ExitCode
from localsessions.cli.folder import opened
from localsessions.cli.options import json_option
from localsessions.cli.output import emit, emit_json, note, one_line
from localsessions.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localsessions.models import Finding

__all__ = ["reindex", "verify"]

# What the store puts right by itself.
_HARMLESS = frozenset({"index", "orphan temp file", "wrong inner id"})


@click.command()
@json_option
@click.pass_context
def verify(ctx: click.Context, *, as_json: bool) -> None:
    """Check every file and name each repair; change nothing.

    Ends with 5 when a session is unreadable, with 1 when something else needs a person, with 0
    when all is well or puts itself right.
    """
    with opened() as store, progress("reading") as show:
        findings = store.verify(on_progress=show)
    if as_json:
        emit_json(findings)
    else:
        _emit_findings(findings)
    ctx.exit(_verdict(findings))


def _verdict(findings: Sequence[Finding]) -> ExitCode:
    kinds = {finding.kind for finding in findings}
    if "unreadable" in kinds:
        return ExitCode.UNREADABLE
    return ExitCode.FAILURE if kinds - _HARMLESS else ExitCode.DONE


def _emit_findings(findings: Sequence[Finding]) -> None:
    # After the index was deleted there is one of these for every file.
    unseen = sum(finding.kind == "index" for finding in findings)
    for finding in findings:
        if finding.kind != "index":
            emit(one_line(f"{finding.kind}: {finding.path}: {finding.problem}"))
            emit(one_line(f"repair: {finding.repair}").join(("  ", "")))
    if unseen:
        emit(f"index: it had not seen {unseen} files as they are; it has seen them now")
    if not findings:
        note("all is well")


@click.command()
@json_option
def reindex(*, as_json: bool) -> None:
    """Throw the index away and make it anew from the files."""
    with opened() as store, progress("reading") as show:
        count = store.reindex(on_progress=show)
    if as_json:
        emit_json({"sessions": count})
    else:
        note(f"indexed {count} sessions")

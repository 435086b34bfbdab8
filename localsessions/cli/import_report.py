"""What came of an import, as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.cli.exits import ExitCode
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit, note
from localsessions.cli.typed import to_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.transcripts import FileReport, FormatTotals, ImportReport

__all__ = ["emit_file", "emit_report", "verdict"]

_MOST_LINES = 20


def emit_report(report: ImportReport, named: Sequence[str], *, verbose: bool) -> None:
    """Show what came of all.

    Args:
        report: What came of them.
        named: The paths that the person gave.
        verbose: Whether to name each file without a session, and each bad line.
    """
    for name, sums in report.totals.items():
        emit(one_line(f"{name}: {_summed(sums)}"))
    for line in _remarks(report.files, named, verbose=verbose):
        note(one_line(line))
    came = report.total.imported + report.total.grown
    ids = [one for file in report.files for one in file.session_ids]
    if not ids and report.total.deleted:
        note("what was found was deleted here, or moved to another folder; --again brings it back")
    elif not ids:
        note("no session was found")
    elif came:
        note(f"{counted(came, 'session')} came in; next: {to_type('list')}")
    else:
        note(f"nothing new; next: {to_type('list')}")


def emit_file(file: FileReport) -> None:
    """Show what came of one file."""
    from localsessions.transcripts import FormatTotals

    emit(one_line(f"{file.path}: {_summed(FormatTotals().plus(file))}"))


def verdict(report: ImportReport, named: Sequence[str]) -> ExitCode:
    """Return how ``import`` ends: badly if a named file gave nothing, or a session was refused."""
    is_bad = _gave_nothing(report.files, named) or any(file.refused for file in report.files)
    return ExitCode.NO if is_bad else ExitCode.DONE


def _summed(sums: FormatTotals) -> str:
    """Return what came of sessions and messages, without what did not happen."""
    said = [
        (sums.imported, "new"),
        (sums.grown, "brought up to date"),
        (sums.unchanged, "unchanged"),
        (sums.deleted, "deleted here"),
        (sums.refused, "refused"),
        (sums.empty, "without messages"),
    ]
    parts = [f"{number:,} {what}" for number, what in said if number]
    messages = f"{counted(sums.messages, 'message')}, {sums.added:,} new"
    more = [
        f"{number:,} {what}"
        for number, what in ((sums.updated, "updated"), (sums.both, "kept twice"))
        if number
    ]
    return f"sessions {', '.join(parts) or 'none'}; {', '.join([messages, *more])}"


def _remarks(files: Sequence[FileReport], named: Sequence[str], *, verbose: bool) -> Iterator[str]:
    aside, empty = 0, _gave_nothing(files, named)
    for file in files:
        if file.skipped is not None:
            if verbose or file.path in empty:
                yield f"skipped {file.path}: {file.skipped}"
            else:
                aside += 1
        for refused in file.refused:
            yield f"refused {file.path}: session {refused.session_id!r}: {refused.reason}"
        shown = file.bad_lines if verbose else file.bad_lines[:_MOST_LINES]
        for bad in shown:
            act = "mended" if bad.taken else "left out"
            yield f"{act} {file.path}, line {bad.line}: {bad.reason}"
        if rest := len(file.bad_lines) - len(shown):
            yield f"mended or left out {file.path}: {counted(rest, 'line')} more; -v names them"
    if aside:
        yield f"{counted(aside, 'other file')} held no session; -v names them"


def _gave_nothing(files: Sequence[FileReport], named: Sequence[str]) -> set[str]:
    """Return the named files that gave nothing; an archive gives what a file in it gives."""
    gave = [file.path for file in files if file.skipped is None]
    return {
        file.path
        for file in files
        if file.skipped is not None
        and file.path in named
        and not any(path.startswith(f"{file.path}!") for path in gave)
    }

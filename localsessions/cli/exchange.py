"""``import`` and ``export``: sessions from other programs, and for them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from localsessions import _system
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, session_argument
from localsessions.cli.options import examples, json_option
from localsessions.cli.output import emit_data, emit_json, emit_table, note, one_line
from localsessions.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.transcripts import ExportKind, FileReport, ImportReport

__all__ = ["export_session", "import_files"]


@click.command(
    "import", epilog=examples("localsessions import ~/.claude/projects notes/chat.jsonl")
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@json_option
@click.pass_context
def import_files(ctx: click.Context, *, paths: tuple[str, ...], as_json: bool) -> None:
    """Store the sessions of other programs' transcripts.

    The content tells the format. Folders are walked. Importing again adds only what is new. Ends
    with 1 if a named file gave nothing, or the store refused a session; everything that can be
    imported is imported all the same.
    """
    from localsessions.transcripts import import_paths

    if missing := [path for path in paths if not os.path.lexists(path)]:
        stop(f"there is no such file or folder: {', '.join(missing)}", ExitCode.NOT_FOUND)
    seen: list[FileReport] = []
    with opened(make=True) as store, progress("files") as show:

        def count(file: FileReport) -> None:
            seen.append(file)
            show(len(seen), None)

        report = import_paths(store, paths, on_progress=count)
    if as_json:
        emit_json({"files": report.files, "totals": report.totals, "total": report.total})
    else:
        _emit_import(report)
    ctx.exit(_verdict(report, paths))


def _verdict(report: ImportReport, paths: tuple[str, ...]) -> ExitCode:
    is_named_skipped = any(file.path in paths for file in report.skipped)
    is_bad = is_named_skipped or any(file.refused for file in report.files)
    return ExitCode.FAILURE if is_bad else ExitCode.DONE


_COLUMNS = (
    *("files", "sessions", "imported", "grown", "unchanged"),
    *("refused", "empty", "messages", "added", "bad_lines"),
)


def _emit_import(report: ImportReport) -> None:
    named = list(report.totals.items())
    if len(named) > 1:
        named.append(("total", report.total))
    rows = [(name, *(str(getattr(sums, key)) for key in _COLUMNS)) for name, sums in named]
    if rows:
        header = ("FORMAT", *(key.upper().replace("_", " ") for key in _COLUMNS))
        emit_table(header, rows, numbers=range(1, len(header)))
    for line in _remarks(report.files):
        note(one_line(line))


def _remarks(files: Sequence[FileReport]) -> Iterator[str]:
    for file in files:
        if file.skipped is not None:
            yield f"skipped {file.path}: {file.skipped}"
        for refused in file.refused:
            yield f"refused {file.path}: session {refused.session_id!r}: {refused.reason}"
        for bad in file.bad_lines:
            yield f"left out {file.path}, line {bad.line}: {bad.reason}"


# -- export --------------------------------------------------------------------------------------

_KINDS: tuple[ExportKind, ...] = ("markdown", "json", "jsonl")


@click.command(
    "export",
    epilog=examples(
        "localsessions export latest | less", "localsessions export latest -o release.md"
    ),
)
@session_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(_KINDS),
    help="markdown for reading, json for the whole session, jsonl for chat completions.  "
    "[what FILE ends with, or markdown]",
)
@click.option("--output", "-o", metavar="FILE", type=click.Path(), help="Instead of printing it.")
@click.option("--force", "-f", is_flag=True, help="Overwrite FILE.")
def export_session(
    *, reference: str, kind: ExportKind | None, output: str | None, force: bool
) -> None:
    """Write a session for people or for other programs."""
    from localsessions.transcripts import EXPORT_SUFFIXES, export, left_out

    if kind is None:
        fitting = [one for one in _KINDS if str(output).endswith(EXPORT_SUFFIXES[one])]
        kind = fitting[0] if fitting else "markdown"
    with opened() as store:
        session = store.load(store.resolve(reference))
    data = export(session, kind)
    if output is None or output == "-":
        emit_data(data)
    else:
        _write(output, data, force=force)
        note(one_line(f"wrote {output}"))
    if missing := left_out(session, kind):
        note(f"left out: {', '.join(f'{what} ({count})' for what, count in missing.items())}")


def _write(path: str, data: bytes, *, force: bool) -> None:
    """Write the file whole or not at all; keep an existing file, unless ``force``.

    A session is nobody else's business: only the owner may read a new file. What is replaced keeps
    its mode.
    """
    if os.name == "nt" and ":" in os.path.splitdrive(path)[1]:
        reason = "on Windows a name with ':' is a stream of another file; choose a name without it"
        stop(f"{path}: {reason}", ExitCode.FAILURE)
    if os.path.lexists(path) and not force:
        stop(f"{path} is there already; --force overwrites it", ExitCode.FAILURE)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as device:  # /dev/stdout, a FIFO; a folder raises
            device.write(data)
        return
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temp = os.path.join(folder, f".{name[:100]}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temp, "xb", opener=_private) as file:
            if os.path.exists(target):
                _system.make_like(file.fileno(), target)
            else:
                _system.make_private(file.fileno())
            file.write(data)
        os.replace(temp, target)
    finally:
        with suppress(OSError):
            os.unlink(temp)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

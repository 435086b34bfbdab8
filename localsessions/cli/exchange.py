"""``export``: sessions for people and for other programs."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from localsessions import _system
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.folder import opened, session_argument
from localsessions.cli.options import examples
from localsessions.cli.output import emit_data, note, one_line
from localsessions.cli.redacting import (
    redact_options,
    redacted,
    refuse_file_of_preview,
    show_secrets,
)

if TYPE_CHECKING:
    from localsessions.transcripts import ExportKind

__all__ = ["export_session"]


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
@redact_options
def export_session(
    *,
    reference: str,
    kind: ExportKind | None,
    output: str | None,
    force: bool,
    is_redacted: bool,
    patterns_path: str | None,
    preview: bool,
) -> None:
    """Write a session for people or for other programs."""
    from localsessions.transcripts import EXPORT_SUFFIXES, export, left_out

    if preview:
        refuse_file_of_preview(output=output, kind=kind, force=force)
    if kind is None:
        fitting = [one for one in _KINDS if str(output).endswith(EXPORT_SUFFIXES[one])]
        kind = fitting[0] if fitting else "markdown"
    with opened() as store:
        session = store.load(store.resolve(reference))
    if preview:
        show_secrets(session, patterns_path)
        return
    if is_redacted or patterns_path:
        session = redacted(session, patterns_path)
    data = export(session, kind)
    if output is None or output == "-":
        emit_data(data, is_json=kind != "markdown")
    else:
        _write(output, data, force=force)
        note(one_line(f"wrote {output}"))
    if missing := left_out(session, kind):
        note(f"left out: {', '.join(f'{what} ({count})' for what, count in missing.items())}")


def _write(path: str, data: bytes, *, force: bool) -> None:
    """Write the file whole or not at all; keep an existing file, unless ``force``.

    A session is private: only its owner may read a new file. A file that is replaced keeps its
    mode.
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

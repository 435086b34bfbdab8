"""``export``: sessions for people and for other programs."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import click

from localsessions.cli.choosing import Chosen, some_sessions_or_all
from localsessions.cli.exits import ExitCode, message_of, stop
from localsessions.cli.files import write_file
from localsessions.cli.folder import opened
from localsessions.cli.options import examples
from localsessions.cli.progress import progress
from localsessions.cli.redacting import (
    redact_options,
    redacted,
    refuse_file_of_preview,
    show_secrets,
)
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import emit_data, note
from localsessions.errors import SessionNotFoundError, UnreadableSessionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.models import Session
    from localsessions.store import SessionStore
    from localsessions.transcripts import ExportKind

__all__ = ["export_session"]


_KINDS: tuple[ExportKind, ...] = ("markdown", "json", "jsonl")


@click.command(
    "export",
    epilog=examples(
        "localsessions export latest | less",
        "localsessions export latest -o release.md",
        "localsessions export --project . --since 'last week' -o chats",
        "localsessions search deploy | localsessions export - -o chats",
    ),
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(_KINDS),
    help="markdown for reading, json for the whole session, jsonl for chat completions.  "
    "[what FILE ends with, or markdown]",
)
@click.option(
    "--output",
    "-o",
    metavar="PATH",
    type=click.Path(),
    help="A file, instead of printing it; of many sessions a folder, which may be new.",
)
@click.option("--force", "-f", is_flag=True, help="Overwrite files.")
@redact_options
@some_sessions_or_all
def export_session(
    *,
    chosen: Chosen,
    kind: ExportKind | None,
    output: str | None,
    force: bool,
    is_redacted: bool,
    patterns_path: str | None,
    preview: bool,
) -> None:
    """Write sessions for people or for other programs.

    One SESSION is printed, or written to a file. Several are written each as a file in a folder;
    those of jsonl into one file or to standard output.
    """
    from localsessions.transcripts import EXPORT_SUFFIXES

    if preview:
        refuse_file_of_preview(output=output, kind=kind, force=force)
        if not chosen.is_one:
            raise click.UsageError("--preview shows one SESSION")
    if kind is None:
        fitting = [one for one in _KINDS if str(output).endswith(EXPORT_SUFFIXES[one])]
        kind = fitting[0] if fitting else "markdown"
    export = _Exporting(kind, is_redacted, patterns_path)
    with opened() as store:
        session_ids = chosen.ids(store)
        if not chosen.is_one:
            _export_many(store, export, session_ids, output, force=force)
            return
        session = store.load(session_ids[0])
    if preview:
        show_secrets(session, patterns_path)
        return
    _emit(export.data(session), output, kind, force=force)
    export.note_left_out()


def _emit(data: bytes, output: str | None, kind: ExportKind, *, force: bool) -> None:
    if output is None or output == "-":
        emit_data(data, is_json=kind != "markdown")
    else:
        write_file(output, [data], force=force)
        note(one_line(f"wrote {output}"))


class _Exporting:
    """How sessions are exported, and what was left out."""

    def __init__(self, kind: ExportKind, is_redacted: bool, patterns_path: str | None) -> None:
        self.kind = kind
        self.written = self.unreadable = 0
        self._patterns_path = patterns_path
        self._is_redacted = is_redacted or patterns_path is not None
        self._left_out = Counter[str]()

    def data(self, session: Session) -> bytes:
        """Return the content of a session's file."""
        from localsessions.transcripts import export, left_out

        if self._is_redacted:
            session = redacted(session, self._patterns_path)
        self._left_out.update(left_out(session, self.kind))
        return export(session, self.kind)

    def each(self, store: SessionStore, session_ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the content of each file; say of each session that cannot be read why."""
        with progress("exporting") as show:
            for done, session_id in enumerate(session_ids, start=1):
                try:
                    data = self.data(store.load(session_id))
                except SessionNotFoundError:
                    continue  # deleted meanwhile
                except UnreadableSessionError as error:
                    self.unreadable += 1
                    note(one_line(f"left out: {message_of(error)}"))
                    continue
                yield session_id, data
                self.written += 1
                show(done, len(session_ids))

    def note_left_out(self) -> None:
        """Say what the kind of file has no room for."""
        if self._left_out:
            told = ", ".join(f"{what} ({count})" for what, count in self._left_out.items())
            note(f"left out: {told}")


def _export_many(
    store: SessionStore,
    export: _Exporting,
    ids: Sequence[str],
    output: str | None,
    *,
    force: bool,
) -> None:
    from localsessions.transcripts import EXPORT_SUFFIXES

    place = None if output == "-" else output
    if place is None and export.kind != "jsonl":
        raise click.UsageError("many sessions need -o FOLDER, or --format jsonl to be printed")
    suffix = EXPORT_SUFFIXES[export.kind]
    names = {one: os.path.basename(store.path(one)).removesuffix(".json") + suffix for one in ids}
    each = export.each(store, ids)
    if place is None:
        for _, data in each:
            emit_data(data, is_json=True)
    elif export.kind == "jsonl":
        write_file(place, (data for _, data in each), force=force)
    else:
        os.makedirs(place, mode=0o700, exist_ok=True)
        if not force and (there := {*os.listdir(place)} & {*names.values()}):
            told = f"{os.path.join(place, min(there))} is there already"
            others = f", and {len(there) - 1} more" if len(there) > 1 else ""
            stop(f"{told}{others}; nothing was written; --force overwrites", ExitCode.CONFLICT)
        for session_id, data in each:
            write_file(os.path.join(place, names[session_id]), [data], force=force)
    export.note_left_out()
    to = "" if place is None else f" to {place}"
    note(one_line(f"wrote {counted(export.written, 'session')}{to}"))
    if export.unreadable:
        raise click.exceptions.Exit(ExitCode.UNREADABLE)

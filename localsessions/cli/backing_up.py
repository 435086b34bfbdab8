"""``backup`` and ``restore-backup``: all sessions into one file, and back."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

import click

from localsessions.cli.choosing import tell_first
from localsessions.cli.exits import ExitCode, stop
from localsessions.cli.files import new_file
from localsessions.cli.folder import chosen_folder, is_there, opened
from localsessions.cli.options import examples, json_option
from localsessions.cli.progress import progress
from localsessions.cli.screen.envelope import emit_json
from localsessions.cli.screen.safe import counted, one_line
from localsessions.cli.screen.streams import DataStream, note
from localsessions.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localsessions.backups import Backup, Compression, Manifest, Restored, RestoreReport

__all__ = ["backup", "restore"]

_ENDINGS: dict[str, Compression] = {
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.zst": "zstd",
    ".tar": "none",
}


# -- backup --------------------------------------------------------------------------------------


@click.command(
    epilog=examples(
        "localsessions backup chats.tar.gz",
        "localsessions backup - | ssh host 'cat > chats.tar'",
    )
)
@click.argument("path", metavar="FILE", type=click.Path())
@click.option("--force", "-f", is_flag=True, help="Overwrite FILE.")
@click.option(
    "--verify/--no-verify", default=True, help="Read FILE again and compare it.  [verify]"
)
@json_option
def backup(*, path: str, force: bool, verify: bool, as_json: bool) -> None:
    """Write all sessions into one file, byte for byte.

    With their checkpoints, and the trash; files that are no sessions, too. FILE ends with .tar.gz,
    .tar.zst or .tar; '-' is standard output, a .tar. Other programs may go on meanwhile: each
    session is in it as one whole version. Unpacked with tar, it is a folder of sessions.

    Ends with 5 if something was left out, as it could not be read or has the name of no session;
    all else is in the backup.
    """
    compression = _compression_of(path)
    if path == "-":
        if as_json:
            raise click.UsageError("--json and the backup cannot both go to standard output")
        if sys.stdout is not None and sys.stdout.isatty():
            raise click.UsageError("a backup is not for a terminal: give a FILE, or a pipe")
        manifest = _written(cast("IO[bytes]", DataStream()), compression)
    else:
        with new_file(path, force=force, is_durable=True) as file:
            manifest = _written(file, compression)
            if verify and file.readable():
                _checked(file, path)
    if as_json:
        emit_json([_told_backup(path, manifest)], left_out=manifest.left_out)
    else:
        note(one_line(f"backed up {_counts(manifest.sessions)} to {path}"))
    for one in manifest.left_out:
        note(one_line(f"left out: {one.path or one.session_id}: {one.reason}"))
    if manifest.left_out:
        raise click.exceptions.Exit(ExitCode.UNREADABLE)


def _compression_of(path: str) -> Compression:
    if path == "-":
        return "none"
    fitting = [_ENDINGS[ending] for ending in _ENDINGS if path.endswith(ending)]
    if not fitting:
        raise click.UsageError("FILE ends with .tar.gz, .tar.zst or .tar, which says what it is")
    compression = fitting[0]
    from localsessions.backups import has_zstd

    if compression == "zstd" and not has_zstd():
        raise click.UsageError('.tar.zst needs: pip install "localsessions[zstd]"; or use .tar.gz')
    return compression


def _written(file: IO[bytes], compression: Compression) -> Manifest:
    from localsessions.backups import back_up

    with opened() as store, progress("backing up") as show:
        return back_up(store, file, compression=compression, on_progress=show)


def _checked(file: IO[bytes], path: str) -> Backup:
    from localsessions.backups import check_backup

    try:
        with _named(path), progress("checking") as show:
            return check_backup(file, on_progress=lambda done: show(done, None))
    except ImportError as error:
        stop(str(error), ExitCode.SYSTEM)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say of which file an error of the block is."""
    try:
        yield
    except BackupError as error:
        reason, member, brought = error.reason, error.member, error.brought
        raise BackupError(reason, member=member, path=path, brought=brought) from error


def _told_backup(path: str, manifest: Manifest) -> dict[str, object]:
    return {
        "path": os.path.abspath(path),
        "size_bytes": os.path.getsize(path),
        "created_at": manifest.created_at,
        "sessions": sum(one.deleted_at is None for one in manifest.sessions),
        "deleted": sum(one.deleted_at is not None for one in manifest.sessions),
    }


def _counts(sessions: Sequence[Restored]) -> str:
    """Return how many sessions, and of how many in the trash."""
    live = sum(one.deleted_at is None for one in sessions)
    deleted = len(sessions) - live
    return f"{counted(live, 'session')}{f' and {deleted:,} deleted' if deleted else ''}"


# -- restoring -----------------------------------------------------------------------------------


@click.command(
    "restore-backup",
    epilog=examples(
        "localsessions --dir new-folder restore-backup chats.tar.gz",
        "localsessions restore-backup chats.tar.gz --merge --dry-run",
    ),
)
@click.argument("path", metavar="FILE", type=click.Path())
@click.option(
    "--merge", is_flag=True, help="Bring in what is not there, and keep all that is there."
)
@click.option("--dry-run", is_flag=True, help="Only say what would come in.")
@json_option
def restore(*, path: str, merge: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the sessions of a backup into a folder, byte for byte.

    The folder may be new or empty; --merge takes one with sessions. Everything in FILE is checked
    first. A session that the folder has in another version stays as it is there; the other version
    stays in FILE. To read it, restore FILE into a new folder.

    Ends with 1 if there are such sessions. If it is killed, do it again with --merge.
    """
    with _opened_backup(path) as found, _named(path):
        report = _restored(found, merge=merge, dry_run=dry_run)
    if as_json:
        items = [*_items(report.brought, "restored"), *_items(report.same, "same")]
        emit_json(
            [*items, *_items(report.kept, "kept")],
            dry_run=dry_run,
            created_at=found.manifest.created_at,
        )
    else:
        _tell(report, path)
    if report.kept:
        raise click.exceptions.Exit(ExitCode.NO)


@contextmanager
def _opened_backup(path: str) -> Iterator[Backup]:
    with open(path, "rb") as file:
        if not file.seekable():
            stop(f"{path} is no file that can be read twice; save it first", ExitCode.USAGE)
        yield _checked(file, path)


def _restored(found: Backup, *, merge: bool, dry_run: bool) -> RestoreReport:
    from localsessions.backups import RestoreReport, restore_backup

    if dry_run and not is_there(chosen_folder()):
        return RestoreReport(found.manifest.sessions, (), (), dry_run)
    with opened(make=True) as store, progress("restoring") as show:
        try:
            return restore_backup(store, found, merge=merge, dry_run=dry_run, on_progress=show)
        except FileExistsError:
            if merge:
                raise
            stop(
                f"there are sessions in {store.save_dir} already: --merge keeps them and brings in "
                "what is not there, --dir names another folder",
                ExitCode.CONFLICT,
            )


def _items(sessions: Sequence[Restored], outcome: str) -> list[dict[str, object]]:
    return [
        {"session_id": one.session_id, "deleted_at": one.deleted_at, "outcome": outcome}
        for one in sessions
    ]


def _tell(report: RestoreReport, path: str) -> None:
    would = "would restore" if report.dry_run else "restored"
    note(one_line(f"{would} {_counts(report.brought)} of {path}"))
    if report.same:
        note(f"{_counts(report.same)} there already")
    tell_first(
        [f"kept {one.session_id}: the folder has another version of it" for one in report.kept]
    )
    if report.kept:
        note(one_line(f"what {path} has of them: restore it into a new folder, with --dir"))

"""The files that an import reads, and how one sees that they changed. Nothing here reads a file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from localsessions.transcripts.kinds import cannot_be_read
from localsessions.transcripts.report import FileReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FileState", "file_state", "files_in", "one_path", "walk"]


class FileState(NamedTuple):
    """What changes when a program writes to a file, or to the ``-wal`` beside its database."""

    modified_ns: int
    size_bytes: int


def one_path(path: str) -> str:
    """Return the path that a file has whichever way through linked folders leads to it."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def file_state(path: str) -> FileState | None:
    """Return the state of a file; of a file in an archive, that of the archive; None if it is gone.

    While a program has its SQLite database open, what is new stands in the ``-wal`` beside it.
    """
    own = _status(path)
    if own is None:
        # The name of an archive and that of a file in it may have a "!" of their own.
        archives = (_status(path[: at.start()]) for at in re.finditer("!", path))
        return next(filter(None, archives), None)
    wal = _status(f"{path}-wal")
    if wal is None:
        return own
    return FileState(max(own.modified_ns, wal.modified_ns), own.size_bytes + wal.size_bytes)


def _status(path: str) -> FileState | None:
    try:
        status = os.stat(path)
    except OSError:
        return None  # the import says why it cannot be read
    return FileState(status.st_mtime_ns, status.st_size)


def files_in(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Yield the files that ``import_paths`` reads for these paths, in order."""
    return (found for found in walk(paths) if isinstance(found, str))


def walk(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str | FileReport]:
    """Yield each file to read, and a report on each entry that is not read."""
    for given in paths:
        path = os.fspath(given)
        if os.path.isdir(path):
            yield from _walk_folder(path)
        else:
            yield path


def _walk_folder(folder: str) -> Iterator[str | FileReport]:
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield FileReport(folder, skipped=cannot_be_read(error))
        return
    for entry in ordered:
        if entry.name.startswith("."):
            yield FileReport(entry.path, skipped="hidden")
        elif entry.is_symlink():
            yield FileReport(entry.path, skipped="a symbolic link")
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk_folder(entry.path)
        else:
            yield entry.path

"""A listing of the whole folder of a store: one ``stat`` a file; no file is opened.

The work for each file is small, because there may be a hundred thousand files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from localsessions import _system
from localsessions._codec.names import SUFFIX, is_session_id, session_id_of
from localsessions._local.files import durable
from localsessions._local.version import Fingerprint, fingerprint_text

__all__ = ["Scan", "scan"]


class Scan(NamedTuple):
    """The files of the whole folder: by session id, and by name where no id has that name."""

    files: dict[str, Fingerprint]
    misnamed: dict[str, Fingerprint]


def scan(folder: str, known: MutableMapping[str, str]) -> Scan:
    """List every file with its fingerprint.

    Args:
        folder: The folder; a missing folder has no files.
        known: Texts of fingerprints by session id. A file that matches is left out of the result,
            and its session is removed from ``known``: what remains there is changed or gone.
    """
    found = Scan({}, {})
    unchanged: set[str] = set()
    with _listing(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[-5:] != SUFFIX or name[0] == ".":
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since the folder was read
            # Nearly all files are unchanged: for these, only this text is built.
            text = fingerprint_text(
                status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
            )
            stem = name[:-5]
            if known.get(stem) == text and "%" not in stem:
                del known[stem]
                continue
            _enter(found, known, unchanged, name, durable.fingerprint_of(status))
    for name in list(found.misnamed):
        stem = name[:-5]
        if stem not in found.files and stem not in unchanged and is_session_id(stem):
            _enter_session(found, known, unchanged, stem, found.misnamed.pop(name))
    return found


@contextmanager
def _listing(folder: str) -> Iterator[Iterable[os.DirEntry[str]]]:
    """Open a folder, and close it whatever is raised, Ctrl-C too."""
    opened: list[os._ScandirIterator[str]] = []
    try:
        with suppress(FileNotFoundError):
            # One call into C opens the folder and stores the iterator. ``with os.scandir(...)``
            # takes two calls: after Ctrl-C between them, the folder would never be closed.
            opened.extend(map(_system.scandir, [folder]))
        yield opened[0] if opened else ()
    finally:
        for one in opened:
            one.close()


def _enter(
    found: Scan,
    known: MutableMapping[str, str],
    unchanged: set[str],
    name: str,
    fingerprint: Fingerprint,
) -> None:
    session_id = session_id_of(name[:-5])
    if session_id is None:
        found.misnamed[name] = fingerprint
    else:
        _enter_session(found, known, unchanged, session_id, fingerprint)


def _enter_session(
    found: Scan,
    known: MutableMapping[str, str],
    unchanged: set[str],
    session_id: str,
    fingerprint: Fingerprint,
) -> None:
    if known.get(session_id) == fingerprint.text:
        del known[session_id]
        unchanged.add(session_id)
    else:
        found.files[session_id] = fingerprint

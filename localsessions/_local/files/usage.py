"""Usage: what the parts of a store take on the disk, beside its sessions."""

from __future__ import annotations

import os

from localsessions import _system
from localsessions._local.files.spares import SPARE_SUFFIX

__all__ = ["bytes_by_part", "bytes_of_tree"]

# A file stands for the part that its name begins with, up to the first dot.
_FILES = ("index", "search", "journal")
_FOLDERS = {"kept": "kept copies", "locks": "locks", "present": "locks", "tmp": "temp files"}
_OTHER = "other"


def bytes_by_part(private: str) -> dict[str, int]:
    """Return what each part of ``.localsessions`` takes, all of its files, in whole blocks."""
    parts = dict.fromkeys((*_FILES, *_FOLDERS.values(), "spares", _OTHER), 0)
    for name, path in _files(private):
        first, *inner = name.split(os.sep)
        part = _FOLDERS.get(first, _OTHER) if inner else first.partition(".")[0]
        if part == "temp files" and name.endswith(SPARE_SUFFIX):
            part = "spares"
        parts[part if part in parts else _OTHER] += _taken(path)
    return parts


def bytes_of_tree(folder: str) -> int:
    """Return what all files in a folder take; 0 where it is a link or is not there."""
    return sum(_taken(path) for _, path in _files(folder))


def _files(folder: str) -> list[tuple[str, str]]:
    """Return name and path of each file that is in a folder or in a folder of it."""
    if os.path.islink(folder):
        return []
    return [
        (os.path.relpath(path, folder), path)
        for base, _, names in os.walk(folder)
        for path in (os.path.join(base, name) for name in names)
    ]


def _taken(path: str) -> int:
    try:
        return _system.bytes_on_disk(path)
    except OSError:
        return 0  # it went away just now

"""The calls of the operating system that differ between systems: one file a system.

Each file has the same names with the same promises; the caller never asks on which system it runs::

    open_file, fstat, lstat,      as in ``os``; what they say of one file is the same, and changes
    scandir                       with each version of the file; ``Status`` is what they say
    open_to_read                  opens a file of somebody else: links are followed
    rename, unlink                replace an existing file, remove a file; they wait a moment for
                                  whoever has it open
    make_folder                   makes a folder that only its owner may enter
    make_private                  lets only its owner read an open file
    make_like                     lets those read an open file who may read another file
    set_modified                  sets the modification time of an open file or of a path
    sync, sync_folder             write to the disk, as far as the system can
    READING, WRITING, EDITING,    flags for ``open_file``: links are not followed, nothing is waited
    MAKING                        for, children do not inherit the file
    APPENDS_IN_ONE_STEP           whether what two processes append to a file at once stands there
                                  whole, one after the other
    TAKES_ANY_NAME                whether a name with any characters is that of a file
    bytes_on_disk                 what a file takes there; its size where the system does not say so
    TIME_GRAIN_NS                 how fine the modification time of a file is
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from localsessions._system.windows import (
        APPENDS_IN_ONE_STEP,
        EDITING,
        MAKING,
        READING,
        TAKES_ANY_NAME,
        TIME_GRAIN_NS,
        WRITING,
        Status,
        bytes_on_disk,
        fstat,
        lstat,
        make_folder,
        make_like,
        make_private,
        open_file,
        open_to_read,
        rename,
        scandir,
        set_modified,
        sync,
        sync_folder,
        unlink,
    )
else:
    from localsessions._system.posix import (
        APPENDS_IN_ONE_STEP,
        EDITING,
        MAKING,
        READING,
        TAKES_ANY_NAME,
        TIME_GRAIN_NS,
        WRITING,
        Status,
        bytes_on_disk,
        fstat,
        lstat,
        make_folder,
        make_like,
        make_private,
        open_file,
        open_to_read,
        rename,
        scandir,
        set_modified,
        sync,
        sync_folder,
        unlink,
    )

__all__ = [
    "APPENDS_IN_ONE_STEP",
    "EDITING",
    "MAKING",
    "READING",
    "TAKES_ANY_NAME",
    "TIME_GRAIN_NS",
    "WRITING",
    "Status",
    "bytes_on_disk",
    "fstat",
    "lstat",
    "make_folder",
    "make_like",
    "make_private",
    "open_file",
    "open_to_read",
    "rename",
    "scandir",
    "set_modified",
    "sync",
    "sync_folder",
    "unlink",
]

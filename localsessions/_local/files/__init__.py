"""The only room that writes session files: id -> path, lock, atomic replace, read, scan.

It deals in bytes and file names and knows neither sessions nor the index::

    durable    the operating system's calls, in the order that survives a power cut
    locks      256 striped locks, between threads and between processes
    kept       copies of the last good versions
    reading    one whole version of a file
    scan       a look at the whole folder
    publishing Publisher: a file gets its name whole, in one step, and durably
    spares     the end of a file written to the version before it
    checkpoints, trash
    folder     SessionFolder, which puts them together
    batch      many sessions written or moved to the trash in one round of syncs

Nothing outside this room opens, renames or removes a file of the store but SQLite its own.
"""

from localsessions._local.files.folder import SessionFolder
from localsessions._local.files.locks import stripe_of
from localsessions._local.files.publishing import FileWritten, Overtaken
from localsessions._local.files.reading import FileRead, read_ends
from localsessions._local.files.scan import Scan

__all__ = [
    "FileRead",
    "FileWritten",
    "Overtaken",
    "Scan",
    "SessionFolder",
    "read_ends",
    "stripe_of",
]

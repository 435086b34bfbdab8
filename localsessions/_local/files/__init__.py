"""Session files on disk: id -> path, lock, atomic replace, read, scan.

Only this package writes session files. It handles bytes and file names, and knows neither
sessions nor the index::

    durable    the calls of the operating system, in an order that survives a power cut
    locks      256 striped locks, between threads and between processes
    kept       copies of the last good versions
    reading    one whole version of a file
    scan       a listing of the whole folder
    publishing Publisher: gives a file its final name, whole, in one step, and durably
    shared_sync  one sync of a folder for all threads that come together
    spares     writes only the end of a file, to its previous version
    checkpoints, trash
    copies     the files of a session with its checkpoints, as they are
    usage      what each part takes on the disk
    folder     SessionFolder, which combines them
    batch      writes many sessions, or moves them to the trash, in one round of syncs

No code outside this package opens, renames or removes a file of the store. The exception is
SQLite, with its own files.
"""

from localsessions._local.files.copies import Faults
from localsessions._local.files.folder import SessionFolder
from localsessions._local.files.locks import stripe_of
from localsessions._local.files.publishing import FileWritten, Overtaken
from localsessions._local.files.reading import FileRead, read_ends
from localsessions._local.files.scan import Scan

__all__ = [
    "Faults",
    "FileRead",
    "FileWritten",
    "Overtaken",
    "Scan",
    "SessionFolder",
    "read_ends",
    "stripe_of",
]

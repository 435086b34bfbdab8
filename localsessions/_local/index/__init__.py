"""The derived index: what listing and searching read instead of the files.

The only room that names sqlite3; it knows no files but its own two databases, and nothing in
them that could not be made again from the session files::

    database   one SQLite file that may be lost, garbled, swapped or locked at any moment
    integrity  whether a database is as it was when it was last checked whole
    schema     every table, index, seal and version
    changelog  what happened to each session, in order, with numbers that only grow
    row        IndexRow: what is known of one file, how it is packed, sealed and read again
    table      the rows of all sessions, each changed together with the log
    sessions   SessionIndex: what is asked of them, with filters, orders and pages
    fulltext   FullText: the words of messages, titles and metadata, in a file of its own, so
               that a save never waits for a search that catches up; imported where a store is
               opened, and not with the package
    cursor     the opaque text that asks for the next page
"""

from localsessions._local.index.cursor import Cursor
from localsessions._local.index.row import (
    IndexRow,
    row_grown,
    row_of,
    row_unreadable,
    row_written,
)
from localsessions._local.index.sessions import UNSETTLED, News, SessionIndex, listing_of
from localsessions._local.index.table import WrittenRow

__all__ = [
    "UNSETTLED",
    "Cursor",
    "IndexRow",
    "News",
    "SessionIndex",
    "WrittenRow",
    "listing_of",
    "row_grown",
    "row_of",
    "row_unreadable",
    "row_written",
]

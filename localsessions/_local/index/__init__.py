"""The derived index: listing and searching read it instead of the files.

Only this package imports sqlite3. It uses no files except its two databases and the journal, and
everything in them can be rebuilt from the session files::

    database   one SQLite file that may be lost, garbled, swapped or locked at any moment
    integrity  whether a database is known to be intact since its last full check
    room       what a database takes on the disk: its log is cut, free pages are given back
    schema     every table, index, seal and version
    journal    a line for each turn, which the next question to the index replays into it
    recorded   what a store wrote, and which version it replaced
    turn       the same of a turn, as a line of the journal
    changelog  what happened to each session, in order, with numbers that only grow
    row        IndexRow: what is known about one file; how it is packed, sealed and read again
    table      the rows of all sessions; each row changes together with the log
    replayed   the database of the rows, which replays the journal before it is asked
    conditions which sessions a query or a question asks for, in SQL
    sessions   SessionIndex: the queries, with filters, orders and pages
    text_row   the texts of a session: how they are packed, sealed and read again
    adding     the texts of sessions that were read, put in by few statements
    wear       what removed texts still take; the words are merged to take it out
    vocabulary the words of all texts, and which of them may be meant by another
    hits       what a question finds in the texts, the best first
    fulltext   FullText: the words of messages, titles and metadata. It has its own file, so that
               a save never waits while a search brings the words up to date. It is imported when
               a store is opened, not with the package
"""

from localsessions._local.index.conditions import Choices, listing_of
from localsessions._local.index.recorded import WrittenRow
from localsessions._local.index.row import (
    IndexRow,
    row_grown,
    row_of,
    row_unreadable,
    row_written,
)
from localsessions._local.index.sessions import (
    UNSETTLED,
    ChangedRow,
    News,
    SessionIndex,
)

__all__ = [
    "UNSETTLED",
    "ChangedRow",
    "Choices",
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

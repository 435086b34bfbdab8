"""The schema of both databases: every table, index, seal and version, and nothing else.

A database of another version is emptied and rebuilt, so each change here needs a new version. A
seal covers every value that is read again from a row, so that a garbled page is not taken for a
row.
"""

from __future__ import annotations

from zlib import crc32

__all__ = [
    "BY_PLACE",
    "IDENTITY",
    "INDEXES",
    "SEARCH_TABLES",
    "SEARCH_VERSION",
    "TABLES",
    "VERSION",
    "seal_of",
    "seal_of_text",
]

IDENTITY = "CREATE TABLE identity (value TEXT NOT NULL)"
"""In both databases: a random name, set when the database is created."""

# -- index.sqlite3 -------------------------------------------------------------------------------

VERSION = 9

INDEXES = {
    "by_last_activity": "(last_activity, session_id, status)",
    "by_created_at": "(created_at, session_id)",
    "by_size_bytes": "(size_bytes, session_id, message_count, unreadable)",
    "by_user": "(user_id, last_activity, session_id)",
    "by_agent": "(agent_id, last_activity, session_id)",
    "by_current_agent": "(current_agent) WHERE current_agent IS NOT NULL",
    "by_status": "(status, last_activity, session_id)",
    "by_program": "(program, last_activity, session_id) WHERE program IS NOT NULL",
    "by_project": "(project, last_activity, session_id) WHERE project IS NOT NULL",
    "by_branch": "(branch, last_activity, session_id) WHERE branch IS NOT NULL",
    "by_parent": "(parent, last_activity, session_id) WHERE parent IS NOT NULL",
    "by_tags": "(last_activity, session_id, tags) WHERE tags IS NOT NULL",
    "by_pinned": "(last_activity, session_id) WHERE pinned = 1",
    "by_unreadable": "(last_activity, session_id) WHERE unreadable = 1",
    "by_folded": "(folded)",
    "by_title": "(title)",
    "by_change": "(change)",
    "by_expires_at": "(expires_at) WHERE expires_at IS NOT NULL",
}
_MADE = ";\n".join(f"CREATE INDEX {name} ON sessions {what}" for name, what in INDEXES.items())
_SESSIONS = f"""
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY, folded TEXT NOT NULL,
  title TEXT NOT NULL, user_id, agent_id, current_agent, status,
  created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER,
  size_bytes INTEGER NOT NULL, message_count INTEGER NOT NULL, unreadable INTEGER NOT NULL,
  program, project, branch, parent, tags TEXT, pinned INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, settled INTEGER NOT NULL, digest BLOB NOT NULL,
  change INTEGER NOT NULL, summary TEXT NOT NULL, good TEXT, tail TEXT, seal INTEGER NOT NULL
);
{_MADE};
CREATE TABLE gone (session_id TEXT PRIMARY KEY, change INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_by_change ON gone (change)
"""

_CHANGES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('change', 0);
INSERT INTO meta VALUES ('cut', 0);
INSERT INTO meta VALUES ('last', 0);
INSERT INTO meta VALUES ('waiting', 0);
INSERT INTO meta VALUES ('complete', 0);
INSERT INTO meta VALUES ('journal', '');
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY, number INTEGER NOT NULL UNIQUE, session_id TEXT NOT NULL,
  kind TEXT NOT NULL, origin TEXT, earlier INTEGER NOT NULL, details TEXT NOT NULL,
  seal INTEGER NOT NULL
);
CREATE TABLE pending (session_id TEXT PRIMARY KEY, before TEXT, seal INTEGER NOT NULL) WITHOUT ROWID
"""

TABLES = f"{_SESSIONS.rstrip()};{_CHANGES}"
"""``sessions``: a row for each session; ``gone``: tombstones of deleted sessions; ``changes``: the
log; ``pending``: differences found in the folder, with the last logged state; ``meta``: numbers,
and the place up to which the journal is replayed."""


def seal_of(*parts: object) -> int:
    """Return the checksum of a row, which detects a garbled page; no part may be a bool."""
    return crc32("\0".join(map(str, parts)).encode())


# -- search.sqlite3 ------------------------------------------------------------------------------

SEARCH_VERSION = 6

# FTS5 merges ``automerge`` segments into one; 4 without this. It merges less often, and a question
# looks at a few segments more.
SEARCH_TABLES = """
CREATE TABLE indexed (
  session_id TEXT PRIMARY KEY, digest BLOB NOT NULL, active_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE texts (
  id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, position INTEGER NOT NULL,
  role BLOB, block INTEGER NOT NULL, begin INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
  seal INTEGER NOT NULL
);
CREATE TABLE blocks (id INTEGER PRIMARY KEY, body BLOB NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE sealed (checksum INTEGER, learned INTEGER NOT NULL, removed_bytes INTEGER NOT NULL);
INSERT INTO sealed VALUES (NULL, 1, 0);
CREATE VIRTUAL TABLE words USING fts5 (
  said, own, argued, thought, content = '', tokenize = 'ascii'
);
INSERT INTO words (words, rank) VALUES ('automerge', 8);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'row');
CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE parts USING fts5 (
  term, content = 'terms', content_rowid = 'id', tokenize = 'trigram'
)
"""
"""``indexed``: the indexed version of each session's file, and its last activity; ``texts``: where
the texts of its messages stand in ``blocks``, each of which holds some texts of one session;
``words``: their words, by where they stand; ``vocabulary``: in how many texts each word is;
``terms`` and ``parts``: the words of which parts are searched, and their trigrams; ``sealed``: the
checksum of all this, or NULL while it changes, and whether ``terms`` has all words."""


BY_PLACE = "CREATE UNIQUE INDEX IF NOT EXISTS by_place ON texts (session_id, position)"
"""Made when the first texts are in: the ids of sessions have no order, so each new text would write
a page of it."""


def seal_of_text(session_id: str, position: int, role: bytes | None, body: bytes) -> int:
    """Return the checksum of a text, see ``seal_of``; ``body`` is not compressed."""
    return crc32(repr((session_id, position, role)).encode(), crc32(body))

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

CREATE TABLE indexed (
  session_id TEXT PRIMARY KEY, digest BLOB NOT NULL, active_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE texts (
  id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, position INTEGER NOT NULL,
  role BLOB, body BLOB NOT NULL, seal INTEGER NOT NULL
);
CREATE UNIQUE INDEX by_place ON texts (session_id, position);
CREATE TABLE sealed (checksum INTEGER, learned INTEGER NOT NULL, removed_bytes INTEGER NOT NULL);
INSERT INTO sealed VALUES (NULL, 1, 0);
CREATE VIRTUAL TABLE words USING fts5 (
  said, own, argued, thought, content = '', tokenize = 'ascii'
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'row');
CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE parts USING fts5 (
  term, content = 'terms', content_rowid = 'id', tokenize = 'trigram'
)

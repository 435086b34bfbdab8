CREATE TABLE indexed (session_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE texts (
  id INTEGER PRIMARY KEY, session_id TEXT NOT NULL, position INTEGER NOT NULL,
  role BLOB, body BLOB NOT NULL, seal INTEGER NOT NULL
);
CREATE UNIQUE INDEX by_place ON texts (session_id, position);
CREATE TABLE sealed (checksum INTEGER);
INSERT INTO sealed VALUES (NULL);
CREATE VIRTUAL TABLE words USING fts5 (body, content = '', tokenize = 'trigram')

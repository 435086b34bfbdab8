CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY, folded TEXT NOT NULL,
  title TEXT NOT NULL, user_id, agent_id, current_agent, status,
  created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER,
  size_bytes INTEGER NOT NULL, message_count INTEGER NOT NULL, unreadable INTEGER NOT NULL,
  program, project, branch, parent, tags TEXT, pinned INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, settled INTEGER NOT NULL, digest BLOB NOT NULL,
  change INTEGER NOT NULL, summary TEXT NOT NULL, good TEXT, tail TEXT, seal INTEGER NOT NULL
);
CREATE INDEX by_last_activity ON sessions (last_activity, session_id, status);
CREATE INDEX by_created_at ON sessions (created_at, session_id);
CREATE INDEX by_size_bytes ON sessions (size_bytes, session_id, message_count, unreadable);
CREATE INDEX by_user ON sessions (user_id, last_activity, session_id);
CREATE INDEX by_agent ON sessions (agent_id, last_activity, session_id);
CREATE INDEX by_current_agent ON sessions (current_agent) WHERE current_agent IS NOT NULL;
CREATE INDEX by_status ON sessions (status, last_activity, session_id);
CREATE INDEX by_program ON sessions (program, last_activity, session_id) WHERE program IS NOT NULL;
CREATE INDEX by_project ON sessions (project, last_activity, session_id) WHERE project IS NOT NULL;
CREATE INDEX by_branch ON sessions (branch, last_activity, session_id) WHERE branch IS NOT NULL;
CREATE INDEX by_parent ON sessions (parent, last_activity, session_id) WHERE parent IS NOT NULL;
CREATE INDEX by_tags ON sessions (last_activity, session_id, tags) WHERE tags IS NOT NULL;
CREATE INDEX by_pinned ON sessions (last_activity, session_id) WHERE pinned = 1;
CREATE INDEX by_unreadable ON sessions (last_activity, session_id) WHERE unreadable = 1;
CREATE INDEX by_folded ON sessions (folded);
CREATE INDEX by_title ON sessions (title);
CREATE INDEX by_change ON sessions (change);
CREATE INDEX by_expires_at ON sessions (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE gone (session_id TEXT PRIMARY KEY, change INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_by_change ON gone (change);
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

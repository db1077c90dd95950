CREATE TABLE IF NOT EXISTS texts (
    hash TEXT PRIMARY KEY,
    sql TEXT NOT NULL,
    source TEXT NOT NULL,
    runs INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_ms REAL NOT NULL,
    errors INTEGER NOT NULL,
    last_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS imports (
    hash TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS unread (
    path TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (
    hash TEXT NOT NULL,
    catalog TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (hash, catalog)
);
CREATE TABLE IF NOT EXISTS callers (
    hash TEXT NOT NULL,
    caller TEXT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (hash, caller)
);
CREATE TABLE IF NOT EXISTS scripts (
    path TEXT NOT NULL,
    hash TEXT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (path, hash)
);
CREATE TABLE IF NOT EXISTS days (
    mask TEXT NOT NULL,
    day TEXT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (mask, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS half_rows (
    path TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    metadata TEXT NOT NULL,
    state TEXT,
    interrupts TEXT NOT NULL,
    error TEXT,
    temporary INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS threads_by_status ON threads (status, updated_at);
CREATE TABLE IF NOT EXISTS runs (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    thread_id TEXT NOT NULL,
    graph TEXT NOT NULL,
    status TEXT NOT NULL,
    request TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    base TEXT,
    error TEXT,
    due_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_of_thread ON runs (thread_id, position);
CREATE INDEX IF NOT EXISTS runs_open ON runs (status) WHERE status IN ('pending', 'running');
CREATE TABLE IF NOT EXISTS run_events (
    thread_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    namespace TEXT NOT NULL,
    event TEXT NOT NULL,
    data BLOB NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (thread_id, seq)
);
CREATE INDEX IF NOT EXISTS events_of_run ON run_events (run_id, seq);
CREATE TABLE IF NOT EXISTS retries (
    what TEXT PRIMARY KEY,
    next_at TEXT NOT NULL,
    waited REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS proposals (
    id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    product TEXT NOT NULL,
    body TEXT NOT NULL,
    offered_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (id, round)
);
CREATE TABLE IF NOT EXISTS decisions (
    proposal_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    body TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    PRIMARY KEY (proposal_id, round)
);
CREATE TABLE IF NOT EXISTS approvals (
    proposal_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (proposal_id, round, name)
);
CREATE TABLE IF NOT EXISTS requesters (
    thread_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (thread_id, kind, name)
);
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id TEXT NOT NULL,
    proposal_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    delivered_at TEXT
);
CREATE TABLE IF NOT EXISTS answer_keys (
    key TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS undo_requests (
    proposal_id TEXT PRIMARY KEY,
    actor TEXT NOT NULL,
    requested_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outcomes (
    proposal_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (proposal_id, round, status)
);
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY,
    product TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS trials (
    candidate_id TEXT NOT NULL,
    product TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (thread_id, candidate_id)
);
CREATE TABLE IF NOT EXISTS reports (
    thread_id TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER IF NOT EXISTS decisions_stand_update BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'a decision stands'); END;
CREATE TRIGGER IF NOT EXISTS decisions_stand_delete BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'a decision stands'); END;
CREATE TRIGGER IF NOT EXISTS proposals_stand_update BEFORE UPDATE ON proposals
BEGIN SELECT RAISE(ABORT, 'a proposal stands'); END;
CREATE TRIGGER IF NOT EXISTS proposals_stand_delete BEFORE DELETE ON proposals
BEGIN SELECT RAISE(ABORT, 'a proposal stands'); END;
CREATE TRIGGER IF NOT EXISTS outcomes_stand_update BEFORE UPDATE ON outcomes
BEGIN SELECT RAISE(ABORT, 'an outcome stands'); END;
CREATE TRIGGER IF NOT EXISTS outcomes_stand_delete BEFORE DELETE ON outcomes
BEGIN SELECT RAISE(ABORT, 'an outcome stands'); END;
CREATE TRIGGER IF NOT EXISTS approvals_stand_update BEFORE UPDATE ON approvals
BEGIN SELECT RAISE(ABORT, 'an approval stands'); END;
CREATE TRIGGER IF NOT EXISTS approvals_stand_delete BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'an approval stands'); END;

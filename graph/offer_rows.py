"""Which rows of the ledger are read as offers."""

from __future__ import annotations

LATEST = """
    SELECT id, thread_id, round, body, offered_at FROM proposals
    WHERE id = ? AND (? IS NULL OR round < ?) ORDER BY round DESC LIMIT 1
"""
"""The latest offer of one proposal, or the latest before a round."""
_LATEST = """
    WHERE p.round = (
        SELECT max(l.round) FROM proposals AS l
        WHERE l.id = p.id AND (:thread IS NULL OR l.thread_id = :thread)
    )
    AND (:product IS NULL OR p.product = :product)
    AND NOT (:waiting AND EXISTS (
        SELECT 1 FROM decisions AS d WHERE d.proposal_id = p.id AND d.round = p.round
    ))
    ORDER BY p.offered_at, p.rowid
"""
OFFERS = f"""
    SELECT p.id, p.thread_id, p.round, p.body, p.offered_at FROM proposals AS p {_LATEST}
"""  # noqa: S608 - our own words
"""The latest offer of each proposal (of a run, when one is named); only what is asked is read."""
LISTED = f"""
    SELECT p.id, p.round, p.product, p.body ->> '$.change.kind', (
        SELECT d.body ->> '$.verdict' FROM decisions AS d
        WHERE d.proposal_id = p.id AND d.round = p.round
    ), p.offered_at, p.body ->> '$.expires_at', p.body ->> '$.evidence.ratio.low'
    FROM proposals AS p {_LATEST}
"""  # noqa: S608 - our own words
"""Of the same offers what a list is made by; reading them whole takes twenty times as long."""
ANSWERED = """
    SELECT p.id, p.thread_id, p.round, p.body, p.offered_at FROM proposals AS p
    WHERE p.product = ? AND p.round = (
        SELECT max(d.round) FROM decisions AS d
        WHERE d.proposal_id = p.id AND d.body ->> '$.verdict' <> 'expire'
    )
    ORDER BY p.rowid
"""
"""The latest offer of each proposal that somebody answered."""
EVERY_ANSWER = """
    SELECT p.id, p.thread_id, p.round, p.body, p.offered_at FROM proposals AS p
    JOIN decisions AS d ON d.proposal_id = p.id AND d.round = p.round
    WHERE d.body ->> '$.verdict' <> 'expire' ORDER BY d.decided_at, d.rowid
"""
"""Every offer that somebody answered, in the order of the answers."""
LATER = """
    SELECT r.thread_id, r.body, r.at FROM threads AS t
    CROSS JOIN trials AS r ON r.thread_id = t.id AND r.candidate_id = :id
    WHERE t.product = :product AND t.id <> :thread AND t.updated_at > :since AND r.at > :since
    AND r.status IN ('rejected', 'refused', 'held')
    ORDER BY r.at DESC LIMIT 1
"""
"""The last verdict against an offer by another run; from the runs, which are few and small."""
COMING = """
    SELECT p.id, p.thread_id, p.round, p.body, p.offered_at FROM proposals AS p
    JOIN decisions AS d ON d.proposal_id = p.id AND d.round = p.round
    JOIN outbox AS o ON o.proposal_id = p.id AND o.round = p.round
    WHERE d.body ->> '$.verdict' = 'approve' AND o.delivered_at IS NULL AND p.thread_id <> ?
    AND NOT EXISTS (
        SELECT 1 FROM outcomes AS c WHERE c.proposal_id = p.id AND c.round = p.round
    )
"""
"""Approvals that other runs have not taken yet."""
APPROVED = """
    SELECT max(round) FROM decisions WHERE proposal_id = ? AND body ->> '$.verdict' = 'approve'
"""
"""The offer that outcomes are about: a later one may wait already."""
DELIVERED = """
    UPDATE outbox SET delivered_at = ?
    WHERE thread_id = ? AND proposal_id = ? AND delivered_at IS NULL AND round IN (
        SELECT d.round FROM decisions AS d
        WHERE d.proposal_id = outbox.proposal_id AND d.decided_at = ?
    )
"""
"""Of two answers to one run about a proposal, the one that it took."""

"""Which rows of the checkpoint file belong together, and which of them may go."""

from __future__ import annotations

TABLES = ("checkpoints", "writes")
DELTAS = """
    SELECT 1 FROM checkpoints WHERE thread_id = ?
    AND instr(CAST(metadata AS TEXT), 'counters_since_delta_snapshot') LIMIT 1
"""
"""States that are put together of earlier checkpoints; such a thread is left whole."""
SPACES = "SELECT DISTINCT checkpoint_ns FROM checkpoints WHERE thread_id = ?"
OLDEST_KEPT = """
    SELECT min(checkpoint_id) FROM (
        SELECT checkpoint_id FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns
        ORDER BY checkpoint_id DESC LIMIT :keep
    )
"""
OLDER = "WHERE thread_id = :thread AND checkpoint_ns = :ns AND checkpoint_id < :oldest"
OF_RUN = """
    SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints
    WHERE json_extract(CAST(metadata AS TEXT), '$.run_id') = ?
"""

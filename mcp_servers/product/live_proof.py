"""The proof of a change on live: its queries timed before and after it, and by turns in doubt."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mcp_servers.product.contract import ApplyRequest, LiveCheck
from tools.failpoints import crash_point
from tools.messages import Interval, QueryTiming
from tools.product.counterproof import by_turns, copy_without
from tools.product.errors import ProductError
from tools.product.live import LiveSamples, compare_live
from tools.product.owner import Owner

LIVE_QUERIES = 12
LIVE_REPETITIONS = 7
LIVE_SECONDS = 12.0
TURNS = 9
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveProof:
    """How the changes of one product do on live."""

    owner: Owner
    home: Path
    config: dict[str, str]
    """Of the engine that opens a copy."""

    def time_before(self, request: ApplyRequest) -> None:
        """Keep how long a change's queries take without it."""
        texts = request.queries[:LIVE_QUERIES]
        samples = self.owner.time_queries(texts, LIVE_REPETITIONS, LIVE_SECONDS)
        crash_point("server.apply.before_baseline")
        LiveSamples(samples=samples).save(self._path(request.proposal_id))

    def check(self, proposal_id: str) -> LiveCheck:
        """Time a change's queries again and compare with the times before it.

        What looks slower is timed by turns with a copy without the change: the machine may have
        got slower since, and that is not the change's fault.
        """
        before = LiveSamples.load(self._path(proposal_id))
        check = self._compare(before)
        if check.ratio is None or check.ratio.high >= 1:
            return check
        proof = self._counterproof(proposal_id, tuple(before.samples))
        # What cannot be timed on the copy may be just what got slower.
        if proof is not None and len(proof.queries) == len(check.queries):
            return proof
        again = self._compare(before)
        quicker = again.ratio is not None and again.ratio.mid > check.ratio.mid
        return again if quicker else check

    def _compare(self, before: LiveSamples) -> LiveCheck:
        after = self.owner.time_queries(before.samples, LIVE_REPETITIONS, LIVE_SECONDS)
        ratio, timings = compare_live(before.samples, after, self._weights())
        return LiveCheck(ratio=ratio, queries=timings, detail=_detail(ratio, timings))

    def _counterproof(self, proposal_id: str, texts: tuple[str, ...]) -> LiveCheck | None:
        """Time by turns with a copy without the change; None where none can be made."""
        try:
            with copy_without(self.owner, proposal_id, self.home / "shadow", self.config) as copy:
                turns = by_turns(copy, self.owner, texts, TURNS, LIVE_SECONDS)
        except (ProductError, duckdb.Error, sqlite3.Error, OSError) as exc:
            LOG.warning("No copy to compare %s with: %s", proposal_id, exc)
            return None
        ratio, timings = compare_live(turns.without, turns.changed, self._weights(), by_turns=True)
        detail = f"{_detail(ratio, timings)}, by turns with a copy without the change"
        return LiveCheck(ratio=ratio, queries=timings, detail=detail)

    def _weights(self) -> dict[str, int]:
        # A text timed before the change may be answered by another one since.
        catalog = self.owner.catalog()
        patterns = (
            *self.owner.store.workload(catalog).patterns,
            *self.owner.workload(catalog).patterns,
        )
        return {p.sql: p.runs for p in patterns}

    def _path(self, proposal_id: str) -> Path:
        name = hashlib.sha256(proposal_id.encode()).hexdigest()[:24]
        return self.home / "evidence" / f"live-{name}.json"


def _detail(ratio: Interval | None, timings: tuple[QueryTiming, ...]) -> str:
    if ratio is None:
        return "no query of this change could be timed on live"
    return f"{len(timings)} queries timed on live: ×{ratio.mid:.2f}"

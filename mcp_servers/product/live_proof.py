"""The proof of a change on live: its queries timed before and after it, and by turns in doubt."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mcp_servers.product.contract import ApplyRequest, LiveCheck
from tools.failpoints import crash_point
from tools.messages import Interval, QueryTiming
from tools.product.counterproof import Turns, by_turns, copy_without
from tools.product.errors import ProductError
from tools.product.live import LiveSamples, compare_live
from tools.product.owner import OnQuery, Owner
from tools.product.steps import Steps

LIVE_QUERIES = 12
LIVE_REPETITIONS = 7
LIVE_SECONDS = 12.0
TURNS = 9
MORE_TURNS = 2
"""How often as many turns follow where the first could not tell."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveProof:
    """How the changes of one product do on live."""

    owner: Owner
    home: Path
    config: dict[str, str]
    """Of the engine that opens a copy."""

    def time_before(self, request: ApplyRequest, steps: Steps, later: int) -> None:
        """Keep how long a change's queries take without it; `later` parts follow it."""
        texts = request.queries[:LIVE_QUERIES]
        samples = self._timed(texts, steps, "timing before", later)
        crash_point("server.apply.before_baseline")
        LiveSamples(samples=samples).save(self._path(request.proposal_id))

    def check(self, proposal_id: str, floor: float, steps: Steps) -> LiveCheck:
        """Time a change's queries again and compare with the times before it.

        What looks slower, or may be slower than `floor`, is timed by turns with a copy without the
        change: the machine may have got slower since, and that is not the change's fault.
        """
        before = LiveSamples.load(self._path(proposal_id))
        check = self._compare(before, steps, "timing after")
        if check.ratio is None or (check.ratio.low >= floor and check.ratio.high >= 1):
            return check
        proof = self._counterproof(proposal_id, tuple(before.samples), floor, steps)
        # What cannot be timed on the copy may be just what got slower.
        if proof is not None and len(proof.queries) == len(check.queries):
            return proof
        again = self._compare(before, steps, "timing after, once more")
        quicker = again.ratio is not None and again.ratio.mid > check.ratio.mid
        return again if quicker else check

    def _compare(self, before: LiveSamples, steps: Steps, what: str) -> LiveCheck:
        after = self._timed(before.samples, steps, what)
        ratio, timings = compare_live(before.samples, after, self._weights())
        return LiveCheck(ratio=ratio, queries=timings, detail=_detail(ratio, timings))

    def _timed(
        self, texts: Iterable[str], steps: Steps, what: str, later: int = 0
    ) -> dict[str, list[float]]:
        wanted = tuple(dict.fromkeys(texts))
        if not wanted:
            return {}
        rounds = LIVE_REPETITIONS + 1
        steps.begin(what, rounds * len(wanted), later)
        on_query = _counting(steps, len(wanted), rounds)
        return self.owner.time_queries(wanted, LIVE_REPETITIONS, LIVE_SECONDS, on_query)

    def _counterproof(
        self, proposal_id: str, texts: tuple[str, ...], floor: float, steps: Steps
    ) -> LiveCheck | None:
        """Time by turns with a copy without the change; None where none can be made."""
        steps.begin("making a copy without the change", later=TURNS * len(texts))
        try:
            with copy_without(self.owner, proposal_id, self.home / "shadow", self.config) as copy:
                return self._by_turns(copy, texts, floor, steps)
        except (ProductError, duckdb.Error, sqlite3.Error, OSError) as exc:
            LOG.warning("No copy to compare %s with: %s", proposal_id, exc)
            return None

    def _by_turns(
        self, copy: Owner, texts: tuple[str, ...], floor: float, steps: Steps
    ) -> LiveCheck:
        """Time on while the ratio may lie on either side of `floor`, within bounds."""
        turns, weights = Turns({}, {}), self._weights()
        on_query = _counting(steps, len(texts), TURNS)
        ends = time.monotonic() + (1 + MORE_TURNS) * LIVE_SECONDS
        for _ in range(1 + MORE_TURNS):
            steps.begin("timing by turns with the copy", TURNS * len(texts))
            turns.extend(by_turns(copy, self.owner, texts, TURNS, LIVE_SECONDS, on_query))
            ratio, timings = compare_live(turns.without, turns.changed, weights, by_turns=True)
            told = ratio is None or ratio.low >= floor or ratio.high < floor
            if told or time.monotonic() > ends:
                break
        detail = f"{_detail(ratio, timings)}, by turns with a copy without the change"
        return LiveCheck(ratio=ratio, queries=timings, detail=detail)

    def _weights(self) -> dict[str, int]:
        # A text timed before the change may be answered by another one since.
        catalog = self.owner.catalog()
        patterns = (
            *self.owner.store.workload(catalog).patterns,
            *self.owner.workload(catalog).patterns,
        )
        return {p.sql: p.weight for p in patterns}

    def _path(self, proposal_id: str) -> Path:
        name = hashlib.sha256(proposal_id.encode()).hexdigest()[:24]
        return self.home / "evidence" / f"live-{name}.json"


def _counting(steps: Steps, queries: int, rounds: int) -> OnQuery:
    def on_query(turn: int, at: int) -> None:
        detail = f"query {at + 1} of {queries}, round {turn + 1} of {rounds}"
        steps.part(turn * queries + at, detail)

    return on_query


def _detail(ratio: Interval | None, timings: tuple[QueryTiming, ...]) -> str:
    if ratio is None:
        return "no query of this change could be timed on live"
    return f"{len(timings)} queries timed on live: ×{ratio.mid:.2f}"

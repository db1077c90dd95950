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
from tools.product.counterproof import Copies, Pace, Turns, by_turns, two_copies
from tools.product.errors import ProductError
from tools.product.live import LiveSamples, Timings
from tools.product.live_look import Look, never_in_time
from tools.product.live_weights import QueryWeight, weights_now
from tools.product.owner import OnQuery, Owner
from tools.product.steps import Steps

LIVE_QUERIES = 12
LIVE_REPETITIONS = 7
LIVE_SECONDS = 12.0
TURNS = 10
"""As many where one side goes first as where the other does."""
MORE_TURNS = 2
"""How often as many turns follow where the first could not tell."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Baseline:
    """The queries timed before a change."""

    samples: dict[str, list[float]]
    weights: dict[str, float]
    """How often each counts."""


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
        found = self._timed(texts, steps, "timing before", later).samples
        in_time = {t: ms for t, ms in found.items() if not never_in_time(ms, LIVE_SECONDS)}
        crash_point("server.apply.before_baseline")
        samples = {t: in_time.get(t, []) for t in texts}
        weights = tuple(w for w in request.weights if w.sql in samples)
        LiveSamples(samples=samples, weights=weights).save(self._path(request.proposal_id))

    def check(self, proposal_id: str, floor: float, steps: Steps) -> LiveCheck:
        """Time a change's queries again and compare with the times before it.

        What looks slower, may be slower than `floor`, or is answered no more, is timed by turns
        on two copies, with and without the change: the machine may have got slower since, or the
        data be others, and that is not the change's fault.
        """
        kept = LiveSamples.load(self._path(proposal_id))
        before = {t: ms for t, ms in kept.samples.items() if ms}
        if not before:
            return LiveCheck(ratio=None, queries=(), detail=_nothing(len(kept.samples)))
        baseline = _Baseline(before, self._weights(before, kept.weights))
        look = self._proved(proposal_id, baseline, floor, steps)
        return _told(look, len(kept.samples) - len(before))

    def _proved(self, proposal_id: str, before: _Baseline, floor: float, steps: Steps) -> Look:
        first = self._after(before, steps, "timing after")
        if first.clear(floor):
            return first
        proof = self._counterproof(proposal_id, before, floor, steps)
        if proof is not None and (proof.broken or not proof.lost):
            return proof
        again = self._after(before, steps, "timing after, once more")
        return max(first, again, key=lambda look: look.rank)

    def _after(self, before: _Baseline, steps: Steps, what: str) -> Look:
        after = self._timed(before.samples, steps, what)
        return Look.after(before.samples, after, before.weights, LIVE_SECONDS)

    def _timed(self, texts: Iterable[str], steps: Steps, what: str, later: int = 0) -> Timings:
        wanted = tuple(dict.fromkeys(texts))
        if not wanted:
            return Timings()
        rounds = LIVE_REPETITIONS + 1
        steps.begin(what, rounds * len(wanted), later)
        on_query = _counting(steps, len(wanted), rounds)
        return self.owner.time_queries(wanted, LIVE_REPETITIONS, LIVE_SECONDS, on_query)

    def _counterproof(
        self, proposal_id: str, before: _Baseline, floor: float, steps: Steps
    ) -> Look | None:
        """Time by turns on copies with and without the change; None where none can be made."""
        steps.begin("making copies with and without the change", later=TURNS * len(before.samples))
        try:
            with two_copies(self.owner, proposal_id, self.home / "shadow", self.config) as copies:
                return self._by_turns(copies, before, floor, steps)
        except (ProductError, duckdb.Error, sqlite3.Error, OSError) as exc:
            LOG.warning("No copies to compare %s on: %s", proposal_id, exc)
            return None

    def _by_turns(self, copies: Copies, before: _Baseline, floor: float, steps: Steps) -> Look:
        """Time on while the ratio may lie on either side of `floor`, within bounds."""
        turns, texts = Turns(Timings(), Timings()), tuple(before.samples)
        on_query = _counting(steps, len(texts), TURNS)
        ends = time.monotonic() + (1 + MORE_TURNS) * LIVE_SECONDS
        for batch in range(1 + MORE_TURNS):
            steps.begin("timing by turns on the copies", TURNS * len(texts))
            pace = Pace(TURNS, LIVE_SECONDS, ends, whole=0 if batch else 1)
            turns.extend(by_turns(*copies, texts, pace, on_query))
            look = Look.by_turns(texts, turns, before.weights, LIVE_SECONDS)
            if look.decided(floor) or time.monotonic() > ends:
                break
        return look

    def _weights(self, texts: Iterable[str], measured: Iterable[QueryWeight]) -> dict[str, float]:
        catalog = self.owner.catalog()
        asked, answered = self.owner.store.workload(catalog), self.owner.workload(catalog)
        return weights_now(texts, measured, asked.patterns, answered.patterns)

    def _path(self, proposal_id: str) -> Path:
        name = hashlib.sha256(proposal_id.encode()).hexdigest()[:24]
        return self.home / "evidence" / f"live-{name}.json"


def _counting(steps: Steps, queries: int, rounds: int) -> OnQuery:
    def on_query(turn: int, at: int) -> None:
        detail = f"query {at + 1} of {queries}, round {turn + 1} of {rounds}"
        steps.part(turn * queries + at, detail)

    return on_query


def _told(look: Look, unknown: int) -> LiveCheck:
    detail = look.detail
    if unknown:
        detail += f"; {unknown:,} more could not be timed before the change"
    return LiveCheck(
        ratio=look.ratio, queries=look.timings, detail=detail, broken=look.broken,
        untold=look.untold,
    )  # fmt: skip


def _nothing(wanted: int) -> str:
    if not wanted:
        return "it has no query to time on live"
    return "none of its queries could be timed on live before it was made"

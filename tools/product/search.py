"""Greedy search over sets of changes: the most promising first, each on top of the accepted."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from tools.change_kinds import NEUTRAL, described
from tools.messages import (
    Candidate,
    CreateSummary,
    Interval,
    QueryTiming,
    TableName,
    Trial,
)
from tools.product.baselines import measure_baselines
from tools.product.bench import Bench, Query, affected, clean, text_after
from tools.product.errors import ProductError
from tools.product.executor import TRIAL, apply
from tools.product.journal import Entry, Finished, Journal
from tools.product.measure import FETCHED_BY_ROW, Pairing, query_ratio, run_round, total_ratio
from tools.product.measurement import MeasureResult, QueryBaseline
from tools.product.search_order import search_order
from tools.product.statistics import interval_of
from tools.product.trial import LEAST_SECONDS, PATIENCE, run_trial

FINAL_SHARE = 0.15
FINAL_ROUNDS = 5
MOST_ENDINGS = 2
"""How often a measurement may end in the trial of one candidate before it goes on without it."""
OTHER_STEPS = 2
"""Steps that are told besides the candidates: the queries as they are, and all changes together."""
Progress = Callable[[float, float, str], None]


def search(bench: Bench, journal: Journal, progress: Progress) -> MeasureResult:
    """Measure every candidate as far as the budget goes; the result is whole at any end."""
    started = time.monotonic()
    ordered = search_order(bench.job.candidates)
    steps = len(ordered) + OTHER_STEPS
    baseline = measure_baselines(bench, journal, lambda text: progress(0, steps, text))
    earlier = journal.finished
    trials: list[Trial] = []
    for index, candidate in enumerate(ordered, start=1):
        name = f"candidate {index}/{len(ordered)} {described(candidate.change)}"
        progress(index, steps, name)
        finished = earlier.get(candidate.id)
        again = finished is not None and finished.trial.status == "accepted"
        if finished is not None and again and not candidate.aside:
            finished = _repeated(bench, finished)
        if finished is None:
            left = len(ordered) - index + 1
            report = partial(_tell, progress, (index, steps), name)
            finished = _given_up(journal, candidate)
            if finished is None:
                journal.write(Entry(kind="begun", begun=candidate.id))
                finished = _try(bench, candidate, left, report)
            journal.write(Entry(kind="trial", finished=finished))
        trials.append(finished.trial)
        _tell(progress, (index, steps), name, _verdict(finished.trial))
    progress(len(ordered) + 1, steps, "all accepted changes together")
    total, queries = _final(bench)
    result = MeasureResult(
        baseline=baseline,
        trials=tuple(trials),
        chosen=tuple(bench.accepted),
        total=total,
        queries=queries,
        skipped=_skipped(bench, baseline),
        spent_seconds=time.monotonic() - started,
        peak_memory_bytes=_peak_memory(),
        reference=bench.job.key,
    )
    journal.write(Entry(kind="result", result=result))
    return result


def _tell(progress: Progress, at: tuple[int, int], name: str, text: str) -> None:
    progress(*at, f"{name}: {text}")


def _verdict(trial: Trial) -> str:
    if trial.evidence is None:
        return trial.status
    if not trial.evidence.equal:
        # It was not timed any more.
        return f"{trial.status}, it changes results"
    return f"{trial.status} ×{trial.evidence.ratio.mid:.2f}"


def _given_up(journal: Journal, candidate: Candidate) -> Finished | None:
    """Return the end of a candidate that the measurement does not outlive: others are waiting."""
    times = journal.ended_in(candidate.id)
    if times < MOST_ENDINGS:
        return None
    why = "it was stopped, or had too little memory"
    reason = f"the measurement ended in its trial {times} times: {why}"
    return Finished(trial=Trial(candidate=candidate, status="failed", reason=reason))


def _try(bench: Bench, candidate: Candidate, left: int, report: Callable[[str], None]) -> Finished:
    reserve = bench.job.settings.budget_seconds * FINAL_SHARE if bench.accepted else 0.0
    available = bench.remaining - reserve
    if available <= 0:
        budget = f"{bench.job.settings.budget_seconds:g} s"
        reason = f"the time budget of {budget} was spent before its turn"
        return Finished(trial=Trial(candidate=candidate, status="unmeasured", reason=reason))
    rival = _accepted_summary(bench, candidate)
    if rival is not None:
        reason = f"{rival} was accepted, and a table can have one summary"
        return Finished(trial=Trial(candidate=candidate, status="rejected", reason=reason))
    silent = _asked_no_more(bench, candidate)
    if silent is not None:
        return Finished(trial=Trial(candidate=candidate, status="rejected", reason=silent))
    finished, path = run_trial(bench, candidate, max(available / left, available / 5), report)
    if path is not None and candidate.aside:
        bench.discard(path)
    elif path is not None:
        _accept(bench, finished, path)
    return finished


def _accepted_summary(bench: Bench, candidate: Candidate) -> TableName | None:
    """Return the summary of the same table that was accepted before."""
    if not isinstance(candidate.change, CreateSummary):
        return None
    made = [c.change for c in bench.job.candidates if c.id in bench.accepted]
    same = [c for c in made if isinstance(c, CreateSummary) and c.table == candidate.change.table]
    return same[0].summary if same else None


def _asked_no_more(bench: Bench, candidate: Candidate) -> str | None:
    """Say so when every query that a change is for seems to be asked no more."""
    if candidate.change.kind in NEUTRAL:
        return None
    found = [bench.queries[f].pattern for f in affected(candidate, bench)[0]]
    if not found or not all(p.ceased for p in found):
        return None
    what = "its query" if len(found) == 1 else f"its {len(found)} queries"
    return f"{what} seem{'s' if len(found) == 1 else ''} to be asked no more: {found[0].ceased}"


def _accept(bench: Bench, finished: Finished, path: Path) -> None:
    bench.rebase(path)
    bench.accepted.append(finished.trial.candidate.id)
    for fingerprint, after in finished.after.items():
        query = bench.queries[fingerprint]
        if after:
            query.ms *= median(after) / max(median(finished.before[fingerprint]), 1e-6)
        query.sql = text_after(finished.trial.candidate.change, query.pattern.sql, query.sql)
        query.row_groups = finished.row_groups.get(fingerprint)


def _repeated(bench: Bench, finished: Finished) -> Finished | None:
    """Make a change accepted before a crash again; None where the data no longer allows it."""
    path = bench.copy()
    try:
        with bench.open(path) as con:
            candidate, known = finished.trial.candidate, bench.catalog.macros
            apply(con, candidate.id, candidate.change, approval=TRIAL, macros=known)
            con.execute("CHECKPOINT")
    except (duckdb.Error, ProductError):
        bench.discard(path)
        return None
    _accept(bench, finished, path)
    return finished


def _final(bench: Bench) -> tuple[Interval | None, tuple[QueryTiming, ...]]:
    """Race the original against all accepted changes, over every query of the workload."""
    if not bench.accepted:
        return None, ()
    original = {f: q.baseline.ms.mid for f, q in bench.queries.items() if q.baseline.ms}
    limit = bench.job.settings.longest_query
    pairings = [
        Pairing(
            f,
            clean(q.pattern.sql),
            q.sql,
            q.pattern.weight,
            max(LEAST_SECONDS, min(limit, original[f] / 1000 * PATIENCE)),
            q.baseline.rows > FETCHED_BY_ROW,
        )
        for f, q in bench.queries.items()
    ]
    with bench.open(Path(bench.job.snapshot)) as con:
        for turn in range(FINAL_ROUNDS + 1):
            if turn > 1 and bench.remaining < 0:
                break
            pairings = [p for p in pairings if _raced(bench, con, p)]
            if turn == 0:
                for pairing in pairings:
                    pairing.before.clear()
                    pairing.after.clear()
    if not pairings:
        return None, ()
    spent = sum(median(p.before) * p.weight for p in pairings)
    timings = tuple(_timing(bench, bench.queries[p.fingerprint], p, spent) for p in pairings)
    return total_ratio(pairings, 0.0, bench.noise), timings


def _raced(bench: Bench, original: duckdb.DuckDBPyConnection, pairing: Pairing) -> bool:
    """Race one query; one that is stopped or fails now is left out of the total."""
    try:
        run_round(original, bench.base, [pairing], bench.watchdog)
    except duckdb.Error:
        return False
    return True


def _timing(bench: Bench, query: Query, pairing: Pairing, spent: float) -> QueryTiming:
    return QueryTiming(
        fingerprint=pairing.fingerprint,
        sql=query.pattern.sql,
        share=median(pairing.before) * pairing.weight / spent if spent else 0.0,
        runs=query.pattern.runs,
        callers=query.pattern.callers,
        before_ms=interval_of(pairing.before),
        after_ms=interval_of(pairing.after),
        ratio=query_ratio(pairing, bench.noise),
        equal=True,
        row_groups_before=query.baseline.row_groups,
        row_groups_after=query.row_groups,
    )


def _skipped(bench: Bench, baseline: tuple[QueryBaseline, ...]) -> tuple[str, ...]:
    texts = {p.fingerprint: p.sql for p in bench.job.workload.patterns}
    failed = [f"{texts[b.fingerprint][:200]}: {b.error}" for b in baseline if b.error]
    return (*failed, *(f"{s.sql[:200]}: {s.reason}" for s in bench.job.workload.skipped))


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

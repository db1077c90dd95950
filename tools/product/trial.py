"""One candidate tried: applied to a copy, raced against the base, undone again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from tools.change_kinds import NEUTRAL
from tools.messages import (
    Candidate,
    Evidence,
    Expected,
    Interval,
    Method,
    QueryTiming,
    Rehearsal,
    Trial,
    TrialStatus,
)
from tools.numbers import counted
from tools.product.bench import Bench, affected, text_after
from tools.product.dispatch import alike
from tools.product.errors import ProductError, Refused
from tools.product.executor import TRIAL, apply
from tools.product.expectation import Asked, expected, steady
from tools.product.journal import Finished
from tools.product.measure import (
    FETCHED_BY_ROW,
    Pairing,
    capture_profiled,
    noise_of,
    query_ratio,
    run_round,
    total_ratio,
    used_bytes,
)
from tools.product.ordering import shape_of
from tools.product.rehearse import cost_of_inserts, rehearse
from tools.product.results import capture, difference, digest, keys_equal
from tools.product.statistics import interval_of, paired_ratio, paired_steps
from tools.product.worth import dear, doubt, needless, refusal, trifle

ROUNDS = 3
"""Fewest rounds behind an accepted gain."""
LONGER = 3
"""How many times the usual rounds are run at most, where they are likely to settle it."""
NEUTRAL_SURE = 0.97
NEUTRAL_HOPELESS = 0.9
PATIENCE = 10.0
"""A query may take this many times its baseline before it is stopped."""
LEAST_SECONDS = 2.0
Report = Callable[[str], None]


@dataclass
class Attempt:
    """A candidate on its copy, and what is known about it so far."""

    candidate: Candidate
    path: Path
    con: duckdb.DuckDBPyConnection
    apply_ms: float
    until: float
    """When sampling must end (of the bench's seconds of work)."""
    pairings: list[Pairing] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    row_groups: dict[str, int | None] = field(default_factory=dict)

    @property
    def neutral(self) -> bool:
        """Whether the change is worth doing when it costs nothing."""
        return self.candidate.change.kind in NEUTRAL


def run_trial(
    bench: Bench, candidate: Candidate, seconds: float, report: Report
) -> tuple[Finished, Path | None]:
    """Try a candidate on top of the base; the path of its copy comes back when it is accepted."""
    path: Path | None = None
    keep = False
    try:
        path = bench.copy()
        with bench.open(path) as con:
            attempt = _applied(bench, candidate, path, con, seconds)
            status, reason = _race(bench, attempt, report)
            bytes_after = used_bytes(con)
        finished = _finish(bench, attempt, (status, reason), bytes_after, report)
        keep = finished.trial.status == "accepted"
        return finished, path if keep else None
    except Refused as exc:
        return _without(candidate, "refused", str(exc)), None
    except duckdb.InterruptException:
        return _without(
            candidate, "unmeasured", "applying it takes longer than the time left"
        ), None
    except (duckdb.Error, ProductError, OSError) as exc:
        return _without(candidate, "failed", str(exc).splitlines()[0][:500]), None
    finally:
        if not keep:
            bench.discard(path)


def _without(candidate: Candidate, status: TrialStatus, reason: str) -> Finished:
    return Finished(trial=Trial(candidate=candidate, status=status, reason=reason))


def _applied(
    bench: Bench, candidate: Candidate, path: Path, con: duckdb.DuckDBPyConnection, seconds: float
) -> Attempt:
    started = time.monotonic()
    with bench.watchdog.limit(con, max(bench.remaining, LEAST_SECONDS), bench.work):
        known = bench.catalog.macros
        apply(con, candidate.id, candidate.change, approval=TRIAL, macros=known)
        con.execute("CHECKPOINT")
    elapsed = time.monotonic() - started
    return Attempt(candidate, path, con, elapsed * 1000, bench.spent + seconds)


def _race(bench: Bench, attempt: Attempt, report: Report) -> tuple[TrialStatus, str]:
    """Race the queries the change is for; only a winner is raced on all others it can touch."""
    verdict: tuple[TrialStatus, str] | None = None
    for group in affected(attempt.candidate, bench):
        for fingerprint in group:
            _check_result(bench, attempt, fingerprint)
        if attempt.troubles:
            return "rejected", _troubles(attempt)
        verdict = _sample(bench, attempt, report) if group else verdict
        if verdict is not None and verdict[0] != "accepted":
            return verdict
    if verdict is None:
        if attempt.neutral:
            return "accepted", "no query reads it"
        return "rejected", "no query of the workload gains"
    return verdict


def _check_result(bench: Bench, attempt: Attempt, fingerprint: str) -> None:
    query = bench.queries[fingerprint]
    sql = text_after(attempt.candidate.change, query.pattern.sql, query.sql)
    seconds = min(bench.job.settings.longest_query, max(LEAST_SECONDS, query.ms / 1000 * PATIENCE))
    expected = bench.answer(fingerprint)
    try:
        with bench.watchdog.limit(attempt.con, seconds):
            found, attempt.row_groups[fingerprint] = capture_profiled(attempt.con, sql)
        shape = shape_of(query.pattern.sql)
        trouble = difference(expected, found, shape.ordering)
        if trouble in ("rows differ", "contents differ") and shape.unlimited and sql == query.sql:
            equal_keys = shape.ordering is None or keys_equal(expected, found, shape.ordering)
            trouble = None if equal_keys and _same_unlimited(bench, attempt, sql) else trouble
        if sql != query.sql and not (
            found.columns == expected.columns and alike(attempt.con, query.pattern.sql, sql)
        ):
            # The gateway would never serve it.
            trouble = trouble or "columns would be named or typed otherwise"
    except duckdb.InterruptException:
        trouble = f"runs longer than {seconds:.0f} s"
    except duckdb.Error as exc:
        trouble = f"fails: {str(exc).splitlines()[0][:200]}"
    if trouble is not None:
        attempt.troubles[fingerprint] = trouble
        return
    attempt.pairings.append(
        Pairing(
            fingerprint, query.sql, sql, query.pattern.weight, seconds, found.count > FETCHED_BY_ROW
        )
    )


def _same_unlimited(bench: Bench, attempt: Attempt, sql: str) -> bool:
    """Compare without LIMIT: rows that tie for the last places may differ rightly."""
    unlimited = shape_of(sql).unlimited or sql
    seconds = bench.job.settings.longest_query
    with bench.watchdog.limit(bench.base, seconds):
        before = capture(bench.base, unlimited)
    with bench.watchdog.limit(attempt.con, seconds):
        after = capture(attempt.con, unlimited)
        if (before.rows is None) != (after.rows is None):
            after = digest(attempt.con, unlimited, after.columns, after.types)
    return difference(before, after) is None


def _troubles(attempt: Attempt) -> str:
    fingerprint, trouble = next(iter(attempt.troubles.items()))
    more = len(attempt.troubles) - 1
    others = f" (and {more} more)" if more else ""
    return f"query {fingerprint}: {trouble}{others}"


def _sample(bench: Bench, attempt: Attempt, report: Report) -> tuple[TrialStatus, str]:
    """Run rounds until the answer is clear or time is up; some more where it nearly is."""
    settings = bench.job.settings
    # What need not gain wins as soon as chance allows it: then its figures are chance, too.
    least = settings.repetitions if attempt.neutral else ROUNDS
    for turn in range(1, LONGER * settings.repetitions + 1):
        try:
            run_round(bench.base, attempt.con, attempt.pairings, bench.watchdog)
        except duckdb.InterruptException:
            return "rejected", "a query ran many times longer than before and was stopped"
        total = _total(bench, attempt)
        report(f"×{total.mid:.2f}")
        late = bench.spent > attempt.until
        if total.high < 1 and not attempt.neutral:
            break
        clear = _clear(total, settings.min_gain, attempt.neutral)
        if turn >= ROUNDS and late:
            break
        if turn >= least and clear and not _disputed(bench, attempt, total):
            break
        if late and total.mid < 1:
            break
        if turn >= settings.repetitions and (
            clear or not _nearly(total, settings.min_gain, attempt.neutral)
        ):
            break
    return _verdict(bench, attempt)


def _nearly(total: Interval, min_gain: float, neutral: bool) -> bool:
    """Whether twice the rounds would prove the gain if its middle stays: intervals shrink by √2.

    Else chance would decide from one run to the next whether such a gain is offered. What need
    not gain is offered unless it loses, so there a loss is looked at again.
    """
    if neutral:
        return total.high < 1
    return (total.mid - total.low) / math.sqrt(2) < total.mid - min_gain


def _clear(total: Interval, min_gain: float, neutral: bool) -> bool:
    if neutral:
        return total.low >= NEUTRAL_SURE or total.high < NEUTRAL_HOPELESS
    return total.low > min_gain or total.high < min_gain


def _disputed(bench: Bench, attempt: Attempt, total: Interval) -> bool:
    """Return whether losers decide about a winner: of many queries one looks slower by chance."""
    if attempt.neutral or total.low <= bench.job.settings.min_gain:
        return False
    return _share(_losers(bench, attempt)) > bench.job.settings.max_loser_share


def _losers(bench: Bench, attempt: Attempt) -> list[QueryTiming]:
    return [t for t in _timings(bench, attempt) if t.ratio.high < 1]


def _share(timings: Sequence[QueryTiming]) -> float:
    return sum(t.share for t in timings)


def _total(bench: Bench, attempt: Attempt, *writes: Pairing) -> Interval:
    constant = bench.constant(p.fingerprint for p in attempt.pairings)
    return total_ratio([*attempt.pairings, *writes], constant, bench.noise)


def _verdict(bench: Bench, attempt: Attempt) -> tuple[TrialStatus, str]:
    settings = bench.job.settings
    total = _total(bench, attempt)
    if doubted := doubt(total, settings.min_gain, attempt.neutral):
        return "rejected", doubted
    shown = f"×{total.mid:.3f} ({total.low:.3f} to {total.high:.3f})"
    if attempt.neutral:
        return "accepted", f"it costs nothing: {shown}"
    losers = _losers(bench, attempt)
    if _share(losers) > settings.max_loser_share:
        told = f"{counted(len(losers), 'query', 'queries')} with {_share(losers):.0%} of the time"
        return "rejected", f"{told} {'becomes' if len(losers) == 1 else 'become'} slower"
    if small := trifle(attempt.pairings, bench.job.workload.windows):
        return "rejected", f"{small}: {shown}"
    return "accepted", f"the workload becomes faster: {shown}"


def _timings(bench: Bench, attempt: Attempt) -> tuple[QueryTiming, ...]:
    noise = bench.noise + noise_of(attempt.pairings)
    raced = [p for p in attempt.pairings if p.before and p.after]
    timed = [_timing(bench, attempt, p, noise) for p in raced]
    return (*timed, *(_troubled(bench, f, t) for f, t in attempt.troubles.items()))


def _timing(bench: Bench, attempt: Attempt, pairing: Pairing, noise: list[float]) -> QueryTiming:
    query = bench.queries[pairing.fingerprint]
    return QueryTiming(
        fingerprint=pairing.fingerprint,
        sql=query.pattern.sql,
        share=query.weighted / bench.total if bench.total else 0.0,
        runs=query.pattern.runs,
        callers=query.pattern.callers,
        before_ms=interval_of(pairing.before),
        after_ms=interval_of(pairing.after),
        ratio=query_ratio(pairing, noise),
        equal=True,
        row_groups_before=query.row_groups,
        row_groups_after=attempt.row_groups.get(pairing.fingerprint),
    )


def _troubled(bench: Bench, fingerprint: str, trouble: str) -> QueryTiming:
    query = bench.queries[fingerprint]
    same = Interval(low=query.ms, mid=query.ms, high=query.ms)
    return QueryTiming(
        fingerprint=fingerprint,
        sql=query.pattern.sql,
        share=query.weighted / bench.total if bench.total else 0.0,
        runs=query.pattern.runs,
        callers=query.pattern.callers,
        before_ms=same,
        after_ms=same,
        ratio=Interval(low=1, mid=1, high=1),
        equal=False,
        error=trouble,
    )


def _finish(
    bench: Bench,
    attempt: Attempt,
    verdict: tuple[TrialStatus, str],
    bytes_after: int,
    report: Report,
) -> Finished:
    """Rehearse and price a winner, and write the evidence of any trial."""
    status, reason = verdict
    rehearsal: Rehearsal | None = None
    batches: Pairing | None = None
    exact = True
    if status == "accepted" or len(bench.job.candidates) == 1:
        report("rehearsing the undo")
        rehearsal = rehearse(bench, attempt.candidate, attempt.path, attempt.apply_ms)
        report("timing inserts")
        batches, exact = cost_of_inserts(bench, attempt.candidate, attempt.path)
    total = _total(bench, attempt)
    cost = paired_ratio([batches.after], [batches.before], [1.0]) if batches else None
    if status == "accepted" and rehearsal is not None:
        most = bench.insert_limit(attempt.candidate.change.table)
        against = refusal(most, rehearsal, cost, exact) or _too_dear(bench, attempt, batches, cost)
        writes, least = bench.writes(attempt.candidate.change.table), bench.job.settings.min_gain
        against = against or needless(attempt.candidate, total, cost, writes, least)
        status, reason = ("rejected", against) if against else (status, reason)
    table = bench.catalog.table(attempt.candidate.change.table)
    evidence = Evidence(
        method=_method(attempt),
        engine=bench.catalog.engine,
        rows=table.rows if table else 0,
        ratio=total,
        alone=None if bench.accepted else total,
        expected=_expected(bench, attempt),
        queries=_timings(bench, attempt),
        insert_cost=cost,
        bytes_before=used_bytes(bench.base),
        bytes_after=bytes_after,
        rehearsal=rehearsal,
        given=tuple(bench.accepted),
        reference=bench.job.key,
    )
    return Finished(
        trial=Trial(candidate=attempt.candidate, status=status, reason=reason, evidence=evidence),
        before={p.fingerprint: tuple(p.before) for p in attempt.pairings},
        after={p.fingerprint: tuple(p.after) for p in attempt.pairings},
        row_groups=attempt.row_groups,
    )


def _too_dear(
    bench: Bench, attempt: Attempt, batches: Pairing | None, cost: Interval | None
) -> str | None:
    """Weigh the gain against what the recorded writes cost, each as long as a measured batch."""
    if batches is None:
        return None
    writes = bench.writes(attempt.candidate.change.table)
    counted_in = _total(bench, attempt, replace(batches, weight=writes))
    doubted = doubt(counted_in, bench.job.settings.min_gain, attempt.neutral)
    return dear(_total(bench, attempt), cost, writes, doubted, attempt.neutral)


def _expected(bench: Bench, attempt: Attempt) -> Expected | None:
    """Return what to expect of the gain later; nothing where no query was raced."""
    raced = {p.fingerprint: p for p in attempt.pairings if p.before and p.after}
    if not raced:
        return None
    steps = paired_steps(
        [p.before for p in raced.values()], [p.after for p in raced.values()], noise=bench.noise
    )
    found = dict(zip(raced, steps, strict=True))
    asked = [Asked(q.pattern, found.get(f) or steady(q.ms)) for f, q in bench.queries.items()]
    return expected(asked, bench.job.workload.windows)


def _method(attempt: Attempt) -> Method:
    if attempt.candidate.change.kind in ("add_not_null", "add_check"):
        return "contract"
    return "metadata" if attempt.neutral and not attempt.pairings else "shadow"

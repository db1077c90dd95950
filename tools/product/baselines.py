"""The queries of a measurement timed as they are, so that no endless one starves the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tools.product.bench import Bench
from tools.product.journal import Entry, Journal
from tools.product.measurement import QueryBaseline, ShadowSettings
from tools.product.workload import QueryPattern

BASELINE_SHARE = 0.3
"""Of the budget, for all queries."""
QUICK_SHARE = 0.05
"""Of the budget: as long a query may run in its first turn."""
QUICK_SECONDS = 0.5


def measure_baselines(
    bench: Bench, journal: Journal, report: Callable[[str], None]
) -> tuple[QueryBaseline, ...]:
    """Time every query as it is; one that proves slow has to wait until the others had a turn."""
    patterns = sorted(
        bench.job.workload.patterns, key=lambda p: (-p.total_ms, -p.runs, p.fingerprint)
    )
    known = {b.fingerprint: b for b in journal.baseline}
    found: dict[str, QueryBaseline] = {}
    turns = deque((p, _is_slow(p, bench.job.settings)) for p in patterns)
    while turns:
        pattern, slow = turns.popleft()
        report(f"query {len(found) + 1}/{len(patterns)} {pattern.fingerprint}")
        one = known.get(pattern.fingerprint) or _one_baseline(bench, pattern, slow, bool(found))
        if one is None:
            turns.append((pattern, True))
            continue
        bench.take(pattern, one)
        found[pattern.fingerprint] = one
    baseline = tuple(found[p.fingerprint] for p in patterns)
    if not known:
        journal.write(Entry(kind="baseline", baseline=baseline))
    return baseline


def _is_slow(pattern: QueryPattern, settings: ShadowSettings) -> bool:
    """Return whether the log says that a query takes longer than its first turn may."""
    return pattern.total_ms / max(pattern.runs, 1) > _first_turn(settings) * 1000


def _first_turn(settings: ShadowSettings) -> float:
    return min(settings.longest_query, max(QUICK_SECONDS, settings.budget_seconds * QUICK_SHARE))


def _one_baseline(
    bench: Bench, pattern: QueryPattern, slow: bool, late: bool
) -> QueryBaseline | None:
    """Time one query; None when it is none of the quick ones and nobody knew."""
    settings = bench.job.settings
    left = settings.budget_seconds * BASELINE_SHARE - bench.spent
    first = _first_turn(settings)
    if left < 0 and late:
        known = f"runs longer than {first:.2g} s, and " if slow else ""
        error = f"{known}no time was left to measure it"
        return QueryBaseline(fingerprint=pattern.fingerprint, error=error)
    seconds = min(settings.longest_query, max(left, first)) if slow else first
    one = bench.measure_baseline(pattern, seconds)
    if one is None and slow:
        error = f"runs longer than {seconds:.2g} s"
        return QueryBaseline(fingerprint=pattern.fingerprint, error=error)
    return one

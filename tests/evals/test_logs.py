from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from evals.authors import AUTHORS, note_authors
from evals.logs import recorded_in
from tools.product.workload_store import UNDATED, Observation, WorkloadStore


def record(path: Path, *runs: tuple[str, datetime, str | None]) -> Path:
    with closing(WorkloadStore(path)) as store:
        store.record(
            Observation(sql=sql, at=at, ms=1.0, source="query_log", caller=caller)
            for sql, at, caller in runs
        )
    return path


def test_a_log_is_as_old_as_its_first_day_with_a_run_is_before_its_last(tmp_path: Path) -> None:
    first, last = datetime(2026, 2, 26, 23, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC)
    runs = [("SELECT 1", at, None) for at in (first, last, last)]
    assert recorded_in(record(tmp_path / "w.db", *runs)) == (3, 5)


def test_runs_without_a_time_have_no_age(tmp_path: Path) -> None:
    assert recorded_in(record(tmp_path / "w.db", ("SELECT 1", UNDATED, None))) == (1, 0)


def test_authors_are_drawn_only_where_the_log_names_nobody(tmp_path: Path) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    path = record(tmp_path / "w.db", ("SELECT 1", at, "treasury"), ("SELECT 2", at, None))
    drawn = note_authors(path, 1)
    assert list(drawn) == ["SELECT 2"] and drawn["SELECT 2"] in AUTHORS
    with closing(WorkloadStore(path)) as store, store.transaction() as con:
        callers = {name for (name,) in con.execute("SELECT caller FROM callers")}
    assert callers == {"treasury", drawn["SELECT 2"]}

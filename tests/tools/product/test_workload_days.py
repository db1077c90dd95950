"""When queries are asked: windows of whole days, what is forgotten, what seems to have ceased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.product.catalog import Catalog, read_catalog
from tools.product.workload import Source, Windows, Workload
from tools.product.workload_days import KEPT_DAYS, MOST_WINDOWS, ceased, together
from tools.product.workload_store import UNDATED, Observation, WorkloadStore

START = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
DAYS_30 = Windows(first="2026-03-01", days=1, count=30)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (i INTEGER, s VARCHAR)")
        return read_catalog(con)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "w.db")
    yield store
    store.close()


def asked(
    days: Sequence[int], sql: str = "SELECT i FROM t", source: Source = "tap"
) -> list[Observation]:
    return [Observation(sql, START + timedelta(days=d), 1.0, source) for d in days]


def test_runs_are_counted_by_day_whatever_their_literals(
    store: WorkloadStore, catalog: Catalog
) -> None:
    store.record(asked([0, 2, 2], "SELECT i FROM t WHERE i = 1"))
    store.record(asked([2], "SELECT i FROM t WHERE i = 22") + asked([3], "SELECT s FROM t"))
    workload = store.workload(catalog)
    assert workload.windows == Windows(first="2026-03-01", days=1, count=4)
    assert [p.windows for p in workload.patterns] == [(1, 0, 3, 0), (0, 0, 0, 1)]


def test_a_long_record_is_cut_into_windows_of_whole_days_and_the_last_is_full(
    store: WorkloadStore, catalog: Catalog
) -> None:
    store.record(asked(range(125)))
    workload = store.workload(catalog)
    assert workload.windows == Windows(first="2026-03-03", days=3, count=41)
    assert workload.patterns[0].windows == (3,) * 41


def test_scripts_and_runs_without_a_time_tell_nothing_of_days(
    store: WorkloadStore, catalog: Catalog
) -> None:
    store.record(asked([0, 1], source="sql_file"))
    store.record([Observation("SELECT i FROM t", UNDATED, 1.0, "query_log")])
    workload = store.workload(catalog)
    assert (workload.windows, workload.patterns[0].windows) == (None, ())
    assert (workload.patterns[0].runs, workload.patterns[0].ceased) == (3, "")


def test_days_of_long_ago_are_forgotten_when_the_store_is_opened(
    tmp_path: Path, catalog: Catalog
) -> None:
    path = tmp_path / "w.db"
    store = WorkloadStore(path)
    store.record(asked([0, KEPT_DAYS, KEPT_DAYS + 1]))
    store.close()
    again = WorkloadStore(path)
    workload: Workload = again.workload(catalog)
    again.close()
    assert workload.patterns[0].runs == 3
    assert workload.windows is not None and workload.windows.count <= MOST_WINDOWS
    assert sum(workload.patterns[0].windows) == 2


def windows_of(days: Sequence[int], count: int = 30) -> tuple[int, ...]:
    return tuple(days.count(d) for d in range(count))


@pytest.mark.parametrize(
    ("days", "count"),
    [
        (range(18), 30), ([d for d in range(40) if d % 7 < 5], 60), (range(0, 35, 7), 55),
        (range(150), 400),
    ],
)  # fmt: skip
def test_what_was_asked_with_a_rhythm_and_fell_silent_has_ceased(
    days: Sequence[int], count: int
) -> None:
    windows = DAYS_30.model_copy(update={"count": count})
    assert ceased(windows_of(list(days), count), windows, (True,) * count)


@pytest.mark.parametrize(
    ("days", "count"),
    [
        (range(30), 30), (range(0, 30, 7), 30), (range(0, 90, 30), 90), ([0, 31, 59, 90], 119),
        ([0, 1, 2], 30), ([*range(28, 33), *range(58, 63)], 88), ([0], 30), ([0, 1], 60),
        (range(12), 30), (range(24), 30), ([], 30),
    ],
)  # fmt: skip
def test_a_report_of_every_week_or_month_or_of_a_months_end_has_not(
    days: Sequence[int], count: int
) -> None:
    windows = DAYS_30.model_copy(update={"count": count})
    assert ceased(windows_of(list(days), count), windows, (True,) * count) == ""


def test_what_has_ceased_weighs_nothing_and_says_since_when(
    store: WorkloadStore, catalog: Catalog
) -> None:
    store.record(asked(range(18)) + asked(range(30), "SELECT s FROM t"))
    found = {p.sql: p for p in store.workload(catalog).patterns}
    gone, kept = found["SELECT i FROM t"], found["SELECT s FROM t"]
    assert (gone.runs, gone.weight, kept.weight) == (18, 0, 30)
    assert gone.ceased == "asked until 2026-03-18 at least every day and not in the 12 days since"


def test_time_in_which_nothing_was_recorded_is_no_silence(
    store: WorkloadStore, catalog: Catalog
) -> None:
    """A log of a month, and one query that was asked through the product half a year later."""
    store.record(asked(range(30)) + asked([210], "SELECT s FROM t"))
    assert [p.ceased for p in store.workload(catalog).patterns] == ["", ""]


def test_of_a_silence_only_recorded_days_count_and_are_told() -> None:
    runs = windows_of(list(range(18)), 34)
    heard = tuple(at < 18 or at % 2 == 0 for at in range(34))
    assert ceased(runs, DAYS_30, heard) == (
        "asked until 2026-03-18 at least every day and not in the 8 recorded days since"
    )
    assert ceased(runs, DAYS_30, tuple(h and at < 32 for at, h in enumerate(heard))) == ""


@given(st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), max_size=4))
def test_texts_of_one_query_are_counted_together(parts: list[list[int]]) -> None:
    total = together([(), *parts])
    assert sum(total) == sum(map(sum, parts))
    assert len(total) == (5 if parts else 0)

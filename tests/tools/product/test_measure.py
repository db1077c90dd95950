"""Racing queries: pairs stay pairs, and no query runs past its time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tools.product import measure
from tools.product.measure import (
    STARVED,
    Pairing,
    Watchdog,
    Work,
    capture_profiled,
    noise_of,
    open_copy,
    run_query,
    run_round,
    total_ratio,
    used_bytes,
)

ENDLESS = "SELECT sum(hash(a.i, b.i)) FROM range(1000000) AS a(i), range(1000000) AS b(i)"


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog()
    yield made
    made.close()


def pair(after: str, seconds: float = 30.0) -> Pairing:
    return Pairing("f", "SELECT 1", after, 1.0, seconds)


def test_a_budget_runs_with_the_processor_and_hardly_while_others_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = {"processor": 7.0, "clock": 100.0}
    monkeypatch.setattr(measure, "_worked", lambda: clocks["processor"])
    monkeypatch.setattr("tools.product.measure.time.monotonic", lambda: clocks["clock"])
    work = Work()
    clocks.update(processor=10.0, clock=103.5)
    assert work() == 3.0
    clocks.update(clock=110.0)
    assert work() == 3.0
    clocks.update(clock=100.0 + 4 * STARVED)
    assert work() == 4.0


def test_a_budget_does_not_run_while_a_measurement_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = {"clock": 100.0, "rested": 3.0}
    monkeypatch.setattr(measure, "_worked", lambda: 0.0)
    monkeypatch.setattr("tools.product.measure.time.monotonic", lambda: clocks["clock"])
    work = Work(lambda: clocks["rested"])
    clocks.update(clock=300.0, rested=3.0 + 200.0 - 4 * STARVED)
    assert work() == 4.0


def test_what_another_process_copies_is_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "processor", lambda: 0.0)
    work = Work()
    subprocess.run([sys.executable, "-I", "-S", "-c", "sum(range(3_000_000))"], check=True)
    assert work() > 0


def test_each_round_adds_as_many_runs_to_both_sides(watchdog: Watchdog) -> None:
    pairing = pair("SELECT 2")
    with duckdb.connect() as base, duckdb.connect() as trial:
        for _ in range(3):
            run_round(base, trial, [pairing], watchdog)
    assert len(pairing.before) == len(pairing.after) >= 3
    assert total_ratio([pairing], 0, noise_of([pairing])).low > 0


@pytest.mark.parametrize("swapped", [False, True])
def test_a_stopped_query_leaves_whole_pairs(watchdog: Watchdog, swapped: bool) -> None:
    pairing = pair(ENDLESS, seconds=0.2)
    earlier = [1.0, 2.0, 3.0] if swapped else [1.0, 2.0]
    pairing.before, pairing.after = [*earlier], [*earlier]
    with duckdb.connect() as base, duckdb.connect() as trial:
        with pytest.raises(duckdb.InterruptException):
            run_round(base, trial, [pairing], watchdog)
        assert trial.execute("SELECT 1").fetchall() == [(1,)]
    assert (pairing.before, pairing.after) == (earlier, earlier)
    assert total_ratio([pairing], 0, []).mid == pytest.approx(1)


def test_nothing_raced_is_no_change() -> None:
    assert total_ratio([pair("SELECT 2")], 5, []).mid == 1


def test_a_copy_can_reach_nothing_outside_itself(tmp_path: Path) -> None:
    with open_copy(tmp_path / "c.duckdb", "100MB") as con:
        with pytest.raises(duckdb.PermissionException):
            con.execute(f"COPY (SELECT 1) TO '{tmp_path}/out.csv'")
        settings = "SELECT current_setting('threads'), current_setting('memory_limit')"
        assert con.execute(settings).fetchall() == [(1, "95.3 MiB")]


@pytest.mark.parametrize("large", [True, False])
def test_all_of_a_result_is_fetched(large: bool) -> None:
    with duckdb.connect() as con:
        assert run_query(con, "FROM range(50000)", large=large) > 0
        with pytest.raises(duckdb.Error):
            run_query(
                con, "SELECT error('late') FROM range(50000) WHERE range > 49990", large=large
            )


def test_row_groups_are_counted(tmp_path: Path) -> None:
    with open_copy(tmp_path / "c.duckdb", "500MB") as con:
        con.execute("CREATE TABLE t AS SELECT i FROM range(300000) AS r(i)")
        empty = used_bytes(con)
        answer, groups = capture_profiled(con, "SELECT max(i) FROM t WHERE i < 10")
        assert (answer.rows, groups) == (((9,),), 1)
        con.execute("CREATE TABLE u AS SELECT hash(i) AS h FROM range(100000) AS r(i)")
        assert used_bytes(con) > empty


def test_a_query_captured_under_a_limit_is_stopped_by_it(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "m.duckdb")).close()
    watchdog = Watchdog()
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"
    with open_copy(tmp_path / "m.duckdb", "200MB") as con:
        with pytest.raises(duckdb.InterruptException), watchdog.limit(con, 0.3):
            capture_profiled(con, endless)
        assert capture_profiled(con, "SELECT 1")[0].rows == ((1,),)
    watchdog.close()


def test_the_ledger_of_changes_is_no_growth_of_a_product(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "t.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT i FROM range(1000) r(i)")
        before = used_bytes(con)
        con.execute("CREATE SCHEMA pillion")
        con.execute("CREATE TABLE pillion.changes AS SELECT 'p' || i AS id FROM range(50) r(i)")
        assert used_bytes(con) == before

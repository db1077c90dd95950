"""The flights product is whole, all text, and answers its own queries before and after types."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from tools.demo import flights
from tools.demo.flights import QUERIES, RUNS, build_flights, queries, write_log
from tools.product.errors import DiskFull, ProductError

REFUSED = {("planes", "speed"), ("weather", "time_hour")}
"""Columns whose text is used as text by one query each."""


def quiet(step: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "flights.duckdb"
    build_flights(path, quiet)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "flights.duckdb"
    build_flights(path, quiet, scale=0.05)
    return path


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return [tuple(row) for row in con.execute(sql).fetchall()]


def typed(source: Path, target: Path, keep: set[tuple[str, str]]) -> None:
    """Store every column that holds only numbers, times and NA as such."""
    shutil.copy(source, target)
    with duckdb.connect(str(target)) as con:
        found = con.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        for table, column in found:
            if (table, column) in keep:
                continue
            for kind in ("INTEGER", "DOUBLE", "TIMESTAMP"):
                bad = con.execute(
                    f"SELECT count(*) FROM {table} WHERE \"{column}\" <> 'NA'"
                    f' AND TRY_CAST("{column}" AS {kind}) IS NULL'
                    + (f" OR instr(\"{column}\", '.') > 0" if kind == "INTEGER" else "")
                ).fetchall()[0][0]
                if bad == 0:
                    con.execute(
                        f'ALTER TABLE {table} ALTER "{column}" TYPE {kind} '
                        f'USING TRY_CAST("{column}" AS {kind})'
                    )
                    break


def test_every_table_arrives_with_all_its_rows(whole: Path) -> None:
    counted = {t: rows(whole, f"SELECT count(*) FROM {t}")[0][0] for t in flights.TABLES}
    assert counted == {
        "flights": 336_776,
        "planes": 3_322,
        "weather": 26_115,
        "airports": 1_458,
        "airlines": 16,
    }


def test_every_column_is_text_and_na_stays_na(whole: Path) -> None:
    assert rows(whole, "SELECT DISTINCT data_type FROM duckdb_columns() WHERE NOT internal") == [
        ("VARCHAR",)
    ]
    assert rows(whole, "SELECT count(*) FROM flights WHERE dep_time = 'NA'") == [(8_255,)]
    assert rows(whole, "SELECT count(*) FROM flights WHERE dep_time IS NULL") == [(0,)]


def test_nothing_is_left_beside_the_file(whole: Path) -> None:
    assert [p.name for p in whole.parent.iterdir()] == ["flights.duckdb"]


def test_a_failing_build_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: str, share: float) -> None:
        if step == "load weather":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_flights(tmp_path / "flights.duckdb", stop)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "NEEDED_BYTES", 10**18)
    with pytest.raises(DiskFull, match="MB free"):
        build_flights(tmp_path / "flights.duckdb", quiet)


@pytest.mark.parametrize("scale", [0, -1, 1.5, 101, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(ProductError, match="no scale"):
        build_flights(tmp_path / "flights.duckdb", quiet, scale=scale)


def test_more_years_are_the_same_year_under_earlier_dates(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "years.duckdb"
    build_flights(path, quiet, scale=2)
    asked = (
        "SELECT year, min(time_hour), max(time_hour), count(*), sum(hash(COLUMNS(* EXCLUDE (year,"
        " time_hour))::VARCHAR)) FROM weather GROUP BY year ORDER BY year"
    )
    before, last = rows(path, asked)
    assert [last] == rows(whole, asked)
    assert before == ("2012", *(str(at).replace("2013", "2012") for at in last[1:3]), *last[3:])
    assert rows(path, "SELECT DISTINCT year, left(time_hour, 4) FROM flights ORDER BY ALL") == [
        ("2012", "2012"), ("2012", "2013"), ("2013", "2013"), ("2013", "2014")
    ]  # fmt: skip
    assert rows(path, "SELECT count(*) FROM planes") == rows(whole, "SELECT count(*) FROM planes")


def test_a_small_scale_keeps_every_month(small: Path) -> None:
    assert rows(small, "SELECT count(*), count(DISTINCT month) FROM flights") == [(16_838, 12)]


def test_the_queries_are_many_and_named_by_how_often_they_run() -> None:
    named = queries()
    assert len(named) >= 20
    assert {name.partition(":")[0] for name in named} == set(RUNS)
    assert QUERIES.read_text(encoding="utf-8").count("-- name:") == len(named)


def test_every_query_answers_on_the_raw_text(whole: Path) -> None:
    empty = [name for name, sql in queries().items() if not rows(whole, sql)]
    assert empty == []


def test_every_query_answers_the_same_once_columns_are_typed(small: Path, tmp_path: Path) -> None:
    typed(small, tmp_path / "typed.duckdb", REFUSED)
    differing = [
        name
        for name, sql in queries().items()
        if rows(small, sql) != rows(tmp_path / "typed.duckdb", sql)
    ]
    assert differing == []


def test_text_used_as_text_breaks_when_typed(small: Path, tmp_path: Path) -> None:
    typed(small, tmp_path / "typed.duckdb", set())
    broken = []
    for name, sql in queries().items():
        try:
            rows(tmp_path / "typed.duckdb", sql)
        except duckdb.Error:
            broken.append(name)
    assert broken == ["report: weather by month", "report: planes with a measured speed"]


def test_the_log_is_a_month_of_weighted_runs(small: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    lines = write_log(log, small)
    with log.open(encoding="utf-8", newline="") as handle:
        read = list(csv.DictReader(handle))
    runs = Counter(row["sql"] for row in read)
    assert len(read) == lines
    assert {runs[sql] for name, sql in queries().items() if name.startswith("live")} == {720}
    assert [row["timestamp"] for row in read] == sorted(row["timestamp"] for row in read)
    assert all(float(row["duration_ms"]) > 0 for row in read)


def test_the_log_repeats_its_moments_from_the_same_seed(small: Path, tmp_path: Path) -> None:
    moments = []
    for name in ("a.csv", "b.csv"):
        write_log(tmp_path / name, small, seed=5)
        with (tmp_path / name).open(encoding="utf-8", newline="") as handle:
            moments.append([(row["timestamp"], row["sql"]) for row in csv.DictReader(handle)])
    assert moments[0] == moments[1]

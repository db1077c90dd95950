"""Approved texts are used no more once names in their queries mean something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.finding import look
from tools.product import executor
from tools.product.catalog import read_catalog
from tools.product.dispatch import dispatched
from tools.product.idle_texts import idle_texts
from tools.product.owner import Limits, Owner
from tools.product.workload_store import WorkloadStore

ROWS = (
    "CREATE TABLE t AS SELECT i % 5 AS a, i AS x, DATE '2024-01-01' + (i % 900)::INTEGER AS d,"
    " (i % 90)::VARCHAR AS s FROM range(30000) r(i)"
)
UNTIL_TODAY = "SELECT a, count(*) AS n FROM t WHERE d < current_date GROUP BY a"
TOTALS = "SELECT a, sum(x) AS n FROM t GROUP BY a"
BY_DAY = "SELECT a, d, count(*) AS n FROM t GROUP BY a, d"
MONTHS = "SELECT a, date_trunc('month', d) AS m, sum(x) AS n FROM t GROUP BY d, a, m"
MONTH = "SELECT count(*) AS n FROM t WHERE strftime(d, '%Y-%m') = '2024-03'"
BEGINS = "SELECT count(*) AS n FROM t WHERE substr(s, 1, 1) = '7'"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(ROWS)
        yield con


def approve(con: duckdb.DuckDBPyConnection, *queries: str) -> None:
    """Make the text, or the summary of most queries, that is proposed for them."""
    candidates = look(con, queries, {"create_summary", "rewrite_query"}).candidates
    best = max(candidates, key=lambda c: len(c.fingerprints))
    executor.apply(con, best.id, best.change)


def used(con: duckdb.DuckDBPyConnection, query: str) -> bool:
    answer = dispatched(con, query, executor.dispatch_rewrites(con))
    rows = [sorted(con.execute(text).fetchall(), key=str) for text in (query, answer)]
    assert rows[0] == rows[1]
    return answer != query


@pytest.mark.parametrize(
    ("query", "change"),
    [
        (UNTIL_TODAY, "ALTER TABLE t ADD COLUMN current_date DATE DEFAULT '2025-01-01'"),
        (UNTIL_TODAY, "ALTER TABLE t ADD COLUMN \"Current_Date\" DATE DEFAULT '2025-01-01'"),
        (MONTHS, "ALTER TABLE t ADD COLUMN m INTEGER; UPDATE t SET m = x % 7"),
        (TOTALS, "CREATE MACRO sum(v) AS max(v)::HUGEINT"),
        (TOTALS, "CREATE MACRO least(v, w) AS 7"),
        (MONTHS, "CREATE MACRO \"Date_Trunc\"(p, v) AS DATE '2024-02-02'"),
        (MONTH, "CREATE MACRO strftime(v, f) AS '2024-03'"),
        (BEGINS, "CREATE MACRO substr(v, i, n) AS '7'"),
    ],
)
def test_a_text_whose_query_means_something_else_by_now_is_not_used(
    con: duckdb.DuckDBPyConnection, query: str, change: str
) -> None:
    approve(con, query)
    assert used(con, query)
    con.execute(change)
    assert not used(con, query)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("ALTER TABLE p ADD COLUMN current_date DATE DEFAULT '2024-01-02'", False),
        ("ALTER TABLE p RENAME TO q; CREATE VIEW p AS SELECT a, maker FROM q", False),
        ("CREATE TABLE q (current_date DATE)", True),
        ("ALTER TABLE p ADD COLUMN n INTEGER; DELETE FROM p WHERE a = 1", True),
    ],
)
def test_a_table_that_is_joined_may_change_but_for_names_that_mean_a_clock(
    con: duckdb.DuckDBPyConnection, change: str, left: bool
) -> None:
    query = (
        "SELECT p.maker, count(*) AS n FROM t LEFT JOIN p ON p.a = t.a"
        " WHERE t.d < current_date GROUP BY 1"
    )
    con.execute("CREATE TABLE p AS SELECT i AS a, 'm' || i % 2 AS maker FROM range(4) r(i)")
    approve(con, query)
    assert used(con, query)
    con.execute(change)
    assert used(con, query) is left


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD COLUMN current_dat DATE",
        "ALTER TABLE t ADD COLUMN note VARCHAR",
        "CREATE MACRO summed(v) AS max(v)",
        "CREATE VIEW v AS SELECT a, sum(x) AS x FROM t GROUP BY a",
    ],
)
@pytest.mark.parametrize("query", [UNTIL_TODAY, TOTALS, MONTH])
def test_what_no_query_names_changes_nothing(
    con: duckdb.DuckDBPyConnection, query: str, change: str
) -> None:
    approve(con, query)
    con.execute(change)
    assert used(con, query)


def test_of_a_summary_only_the_queries_that_name_it_are_given_up(
    con: duckdb.DuckDBPyConnection,
) -> None:
    approve(con, UNTIL_TODAY, BY_DAY)
    con.execute("ALTER TABLE t ADD COLUMN current_date DATE DEFAULT '2025-01-01'")
    assert (used(con, UNTIL_TODAY), used(con, BY_DAY)) == (False, True)


def test_what_was_named_so_before_the_summary_changes_nothing_later(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("ALTER TABLE t ADD COLUMN n INTEGER")
    approve(con, TOTALS)
    assert used(con, TOTALS)


def test_consumers_are_answered_as_they_asked_once_the_file_is_opened_again(
    tmp_path: Path,
) -> None:
    path, store = tmp_path / "p.duckdb", WorkloadStore(tmp_path / "w.db")
    with duckdb.connect(str(path)) as con:
        con.execute(ROWS)
        approve(con, UNTIL_TODAY)
        con.execute("ALTER TABLE t ADD COLUMN current_date DATE DEFAULT '2024-01-02'")
    owner = Owner(path, store, {})
    answer = owner.query(UNTIL_TODAY, "c", Limits())
    assert sum(n for _, n in answer.rows) == 34
    owner.close()
    store.close()


def test_what_answers_less_than_it_was_approved_for_is_told(
    con: duckdb.DuckDBPyConnection,
) -> None:
    approve(con, UNTIL_TODAY, BY_DAY)
    assert idle_texts(con, read_catalog(con)) == ()
    con.execute("ALTER TABLE t ADD COLUMN current_date DATE DEFAULT '2025-01-01'")
    (partly,) = idle_texts(con, read_catalog(con))
    assert "answers 1 of its 2 queries: names in its queries" in partly and "pillion undo" in partly
    con.execute("CREATE OR REPLACE TABLE t AS SELECT * FROM t")
    (gone,) = idle_texts(con, read_catalog(con))
    assert "answers no query any more: its triggers are gone" in gone


def test_a_rewritten_text_that_is_given_up_is_told(con: duckdb.DuckDBPyConnection) -> None:
    approve(con, MONTH)
    con.execute("CREATE MACRO strftime(v, f) AS '2024-03'")
    (told,) = idle_texts(con, read_catalog(con))
    assert "answers no query any more: names in its" in told

"""Kept statements: a repeated text is parsed once, and is answered as if it were parsed anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tools.messages import Aggregate, ChangeType, CreateSummary, Dimension, TableName
from tools.product import executor
from tools.product import kept_statements as module
from tools.product.errors import QueryFailed
from tools.product.kept_statements import LONGEST, KeptStatements
from tools.product.owner import Limits, Owner
from tools.product.workload_store import WorkloadStore

GROUPED = "SELECT g, count(*) AS n, max(i) AS most FROM t GROUP BY g ORDER BY g"
ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
HUGE = "SELECT i, 'some text of a row ' || i AS s FROM range(100000000) r(i)"
LATE_ERROR = "SELECT CASE WHEN i = 300000 THEN error('boom') ELSE i END FROM range(400000) r(i)"
T = TableName(name="t")
OPEN_IT = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE other (i INT)')"
CHANGES = (
    "INSERT INTO t VALUES (1000000, 'new', 30000), (NULL, NULL, NULL)",
    "DELETE FROM t WHERE i < 50",
    "UPDATE t SET g = 'other' WHERE i = 60",
    "ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7",
    "CREATE OR REPLACE VIEW v AS SELECT count(*) + 1000 AS n FROM t",
    "CREATE OR REPLACE VIEW fixed AS SELECT 'b' AS kind, 2 AS n",
    "CREATE OR REPLACE MACRO plus(x) AS x + 100",
    "CREATE OR REPLACE MACRO listed() AS TABLE SELECT 2 AS n, 3 AS m",
    "DROP TABLE t; CREATE TABLE t AS SELECT 'text' AS i, 5 AS g, 6::SMALLINT AS small",
)
ASKED = (
    GROUPED, "SELECT * FROM t ORDER BY ALL", "SELECT count(*) FROM t WHERE i > 200000",
    "SELECT min(i), max(i), count(i) FROM t", "SELECT * FROM v", "SELECT * FROM fixed",
    "SELECT plus(1) AS p", "SELECT plus(1) AS p FROM t LIMIT 1", "SELECT * FROM listing",
    "DESCRIBE t", "SUMMARIZE t", "PIVOT t ON g USING count(*) GROUP BY small",
    "SELECT nothing FROM t", "SELECT 'a'::INTEGER FROM t", "SELECT sum(g) FROM t",
    "SELECT INTERVAL 1 MONTH AS i, TIMESTAMP 'infinity' AS e FROM t LIMIT 2", "SELECT * FROM run",
)  # fmt: skip


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    with duckdb.connect(str(tmp_path / "p.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT i, 'g' || i % 3 AS g, (i % 5)::SMALLINT AS small"
                    " FROM range(100) r(i)")  # fmt: skip
        con.execute("CREATE VIEW v AS SELECT count(*) AS n FROM t")
        con.execute("CREATE VIEW fixed AS SELECT 1 AS n")
        con.execute("CREATE MACRO plus(x) AS x + 1")
        con.execute("CREATE MACRO listed() AS TABLE SELECT 1 AS n")
        con.execute("CREATE VIEW listing AS SELECT * FROM listed()")
    store = WorkloadStore(tmp_path / "w.db")
    owner = Owner(tmp_path / "p.duckdb", store, {"memory_limit": "300MB", "threads": "1"})
    yield owner
    owner.close()
    store.close()


def as_rows(owner: Owner, sql: str) -> object:
    found = owner.query(sql, "c", Limits())
    return found.columns, found.types, found.rows, found.truncated


def as_arrow(owner: Owner, sql: str) -> object:
    found = owner.query_arrow(sql, "c", Limits())
    return found.table, found.truncated


def answered(owner: Owner, ask: Callable[[Owner, str], object], sql: str) -> object:
    try:
        return ask(owner, sql)
    except QueryFailed as exc:
        return str(exc), exc.hint


def parsed_anew(owner: Owner, ask: Callable[[Owner, str], object], sql: str) -> object:
    kept, owner._statements = owner._statements, KeptStatements()
    try:
        return answered(owner, ask, sql)
    finally:
        owner._statements = kept


def write(owner: Owner, sql: str) -> None:
    with owner.lock, owner.cursor() as con:
        con.execute(sql)


def test_a_text_is_a_statement_from_its_second_time_on() -> None:
    kept = KeptStatements()
    with duckdb.connect() as con:
        first, second, third = (kept.of(con, "SELECT 1 AS one") for _ in range(3))
        assert first == "SELECT 1 AS one"
        assert isinstance(second, duckdb.Statement)
        assert third is second
        assert con.execute(second).fetchall() == con.execute(second).fetchall() == [(1,)]


@pytest.mark.parametrize("sql", ["PIVOT t ON g", "SELECT 1; SELECT 2", f"SELECT '{'x' * LONGEST}'"])
def test_what_is_several_statements_or_long_stays_a_text(sql: str) -> None:
    kept = KeptStatements()
    with duckdb.connect() as con:
        assert [kept.of(con, sql) for _ in range(3)] == [sql] * 3


def test_texts_have_so_much_room_and_those_asked_least_recently_go() -> None:
    kept, texts = KeptStatements(room=30), [f"SELECT {i}" for i in range(1, 5)]
    with duckdb.connect() as con:
        for text in (*texts[:3] * 2, texts[0], texts[3]):
            kept.of(con, text)
        found = [isinstance(kept.of(con, text), duckdb.Statement) for text in texts]
    assert found[:2] == [True, False]
    assert sum(map(len, kept._kept)) <= 30


def test_one_parse_serves_rows_arrow_and_what_times_queries(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, parse = list[str](), module._parsed
    monkeypatch.setattr(module, "_parsed", lambda con, sql: parsed.append(sql) or parse(con, sql))
    for _ in range(3):
        as_rows(owner, GROUPED)
        as_arrow(owner, GROUPED + ";")
        with owner.cursor() as con:
            owner.execute(con, GROUPED)
    assert parsed == [GROUPED]


@pytest.mark.parametrize("ask", [as_rows, as_arrow])
def test_each_change_is_seen_by_what_was_asked_before(ask: Any, owner: Owner) -> None:
    for change in ("SELECT 1", *CHANGES):
        write(owner, change)
        for sql in ASKED:
            found = [answered(owner, ask, sql) for _ in range(3)]
            assert found == [parsed_anew(owner, ask, sql)] * 3, (change, sql)


@pytest.mark.parametrize("ask", [as_rows, as_arrow])
def test_a_type_changed_under_a_view_and_changed_back_is_seen(ask: Any, owner: Owner) -> None:
    write(owner, "CREATE VIEW seen AS SELECT i, small FROM t WHERE i < 3")
    texts = ["SELECT * FROM seen ORDER BY i", GROUPED]
    before = [[answered(owner, ask, sql) for sql in texts] for _ in range(3)]
    change = ChangeType(
        table=T, column="i", from_type="BIGINT", to_type="INTEGER",
        forward='CAST("i" AS INTEGER)', backward='CAST("i" AS BIGINT)',
    )  # fmt: skip
    with owner.lock, owner.cursor() as con:
        executor.apply(con, "p1", change)
    changed = [answered(owner, ask, sql) for sql in texts]
    assert "INTEGER" in str(changed) or "int32" in str(changed)
    assert changed == [parsed_anew(owner, ask, sql) for sql in texts] != before[0]
    with owner.lock, owner.cursor() as con:
        executor.undo(con, "p1")
    assert [[answered(owner, ask, sql) for sql in texts]] * 3 == before


def test_a_summary_answers_and_its_undo_ends_that(owner: Owner) -> None:
    asked = "SELECT g, count(*) AS n FROM t GROUP BY g ORDER BY 1"
    summary = CreateSummary(
        table=T, summary=TableName(name="s"),
        dimensions=(Dimension(expression='"g"', column="g"),),
        aggregates=(Aggregate(function="count", column="n_rows"),),
        rewrites=((asked, "SELECT g, n_rows AS n FROM s ORDER BY 1"),),
    )  # fmt: skip
    for _ in range(3):
        before = owner.query(asked, "c", Limits()).rows
    with owner.lock, owner.cursor() as con:
        executor.apply(con, "p1", summary)
    owner.refresh_rewrites()
    assert "main.s" in owner.rewritten(asked).replace('"', "")
    for more in range(3):
        assert owner.query(asked, "c", Limits()).rows == [("g0", 34 + more), *before[1:]]
        write(owner, "INSERT INTO t VALUES (1, 'g0', 1)")
    with owner.lock, owner.cursor() as con:
        executor.undo(con, "p1")
    # Before anybody says that it went, and after that.
    for _ in range(3):
        assert owner.query(asked, "c", Limits()).rows == [("g0", 37), *before[1:]]
        owner.refresh_rewrites()


def test_an_answer_cut_stopped_or_failed_leaves_nothing_for_the_next(owner: Owner) -> None:
    for _ in range(3):
        cut = owner.query(HUGE, "c", Limits(rows=3))
        assert ([i for i, _ in cut.rows], cut.truncated) == ([0, 1, 2], True)
        assert owner.query_arrow(HUGE, "c", Limits(rows=3)).table.num_rows == 3
        with pytest.raises(QueryFailed, match=r"longer than 0.1 s and was stopped"):
            owner.query(ENDLESS, "c", Limits(seconds=0.1))
        with pytest.raises(QueryFailed, match="boom"):
            owner.query(LATE_ERROR, "c", Limits(rows=400_000))
        assert owner.query("SELECT count(*) FROM t", "c", Limits()).rows == [(100,)]


def test_many_threads_run_one_statement_while_rows_and_views_come(owner: Owner) -> None:
    texts = [GROUPED, "SELECT n % 1000 FROM v", "SELECT i FROM t WHERE small = 3 ORDER BY i"]

    def ask(thread: int) -> list[object]:
        found = list[object]()
        for turn in range(20):
            found += [owner.query(texts[(turn + thread) % 3], "c", Limits(rows=7)).rows[0]]
            if thread == 0:
                write(owner, f"CREATE OR REPLACE VIEW v AS SELECT count(*) + {turn} * 1000 AS n"
                             " FROM t")  # fmt: skip
        return found

    with ThreadPoolExecutor(6) as pool:
        found = [row for rows in pool.map(ask, range(6)) for row in rows]
    assert set(found) == {("g0", 34, 99), (100,), (3,)}


def test_a_closed_owner_leaves_the_file_to_another_process(owner: Owner) -> None:
    for _ in range(3):
        owner.query(GROUPED, "c", Limits())
        owner.query_arrow(GROUPED, "c", Limits())
    owner.close()
    assert owner._statements._kept
    subprocess.run([sys.executable, "-c", OPEN_IT, str(owner.database)], check=True)

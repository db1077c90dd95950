"""Summaries that are proposed, and those that would not stay exact."""

from __future__ import annotations

import duckdb
import pytest

from tests.finding import look
from tools.messages import CreateSummary, TableName
from tools.product import executor
from tools.product.dispatch import dispatched
from tools.product.errors import Refused

T = TableName(name="t")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT lower(g) AS g, count(*) AS n FROM t GROUP BY g",
        "SELECT day > current_date AS later, count(*) AS n FROM t GROUP BY 1",
        "SELECT tz::DATE AS d, count(*) AS n FROM t GROUP BY 1",
        "SELECT s.g AS g, count(*) AS n FROM t GROUP BY s.g",
        "SELECT folded, count(*) AS n FROM c GROUP BY folded",
        "SELECT sum(x) AS n, g FROM t GROUP BY g",
    ],
)
def test_a_summary_that_would_not_stay_exact_is_not_proposed(
    con: duckdb.DuckDBPyConnection, sql: str
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT 'g' AS g, current_date AS day, now() AS tz, {'g': 'x'} AS s,"
        " 0.5::DOUBLE AS x FROM range(30000)"
    )
    con.execute("CREATE TABLE c (folded VARCHAR COLLATE NOCASE)")
    con.execute("INSERT INTO c SELECT 'a' FROM range(30000)")
    assert look(con, [sql], {"create_summary"}).candidates == ()


def test_one_summary_serves_queries_of_different_groups(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT i % 5 AS a, i % 7 AS b, i AS x FROM range(30000) r(i)")
    queries = [f"SELECT {c}, sum(x) AS total FROM t GROUP BY {c}" for c in ("a", "b")]
    first = look(con, queries, {"create_summary"}).candidates[0]
    assert isinstance(first.change, CreateSummary)
    assert [len(first.change.dimensions), len(first.change.rewrites)] == [2, 2]
    for asked, rewritten in first.change.rewrites:
        assert asked in queries
        assert rewritten != asked


def test_queries_whose_groups_together_are_too_many_get_a_summary_of_several_groupings(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i % 1201 AS a, i % 1301 AS b, i % 997 AS c, i AS x"
        " FROM range(60000) r(i)"
    )
    queries = [
        *(f"SELECT {k}, sum(x) AS total FROM t GROUP BY {k} ORDER BY {k}" for k in "abc"),
        "SELECT a, count(*) AS n FROM t WHERE a < 7 OR a = 9 GROUP BY a ORDER BY a",
    ]
    first = look(con, queries, {"create_summary"}).candidates[0]
    change = first.change
    assert isinstance(change, CreateSummary)
    told = {d.column: d.expression for d in change.dimensions}
    groupings = [[told[c] for c in g if c in told] for g in change.groupings]
    assert [groupings, len(change.rewrites)] == [[['"c"'], ['"a"'], ['"b"']], 4]
    before = [con.execute(q).fetchall() for q in queries]
    executor.apply(con, first.id, change)
    con.execute("INSERT INTO t VALUES (1, 2, 3, 4), (NULL, 2, 0, 5)")
    asked, answered = ([con.execute(p[at]).fetchall() for p in change.rewrites] for at in (0, 1))
    assert asked == answered
    assert asked != before


def test_each_table_has_its_summary_of_several_groupings_measured(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for table in ("t", "z"):
        con.execute(
            f"CREATE TABLE {table} AS SELECT i % 1201 AS a, i % 1301 AS b, i % 997 AS c"
            " FROM range(60000) r(i)"
        )
    queries = [f"SELECT {k}, count(*) AS n FROM {t} GROUP BY {k}" for t in "tz" for k in "abc"]
    found = [c.change for c in look(con, queries, {"create_summary"}).candidates]
    several = [c.table.name for c in found if isinstance(c, CreateSummary) and c.groupings]
    assert sorted(several) == ["t", "z"]


@pytest.mark.parametrize(
    "kind", ["TIMESTAMPTZ '2026-01-01' + to_days((i % 1201)::INTEGER)", "(i % 1201)::DOUBLE"]
)
def test_instants_and_floats_are_no_key_of_several_groupings(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    con.execute(
        f"CREATE TABLE t AS SELECT {kind} AS a, i % 1301 AS b, i % 1303 AS c FROM range(60000) r(i)"
    )
    queries = [f"SELECT {k}, count(*) AS n FROM t GROUP BY {k}" for k in "abc"]
    found = [c.change for c in look(con, queries[:2], {"create_summary"}).candidates]
    assert [c.groupings for c in found if isinstance(c, CreateSummary)] == [(), ()]
    more = [c.change for c in look(con, queries, {"create_summary"}).candidates]
    several = [c for c in more if isinstance(c, CreateSummary) and c.groupings]
    assert [{d.column for d in c.dimensions} for c in several] == [{"b", "c"}]


def test_a_table_with_a_trigger_gets_no_summary(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT i % 5 AS a, i AS x FROM range(30000) r(i)")
    con.execute("CREATE TABLE log (n BIGINT)")
    con.execute(
        "CREATE TRIGGER noted AFTER INSERT ON t REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"
        " INSERT INTO log SELECT count(*) FROM fresh"
    )
    query = "SELECT a, sum(x) AS total FROM t GROUP BY a"
    found = look(con, [query], {"create_summary"})
    assert found.candidates == ()
    assert "no summary of t: it has triggers" in found.notes[0]


@pytest.mark.parametrize(
    ("column", "told"),
    [("g VARCHAR COLLATE NOCASE", "declares a collation"), ("current_date INT", "like a clock")],
)
def test_why_a_table_gets_no_summary_is_told(
    con: duckdb.DuckDBPyConnection, column: str, told: str
) -> None:
    con.execute(f"CREATE TABLE t (a INTEGER, {column})")
    con.execute("INSERT INTO t SELECT i % 5, 1 FROM range(30000) r(i)")
    queries = ["SELECT a, count(*) AS n FROM t GROUP BY a", "SELECT a FROM t WHERE a = 1"]
    found = look(con, queries, {"create_summary", "create_index"})
    assert [told in n for n in found.notes] == [True]


def test_names_that_differ_in_the_case_of_other_letters_than_ascii_are_not_taken_for_one(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = "FROM range(30000) r(i)"
    con.execute(f'CREATE TABLE "Ä" AS SELECT i % 5 AS k, i AS "É", i / 7 AS "é" {rows}')
    con.execute(f'CREATE TABLE "ä" AS SELECT i % 5 AS k, i / 7 AS "É" {rows}')
    exact = 'SELECT k, sum("É") AS n FROM "Ä" GROUP BY k'
    inexact = ['SELECT k, sum("é") AS n FROM "Ä" GROUP BY k', exact.replace("Ä", "ä")]
    (found,) = look(con, [exact, *inexact], {"create_summary"}).candidates
    assert isinstance(found.change, CreateSummary)
    assert found.change.table.name == "Ä"
    assert [sql for sql, _ in found.change.rewrites] == [exact]


def test_a_query_for_which_rows_would_be_refused_leaves_the_others_their_summary(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i % 5 AS a, i % 7 AS b, i::VARCHAR AS size FROM range(30000) r(i)"
    )
    grouped = [f"SELECT {c}, count(*) AS n FROM t GROUP BY {c}" for c in ("a", "b")]
    some = "SELECT sum(CASE WHEN size = '' THEN 0 ELSE size::BIGINT END) AS n FROM t"
    whole, *_ = candidates = look(con, [some, *grouped], {"create_summary"}).candidates
    assert len({c.id for c in candidates}) == len(candidates)
    assert isinstance(whole.change, CreateSummary)
    assert [sql for sql, _ in whole.change.rewrites] == [some, *grouped]
    made: list[list[str]] = []
    for candidate in candidates:
        assert isinstance(candidate.change, CreateSummary)
        try:
            executor.apply(con, candidate.id, candidate.change)
        except Refused:
            continue
        made.append([sql for sql, _ in candidate.change.rewrites])
        executor.undo(con, candidate.id)
    assert made[0] == grouped


@pytest.mark.parametrize(
    ("write", "possible"),
    [
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", False),
        ("INSERT OR REPLACE INTO main.t VALUES (1, 2)", False),
        ("INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET x = 3", False),
        ("INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING", True),
        ("INSERT INTO t VALUES (1, 2)", True),
        ("MERGE INTO other USING t ON t.a = other.a WHEN MATCHED THEN DELETE", True),
        ("WITH n AS (SELECT 1) INSERT OR REPLACE INTO t SELECT 1, 2 FROM n", False),
        ("PREPARE p AS INSERT OR REPLACE INTO t VALUES (?, ?)", False),
        ("BEGIN; INSERT OR REPLACE INTO t VALUES (1, 2); COMMIT", False),
        ("INSERT INTO t VALUES (1, 'cut of", False),
        ("INSERT INTO other VALUES (1, 'cut of", True),
        ("UPDATE t SET a = 'cut of", True),
    ],
)
def test_a_table_that_gets_upserts_gets_no_summary_since_triggers_would_refuse_them(
    con: duckdb.DuckDBPyConnection, write: str, possible: bool
) -> None:
    con.execute("CREATE TABLE t AS SELECT i % 5 AS a, i AS x FROM range(30000) r(i)")
    query = "SELECT a, sum(x) AS total FROM t GROUP BY a"
    found = look(con, [query], {"create_summary"}, writes=(write,))
    assert bool(found.candidates) == possible
    assert possible or "the log holds MERGE or upserts" in found.notes[0]


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("CAST(began AT TIME ZONE 'UTC' AS DATE)", False),
        ("date_trunc('day', (began AT TIME ZONE 'UTC'))", False),
        ("date_trunc('day', began AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin')", True),
        ("CAST(ns AS DATE)", False),
        ("CAST(CAST(began AS TIMESTAMPTZ_NS) AS DATE)", False),
        ("CAST(strptime(s, '%Y-%m-%d %H:%M:%S %z') AS DATE)", False),
        ("CAST(strptime(s, ['%Y-%m-%d', '%Y-%m-%d %H:%M:%S %z']) AS DATE)", False),
        ("strptime(s, '%Y-%m-%d %H:%M:%S %z') AT TIME ZONE 'Europe/Berlin'", True),
    ],
)
def test_what_the_time_zone_of_a_session_decides_is_not_stored(
    con: duckdb.DuckDBPyConnection, key: str, stored: bool
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT *, CAST(began AS TIMESTAMPTZ_NS) AS ns, began || ' +00' AS s FROM"
        " (SELECT TIMESTAMP '2024-01-01 23:30:00' + INTERVAL (i % 99) HOUR AS began"
        " FROM range(30000) r(i))"
    )
    query = f"SELECT {key} AS k, count(*) AS n FROM t GROUP BY 1"
    found = look(con, [query], {"create_summary"})
    assert bool(found.candidates) is stored
    for candidate in found.candidates:
        executor.apply(con, candidate.id, candidate.change)
        con.execute("SET TimeZone = 'Asia/Tokyo'")
        answer = dispatched(con, query, executor.dispatch_rewrites(con))
        assert answer != query
        assert sorted(con.execute(answer).fetchall()) == sorted(con.execute(query).fetchall())


@pytest.mark.parametrize(
    "groups",
    [
        "ROLLUP (date_trunc('day', began))",
        "GROUPING SETS ((began), ())",
        "began, GROUPING SETS ((g), ())",
    ],
)
def test_groups_in_several_ways_leave_the_other_queries_their_ideas(
    con: duckdb.DuckDBPyConnection, groups: str
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT TIMESTAMP '2024-01-01' AS began, 1 AS g FROM range(30000)"
    )
    queries = [
        f"SELECT count(*) AS n FROM t GROUP BY {groups}",
        "SELECT g, count(*) AS n FROM t GROUP BY g",
    ]
    (found,) = look(con, queries, {"create_summary"}).candidates
    assert isinstance(found.change, CreateSummary)
    assert [original for original, _ in found.change.rewrites] == queries[1:]


def test_a_minimum_that_the_engine_orders_both_ways_is_not_stored(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT TIMETZ '10:00:00+00' AS x, i % 3 AS g FROM range(30000) r(i)"
    )
    least = con.execute(
        "SELECT CAST(least(a, b) AS VARCHAR), (SELECT CAST(min(x) AS VARCHAR)"
        " FROM (VALUES (a), (b)) AS v(x))"
        " FROM (SELECT TIMETZ '10:00:00+00' AS a, TIMETZ '11:00:00+01' AS b)"
    ).fetchall()
    assert least == [("10:00:00+00", "11:00:00+01")]
    queries = [
        "SELECT g, min(x) AS lo FROM t GROUP BY g",
        "SELECT g, max(x) AS hi FROM t GROUP BY g",
    ]
    assert look(con, queries, {"create_summary"}).candidates == ()


@pytest.mark.parametrize(
    ("column", "argument"),
    [
        ("'0'::BIT", "x"),
        ("{'at': TIMETZ '10:00:00+00'}", "x"),
        ("['1'::BIT]", "x"),
        ("'1'", "x::BIT"),
    ],
)
def test_an_extreme_of_what_is_ordered_both_ways_inside_is_not_stored(
    con: duckdb.DuckDBPyConnection, column: str, argument: str
) -> None:
    orders = "SELECT least(a, b) = a, a < b FROM (SELECT '0'::BIT AS a, '01'::BIT AS b)"
    assert con.execute(orders).fetchall() == [(False, True)]
    con.execute(f"CREATE TABLE t AS SELECT {column} AS x, i % 3 AS g FROM range(30000) r(i)")
    queries = [f"SELECT g, {f}({argument}) AS m FROM t GROUP BY g" for f in ("min", "max")]
    assert look(con, queries, {"create_summary"}).candidates == ()


def test_what_the_name_of_a_type_stands_for_is_not_stored(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TYPE instant AS TIMESTAMPTZ")
    con.execute("CREATE TABLE t AS SELECT '2024-01-01' AS x, i AS n FROM range(30000) r(i)")
    query = "SELECT x::instant::DATE AS d, sum(n) AS s FROM t GROUP BY 1"
    assert look(con, [query], {"create_summary"}).candidates == ()


def test_groups_that_no_key_can_hold_spoil_no_summary_of_others(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i % 5 AS a, {'c': i % 3} AS s, [i % 3] AS l, MAP {'k': 1} AS m"
        " FROM range(30000) r(i)"
    )
    queries = [f"SELECT {c}, count(*) AS n FROM t GROUP BY {c}" for c in ("s", "l", "m", "a")]
    (found,) = look(con, queries, {"create_summary"}).candidates
    assert isinstance(found.change, CreateSummary)
    assert [d.column for d in found.change.dimensions] == ["a"]


@pytest.mark.parametrize("macro", ["sum(x)", "NULLIF(x, y)", "date_trunc(x, y)"])
def test_no_summary_is_made_where_a_macro_is_called_like_its_functions(
    con: duckdb.DuckDBPyConnection, macro: str
) -> None:
    con.execute("CREATE TABLE t AS SELECT i % 3 AS g, i AS x FROM range(30000) r(i)")
    queries = ["SELECT g, count(*) AS n FROM t GROUP BY g"]
    assert look(con, queries, {"create_summary"}).candidates
    con.execute(f"CREATE MACRO {macro} AS 42")
    found = look(con, queries, {"create_summary"})
    assert found.candidates == ()
    assert found.notes == ("no summary: a macro is called like a function that summaries need",)


def test_a_column_called_like_the_clock_is_not_taken_for_it(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT DATE '2026-01-01' + (i % 90)::INTEGER AS d, i % 3 AS g,"
        " DATE '2026-02-01' AS \"Current_Date\" FROM range(30000) r(i)"
    )
    queries = ["SELECT g, count(*) AS n FROM t WHERE d >= current_date GROUP BY g"]
    assert look(con, queries, {"create_summary"}).candidates == ()
    con.execute('ALTER TABLE t RENAME COLUMN "Current_Date" TO later')
    assert look(con, queries, {"create_summary"}).candidates


def test_intervals_that_are_equal_and_read_otherwise_are_not_stored(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i % 3 AS g, 'x' || i % 2 AS s,"
        " CASE WHEN i % 2 = 0 THEN INTERVAL 1 MONTH ELSE INTERVAL 30 DAYS END AS x"
        " FROM range(30000) r(i)"
    )
    queries = [
        "SELECT g, min(x) AS lo FROM t GROUP BY g",
        "SELECT x, count(*) AS n FROM t GROUP BY x",
        "SELECT TRY_CAST(s AS INTERVAL) AS x, count(*) AS n FROM t GROUP BY 1",
        "SELECT g, count(*) AS n FROM t WHERE x > INTERVAL 1 DAY GROUP BY g",
    ]
    assert look(con, queries, {"create_summary"}).candidates == ()


def test_no_table_is_crowded_out_by_the_ways_of_another(con: duckdb.DuckDBPyConnection) -> None:
    columns = "i % 3 AS a, i % 5 AS b, i % 7 AS c, i % 1000 AS d"
    for table in ("t", "z"):
        con.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM range(40000) r(i)")
    many = [
        f"SELECT {k}, count(*) AS n FROM t GROUP BY {k}" for k in ("a", "b", "c", "a, b", "a, c")
    ]
    few = "SELECT d, count(*) AS n FROM z GROUP BY d"
    found = look(con, [*many, few], {"create_summary"}).candidates
    assert sorted(str(c.change.table) for c in found) == ["t", "t", "t", "z"]

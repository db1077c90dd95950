"""Finders on real tables: what they propose, what they leave, and that nothing crashes them."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.finding import ALL, look, targets
from tests.jobs import make_pattern
from tools.messages import CreateIndex, TableName, quoted
from tools.product import executor
from tools.product.candidates.context import CandidateContext, Found
from tools.product.candidates.finder import MAX_CANDIDATES, find
from tools.product.catalog import read_catalog
from tools.product.errors import QueryFailed
from tools.product.workload import Workload

T = TableName(name="t")


@pytest.mark.parametrize(
    ("values", "cast", "to_type"),
    [
        (["1", "-20", None], "BIGINT", "INTEGER"),
        (["1", "NA", "3"], "DOUBLE", "INTEGER"),
        (["3000000000"], "BIGINT", "BIGINT"),
        (["1.5", "2.0"], "DOUBLE", "DOUBLE"),
        (["1.5", "2"], "DOUBLE", "DOUBLE"),
        (["12.50", "-0.05"], "DECIMAL(9,2)", "DECIMAL(9,2)"),
        (["12.5", "100", "0.25", "0"], "DECIMAL(9,2)", "DECIMAL(9,2)"),
        (["12.50", "NA"], "DECIMAL", "DECIMAL(15,2)"),
        (["12.50", "3.00"], "DOUBLE", "DECIMAL(15,2)"),
        (["12.50", "3"], "DOUBLE", None),
        (["1.005"], "DECIMAL(9,2)", "DECIMAL(15,3)"),
        (["1.5", "0.25"], "INTEGER", None),
        (["1.5", "3.5"], "BIGINT", "DECIMAL(15,1)"),
        (["2024-02-29", "0001-01-01"], "DATE", "DATE"),
        (["29.02.2024"], "DATE", "DATE"),
        (["2024-02-29T23:59:59Z"], "TIMESTAMP", "TIMESTAMP"),
        (["2024-02-29 23:59:59", "NA"], "TIMESTAMP", "TIMESTAMP"),
        (["true", "false"], "BOOLEAN", "BOOLEAN"),
        (["2024-02-29T23:59:59Z"], "TIMESTAMPTZ", None),
        (["2024-02-29T23:59:59Z"], "TIMESTAMPTZ_NS", None),
        (["007", "8"], "INTEGER", None),
        (["1", "NA", "N/A"], "INTEGER", None),
        (["1", "NA", None], "INTEGER", None),
        (["1", "x"], "INTEGER", None),
        (["1e3", "2"], "DOUBLE", None),
        (["0.1000000000000000055"], "DOUBLE", None),
        (["2023-02-30"], "DATE", None),
        ([" 1"], "INTEGER", None),
        (["1_000"], "INTEGER", None),
        (["Infinity"], "DOUBLE", None),
        (["2024-02-29", "01.03.2024"], "DATE", None),
    ],
)
def test_text_is_stored_as_what_it_is_only_where_every_row_survives(
    con: duckdb.DuckDBPyConnection, values: list[str | None], cast: str, to_type: str | None
) -> None:
    con.execute("CREATE TABLE t (x VARCHAR)")
    con.executemany("INSERT INTO t VALUES (?)", [[v] for v in values])
    found = look(con, [f"SELECT max(CAST(x AS {cast})) AS m FROM t"], {"change_type"})
    assert [getattr(c.change, "to_type", "") for c in found.candidates] == [to_type] * bool(to_type)
    for candidate in found.candidates:
        executor.apply(con, "p1", candidate.change)
        executor.undo(con, "p1")
        assert con.execute("SELECT x FROM t").fetchall() == [(v,) for v in values]
    assert bool(found.notes) is (to_type is None)


@pytest.mark.parametrize(
    ("values", "cast", "later"),
    [
        (["1.5", "0.25"], "DECIMAL(9,2)", "1.25"),
        (["1.50", "0.25"], "DECIMAL(9,1)", "1.05"),
        (["1.5", "3.5"], "INTEGER", "2.5"),
        (["1.50", "3.50"], "BIGINT", "2.50"),
        (["12.50", "0.07"], "DOUBLE", "8999999999999.99"),
    ],
)
def test_later_text_is_rounded_as_before(
    con: duckdb.DuckDBPyConnection, values: list[str], cast: str, later: str
) -> None:
    con.execute("CREATE TABLE t (x VARCHAR)")
    con.executemany("INSERT INTO t VALUES (?)", [[v] for v in values])
    con.execute("CREATE TABLE untouched AS FROM t")
    query = f"SELECT sum(CAST(x AS {cast})) AS s FROM t"
    (found,) = look(con, [query], {"change_type"}).candidates
    executor.apply(con, "p1", found.change)
    for table in ("t", "untouched"):
        con.execute(f"INSERT INTO {table} VALUES (?)", [later])
    asked = con.execute(query.replace("FROM t", "FROM untouched")).fetchall()
    assert con.execute(query).fetchall() == asked


HOSTILE = [
    'a"b',
    "CAST(x",
    "strptime(",
    "{c}",
    "select",
    "naïve \u202e",
    "x" * 255,
    "'",
    "a.b",
    "%",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_column_names_are_only_names(con: duckdb.DuckDBPyConnection, name: str) -> None:
    column = quoted(name)
    con.execute(
        f"CREATE TABLE t AS SELECT i::VARCHAR AS {column}, i % 3 AS g FROM range(30000) r(i)"
    )
    queries = [
        f"SELECT sum(CAST({column} AS BIGINT)) AS s FROM t",
        f"SELECT count(*) AS n FROM t WHERE {column} = '7'",
        f"SELECT {column}, count(*) AS n FROM t WHERE substr({column}, 1, 1) = '7' GROUP BY ALL",
        "SELECT g, count(*) AS n FROM t GROUP BY g",
    ]
    found = look(con, queries)
    kinds = {c.change.kind for c in found.candidates}
    assert kinds == {"change_type", "create_index", "create_summary", "rewrite_query"}
    for candidate in found.candidates:
        executor.apply(con, candidate.id, candidate.change)
        executor.undo(con, candidate.id)
    assert not [n for n in found.notes if "left out" in n]


TYPES = {
    "f": "'nan'::DOUBLE", "g": "'infinity'::FLOAT", "d": "DATE 'infinity'", "n": "NULL",
    "d2": "DATE '290000-01-01'", "l": "[1, NULL]", "s": "{'a': 1, 'b': [DATE 'infinity']}",
    "m": "MAP {'k': [1]}", "e": "'x'::ENUM('x')", "b": "'\\x00'::BLOB", "u": "uuid()",
    "i": "INTERVAL 1 MONTH", "h": "9::HUGEINT", "tz": "TIMESTAMPTZ '2024-01-01'",
    "t": "TIME '10:00'", "bits": "'0101'::BIT", "un": "union_value(k := 1)", "j": "'{}'::JSON",
    "dec": "1.5::DECIMAL(38,9)", "arr": "[1, 2]::INTEGER[2]",
}  # fmt: skip


def test_columns_of_every_type_crash_no_finder(con: duckdb.DuckDBPyConnection) -> None:
    shown = ", ".join(f"{v} AS {k}" for k, v in TYPES.items())
    con.execute(f"CREATE TABLE t AS SELECT {shown}, i AS id FROM range(250000) AS r(i)")
    queries = [
        q
        for k in TYPES
        for q in (
            f"SELECT count(*) AS n FROM t WHERE {k} = (SELECT {k} FROM t LIMIT 1)",
            f"SELECT {k}, count(*) AS n, min({k}) AS low FROM t WHERE {k} IS NOT NULL GROUP BY {k}",
            f"SELECT count(CAST({k} AS VARCHAR)) AS n FROM t WHERE {k} > NULL",
        )
    ]
    found = look(con, queries)
    assert found.candidates
    assert not [n for n in found.notes if "Internal" in n]


@pytest.mark.parametrize("setup", ["", "INSERT INTO t SELECT NULL, NULL FROM range(30000)"])
def test_empty_and_all_null_tables_crash_no_finder(
    con: duckdb.DuckDBPyConnection, setup: str
) -> None:
    con.execute("CREATE TABLE t (x VARCHAR, d DATE)")
    con.execute(setup)
    queries = [
        "SELECT sum(CAST(x AS INTEGER)) AS s FROM t WHERE year(d) = 2023",
        "SELECT x, count(*) AS n FROM t WHERE x = 'a' GROUP BY x",
    ]
    kinds = {c.change.kind for c in look(con, queries).candidates}
    assert "rewrite_query" in kinds if setup else not kinds
    assert look(con, []).candidates == ()


def test_a_table_that_cannot_be_asked_is_a_note_and_the_others_are_looked_at(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for name in ("a", "b"):
        con.execute(f"CREATE TABLE {name} AS SELECT i::VARCHAR AS x FROM range(9) AS r(i)")
    catalog = read_catalog(con)
    queries = [f"SELECT max(CAST(x AS INTEGER)) AS m FROM {n}" for n in ("a", "b")]
    workload = Workload(patterns=tuple(make_pattern(q, catalog) for q in queries))

    def probe(sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        if '"a"' in sql:
            raise QueryFailed("block checksum mismatch\nstack trace")
        return con.execute(sql, list(parameters)).fetchall()

    found = find(CandidateContext("p", catalog, workload, probe), ALL)
    assert [c.change.table.name for c in found.candidates] == ["b"]
    assert found.notes[0] == "a was left out: block checksum mismatch"


def test_selective_columns_are_indexed_and_textbook_ones_tried(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i AS id, i % 3 AS status, i % 2 AS flag, i % 4 AS kind, i AS pk"
        " FROM range(30000) AS r(i)"
    )
    con.execute("CREATE INDEX have ON t (pk)")
    queries = [f"SELECT * FROM t WHERE {c} = 1" for c in ("id", "status", "flag", "kind", "pk")]
    found = look(con, queries, {"create_index"}).candidates
    assert isinstance(found[0].change, CreateIndex) and found[0].change.columns == ("id",)
    assert len(found) == 3 and all("textbook" in c.reason for c in found[1:])


def test_a_key_that_is_joined_and_listed_is_not_looked_up(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS id, i % 9 AS other FROM range(30000) AS r(i)")
    con.execute("CREATE TABLE u AS SELECT i AS id FROM range(30000) AS r(i)")
    joined = "SELECT count(*) AS n FROM t, u WHERE t.id = u.id"
    listed = f"{joined} AND t.id IN (SELECT id FROM u WHERE id < 9)"
    assert look(con, [joined, listed], {"create_index"}).candidates == ()
    (found,) = look(con, [joined, listed, f"{joined} AND t.id = 7"], {"create_index"}).candidates
    assert found.reason == "1 query looks up single values of id"


def test_a_clustered_column_is_noted_and_not_sorted(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE t AS SELECT i AS at, (hash(i) % 1000)::BIGINT AS spread"
        " FROM range(500000) AS r(i)"
    )
    queries = [f"SELECT count(*) AS n FROM t WHERE {c} BETWEEN 1 AND 9" for c in ("at", "spread")]
    found = look(con, queries, {"sort_table"})
    assert [getattr(c.change, "order_by", ()) for c in found.candidates] == [("spread",)]
    assert found.notes == ("t is already clustered by at",)


def test_the_key_to_filtered_rows_is_an_order_a_key_to_all_rows_is_none(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE days AS SELECT i AS day, i // 30 AS month FROM range(1000) AS r(i)")
    con.execute("CREATE TABLE shops AS SELECT i AS shop, i % 7 AS region FROM range(50) AS r(i)")
    con.execute(
        "CREATE TABLE t AS SELECT (hash(i) % 1000)::BIGINT AS day, (hash(i) % 50)::BIGINT AS shop"
        " FROM range(300000) AS r(i)"
    )
    queries = [
        "SELECT count(*) AS n FROM t JOIN days d ON d.day = t.day WHERE d.month = 3",
        "SELECT s.region, count(*) AS n FROM t JOIN shops s ON s.shop = t.shop GROUP BY s.region",
    ]
    (found,) = look(con, queries, {"sort_table"}).candidates
    assert getattr(found.change, "order_by", ()) == ("day",)
    assert found.reason.startswith("queries join filtered rows on day")


def test_rules_are_proposed_only_where_every_row_keeps_them(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT 1 AS a, NULL::INTEGER AS b, 5 AS c")
    required = frozenset({(T, "a"), (T, "b"), (TableName(name="elsewhere"), "a")})
    checks = ((T, "a", '"a" > 0'), (T, "c", '"c" > 9'), (T, "b", '"b" > 0'))
    query = ["SELECT a FROM t"]
    found = look(con, query, {"add_not_null", "add_check"}, required=required, checks=checks)
    assert targets(found) == ["add_check a", "add_check b", "add_not_null a"]
    assert found.notes == (
        "t.b may stay empty: 1 row has no value, though the contract wants one",
        't.c gets no CHECK of what the contract states: 1 row breaks "c" > 9',
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM t WHERE year(tz) = 2023",
        "SELECT count(*) AS n FROM t WHERE strftime(tz, '%Y-%m') = '2023-01'",
        "SELECT count(*) AS n FROM t WHERE substr(folded, 1, 2) = 'aZ'",
        "SELECT count(*) AS n FROM t WHERE substr(kind, 1, 1) = 'a'",
        "SELECT count(*) AS n FROM t WHERE year(span) = 3",
        "SELECT count(*) AS n FROM range(3) AS r(i) WHERE year(CAST(i AS DATE)) = 3",
    ],
)
def test_types_that_a_rule_is_not_meant_for_are_left_alone(
    con: duckdb.DuckDBPyConnection, sql: str
) -> None:
    con.execute(
        "CREATE TABLE t (tz TIMESTAMPTZ, folded VARCHAR COLLATE NOCASE, kind ENUM('a'),"
        " span INTERVAL)"
    )
    con.execute("INSERT INTO t VALUES (now(), 'a', 'a', INTERVAL 1 DAY)")
    assert look(con, [sql], {"rewrite_query"}).candidates == ()


def test_a_column_of_a_view_is_not_taken_for_that_of_its_table(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT DATE '2023-01-02' AS d, 'g' AS g FROM range(30000)")
    plain = "SELECT max(d) AS top FROM t WHERE strftime(d, '%Y-%m') = '2023-01'"
    of_view = "SELECT max(t.d) AS top FROM t, v WHERE strftime(v.d, '%Y-%m') = '2023-01'"
    con.execute("CREATE VIEW v AS SELECT CAST(d AS TIMESTAMPTZ) AS d FROM t")
    found = look(con, [plain, of_view], {"rewrite_query"})
    assert [getattr(c.change, "original", "") for c in found.candidates] == [plain]


def test_a_macro_that_is_called_like_a_function_is_not_taken_for_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT DATE '2023-01-02' AS d, 'g' AS g FROM range(30000)")
    queries = [
        "SELECT upper(g) AS g, count(*) AS n FROM t GROUP BY ALL",
        "SELECT max(g) AS g FROM t WHERE year(d) = 2023",
    ]
    kinds = {"rewrite_query", "create_summary"}
    assert {c.change.kind for c in look(con, queries, kinds).candidates} == kinds
    con.execute("CREATE TABLE other AS SELECT 2023 AS y")
    con.execute("CREATE MACRO upper(x) AS x || (SELECT y FROM other)")
    con.execute("CREATE MACRO year(x) AS (SELECT y FROM other)")
    assert look(con, queries, kinds).candidates == ()


def test_text_whose_every_query_is_ready_for_other_values_stays_text(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT CAST(i AS VARCHAR) AS x FROM range(30000) r(i)")
    ready = "SELECT max(TRY_CAST(x AS INTEGER)) AS m FROM t"
    found = look(con, [ready], {"change_type"})
    assert found.candidates == ()
    assert "t.x stays text: every query is ready for values that don't fit" in found.notes[0]
    strict = "SELECT min(CAST(x AS INTEGER)) AS m FROM t"
    assert len(look(con, [ready, strict], {"change_type"}).candidates) == 1


def test_silence_says_what_was_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS x FROM range(10) r(i)")
    found = look(con, ["SELECT max(x) AS m FROM t"], {"change_type", "sort_table"})
    assert found == Found((), ("nothing in 1 query of 1 table calls for: change type, sort table",))


def test_a_reason_for_one_kind_does_not_stand_for_the_others(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS x FROM range(10) r(i)")
    found = look(con, ["SELECT max(x) AS m FROM t"], {"change_type", "drop_table", "sort_table"})
    assert found.notes == (
        "the log is too short to call anything unused: it takes 20 different queries or 500 runs",
        "nothing in 1 query of 1 table calls for: change type, sort table",
    )


def test_silence_about_views_says_that_nobody_looked_inside(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT CAST(i AS VARCHAR) AS x FROM range(30000) r(i)")
    con.execute("CREATE VIEW v AS SELECT CAST(x AS INTEGER) AS x FROM t")
    found = look(con, ["SELECT max(x) AS m FROM v"], {"change_type"})
    assert found.candidates == ()
    assert found.notes[1].startswith("queries read views or macros: what those compute inside")


def test_five_thousand_columns_are_looked_at_in_no_time(con: duckdb.DuckDBPyConnection) -> None:
    shown = ", ".join(f"'{i}' AS c{i}" for i in range(5000))
    con.execute(f"CREATE TABLE t AS SELECT {shown} FROM range(10)")
    queries = [f"SELECT sum(CAST(c{i} AS INTEGER)) AS s FROM t WHERE c{i} = '1'" for i in range(40)]
    found = look(con, queries, runs=50)
    assert len(found.candidates) == 40 + 3


def test_three_hundred_tables_are_looked_at_in_no_time(con: duckdb.DuckDBPyConnection) -> None:
    for i in range(300):
        con.execute(f"CREATE TABLE t{i} AS SELECT r.i::VARCHAR AS x FROM range(10) AS r(i)")
    queries = [f"SELECT max(CAST(x AS INTEGER)) AS m FROM t{i}" for i in range(300)]
    found = look(con, queries)
    assert len(found.candidates) == MAX_CANDIDATES
    assert "240 lighter ideas were left for another run" in found.notes


@pytest.mark.parametrize(
    ("where", "usable"),
    [
        ("id = 7", True), ("(id = 7)", True), ("t.id = 7 AND u.y = 3", True),
        ("id = 7 AND x = 1", False), ("id = 7 OR x = 9", False), ("NOT id = 7", False),
    ],
)  # fmt: skip
def test_an_index_is_promised_nothing_where_another_condition_stands_beside(
    con: duckdb.DuckDBPyConnection, where: str, usable: bool
) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS id, i % 9 AS x FROM range(30000) r(i)")
    con.execute("CREATE TABLE u AS SELECT i AS k, i AS y FROM range(10) r(i)")
    joined = "t JOIN u ON t.x = u.k" if "u." in where else "t"
    found = look(con, [f"SELECT count(*) AS n FROM {joined} WHERE {where}"], {"create_index"})
    (idea,) = [c for c in found.candidates if getattr(c.change, "columns", ()) == ("id",)]
    assert (idea.promise > 1) == usable
    assert usable or "beside another condition" in idea.reason

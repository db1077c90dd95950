from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.commands import document, invoke
from tests.ledgers import says_kept
from tools.messages import quoted

GOOD = "SELECT status, count(*) FROM sales WHERE CAST(amount AS INTEGER) > 5 GROUP BY status"
EVIL = {
    "SELEC count(* FROM sales": "Not readable",
    "INSERT INTO sales VALUES (1, 'x', 'y', 'z')": "not INSERT",
    "DROP TABLE sales": "not DROP",
    "ATTACH 'other.duckdb' AS o": "not ATTACH",
    "COPY sales TO 'out.csv'": "not COPY",
    "PRAGMA database_list": "not PRAGMA",
    "SET threads = 64": "SET",
    "SELECT 1 FROM sales; DELETE FROM sales": "Only one SELECT",
    "SELECT * FROM read_csv('/etc/passwd')": "read_csv",
    "SELECT * FROM '/etc/passwd'": "no table",
    "SELECT getenv('HOME') FROM sales": "getenv",
    "SELECT count(*) FROM dropped WHERE x = 1": "no table",
}
ENDLESS = (
    "WITH RECURSIVE r(n) AS (SELECT count(*) FROM sales UNION ALL SELECT n + 1 FROM r)"
    " SELECT max(n) FROM r"
)
HUGE = "SELECT a.id, b.i FROM sales AS a, range(1000) AS b(i)"


def register(home: Path, folder: Path, setup: str, queries: list[str]) -> None:
    """Make a database with one statement and register it as `odd` with these queries."""
    with duckdb.connect(str(folder / "odd.duckdb")) as con:
        con.execute(setup)
    (folder / "odd.sql").write_text(";\n".join(queries))
    call = ("--database", folder / "odd.duckdb", "--queries", folder / "odd.sql")
    assert document(home, "init", *call)["product"] == "odd"


def sales(rows: int) -> str:
    return (
        "CREATE TABLE sales AS SELECT i AS id, CAST(hash(i) % 1000 AS VARCHAR) AS amount,"
        f" CASE WHEN i % 3 = 0 THEN 'open' ELSE 'paid' END AS status FROM range({rows}) AS r(i)"
    )


def test_queries_that_may_not_run_are_skipped_with_a_reason_and_the_rest_is_measured(
    home: Path, tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "odd.duckdb")) as con:
        con.execute(sales(60_000))
    log = tmp_path / "log.csv"
    rows = "\n".join('"' + sql.replace('"', '""') + '"' for sql in [*EVIL, GOOD])
    log.write_text(f"sql\n{rows}\n")
    result = invoke(home, "init", "--database", tmp_path / "odd.duckdb", "--queries", log)
    run = document(home, "run", "odd", "--budget", "5")
    for sql, reason in EVIL.items():
        said = [line for line in result.stdout.splitlines() if line.endswith(sql)]
        noted = [note for note in run["notes"] if sql in note]
        assert (len(said), len(noted)) == (1, 1), sql
        assert reason in said[0]
    assert "1 query pattern" in result.stdout
    assert run["tried"] > 0
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("sql", [ENDLESS, HUGE])
def test_a_query_without_end_or_with_huge_results_does_not_hold_up_the_rest(
    sql: str, home: Path, tmp_path: Path
) -> None:
    register(home, tmp_path, sales(10_000), [sql, GOOD, "SELECT max(amount) FROM sales"])
    run = document(home, "run", "odd", "--budget", "8")
    assert run["status"] in ("waiting", "done")
    assert run["tried"] > 0
    if sql is ENDLESS:
        assert any("WITH RECURSIVE" in note for note in run["notes"])


@pytest.mark.parametrize("name", ['a "quoted" name; it\'s DROP\t✓\n größe 数', "select", "x" * 255])
def test_hostile_names_run_to_the_question_and_one_change_is_applied_and_undone(
    name: str, home: Path, tmp_path: Path
) -> None:
    table = f"{quoted(name)}.{quoted(name)}"
    register(
        home, tmp_path,
        f"CREATE SCHEMA {quoted(name)}; CREATE TABLE {table} AS"
        f" SELECT CAST(hash(i) % 1000 AS VARCHAR) AS {quoted(name)} FROM range(60000) AS r(i)",
        [f"SELECT sum(CAST({quoted(name)} AS INTEGER)) FROM {table}",
         f"SELECT count(*) FROM {table} WHERE CAST({quoted(name)} AS INTEGER) > 500"],
    )  # fmt: skip
    (proposal, *_) = document(home, "run", "odd", "--budget", "5")["proposals"]
    result = invoke(home, "decide", proposal["id"], "approve")
    assert (result.exit_code, says_kept(result.stdout)) == (0, True), result.output
    assert document(home, "undo", proposal["id"])["outcomes"][-1]["status"] == "undone"
    with duckdb.connect(str(tmp_path / "odd.duckdb")) as con:
        assert con.execute(f"SELECT typeof({quoted(name)}) FROM {table} LIMIT 1").fetchone() == (
            "VARCHAR",
        )


@pytest.mark.slow
def test_a_table_of_five_thousand_columns_runs_to_the_end(home: Path, tmp_path: Path) -> None:
    columns = ", ".join(f"CAST(i % {n + 2} AS VARCHAR) AS c{n}" for n in range(5000))
    register(
        home, tmp_path, f"CREATE TABLE wide AS SELECT {columns} FROM range(200) AS r(i)",
        ["SELECT sum(CAST(c7 AS INTEGER)) FROM wide", "SELECT c1, count(*) FROM wide GROUP BY c1"],
    )  # fmt: skip
    assert document(home, "run", "odd", "--budget", "5")["status"] in ("waiting", "done")


def test_odd_values_and_types_run_to_the_end(home: Path, tmp_path: Path) -> None:
    register(
        home, tmp_path,
        """CREATE TABLE odd AS SELECT i,
             CASE i % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN 'inf' WHEN 2 THEN '-1e400' ELSE '1' END AS f,
             CASE WHEN i = 5 THEN '9999999-99-99' ELSE '2024-02-30' END AS d,
             CAST(NULL AS VARCHAR) AS empty, CAST(NULL AS INTEGER) AS none,
             CAST('nan' AS DOUBLE) AS nan, CAST('infinity' AS TIMESTAMP) AS forever,
             [i, NULL] AS list, {'a': i, 'b': [1, 2]} AS nested, MAP {'k': i} AS map,
             CAST(i AS HUGEINT) * 170141183460469231731687303715 AS huge,
             CAST('x' AS BLOB) AS blob, uuid() AS id
           FROM range(20000) AS r(i)""",
        ["SELECT sum(TRY_CAST(f AS DOUBLE)) FROM odd", "SELECT min(d), max(d) FROM odd",
         "SELECT count(*) FROM odd WHERE empty = 'x'", "SELECT nan, count(*) FROM odd GROUP BY nan",
         "SELECT max(forever), max(list), max(nested), max(huge), max(blob) FROM odd",
         "SELECT list[1], nested.a, map['k'] FROM odd ORDER BY i LIMIT 5"],
    )  # fmt: skip
    run = document(home, "run", "odd", "--budget", "6", "--show-rejected")
    assert run["status"] in ("waiting", "done")
    assert [r for r in run["rejected"] if r["status"] == "failed"] == []


def test_schemas_may_be_called_like_the_copies_of_a_measurement(home: Path, tmp_path: Path) -> None:
    tables = ["base.sales", '"trial-1".sales']
    setup = ['CREATE SCHEMA base; CREATE SCHEMA "trial-1"', *(sales(60_000) for _ in tables)]
    made = ";".join(setup).replace("TABLE sales", "TABLE {}").format(*tables)
    register(home, tmp_path, made, [GOOD.replace("sales", t) for t in tables])
    run = document(home, "run", "odd", "--only", "schema", "--budget", "10", "--show-rejected")
    assert run["status"] == "waiting", run
    assert {t["status"] for t in run["rejected"]} <= {"accepted", "rejected"}
    assert not any("cannot be measured" in note for note in run["notes"])

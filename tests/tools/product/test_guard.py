"""The guard against attacks, and what people honestly ask."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.product.errors import Forbidden, ParseFailed, QueryFailed
from tools.product.fingerprint import split_text
from tools.product.guard import FORBIDDEN_FUNCTIONS, check_read_only, is_readable
from tools.product.owner import Limits, Owner
from tools.product.workload_store import WorkloadStore

QUERIES = Path(__file__).parents[3] / "tools" / "demo" / "queries"
HARMLESS = {
    "vector_type", "stats", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "random", "error",
}  # fmt: skip
FILES = """
SELECT * FROM 'x.csv'
SELECT * FROM "x.parquet"
FROM 'x.json'
FROM 'data/*.csv.gz'
FROM 'https://example.com/x.parquet?y=1'
SELECT * FROM read_csv('x')
SELECT * FROM READ_TEXT('/etc/passwd')
SELECT * FROM "read_blob"('/etc/passwd')
SELECT * FROM system.main.read_text('/etc/passwd')
SELECT * FROM glob('*')
SELECT * FROM parquet_scan('x')
SELECT * FROM sniff_csv('x')
SELECT * FROM read_duckdb('x.db')
SELECT * FROM (DESCRIBE 'file.csv')
DESCRIBE 'file.csv'
SUMMARIZE 'https://example.com/y.parquet'
PIVOT 'x.csv' ON a
PIVOT (FROM read_text('x')) ON filename
UNPIVOT 'x.csv' ON a
COPY t TO 'x.csv'
COPY (SELECT 1) TO 'x'
EXPORT DATABASE 'x'
IMPORT DATABASE 'x'
ATTACH 'x.db'
DETACH a
INSTALL httpfs
LOAD httpfs
"""
SURROUNDINGS = """
SELECT getenv('HOME')
SELECT 'HOME'.getenv()
SELECT system.main."getenv"('HOME')
SELECT list_transform(['HOME'], lambda x: getenv(x))
SELECT current_setting('secret_directory')
SELECT getvariable('x')
SET threads = 1
RESET threads
SET VARIABLE x = 1
PRAGMA version
CALL duckdb_settings()
FROM duckdb_settings()
FROM duckdb_secrets()
FROM duckdb_logs
FROM duckdb_databases()
FROM pragma_database_list
FROM pragma_table_info('t')
FROM pragma_storage_info('t')
FROM duckdb_variables()
FROM duckdb_prepared_statements()
FROM which_secret('x', 's3')
FROM pg_settings
FROM pg_catalog.pg_settings
SHOW databases
SHOW variables
SELECT sleep_ms(100)
SELECT current_query()
"""
OWN = """
SELECT * FROM pillion.kept
SELECT * FROM PILLION.kept
SELECT * FROM "PILLION"."kept"
SELECT * FROM shop.pillion.kept
SELECT * FROM "pillion" . /* x */ kept
WITH x AS (FROM pillion.kept) FROM x
SELECT (SELECT count(*) FROM pillion.kept)
SELECT 1 WHERE 1 IN (SELECT secret FROM pillion.kept)
DESCRIBE pillion.kept
SUMMARIZE pillion.kept
SELECT * FROM (DESCRIBE pillion.kept)
SHOW TABLES FROM pillion
PIVOT pillion.kept ON secret USING count(*)
PIVOT pillion.kept ON secret USING count(*) ORDER BY 1
PIVOT t ON s USING count(*) ORDER BY (SELECT max(secret) FROM pillion.kept)
SELECT * FROM query('SELECT * FROM pillion.kept')
SELECT * FROM query_table('pillion.kept')
SELECT json_serialize_plan('FROM pillion.kept')
FROM json_execute_serialized_sql(json_serialize_sql('FROM pillion.kept'))
FROM seq_scan('kept')
USE pillion
"""
WRITES = """
INSERT INTO t VALUES (1, 'x')
UPDATE t SET i = 1
DELETE FROM t
TRUNCATE t
MERGE INTO t USING t u ON true WHEN MATCHED THEN DELETE
WITH x AS (INSERT INTO t VALUES (1, 'x') RETURNING *) FROM x
WITH x AS (UPDATE t SET i = 1 RETURNING *) FROM x
WITH x AS (DELETE FROM t RETURNING *) FROM x
EXPLAIN ANALYZE INSERT INTO t VALUES (1, 'x')
CREATE TABLE z AS SELECT 1
CREATE TEMP TABLE z AS SELECT 1
CREATE MACRO m() AS 1
CREATE VIEW v AS SELECT 1
DROP TABLE t
ALTER TABLE t ADD COLUMN b INTEGER
COMMENT ON TABLE t IS 'x'
PREPARE p AS SELECT 1
EXECUTE p
BEGIN
COMMIT
CHECKPOINT
VACUUM
SELECT nextval('counter')
SELECT setval('counter', 1)
SELECT write_log('x')
FROM enable_logging()
FROM force_checkpoint()
"""
TRICKS = (
    "SELECT 1; DROP TABLE t",
    "SELECT 1;;SELECT 2",
    "/* */ DROP TABLE t",
    "SELECT 1 --\n; DROP TABLE t",
    "SELECT '\\'; DROP TABLE t --'",
    "SELECT $$ $$; DROP TABLE t",
    "\ufeffDROP TABLE t",
    "DROP\u00a0TABLE t",
    "SELECT '\u2019; DROP TABLE t --'; DROP TABLE t",
    "SELECT 1 \x00; DROP TABLE t",
    "SELECT $1",
    "SELECT ?",
    "SELECT \ud800",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT '" + "x" * 100_001 + "'",
    "",
    ";",
    "--",
    "/*",
    "SELECT '",
)
HONEST = """
FROM t
FROM t SELECT i
PIVOT t ON s USING count(*)
PIVOT t ON s USING count(*) GROUP BY i ORDER BY i DESC LIMIT 3
WITH x AS (FROM t) PIVOT x ON s USING count(*) ORDER BY ALL
SELECT * FROM (PIVOT t ON s USING count(*) GROUP BY i)
PIVOT t ON i IN (1, 2) USING count(*)
SELECT * FROM (SELECT i FROM t) PIVOT (count(*) FOR i IN (1, 2))
UNPIVOT t ON i
SELECT * FROM t ASOF JOIN u ON t.i >= u.i
SELECT * FROM t POSITIONAL JOIN u
SELECT * FROM t SEMI JOIN u USING (i)
SELECT list_transform([1, 2], lambda x: x + 1), [x + 1 FOR x IN [1, 2] IF x > 1]
SELECT COLUMNS('i.*'), {'a': 1}.a, MAP {'a': 1}['a'], [1, 2][1] FROM t
SELECT s, count(*) FROM t GROUP BY ALL ORDER BY ALL
SELECT s, count(*) FROM t GROUP BY GROUPING SETS ((s), ())
SELECT * FROM t USING SAMPLE 10%
SELECT * FROM t TABLESAMPLE reservoir(10 ROWS)
SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY s ORDER BY i) = 1
SELECT sum(i) OVER w FROM t WINDOW w AS (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
SELECT lag(i IGNORE NULLS) OVER (ORDER BY i) FROM t
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 9) FROM r
WITH x AS MATERIALIZED (SELECT 1) FROM x
SELECT DISTINCT ON (s) * EXCLUDE (i) FROM t
SELECT * REPLACE (i + 1 AS i) FROM t
VALUES (1, 2)
DESCRIBE t
SUMMARIZE t
SHOW TABLES
SELECT table_name FROM information_schema.tables
SELECT table_name FROM duckdb_tables()
SELECT unnest([1, 2]), generate_series(1, 3)
SELECT * FROM range(10) r(i), LATERAL (SELECT r.i + 1)
SELECT i FROM t WHERE i IN (SELECT i FROM u) AND EXISTS (SELECT 1)
SELECT count(*) FILTER (i > 1), string_agg(s, ',' ORDER BY i) FROM t
SELECT i FROM t ORDER BY i LIMIT 10%
SELECT CAST(i AS DECIMAL(10, 2)), TRY_CAST(s AS DATE), i::VARCHAR::STRUCT(a INT) FROM t WHERE false
SELECT extract(year FROM DATE '2020-01-01' + INTERVAL 1 DAY), strftime(now(), '%Y')
SELECT CASE WHEN i = 1 THEN 2 END, i BETWEEN 1 AND 2, s LIKE 'a%' COLLATE nocase FROM t
(SELECT 1 AS a) UNION BY NAME (SELECT 2 AS a) EXCEPT SELECT 3
SELECT #1 FROM t
SELECT $$it's; -- not$$, e'a\\'b', 'DROP TABLE t; COPY t TO ''x.csv'''
SELECT 1 AS "sélect" -- DROP TABLE t
/* x */ SELECT 'https://example.com/x.parquet';
SELECT * FROM "a/b"
SELECT * FROM t AS "x.csv"
"""


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    home = tmp_path_factory.mktemp("guard")
    with duckdb.connect(str(home / "shop.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT i, i::VARCHAR AS s FROM range(3) r(i)")
        con.execute('CREATE TABLE u AS FROM t; CREATE TABLE "a/b" AS FROM t')
        con.execute("CREATE SEQUENCE counter")
        con.execute("CREATE SCHEMA pillion; CREATE TABLE pillion.kept AS SELECT 'hush' secret")
    owner = Owner(home / "shop.duckdb", WorkloadStore(home / "w.db"), {"memory_limit": "200MB"})
    yield owner
    owner.close()


@pytest.mark.parametrize("sql", [*lines(FILES + SURROUNDINGS + OWN + WRITES), *TRICKS])
def test_an_attack_does_not_pass(sql: str) -> None:
    with pytest.raises((Forbidden, ParseFailed)):
        check_read_only(sql)


@pytest.mark.parametrize("sql", lines(HONEST))
def test_an_honest_query_passes_and_runs(sql: str, owner: Owner) -> None:
    assert owner.query(sql, "test", Limits()).columns


@pytest.mark.parametrize("name", ["tpch.sql", "flights.sql"])
def test_the_demo_queries_pass(name: str) -> None:
    texts = [t for t in split_text((QUERIES / name).read_text()) if t.strip()]
    assert len(texts) >= 22
    assert [is_readable(t) for t in texts] == [None] * len(texts)


def test_every_volatile_function_of_the_engine_is_judged() -> None:
    found = duckdb.sql(
        "SELECT DISTINCT function_name FROM duckdb_functions()"
        " WHERE function_type IN ('scalar', 'aggregate')"
        " AND (has_side_effects OR stability = 'VOLATILE')"
    ).fetchall()
    assert {name for (name,) in found} - FORBIDDEN_FUNCTIONS - HARMLESS == set()


def test_no_function_or_view_that_passes_shows_file_or_secret(owner: Owner) -> None:
    views = duckdb.sql("SELECT view_name FROM duckdb_views() WHERE internal").fetchall()
    functions = duckdb.sql(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%'"
    ).fetchall()
    texts = [f"FROM {v}" for (v,) in views] + [f"FROM {f}()" for (f,) in functions]
    passed = [t for t in texts if is_readable(t) is None]
    assert len(passed) > 10
    shown = "".join(str(answer(owner, t)) for t in passed)
    for secret in (str(owner.database), os.environ["PATH"], "hush", "lock_configuration"):
        assert secret not in shown


def answer(owner: Owner, sql: str) -> object:
    try:
        return owner.query(sql, "test", Limits()).rows
    except QueryFailed:
        return None


@pytest.mark.parametrize("sql", ["FROM 'pillion.kept'", 'FROM "shop.pillion.kept"'])
def test_a_dotted_text_names_no_table_of_pillion(sql: str, owner: Owner) -> None:
    assert is_readable(sql) is None
    assert answer(owner, sql) is None


def test_a_local_of_the_server_cannot_be_read_as_a_table(owner: Owner) -> None:
    frame = pyarrow.table({"secret": [1]})
    assert frame.num_rows == 1
    assert answer(owner, "FROM frame") is None


def test_a_name_that_the_engine_would_look_up_for_minutes_is_refused() -> None:
    assert is_readable(f"SELECT a{'.a' * 99} FROM t") is None
    assert is_readable(f"SELECT a{'.a' * 30_000} FROM t") == "A name has more than 100 parts."
    columns = ", ".join(f"c{i}" for i in range(300))
    assert is_readable(f"SELECT {columns} FROM t JOIN u USING ({columns})") is None


def test_a_refusal_says_what_is_wrong_and_where_changes_go() -> None:
    assert is_readable("DROP TABLE t") == (
        "Only one SELECT may run here, not DROP. Changes go through a proposal."
    )
    assert is_readable("SELEC 1") == (
        'Not readable as DuckDB SQL: syntax error at or near "SELEC".'
    )
    assert is_readable("SELECT 1; SELECT 2") == "Expected one statement and found 2."
    assert is_readable("SELECT 1 WHERE 1 = $1 AND 2 = $two") == (
        "Not readable as DuckDB SQL: Not implemented Error: Mixing named and positional parameters"
        " is not supported yet"
    )


@given(st.text())
def test_any_text_is_answered_with_passed_forbidden_or_unreadable(text: str) -> None:
    reason = is_readable(text)
    assert reason is None or reason


@given(st.lists(st.sampled_from([
    "SELECT", "1", "FROM", "t", "pillion", ".", "'x.csv'", "(", ")", ";", "--", "/*", "*/", "\n",
    "INSERT", "INTO", "WITH", "x", "AS", "*", "$$", "'", '"', ",", "PIVOT", "ON", "COPY", "TO",
]), max_size=12))  # fmt: skip
def test_no_mixture_of_words_that_passes_writes(words: list[str]) -> None:
    text = " ".join(words)
    if is_readable(text) is None:
        with duckdb.connect() as con:
            assert {s.type.name for s in con.extract_statements(text)} <= {"SELECT", "MULTI"}

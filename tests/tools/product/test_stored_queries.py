"""Views and macros: what stands under them, whatever they are called and however they nest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.jobs import TYPED
from tools.messages import DropColumn, DropTable, TableName
from tools.product import executor
from tools.product.catalog import Catalog, facts_key, read_catalog, schema_hash
from tools.product.errors import Refused
from tools.product.fingerprint import analyse

E = TableName(name="e")
RATES = TableName(name="rates")
SETUP = (
    "CREATE TABLE e AS SELECT i AS id, i::VARCHAR AS v, i % 7 AS g, 1 AS other FROM range(9) r(i)",
    "CREATE TABLE rates AS SELECT i AS code, i * 1.5 AS rate, 1 AS other FROM range(9) r(i)",
    "CREATE SCHEMA s; CREATE TABLE s.e (id INTEGER)",
    "CREATE VIEW vv AS SELECT g, max(v) AS m FROM e GROUP BY g",
    'CREATE VIEW s."On ""top" AS SELECT * FROM main.vv',
    "CREATE MACRO rate_of(c) AS (SELECT rate FROM rates WHERE code = c)",
    'CREATE MACRO rows_of(x, y := 3) AS TABLE SELECT m FROM s."On ""top" WHERE g = x',
    "CREATE VIEW by_macro AS SELECT m FROM rows_of(1)",
    "CREATE MACRO double(x) AS (x * 2), (x, y) AS rate_of(x) * y",
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for statement in SETUP:
            connection.execute(statement)
        yield connection


def reached(sql: str, catalog: Catalog) -> dict[str, str]:
    """Return the columns a query reads, by table."""
    facts = analyse(sql, catalog)
    names = {str(t): [u.column for u in facts.columns if u.table == t] for t in facts.tables}
    return {t: " ".join(columns) for t, columns in names.items()}


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT g, m FROM vv WHERE g < 3 ORDER BY g", {"e": "g v"}),
        ("SELECT m FROM MAIN.VV", {"e": "g v"}),
        ('SELECT m FROM s."on ""TOP"', {"e": "g v"}),
        ("SELECT m FROM by_macro", {"e": "g v"}),
        ("PIVOT vv ON g IN (1, 2) USING max(m)", {"e": "g v"}),
        ("SELECT id, Rate_Of (g) AS r FROM e", {"e": "g id", "rates": "code rate"}),
        ('SELECT id, main."RATE_OF"(1) FROM e', {"e": "id", "rates": "code rate"}),
        ("SELECT id FROM e ORDER BY id.rate_of()", {"e": "id", "rates": "code rate"}),
        ("SELECT double(1) AS d", {"rates": "code rate"}),
        ("WITH vv AS (SELECT m FROM vv) SELECT m FROM vv", {"e": "g v"}),
        ("WITH vv AS (SELECT 1 AS m) SELECT m FROM vv", {}),
        ("SELECT vv.id FROM e AS vv", {"e": "id"}),
        ("SELECT other AS vv, 'rate_of(1)' AS x FROM s.e, main.e", {"e": "other", "s.e": ""}),
        ("SELECT rate_of FROM (SELECT 1 AS rate_of)", {}),
    ],
)
def test_a_query_reads_the_tables_under_views_and_macros(
    con: duckdb.DuckDBPyConnection, sql: str, found: dict[str, str]
) -> None:
    catalog = Catalog.model_validate_json(read_catalog(con).model_dump_json())
    assert reached(sql, catalog) == found


@pytest.mark.parametrize(
    ("view", "star"),
    [
        ("SELECT * FROM e", True),
        ("SELECT e FROM e", True),
        ("SELECT COLUMNS('i.*') FROM e", True),
        ("SELECT 1 AS one FROM e NATURAL JOIN rates", True),
        ("SUMMARIZE e", True),
        ("SELECT list_transform([1], lambda x: x + id) AS l FROM e", True),
        ("SELECT id FROM e", False),
        ("SELECT count(*) AS n FROM e", False),
        ("SELECT e.id FROM e JOIN rates USING (other)", False),
    ],
)
def test_where_a_view_may_read_every_column_a_query_of_it_does(
    con: duckdb.DuckDBPyConnection, view: str, star: bool
) -> None:
    con.execute(f"CREATE VIEW x AS {view}")
    catalog = read_catalog(con)
    facts = analyse("SELECT count(*) AS n FROM x", catalog)
    assert (E in facts.tables, facts.star) == (True, star)
    kept = bool(catalog.stored.reading(E, "other"))
    assert kept is (star or "other" in view)


def test_what_reads_tables_by_a_text_may_read_any(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE MACRO called(t) AS (SELECT count(*) FROM query_table(t))")
    facts = analyse("SELECT called('e') AS n", read_catalog(con))
    assert ([str(t) for t in facts.tables], facts.star) == (["e", "rates", "s.e"], True)


def test_what_cannot_be_parsed_reads_what_it_names(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE MACRO odd() AS (SELECT list_transform([1], lambda x: x + g) FROM vv)")
    con.execute("CREATE MACRO apart(l) AS list_transform(l, lambda x: x + 1)")
    stored = read_catalog(con).stored
    assert reached("SELECT odd() AS o", read_catalog(con)) == {"e": "g v"}
    assert reached("SELECT apart([1]) AS o, id FROM e", read_catalog(con)) == {"e": "id"}
    assert [s.label for s in stored.reading(RATES, None)] == ["macro rate_of"]


def test_views_and_macros_that_stand_on_themselves_end(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE VIEW a AS SELECT id FROM e; CREATE VIEW b AS SELECT id FROM a")
    con.execute("CREATE OR REPLACE VIEW a AS SELECT b.id FROM b, rates")
    con.execute("CREATE MACRO again(x) AS x; CREATE OR REPLACE MACRO again(x) AS again(x)")
    assert reached("SELECT again(id) AS i FROM a", read_catalog(con)) == {"rates": ""}
    for i in range(300):
        con.execute(f"CREATE VIEW deep{i} AS SELECT m FROM {f'deep{i - 1}' if i else 'vv'}")
    assert reached("SELECT m FROM deep299", read_catalog(con)) == {"e": "g v"}


def test_facts_are_those_of_views_and_macros_too(con: duckdb.DuckDBPyConnection) -> None:
    before = read_catalog(con)
    names = [t.name for t in before.tables]
    con.execute("CREATE OR REPLACE MACRO rate_of(c) AS (SELECT min(id) FROM e)")
    after = read_catalog(con)
    assert schema_hash(before, names) == schema_hash(after, names)
    assert facts_key(before) != facts_key(after)
    plain = before.model_copy(update={"views": (), "macros": ()})
    assert facts_key(plain) == schema_hash(before, names)


def test_neither_macros_of_the_engine_nor_temporary_ones_are_of_the_product(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TEMP MACRO passing(x) AS x")
    assert [str(m.name) for m in read_catalog(con).macros] == ["double", "rate_of", "rows_of"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (DropTable(table=RATES), "The macro rate_of reads rates."),
        (DropColumn(table=RATES, column="rate", type="DECIMAL"), "macro rate_of reads rates.rate"),
        (DropColumn(table=E, column="g", type="BIGINT"), "The view vv reads e.g."),
        (DropTable(table=TableName(schema_name="s", name="e")), None),
        (DropColumn(table=RATES, column="other", type="INTEGER"), None),
    ],
)
def test_what_a_view_or_a_macro_reads_is_not_dropped(
    con: duckdb.DuckDBPyConnection, change: DropTable | DropColumn, why: str | None
) -> None:
    if why is None:
        assert executor.apply(con, "p1", change).status == "applied"
        return
    with pytest.raises(Refused, match=why):
        executor.apply(con, "p1", change)


def test_a_change_that_a_macro_would_not_survive_is_refused(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE sales (id INTEGER, amount VARCHAR)")
    con.execute("CREATE MACRO short(n) AS (SELECT max(amount[1:2]) FROM sales WHERE id = n)")
    con.execute("CREATE MACRO broken(n) AS TABLE SELECT * FROM query_table(n)")
    with pytest.raises(Refused, match="The macro short would not work any more"):
        executor.apply(con, "p1", TYPED)


@pytest.mark.parametrize("read", ["other", "amount LIKE '1%' AS first"])
@pytest.mark.parametrize("joined", ["read_parquet('{folder}/names.parquet')", "others.main.names"])
def test_a_type_is_not_changed_under_a_view_that_nobody_here_can_try(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, joined: str, read: str
) -> None:
    con.execute(f"COPY (SELECT 1 AS id) TO '{tmp_path}/names.parquet'")
    con.execute(f"ATTACH '{tmp_path}/others.duckdb' AS others")
    con.execute("CREATE TABLE others.names AS SELECT 1 AS id")
    con.execute("CREATE TABLE sales AS SELECT 1 AS id, '12' AS amount, '7' AS other")
    source = joined.format(folder=tmp_path)
    con.execute(f"CREATE VIEW near AS FROM sales JOIN {source} n USING (id) SELECT {read}")
    con.execute("CREATE VIEW nearer AS FROM near")
    con.execute("DETACH others")
    con.execute("SET enable_external_access = false")
    if read == "other":
        assert executor.apply(con, "p1", TYPED).status == "applied"
        return
    with pytest.raises(
        Refused, match="the view near, which may read amount, works with INTEGER cannot"
    ):
        executor.apply(con, "p1", TYPED)


@pytest.mark.parametrize("call", ["st_point(1, 2)", "(FROM sqlite_scan('a', 'b'))", "h3_cell(1)"])
def test_a_type_is_not_changed_under_a_view_that_needs_an_extension(
    con: duckdb.DuckDBPyConnection, call: str
) -> None:
    con.execute("CREATE TABLE sales AS SELECT '12' AS amount")
    for macro in ("st_point(a, b) AS 1", "h3_cell(a) AS 1", "sqlite_scan(a, b) AS TABLE SELECT 1"):
        con.execute(f"CREATE MACRO {macro}")
    con.execute(f"CREATE VIEW near AS SELECT amount LIKE '1%' AS first, {call} AS x FROM sales")
    for kind in ("st_point", "h3_cell", "TABLE sqlite_scan"):
        con.execute(f"DROP MACRO {kind}")
    con.execute("SET enable_external_access = false")
    with pytest.raises(Refused, match="cannot be tried here: .*(extension|does not exist)"):
        executor.apply(con, "p1", TYPED)

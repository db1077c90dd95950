"""Fingerprints, roles of columns, and splitting scripts."""

from __future__ import annotations

from functools import cache

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.messages import TableName
from tools.product.catalog import Catalog, read_catalog
from tools.product.column_roles import ALONE
from tools.product.errors import ParseFailed
from tools.product.fingerprint import analyse, fingerprint_of, parse, split_text

ODD = 'sé"lect; --'


@pytest.fixture(scope="module", name="catalog")
def fixture_catalog() -> Catalog:
    return known()


@cache
def known() -> Catalog:
    quoted = '"' + ODD.replace('"', '""') + '"'
    with duckdb.connect() as con:
        con.execute("CREATE TABLE orders (id BIGINT, customer BIGINT, day VARCHAR, total VARCHAR)")
        con.execute("CREATE TABLE customers (customer BIGINT, name VARCHAR, day VARCHAR)")
        con.execute(f"CREATE SCHEMA other; CREATE TABLE other.{quoted} ({quoted} INTEGER)")
        return read_catalog(con)


def roles(sql: str, catalog: Catalog) -> dict[str, tuple[str, ...]]:
    return {f"{c.table}.{c.column}": c.roles for c in analyse(sql, catalog).columns}


@pytest.mark.parametrize(("one", "other"), [
    ("SELECT id FROM orders WHERE day = '2024-01-01'", "select id from orders where day='x''y'"),
    ("SELECT id FROM orders WHERE id > 1 LIMIT 5", "SELECT id FROM orders WHERE id>2.5 LIMIT 7;"),
    ("SELECT 1 -- a", "/* b */ SELECT 2"),
    ("SELECT * FROM orders WHERE id IN (1, 2)", "SELECT * FROM orders WHERE id IN (3, 4)"),
    ("SELECT DATE '2024-01-01'", "SELECT DATE '2025-01-01'"),
])  # fmt: skip
def test_literals_comments_and_spacing_do_not_tell_queries_apart(one: str, other: str) -> None:
    assert fingerprint_of(one) == fingerprint_of(other)


@pytest.mark.parametrize(("one", "other"), [
    ("SELECT id FROM orders", "SELECT day FROM orders"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id > 1"),
    ('SELECT "a b" FROM orders', 'SELECT "a  b" FROM orders'),
    ("SELECT id FROM orders", "SELECT id FROM other.orders"),
])  # fmt: skip
def test_other_columns_operators_and_tables_do(one: str, other: str) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


@pytest.mark.parametrize(("sql", "expected"), [
    ("SELECT id FROM orders WHERE day = 'x' GROUP BY id, total ORDER BY customer",
     {"id": ("group", "select"), "day": ("filter",), "total": ("group",), "customer": ("order",)}),
    ("SELECT sum(id) FILTER (total > '1') FROM orders HAVING max(day) > 'x'",
     {"id": ("aggregate",), "total": ("filter",), "day": ("filter",)}),
    ("SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY day ORDER BY total) = 1",
     {"id": ("select",), "day": ("filter",), "total": ("order",)}),
    ("WITH x AS (SELECT id AS day FROM orders WHERE total > '1') SELECT day FROM x",
     {"id": ("select",), "total": ("filter",)}),
    ("SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM orders i WHERE i.day = o.total)",
     {"id": ("select",), "day": ("join",), "total": ("join",)}),
])  # fmt: skip
def test_columns_get_the_roles_they_play(
    sql: str, expected: dict[str, tuple[str, ...]], catalog: Catalog
) -> None:
    assert roles(sql, catalog) == {f"orders.{c}": r for c, r in expected.items()}


@pytest.mark.parametrize("sql", [
    "FROM orders", "TABLE orders", "SELECT o.* FROM orders o", "SELECT COLUMNS('d.*') FROM orders",
    "SELECT * EXCLUDE (day) FROM orders", "SELECT orders FROM orders",
    "SELECT hash(O) FROM orders o",
    "SELECT 1 FROM orders NATURAL JOIN other.x", "PIVOT orders ON day USING count(*)",
    "PIVOT orders ON day USING count(*) ORDER BY ALL LIMIT 3",
    "SELECT 1 FROM (PIVOT orders ON day USING count(*))", "UNPIVOT orders ON id, total",
    "SUMMARIZE orders", "DESCRIBE SELECT id FROM orders",
])  # fmt: skip
def test_what_reads_columns_it_does_not_name_reads_the_whole_table(
    sql: str, catalog: Catalog
) -> None:
    facts = analyse(sql, catalog)
    assert (facts.tables, facts.star) == ((TableName(name="orders"),), True)


@pytest.mark.parametrize("sql", [
    "SELECT name FROM orders JOIN customers USING (customer)",
    "SELECT name FROM orders o JOIN customers c ON o.customer = c.customer",
    "SELECT name FROM orders o, customers c WHERE o.customer = c.customer",
    "SELECT name FROM orders AS a JOIN customers AS b ON (a.CUSTOMER) = b.Customer",
])  # fmt: skip
def test_every_way_to_join_joins_both_columns(sql: str, catalog: Catalog) -> None:
    assert roles(sql, catalog) == {
        "orders.customer": ("join",), "customers.customer": ("join",),
        "customers.name": ("select",),
    }  # fmt: skip


@pytest.mark.parametrize(("condition", "operator"), [
    ("total = '1'", "="), ("'1' < total", "<"), ("CAST(total AS INT) >= 1", ">="),
    ("(total)::INT BETWEEN 1 AND 2", "between"), ("total IN ('1')", "in"),
    ("total LIKE 'a%'", "like"), ("total IS NULL", "is null"), ("total <> '1'", "other"),
])  # fmt: skip
def test_comparisons_are_seen_through_casts(
    condition: str, operator: str, catalog: Catalog
) -> None:
    (use,) = analyse(f"SELECT 1 FROM orders WHERE {condition}", catalog).columns
    assert use.operators == ((operator, ALONE) if operator == "=" else (operator,))


def test_casts_and_functions_are_named_as_duckdb_does(catalog: Catalog) -> None:
    sql = "SELECT total::INT, TRY_CAST(total AS DECIMAL(9, 2)), lower(total), sum(total::BIGINT)"
    (use,) = analyse(f"{sql} FROM orders", catalog).columns
    assert use.casts == ("BIGINT", "DECIMAL(9, 2)", "INTEGER")
    assert use.functions == ("lower",)


@pytest.fixture(scope="module", name="events")
def fixture_events() -> Catalog:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE e (id INTEGER, s STRUCT(f INTEGER), name VARCHAR, z INTEGER)")
        con.execute("CREATE TABLE u (b INTEGER); CREATE VIEW v AS SELECT b AS x FROM u")
        return read_catalog(con)


def test_a_column_within_an_expression_of_order_by_is_read(events: Catalog) -> None:
    facts = analyse("SELECT id AS name FROM e ORDER BY upper(name)", events)
    assert {c.column for c in facts.columns} == {"id", "name"}


@pytest.mark.parametrize(("sql", "column"), [
    ("SELECT s.f FROM e", "s"), ("SELECT e.s.f FROM e", "s"), ("SELECT x.s.f FROM e AS x", "s"),
    ("SELECT main.e.s.f FROM e", "s"), ("SELECT s.f.lower() FROM e", "s"),
    ("SELECT name.upper() FROM e", "name"), ("SELECT X.NAME.upper().lower() FROM e x", "name"),
    ("SELECT k FROM e AS x(i, st, n, k)", "z"), ("SELECT x.k FROM e AS x(i, st, n, k)", "z"),
    ("SELECT name FROM e AS x(name)", "id"), ("SELECT z FROM stock.e", "z"),
    ("SELECT x.z FROM stock.e x", "z"), ("SELECT stock.e.z FROM e", "z"),
    ("SELECT (SELECT max(m) FROM (SELECT b + z AS m FROM u)) FROM e", "z"),
    ("SELECT (SELECT max(m) FROM (SELECT b + s.f AS m FROM u)) FROM e", "s"),
    ("SELECT (WITH c AS (SELECT b + e.z AS m FROM u) SELECT max(m) FROM c) FROM e", "z"),
])  # fmt: skip
def test_a_column_is_known_by_whatever_part_of_a_name_means_it(
    sql: str, column: str, events: Catalog
) -> None:
    facts = analyse(sql, events)
    assert [c.column for c in facts.columns if c.table.name == "e"] == [column]
    assert not facts.star


@pytest.mark.parametrize("sql", [
    "SELECT #3 FROM e", "SELECT nowhere FROM e", "SELECT gone.x FROM e",
    "SELECT id FROM (e JOIN u ON e.id = u.b) AS x", "FROM e UNPIVOT (v FOR n IN (id, z)) SELECT n",
])  # fmt: skip
def test_a_name_whose_column_is_not_known_may_be_any(sql: str, events: Catalog) -> None:
    assert analyse(sql, events).star


@pytest.mark.parametrize("sql", [
    "SELECT id AS n, count(*) AS m FROM e GROUP BY n HAVING m > 1 ORDER BY m, all",
    "SELECT id, count(*) FROM e GROUP BY ALL ORDER BY ALL", "SELECT id AS n, n + 1 FROM e",
    "SELECT id AS n FROM e WHERE n > 1 QUALIFY row_number() OVER w = 1 WINDOW w AS (ORDER BY n)",
    "SELECT id AS n FROM e UNION ALL SELECT b FROM u ORDER BY n",
    "WITH c AS (SELECT id AS n FROM e) SELECT c.n, n, e.z FROM c JOIN e ON e.id = n",
    "SELECT q.n, n FROM (SELECT id AS n FROM e) q",
    "SELECT id, n FROM e, (SELECT b AS n FROM u) q WHERE EXISTS (SELECT 1 FROM u WHERE b = n)",
    "SELECT id FROM e WHERE EXISTS (SELECT count(*) AS k FROM u WHERE b = e.id HAVING k > 1)",
    "SELECT id AS n, (SELECT max(b) FROM u WHERE b = n) FROM e",
    "WITH RECURSIVE r AS (SELECT id AS n FROM e UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
    "SELECT e.id, x FROM e JOIN v ON v.x = e.id", "SELECT x FROM v, e WHERE id = 1",
    "SELECT id, r FROM e, unnest([id]) AS r(r)", "SELECT e.id, range FROM e, range(3)",
    "SELECT list_transform([id], lambda p: p + 1), [p + i + 1 for p, i in [z]] FROM e",
    "SELECT struct_pack(k := id), {'k': z}, rowid, e.rowid, user, current_date FROM e",
    "SELECT extract(year FROM now()), date_trunc('day', now()), id::INT FROM e",
    "SELECT main.lower(name), id FROM e", "SELECT id FROM e TABLESAMPLE 10%",
    "SELECT a.id FROM e a LEFT JOIN LATERAL (SELECT b AS n FROM u WHERE b = a.id) q ON n = a.id",
    "SELECT CASE WHEN id > 1 THEN 'x' END AS n, sum(z) FILTER (WHERE id > 1) FROM e GROUP BY n",
    "SELECT id, INTERVAL 1 DAY, name COLLATE NOCASE FROM e ORDER BY 1 LIMIT 3",
])  # fmt: skip
def test_usual_queries_name_all_that_they_read(sql: str, events: Catalog) -> None:
    assert not analyse(sql, events).star


def test_stars_and_order_are_seen_but_counting_rows_is_no_star(catalog: Catalog) -> None:
    facts = [analyse(s, catalog) for s in (
        "SELECT * FROM orders", "SELECT count(*) FROM orders", "SELECT id FROM orders ORDER BY id",
        "SELECT id FROM (SELECT id FROM orders ORDER BY id)", "SELECT o.* FROM orders o",
    )]  # fmt: skip
    assert [f.star for f in facts] == [True, False, False, False, True]
    assert [f.ordered for f in facts] == [False, False, True, False, False]


def test_hostile_names_are_names(catalog: Catalog) -> None:
    quoted = '"' + ODD.replace('"', '""') + '"'
    facts = analyse(f"SELECT {quoted} FROM other.{quoted} WHERE {quoted} = 1", catalog)
    assert facts.tables == (TableName(schema_name="other", name=ODD),)
    assert [(c.column, c.roles) for c in facts.columns] == [(ODD, ("filter", "select"))]


def test_names_of_ctes_and_missing_tables_are_no_tables(catalog: Catalog) -> None:
    facts = analyse("WITH orders AS (SELECT 1 AS id) SELECT id FROM orders, nowhere", catalog)
    assert (facts.tables, facts.columns) == ((), ())


@pytest.mark.parametrize("sql", [
    "", ";", "SELECT 1; SELECT 2", "SELEC 1", "SELECT '", "(" * 9000, "SELECT {: 1}",
    "SELECT date()",
])  # fmt: skip
def test_what_is_not_one_statement_is_not_analysed(sql: str, catalog: Catalog) -> None:
    with pytest.raises(ParseFailed):
        analyse(sql, catalog)
    with pytest.raises(ParseFailed):
        fingerprint_of(sql)


@pytest.mark.parametrize(("text", "count"), [
    ("SELECT ';'; SELECT \"a;b\"", 2), ("SELECT 1 -- ;\n; SELECT 2 /* ; */", 2),
    ("SELECT $$;$$; SELECT 'it''s;'", 2), ("SELECT '\U0001f980;é';SELECT 2;", 3), ("", 1),
])  # fmt: skip
def test_scripts_are_split_at_semicolons_between_statements(text: str, count: int) -> None:
    parts = split_text(text)
    assert (len(parts), ";".join(parts)) == (count, text)


@given(st.text(alphabet="a;'\"-/*$ \n\U0001f980", max_size=30))
def test_splitting_loses_nothing(text: str) -> None:
    assert ";".join(split_text(text)) == text


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused_by_name(text: str) -> None:
    try:
        parse(text)
        fingerprint_of(text)
    except ParseFailed as exc:
        assert str(exc)


@given(st.lists(st.sampled_from([
    "SELECT", "id", "*", "FROM", "orders", "o", "WHERE", "=", "1", "(", ")", "JOIN", "USING",
    "customers", "GROUP BY", "ORDER BY", "sum", "WITH", "AS", ",", "UNION", "ALL", "PIVOT", "ON",
    "UNNEST", "LATERAL", "DELETE", "INSERT INTO", "CREATE TABLE", "customer", "day", ".",
]), max_size=14))  # fmt: skip
def test_any_mixture_of_words_is_analysed_or_refused_by_name(words: list[str]) -> None:
    try:
        analyse(" ".join(words), known())
    except ParseFailed as exc:
        assert str(exc)

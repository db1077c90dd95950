"""Texts that agree on today's data are told apart on worse data, and equal ones are not."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from evals.oracle.adversarial import fault

MARCH = "SELECT count(*) AS n FROM sales WHERE strftime(sold, '%Y-%m') = '2025-03'"
RANGE = "SELECT count(*) AS n FROM sales WHERE sold >= DATE '2025-03-01' AND sold {}"
BEST = "SELECT shop, max(amount) AS top FROM sales GROUP BY shop ORDER BY top DESC"
BY_SHOP = "SELECT shop, count(*) AS n FROM sales GROUP BY shop"
KEPT = "SELECT shop, n FROM by_shop"
Pair = tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]


@pytest.fixture
def products() -> Iterator[Pair]:
    """Return one product twice: nothing missing, nothing repeated."""
    with duckdb.connect() as before, duckdb.connect() as after:
        for con in (before, after):
            con.execute(
                "CREATE TABLE sales AS SELECT i AS id, TIMESTAMP '2025-01-01' + to_minutes(i * 70)"
                " AS sold, 'shop ' || (i % 7) AS shop, CAST(i % 50 AS BIGINT) AS pieces,"
                " i / 3 AS amount FROM range(3000) AS r(i)"
            )
            con.execute("CREATE TABLE returns AS SELECT i * 3 AS sale_id FROM range(100) AS r(i)")
        yield before, after


def contents(con: duckdb.DuckDBPyConnection) -> list[tuple[int, ...]]:
    return con.execute("SELECT count(*), sum(hash(s)) FROM sales AS s").fetchall()


@pytest.mark.parametrize(
    ("sql", "text", "world"),
    [
        (
            "SELECT count(*) AS n FROM sales WHERE id NOT IN (SELECT sale_id FROM returns)",
            "SELECT count(*) AS n FROM sales"
            " WHERE NOT EXISTS (SELECT 1 FROM returns WHERE sale_id = id)",
            "missing values",
        ),
        (
            "SELECT DISTINCT sale_id FROM returns WHERE sale_id IS NOT NULL",
            "SELECT sale_id FROM returns WHERE sale_id IS NOT NULL",
            "repeated rows",
        ),
        ("SELECT count(shop) AS n FROM sales", "SELECT count(*) AS n FROM sales", "missing values"),
        (
            "SELECT sale_id FROM returns UNION SELECT -1 - id FROM sales WHERE id < 5",
            "SELECT sale_id FROM returns UNION ALL SELECT -1 - id FROM sales WHERE id < 5",
            "missing values",
        ),
        (
            "SELECT id FROM sales LEFT JOIN returns ON id = sale_id WHERE id % 3 = 0 AND id < 99",
            "SELECT id FROM sales JOIN returns ON id = sale_id WHERE id % 3 = 0 AND id < 99",
            "no returns",
        ),
        (
            "SELECT max(pieces) AS top FROM sales",
            "SELECT coalesce(max(pieces), 0) AS top FROM sales",
            "no sales",
        ),
        (MARCH, RANGE.format("<= DATE '2025-04-01'"), "edges"),
    ],
)
def test_a_text_that_answers_otherwise_on_worse_data_is_caught(
    sql: str, text: str, world: str, products: Pair
) -> None:
    answers = [sorted(products[1].execute(q).fetchall()) for q in (sql, text)]
    assert answers[0] == answers[1]
    assert f"another answer on adversarial data ({world}" in fault(*products, {sql: text})


KINDS = (
    "CREATE TABLE kinds AS SELECT i AS id, CAST(i % 97 AS DECIMAL(9,2)) AS price, CAST(i % 97 AS"
    " DECIMAL(38,0)) AS wide, CAST(i % 97 AS VARCHAR) AS amount, CAST(i % 90 AS HUGEINT) AS huge,"
    " CAST(i % 90 AS UINTEGER) AS few, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_days(CAST(i % 90"
    " AS INTEGER)) AS seen, TIME '08:00:00' + to_seconds(i % 900) AS hour, 'a' || (i % 7) AS name"
    " FROM range(3000) AS r(i)"
)
CAST_AMOUNT = "sum(CAST(amount AS BIGINT))"


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ("sum(price)", "sum(abs(price))"),
        ("sum(wide)", "sum(abs(wide))"),
        (CAST_AMOUNT, "sum(abs(CAST(amount AS BIGINT)))"),
        ("sum(CAST(amount AS DOUBLE))", f"CAST({CAST_AMOUNT} AS DOUBLE)"),
        ("min(huge)", "greatest(min(huge), min(id))"),
        ("max(few)", "max(few % 1000)"),
        ("max(seen)", "max(if(year(seen) < 2025, seen, NULL))"),
        ("max(hour)", "max(if(hour(hour) < 12, hour, NULL))"),
        ("count(*) FILTER (name = 'a9')", "count(*) FILTER (lower(name) = 'a9')"),
    ],
)
def test_each_type_has_values_that_tell_texts_apart(asked: str, wrong: str, products: Pair) -> None:
    sql, text = (f"SELECT {what} AS found FROM kinds" for what in (asked, wrong))
    for con in products:
        con.execute(KINDS)
    assert products[1].execute(sql).fetchall() == products[1].execute(text).fetchall()
    assert "another answer on adversarial data (edges" in fault(*products, {sql: text})
    assert fault(*products, {sql: sql + " "}) == ""


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (MARCH, RANGE.format("< DATE '2025-04-01'")),
        (f"{BEST} LIMIT 3", f"{BEST}, shop LIMIT 3"),
    ],
)
def test_equal_texts_are_equal_everywhere_and_the_data_stays(
    sql: str, text: str, products: Pair
) -> None:
    before = contents(products[1])
    assert fault(*products, {sql: text}) == ""
    assert contents(products[1]) == before


def keep(con: duckdb.DuckDBPyConnection, *events: str) -> None:
    """Keep a summary of sales by triggers, as far as these events go."""
    con.execute(f"CREATE TABLE by_shop AS {BY_SHOP}")
    moved = BY_SHOP.replace("sales", "moved")
    for event, state, sign in (("INSERT", "NEW", "+"), ("DELETE", "OLD", "-")):
        if event in events:
            con.execute(
                f"CREATE TRIGGER kept_{event} AFTER {event} ON sales REFERENCING {state} TABLE AS"
                f" moved FOR EACH STATEMENT MERGE INTO by_shop AS b USING ({moved}) AS m ON b.shop"
                f" IS NOT DISTINCT FROM m.shop WHEN MATCHED THEN UPDATE SET n = b.n {sign} m.n"
                " WHEN NOT MATCHED THEN INSERT (shop, n) VALUES (m.shop, m.n)"
            )


@pytest.mark.parametrize(
    ("events", "world"),
    [
        ((), "missing values"),
        (("INSERT",), "few rows"),
        (("INSERT", "DELETE"), "changed to missing"),
    ],
)
def test_a_summary_that_follows_only_some_writes_is_caught(
    events: tuple[str, ...], world: str, products: Pair
) -> None:
    keep(products[1], *events)
    assert f"({world})" in fault(*products, {BY_SHOP: KEPT})


SHOPS = "SELECT count({}) AS n FROM sales"
CAST = "CAST(substr(shop, 6) AS INTEGER)"


@pytest.mark.parametrize(
    ("counted", "asked", "caught"),
    [("shop", (), True), (CAST, (), False), ("shop", (SHOPS.format(CAST),), False)],
)
def test_a_refused_write_is_caught_where_all_queries_could_have_answered(
    counted: str, asked: tuple[str, ...], caught: bool, products: Pair
) -> None:
    products[1].execute("CREATE TABLE seen (shop INTEGER)")
    products[1].execute(
        "CREATE TRIGGER strict AFTER INSERT ON sales REFERENCING NEW TABLE AS fresh"
        f" FOR EACH STATEMENT INSERT INTO seen SELECT {CAST} FROM fresh"
    )
    sql = SHOPS.format(counted)
    found = fault(*products, {sql: sql + " "}, asked)
    assert ("a write is refused" in found) == caught, found

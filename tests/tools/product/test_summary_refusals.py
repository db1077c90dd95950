"""A summary refuses no row that its table takes, unless its queries would fail on it."""

from __future__ import annotations

import duckdb
import pytest

from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product.catalog import read_catalog
from tools.product.errors import Refused
from tools.product.executor import apply
from tools.product.summary_refusals import refused_rows

EVERY = "SELECT place, sum(CAST(amount AS BIGINT)) AS n FROM sales GROUP BY place"
SOME = EVERY.replace(" GROUP", " WHERE place > 'b' GROUP")
FILTERED = "SELECT count(*) AS n FROM sales WHERE CAST(amount AS BIGINT) > 3"
AND = f"{FILTERED} AND place > 'b'"
OR = "SELECT count(*) AS n FROM sales WHERE place > 'b' OR CAST(amount AS BIGINT) > 3"
BETWEEN = f"{FILTERED} AND CAST(amount AS BIGINT) < 9"
EITHER = f'{FILTERED} OR (CAST("AMOUNT" AS BIGINT) < 0 AND CAST(amount AS BIGINT) % 2 = 0)'
HAVING = f"{EVERY} HAVING place > 'b'"
FALLBACK = "SELECT max(coalesce(nullif(place, 'a'), CAST(amount AS BIGINT)::VARCHAR)) FROM sales"
WITHIN = "SELECT sum(CASE WHEN place > 'b' THEN CAST(amount AS BIGINT) END) AS n FROM sales"
ONLY = "SELECT sum(CAST(amount AS BIGINT)) FILTER (place > 'b') AS n FROM sales"


JOINED = (
    "SELECT d.x, sum(CAST(s.amount AS BIGINT)) AS n FROM sales s LEFT JOIN d USING (k) GROUP BY 1"
)


def summary(argument: str, *served: str) -> CreateSummary:
    return CreateSummary(
        table=TableName(name="sales"),
        summary=TableName(name="sums"),
        dimensions=(Dimension(expression="place", column="place"),),
        aggregates=(Aggregate(function="sum", argument=argument, column="a"),),
        rewrites=tuple((sql, "SELECT 1") for sql in served),
    )


def refused(argument: str, *served: str, kind: str = "VARCHAR") -> bool:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE sales (place VARCHAR, amount {kind})")
        table = read_catalog(con).tables[0]
    return refused_rows(summary(argument, *served), table) is not None


@pytest.mark.parametrize(
    "served",
    [(SOME,), (WITHIN,), (ONLY,), (SOME, WITHIN, "no ( SQL"), (AND, OR), (HAVING,), (FALLBACK,)],
)
def test_a_cast_that_only_some_rows_come_to_may_not_refuse_the_others(
    served: tuple[str, ...],
) -> None:
    assert refused("CAST(amount AS BIGINT)", *served)
    assert not refused("CAST(amount AS BIGINT)", *served, kind="BIGINT")


@pytest.mark.parametrize(
    ("query", "fails"),
    [
        (JOINED, True), (JOINED.replace("LEFT", "INNER"), False),
        (JOINED.replace("s.amount", "d.amount"), False),
        (JOINED.replace("GROUP", "WHERE s.place > 'b' GROUP"), False),
        (JOINED.replace("sales s LEFT JOIN d", "d, sales s LEFT JOIN e"), False),
    ],
)  # fmt: skip
def test_a_join_computes_of_every_row_only_where_it_leaves_none_out(
    query: str, fails: bool
) -> None:
    assert refused("CAST(amount AS BIGINT)", query) is not fails


@pytest.mark.parametrize("served", [(EVERY,), (FILTERED,), (SOME, EVERY), (BETWEEN,), (EITHER,)])
def test_a_cast_that_fails_a_query_already_is_no_new_refusal(served: tuple[str, ...]) -> None:
    assert not refused("CAST(amount AS BIGINT)", *served)


@pytest.mark.parametrize(
    "argument",
    ["TRY_CAST(amount AS INTEGER)", "CAST(TRY_CAST(amount AS INTEGER) AS BIGINT)",
     "CAST(amount AS VARCHAR)", "length(amount)"],
)  # fmt: skip
def test_what_takes_every_text_refuses_none(argument: str) -> None:
    assert not refused(argument, SOME)


def test_a_format_that_does_not_fit_is_refused_too() -> None:
    assert refused("year(strptime(amount, '%Y'))", SOME)


@pytest.mark.parametrize("query", [SOME, AND, OR, HAVING, FALLBACK, WITHIN])
def test_queries_taken_for_ones_that_meet_some_rows_live_with_a_value_that_does_not_fit(
    query: str,
) -> None:
    rows = "SELECT 'c' AS place, i::VARCHAR AS amount FROM range(5000) t(i)"
    with duckdb.connect() as con:
        value = "'z', 'no number'" if query in (OR, FALLBACK) else "'a', 'no number'"
        con.execute(f"CREATE TABLE sales AS {rows} UNION ALL SELECT {value}")
        assert con.execute(query).fetchall()


@pytest.mark.parametrize("query", [EVERY, FILTERED, BETWEEN, EITHER])
def test_queries_taken_for_ones_that_meet_every_row_fail_for_one_that_does_not_fit(
    query: str,
) -> None:
    rows = "SELECT 'c' AS place, i::VARCHAR AS amount FROM range(5000) t(i)"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE sales AS {rows} UNION ALL SELECT 'a', 'no number'")
        with pytest.raises(duckdb.ConversionException):
            con.execute(query).fetchall()


def test_conditions_nested_deeply_are_looked_at_in_no_time() -> None:
    deep = "CAST(amount AS BIGINT) > 0"
    for _ in range(40):
        deep = f"({deep} AND place > 'a') OR CAST(amount AS BIGINT) < 0"
    assert refused("CAST(amount AS BIGINT)", f"SELECT count(*) FROM sales WHERE {deep}")


def test_such_a_summary_cannot_be_made_until_its_text_is_of_another_type() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales AS SELECT 'a' AS place, '1' AS amount")
        change = summary("CAST(amount AS BIGINT)", SOME)
        with pytest.raises(Refused, match="Its triggers cast amount, which is text.*Store amount"):
            apply(con, "p1", change)
        con.execute("ALTER TABLE sales ALTER amount TYPE INTEGER")
        assert apply(con, "p1", change).status == "applied"


RISKY = [
    ("DOUBLE", "CAST(amount AS DECIMAL(10,2))", "1e12"),
    ("DOUBLE", "CAST(round(amount) AS BIGINT)", "'nan'"),
    ("BIGINT", "CAST(amount AS INTEGER)", "3000000000"),
    ("DECIMAL(18,2)", "CAST(amount AS DECIMAL(10,2))", "1e9"),
    ("TINYINT", "CAST(amount + amount AS BIGINT)", "100"),
    ("INTEGER", "CASE WHEN place > 'a' THEN amount * amount END", "100000"),
]


@pytest.mark.parametrize(("kind", "argument", "value"), RISKY)
def test_numbers_that_do_not_fit_are_refused_like_text(
    kind: str, argument: str, value: str
) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE sales (place VARCHAR, amount {kind})")
        every = f"SELECT place, sum({argument}) AS n FROM sales GROUP BY place"
        some = every.replace(" GROUP", " WHERE place > 'z' GROUP")
        with pytest.raises(Refused, match=r"they would refuse a later row") as found:
            apply(con, "p1", summary(argument, some))
        assert "Store amount as" in found.value.hint
        con.execute(f"INSERT INTO sales VALUES ('b', {value})")
        con.execute(some)
        with pytest.raises(duckdb.Error):
            con.execute(every).fetchall()
    if "CASE" not in argument:
        assert not refused(argument, every, some, kind=kind)


@pytest.mark.parametrize(("kind", "argument", "value"), RISKY)
def test_what_the_hint_says_helps(kind: str, argument: str, value: str) -> None:
    some = f"SELECT sum({argument}) AS n FROM sales WHERE place > 'z'"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE sales (place VARCHAR, amount {kind})")
        table = read_catalog(con).tables[0]
        found = refused_rows(summary(argument, some), table)
        assert found is not None
        words = found.hint.removeprefix("Store amount as ").removesuffix(" first.")
        con.execute(f"ALTER TABLE sales ALTER amount TYPE {words}")
        assert apply(con, "p1", summary(argument, some)).status == "applied"

"""A summary refuses no row that its table takes, unless its queries would fail on it."""

from __future__ import annotations

import duckdb
import pytest

from tools.messages import Aggregate, CreateSummary, Dimension, TableName
from tools.product.catalog import read_catalog
from tools.product.errors import Refused
from tools.product.executor import apply
from tools.product.summary_refusals import refused_text

EVERY = "SELECT place, sum(CAST(amount AS BIGINT)) AS n FROM sales GROUP BY place"
SOME = EVERY.replace(" GROUP", " WHERE place > 'b' GROUP")
FILTERED = "SELECT count(*) AS n FROM sales WHERE CAST(amount AS BIGINT) > 3 AND place > 'b'"
WITHIN = "SELECT sum(CASE WHEN place > 'b' THEN CAST(amount AS BIGINT) END) AS n FROM sales"
ONLY = "SELECT sum(CAST(amount AS BIGINT)) FILTER (place > 'b') AS n FROM sales"


def summary(argument: str, *served: str) -> CreateSummary:
    return CreateSummary(
        table=TableName(name="sales"),
        summary=TableName(name="sums"),
        dimensions=(Dimension(expression="place", column="place"),),
        aggregates=(Aggregate(function="sum", argument=argument, column="a"),),
        rewrites=tuple((sql, "SELECT 1") for sql in served),
    )


def refused(argument: str, *served: str, kind: str = "VARCHAR") -> str | None:
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE sales (place VARCHAR, amount {kind})")
        table = read_catalog(con).tables[0]
    return refused_text(summary(argument, *served), table)


@pytest.mark.parametrize("served", [(SOME,), (WITHIN,), (ONLY,), (SOME, WITHIN, "no ( SQL")])
def test_a_cast_that_only_some_rows_come_to_may_not_refuse_the_others(
    served: tuple[str, ...],
) -> None:
    assert refused("CAST(amount AS BIGINT)", *served) == "amount"
    assert refused("CAST(amount AS BIGINT)", *served, kind="BIGINT") is None


@pytest.mark.parametrize("served", [(EVERY,), (FILTERED,), (SOME, EVERY)])
def test_a_cast_that_fails_a_query_already_is_no_new_refusal(served: tuple[str, ...]) -> None:
    assert refused("CAST(amount AS BIGINT)", *served) is None


@pytest.mark.parametrize(
    "argument",
    ["TRY_CAST(amount AS INTEGER)", "CAST(TRY_CAST(amount AS INTEGER) AS BIGINT)",
     "CAST(amount AS VARCHAR)", "length(amount)"],
)  # fmt: skip
def test_what_takes_every_text_refuses_none(argument: str) -> None:
    assert refused(argument, SOME) is None


def test_a_format_that_does_not_fit_is_refused_too() -> None:
    assert refused("year(strptime(amount, '%Y'))", SOME) == "amount"


def test_such_a_summary_cannot_be_made_until_its_text_is_of_another_type() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales AS SELECT 'a' AS place, '1' AS amount")
        change = summary("CAST(amount AS BIGINT)", SOME)
        with pytest.raises(Refused, match="Its triggers cast amount, which is text.*Store amount"):
            apply(con, "p1", change)
        con.execute("ALTER TABLE sales ALTER amount TYPE INTEGER")
        assert apply(con, "p1", change).status == "applied"

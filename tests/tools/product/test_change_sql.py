"""The SQL inside a change: expressions pass, anything more is refused before it runs."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.messages import (
    AddCheck,
    Aggregate,
    Change,
    ChangeType,
    CreateSummary,
    Dimension,
    RewriteQuery,
    TableName,
)
from tools.product.catalog import Catalog, read_catalog
from tools.product.change_sql import check_expression, check_type
from tools.product.changes import plan
from tools.product.errors import Forbidden, ParseFailed, ProductError, Refused

SALES = TableName(name="sales")
PURE = """
CAST(NULLIF("amount", 'NA') AS SMALLINT)
CASE WHEN "amount" = 'NA' THEN NULL ELSE CAST(strptime(amount, '%Y') AS DATE) END
coalesce(CAST("amount" AS VARCHAR), 'NA')
length(amount) BETWEEN 1 AND 3 AND amount IN ('x', 'y')
list_transform([amount], lambda x: x || 'b')
amount IS NOT NULL AND NOT amount COLLATE nocase = 'it''s; -- $$'
AMOUNT
"""
MORE = """
(SELECT 1)
EXISTS (SELECT 1)
amount || (SELECT filename FROM read_text('/etc/passwd'))
getenv('HOME')
nextval('counter')
region
sales.amount
amount) , (1
amount)--(
1 --
1)--
amount FROM sales
amount AS x
amount; DROP TABLE sales
amount WHERE true
amount UNION SELECT 1
amount LIMIT 1
sum(amount) OVER ()
*
COLUMNS('a')
?
"""
TYPES = ("DECIMAL(10,2)", "ENUM('a', 'b')", "STRUCT(a INT, b INT[])", "mood", "INTEGER[3]",
         "TIMESTAMP WITH TIME ZONE", "MAP(VARCHAR, INTEGER)")  # fmt: skip
NO_TYPES = ("", "INT --", "INT)--", "INT; DROP TABLE sales", "INT) + CAST(1 AS INT",
            "INT) , CAST(1 AS INT", "INT) AS x FROM (SELECT 1", "INT USING 1")  # fmt: skip


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE sales (amount VARCHAR, region VARCHAR)")
        return read_catalog(con)


def retype(**fields: Any) -> ChangeType:
    values = {
        "table": SALES, "column": "amount", "from_type": "VARCHAR", "to_type": "INTEGER",
        "forward": 'CAST("amount" AS INTEGER)', "backward": 'CAST("amount" AS VARCHAR)',
    }  # fmt: skip
    return ChangeType.model_validate(values | fields)


def summary(**fields: Any) -> CreateSummary:
    asked = "SELECT region, count(*) FROM sales GROUP BY region"
    values = {
        "table": SALES, "summary": TableName(name="sums"),
        "dimensions": (Dimension(expression='"region"', column="region"),),
        "aggregates": (Aggregate(function="count", column="n"),), "rewrites": ((asked, asked),),
    }  # fmt: skip
    return CreateSummary.model_validate(values | fields)


@pytest.mark.parametrize("text", lines(PURE))
def test_an_expression_over_the_column_passes(text: str) -> None:
    check_expression(text, ["amount"])


@pytest.mark.parametrize("text", lines(MORE))
def test_anything_more_than_an_expression_over_the_column_is_refused(text: str) -> None:
    with pytest.raises((Forbidden, ParseFailed)):
        check_expression(text, ["amount"])


@pytest.mark.parametrize("text", TYPES)
def test_a_type_passes(text: str) -> None:
    check_type(text)


@pytest.mark.parametrize("text", NO_TYPES)
def test_what_is_not_only_a_type_is_refused(text: str) -> None:
    with pytest.raises((Forbidden, ParseFailed)):
        check_type(text)


@pytest.mark.parametrize("change", [
    retype(forward="(SELECT max(region) FROM sales)"),
    retype(backward="getenv('HOME')"),
    retype(to_type="INTEGER; DROP TABLE sales"),
    AddCheck(table=SALES, column="amount", expression="amount IN (SELECT region FROM sales)"),
    AddCheck(table=SALES, column="amount", expression="true), other INTEGER, CHECK (true"),
    summary(dimensions=(Dimension(expression="(SELECT 1)", column="a"),)),
    summary(aggregates=(Aggregate(function="sum", argument="1) , (2", column="a"),)),
    summary(summary=TableName(schema_name="pillion", name="sums")),
    summary(rewrites=(("SELECT 1", "DROP TABLE sales"),)),
    summary(rewrites=(("FROM read_text('x')", "SELECT 1"),)),
    RewriteQuery(table=SALES, fingerprint="x", rule="nonsense", original="SELECT 1",
                 rewritten="SELECT 2"),
    RewriteQuery(table=SALES, fingerprint="x", rule="year_number", rewritten="SELECT 1",
                 original="SELECT 1 FROM sales WHERE year(amount::DATE) = 2020"),
])  # fmt: skip
def test_a_change_with_hostile_sql_is_refused_before_anything_runs(
    change: Change, catalog: Catalog
) -> None:
    with pytest.raises(Refused, match="SQL that may not run"):
        plan(change, catalog, proposal_id="p1")


@pytest.mark.parametrize("change", [retype(), summary()])
def test_an_honest_change_is_planned(change: Change, catalog: Catalog) -> None:
    assert plan(change, catalog, proposal_id="p1").forward


@given(st.text())
def test_any_text_as_an_expression_is_passed_or_refused_by_name(text: str) -> None:
    for check in (lambda: check_expression(text, ["amount"]), lambda: check_type(text)):
        try:
            check()
        except ProductError as exc:
            assert exc.code in ("forbidden", "parse_failed")


@given(st.text(alphabet="1a() -*/'\";,.[]{}$\n", max_size=12))
def test_what_passes_as_an_expression_stays_one_item_of_a_select(text: str) -> None:
    try:
        check_expression(text, ["a"])
    except ProductError:
        return
    with duckdb.connect() as con:
        found = con.extract_statements(f"SELECT ({text}), 7")
        try:
            row = con.execute(f"SELECT ({text}), 7 FROM (SELECT NULL::INTEGER AS a)").fetchall()
        except (duckdb.BinderException, duckdb.CatalogException):
            row = [(None, 7)]
    assert (len(found), len(row), len(row[0]), row[0][1]) == (1, 1, 2, 7)

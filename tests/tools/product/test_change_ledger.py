"""Which approved rewrites answer queries, and which don't any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.products import make_database
from tools.messages import Aggregate, CreateSummary, Dimension, RewriteQuery, TableName
from tools.product import executor
from tools.product.candidates.answers import answer_from_summary
from tools.product.candidates.rules import apply_rule
from tools.product.fingerprint import fingerprint_of
from tools.product.owner import Owner
from tools.product.workload_store import WorkloadStore

SALES = TableName(name="sales")
GROUPED = "SELECT region, count(*) AS n FROM sales WHERE region > 'r3' GROUP BY region ORDER BY 1"
OTHER = "SELECT region, count(*) AS n FROM sales GROUP BY region ORDER BY 1"
PREFIX = "SELECT count(*) AS n FROM sales WHERE substr(amount, 1, 1) = '7'"
SUMMARY = CreateSummary(
    table=SALES, summary=TableName(name="sales_by_region"), rewrites=(),
    dimensions=(Dimension(expression='"region"', column="region"),),
    aggregates=(Aggregate(function="count", column="n_rows"),),
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = make_database(tmp_path / "sales.duckdb", 1000)
    answer = answer_from_summary(GROUPED, SUMMARY)
    assert answer is not None
    with duckdb.connect(str(path)) as con:
        summary = SUMMARY.model_copy(update={"rewrites": ((GROUPED, answer),)})
        executor.apply(con, "p1", summary)
        rewritten = apply_rule("prefix_text", PREFIX)
        assert rewritten is not None
        executor.apply(
            con, "p2",
            RewriteQuery(table=SALES, fingerprint=fingerprint_of(PREFIX), rule="prefix_text",
                         original=PREFIX, rewritten=rewritten),
        )  # fmt: skip
    return path


@pytest.fixture
def owner(database: Path, tmp_path: Path) -> Iterator[Owner]:
    store = WorkloadStore(tmp_path / "workload.db")
    made = Owner(database, store, {})
    yield made
    made.close()
    store.close()


def test_the_gateway_answers_a_measured_pattern_with_any_literals(owner: Owner) -> None:
    assert "sales_by_region" in owner.rewritten(GROUPED.replace("r3", "r5"))
    assert "substr" in owner.rewritten(PREFIX.replace("'7'", "'77'"))
    assert ">= '8'" in owner.rewritten(PREFIX.replace("'7'", "'8'"))


def test_the_gateway_leaves_what_was_not_measured(owner: Owner) -> None:
    other = PREFIX.replace("amount", "status")
    assert owner.rewritten(OTHER) == OTHER
    assert owner.rewritten(other) == other
    assert owner.rewritten("not sql (") == "not sql ("


def test_a_rewrite_keeps_the_names_of_unnamed_columns(owner: Owner) -> None:
    unnamed = PREFIX.replace("count(*) AS n", "substr(region, 1, 2), count(*)") + " GROUP BY ALL"
    rewritten = apply_rule("prefix_text", unnamed)
    assert rewritten is not None and "SUBSTRING(region" in rewritten
    change = RewriteQuery(
        table=SALES, fingerprint="", rule="prefix_text", original=unnamed, rewritten=rewritten
    )
    with owner.cursor() as con:
        names = [d[0] for d in con.execute(unnamed).description or ()]
        executor.apply(con, "p3", change)
        owner.refresh_rewrites()
        assert owner.rewritten(unnamed) == rewritten
        assert [d[0] for d in con.execute(rewritten).description or ()] == names


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE OR REPLACE TABLE sales AS FROM sales LIMIT 10",
        'DROP TRIGGER "sales_by_region_update" ON sales',
        "DROP TABLE sales_by_region CASCADE",
    ],
)
def test_a_summary_that_is_not_kept_exact_answers_nothing(database: Path, statement: str) -> None:
    with duckdb.connect(str(database)) as con:
        assert len(executor.dispatch_rewrites(con)) == 2
        for name in ("insert", "update", "delete") if "DROP TABLE" in statement else ():
            con.execute(f'DROP TRIGGER "sales_by_region_{name}" ON sales')
        con.execute(statement)
        assert [r.kind for r in executor.dispatch_rewrites(con)] == ["rewrite_query"]


def test_a_summary_answers_after_writes_with_what_is_true_then(owner: Owner) -> None:
    with owner.cursor() as con:
        con.execute("INSERT INTO sales SELECT i, '1', 'r9', 'open' FROM range(5) r(i)")
        con.execute("DELETE FROM sales WHERE region = 'r4'")
        text = owner.rewritten(GROUPED)
        assert "sales_by_region" in text
        assert con.execute(text).fetchall() == con.execute(GROUPED).fetchall()

"""What people edit a change into is refused in words that say what to do; nothing is made."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from graph.answering import edited_change
from graph.errors import InvalidAnswer
from tools.messages import (
    AddCheck,
    AddNotNull,
    Aggregate,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    Dimension,
    SortTable,
    TableName,
)
from tools.product.candidates.answers import answer_from_summary
from tools.product.catalog import read_catalog
from tools.product.errors import ProductError
from tools.product.executor import apply

T = TableName(name="t")
TOTALS = "SELECT a, sum(x) AS total FROM memory.t GROUP BY a"
COUNTS = "SELECT count(*) AS total FROM t"
BARE = CreateSummary(
    table=T, summary=TableName(name="sums"), rewrites=(),
    dimensions=(Dimension(expression='"a"', column="a"),),
    aggregates=(
        Aggregate(function="count", column="n"),
        Aggregate(function="sum", argument='"x"', column="s"),
        Aggregate(function="count", argument='"x"', column="c"),
    ),
)  # fmt: skip
SUMMARY = BARE.model_copy(
    update={
        "rewrites": tuple((q, answer_from_summary(q, BARE, "memory")) for q in (TOTALS, COUNTS))
    }
)
ALL = ["a", "n", "s", "c"]
INDEX = CreateIndex(table=T, columns=("a",), name="i")
SORT = SortTable(table=T, order_by=("a",))
TYPE = ChangeType(
    table=T, column="s", from_type="VARCHAR", to_type="INTEGER",
    forward='CAST("s" AS INTEGER)', backward='CAST("s" AS VARCHAR)',
)  # fmt: skip
CHECK = AddCheck(table=T, column="a", expression="a < 10")


def dimension(expression: str, **more: str) -> dict[str, str]:
    return {"expression": expression, "column": "d", **more}


def counted(*more: dict[str, str]) -> dict[str, Any]:
    """Keep what a count needs, and more."""
    return {"aggregates": [{"function": "count", "column": "n"}, *more]}


def with_dimension(expression: str, **more: str) -> dict[str, Any]:
    kept = {"expression": '"a"', "column": "a"}
    return {"dimensions": [kept, dimension(expression, **more)]}


@pytest.mark.parametrize(
    ("change", "fields", "said"),
    [
        (SUMMARY, {"aggregates": []}, "aggregates is empty: a summary holds at least one"),
        (SUMMARY, {"summary": {"name": " "}}, "summary needs a name"),
        (SUMMARY, {"summary": {"name": "s" * 256}}, "at most 255"),
        (SUMMARY, with_dimension('"x"', column="N"), "Two columns of the summary are called n"),
        (SUMMARY, counted({"function": "sum", "column": "s"}), "argument is empty"),
        (SUMMARY, {"dimensions": [dimension('"zz"')], **counted()}, "zz"),
        (SUMMARY, {"rewrites": [["SELECT 1", "SELECT 2"]]}, "may leave queries out, not add any"),
        (SUMMARY, {"rewrites": [[TOTALS, "SELECT 1"]]}, "The texts of rewrites are Pillion's"),
        (SUMMARY, {"aggregates": [{"function": "min", "argument": "x", "column": "m"}]},
         "would answer none of the 2 queries"),
        (SUMMARY, {"summary": {"name": "v"}}, "already a table or view v. Give it another name"),
        (SUMMARY, with_dimension('"x"', grain="day"), '"x" does not tell the day of a column'),
        (SUMMARY, with_dimension("random()"), "cannot be|random"),
        (SUMMARY, counted({"function": "sum", "argument": '"f"', "column": "s"}),
         "only sums of integers and decimals"),
        (SUMMARY, {"groupings": [ALL, ["a", "n", "zz"]]}, "Each of the groupings names columns"),
        (SUMMARY, {"groupings": [ALL, ["a"]]}, "Each of the groupings names columns: of dim"),
        (SUMMARY, with_dimension('"x"') | {"groupings": [ALL]}, "No grouping has d: add it"),
        (SUMMARY, with_dimension('"z"') | {"groupings": [ALL, ["d", "n"]]},
         '"z" is TIMESTAMP WITH TIME ZONE: that takes a summary of one grouping'),
        (SUMMARY, with_dimension('"f" / 2') | {"groupings": [ALL, ["d", "n"]]},
         '"f" / 2 may be a floating-point number, of which 0 has two texts'),
        (SUMMARY, with_dimension('"x"', column="Pillion_grouping") | {"groupings": [ALL]},
         "Two columns of the summary are called pillion_grouping"),
        (INDEX, {"columns": []}, "columns is empty: name at least one column"),
        (INDEX, {"columns": ["a", "A"]}, "columns names A twice"),
        (INDEX, {"name": "a\0"}, "NUL"),
        (INDEX, {"name": "IX"}, "already an index IX. Give it another name"),
        (SORT, {"order_by": []}, "order_by is empty"),
        (TYPE, {"to_type": "varchar"}, "is VARCHAR already"),
        (TYPE, {"forward": " "}, "forward is empty"),
        (TYPE, {"column": "zz"}, "There is no column t.zz"),
        (TYPE, {"forward": "nofunc(s)"}, "calls nofunc: only the engine's own functions"),
        (TYPE, {"to_type": "nope"}, "Type with name nope does not exist!$"),
        (CHECK, {"expression": "x < 9"}, "does not read a. Give a condition of a"),
        (CHECK, {"expression": "a < random()"}, "calls random: only"),
        (CHECK, {"expression": "age(make_date(2020, 1, a)) < INTERVAL 1 DAY"}, "calls age: only"),
        (CHECK, {"expression": "a::VARCHAR < ago('1 day')::VARCHAR"}, "calls ago: only"),
        (CHECK, {"expression": "a < epoch_ms(current_localtimestamp())"}, "current_localtime"),
        (CHECK, {"expression": "a < other.twice(a)"}, "calls twice: only"),
        (CHECK, {"expression": "abs(a) < 10"}, "calls what a macro of this product is called"),
        (TYPE, {"forward": "CAST(abs(s::INTEGER) AS INTEGER)"}, "calls what a macro"),
        (CHECK, {"expression": "a < 2"}, "Rows of t break this rule on a. Mend them first"),
        (AddNotNull(table=T, column="a"), {"column": "m"}, "Rows of t break this rule on m"),
    ],
)  # fmt: skip
def test_nonsense_in_an_edit_is_told_in_words_and_nothing_is_made(
    change: Change, fields: dict[str, Any], said: str
) -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT i % 5 AS a, i AS x, i::VARCHAR AS s, i::DOUBLE AS f,"
            " now() AS z, NULL::INTEGER AS m FROM range(50) r(i); CREATE VIEW v AS SELECT 1;"
            " CREATE INDEX ix ON t(x); CREATE MACRO abs(n) AS n; CREATE SCHEMA other;"
            " CREATE MACRO other.twice(n) AS 2 * n"
        )
        before = read_catalog(con)
        with pytest.raises((InvalidAnswer, ProductError), match=said) as told:
            apply(con, "p1", edited_change(change, fields))
        assert "LINE 1" not in str(told.value) and read_catalog(con) == before


def test_the_texts_of_a_summary_follow_the_name_that_somebody_gives_it() -> None:
    renamed = edited_change(SUMMARY, {"summary": {"name": "x y"}})
    fewer = edited_change(SUMMARY, {"dimensions": [], **counted()})
    assert isinstance(renamed, CreateSummary) and isinstance(fewer, CreateSummary)
    assert [q for q, _ in fewer.rewrites] == [COUNTS]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT i % 5 AS a, i AS x FROM range(50) r(i)")
        apply(con, "p1", renamed)
        con.execute("INSERT INTO t VALUES (1, 7), (9, 9)")
        for query, text in renamed.rewrites:
            assert '"x y"' in text
            assert sorted(con.execute(text).fetchall()) == sorted(con.execute(query).fetchall())

"""Ideas: known again under other texts, and never taken for another."""

from __future__ import annotations

from tests.factories import make_change
from tools.ideas import idea_key
from tools.messages import Aggregate, CreateSummary, Dimension, DropColumn, TableName

T = TableName(name="flights")


def test_a_type_is_the_same_idea_whatever_stands_for_missing_values() -> None:
    plain = make_change(to_type="INTEGER", null_marker=None, forward='CAST("x" AS INTEGER)')
    marked = make_change(to_type="INTEGER", null_marker="NA", forward="CASE WHEN ... END")
    assert idea_key(plain) == idea_key(marked)
    assert idea_key(plain) != idea_key(make_change(to_type="BIGINT", null_marker=None))
    assert idea_key(plain) != idea_key(make_change(to_type="INTEGER", column="other"))


def test_a_dropped_column_is_the_same_idea_whatever_its_type() -> None:
    was, now = (DropColumn(table=T, column="c", type=kind) for kind in ("VARCHAR", "BIGINT"))
    assert idea_key(was) == idea_key(now)
    assert idea_key(was) != idea_key(DropColumn(table=T, column="d", type="VARCHAR"))


def test_a_summary_is_the_same_idea_with_and_without_its_grains() -> None:
    day = Dimension(expression="date_trunc('day', at)", column="d0")
    was, now = (
        CreateSummary(
            table=T, summary=TableName(name=name), dimensions=(dimension,), rewrites=(),
            aggregates=(Aggregate(function="count", column="n"),),
        )
        for name, dimension in (("one", day), ("two", day.model_copy(update={"grain": "day"})))
    )  # fmt: skip
    assert idea_key(was) == idea_key(now)

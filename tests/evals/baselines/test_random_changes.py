from __future__ import annotations

from evals.baselines.random_changes import DRAWN, random_changes
from mcp_servers.product.contract import ColumnDescription, TableDescription
from tools.messages import TableName, change_id


def table(*columns: str) -> TableDescription:
    described = tuple(ColumnDescription(name=c, type="VARCHAR", nullable=True) for c in columns)
    return TableDescription(name=TableName(name="sales"), rows=9, columns=described)


def test_a_seed_draws_the_same_changes_again_and_another_seed_others() -> None:
    tables = (table("a", "b", "c", "d"),)
    first = random_changes("sales", tables, 1)
    assert first == random_changes("sales", tables, 1)
    assert first != random_changes("sales", tables, 2)
    assert len(first) == DRAWN
    assert all(change_id("sales", change) == key for key, change in first.items())


def test_every_sort_of_change_is_drawn() -> None:
    drawn = (random_changes("sales", (table("a", "b"),), seed) for seed in range(1, 20))
    kinds = {change.kind for changes in drawn for change in changes.values()}
    assert kinds == {"create_index", "sort_table", "drop_column", "add_not_null", "change_type"}


def test_a_product_without_columns_gives_none() -> None:
    assert random_changes("sales", (), 1) == {}

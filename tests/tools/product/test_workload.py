"""The workload as a value: looked up by table, never by what a copy replaced."""

from __future__ import annotations

from tools.messages import TableName
from tools.product.workload import QueryPattern, Workload

SALES, STOCK = TableName(name="sales"), TableName(name="stock")


def pattern(fingerprint: str, *tables: TableName) -> QueryPattern:
    return QueryPattern(
        fingerprint=fingerprint, sql="SELECT 1", normalized="SELECT ?", runs=1, total_ms=1.0,
        tables=tables, columns=(), source="tap",
    )  # fmt: skip


def test_patterns_are_found_by_each_table_they_read_once() -> None:
    one, both = pattern("a", SALES, SALES), pattern("b", SALES, STOCK)
    workload = Workload(patterns=(one, both))
    assert workload.reading(SALES) == (one, both)
    assert workload.reading(STOCK) == (both,)
    assert workload.reading(TableName(name="none")) == ()


def test_a_copy_knows_its_own_patterns_only_and_looking_changes_no_value() -> None:
    workload = Workload(patterns=(pattern("a", SALES),))
    same = Workload(patterns=workload.patterns)
    assert workload.reading(STOCK) == ()
    later = workload.model_copy(update={"patterns": (pattern("b", STOCK),)})
    assert [p.fingerprint for p in later.reading(STOCK)] == ["b"]
    assert later.reading(SALES) == ()
    assert workload == same
    assert Workload.model_validate_json(workload.model_dump_json()) == same

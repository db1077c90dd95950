"""What a change costs those who write."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tools.product.catalog import Table, read_catalog
from tools.product.errors import Refused
from tools.product.inserts import insert_cost


@pytest.fixture
def sides() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    with duckdb.connect() as base, duckdb.connect() as trial:
        for con in (base, trial):
            con.execute("CREATE TABLE t AS SELECT i AS id, i % 5 AS a FROM range(1000) r(i)")
        yield base, trial


def table(con: duckdb.DuckDBPyConnection) -> Table:
    (found,) = read_catalog(con).tables
    return found


def test_a_table_that_takes_no_more_rows_is_refused(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    trial.execute("ALTER TABLE t ALTER a SET DATA TYPE INTEGER")
    trial.execute("CREATE UNIQUE INDEX broken ON t (id)")
    before, after = table(base), table(trial).model_copy(update={"indexes": ()})
    with pytest.raises(Refused, match="inserts would fail"):
        insert_cost((base, before), (trial, after), 100)


def test_a_table_that_never_took_such_rows_has_no_cost(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    base.execute("CREATE UNIQUE INDEX kept ON t (id)")
    before = table(base).model_copy(update={"indexes": ()})
    assert insert_cost((base, before), (trial, table(trial)), 100) is None

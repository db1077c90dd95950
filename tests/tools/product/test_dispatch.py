"""Queries that say which database they mean are answered from a summary of this one only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.finding import look
from tools.messages import CreateSummary
from tools.product import executor
from tools.product.dispatch import dispatched

ASKED = "SELECT a, count(*) AS n FROM {} GROUP BY a"
MADE = "CREATE TABLE {} AS SELECT i % {} AS a FROM range(30000) r(i)"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute(MADE.format("t", 5))
        con.execute(f"ATTACH '{tmp_path / 'other.duckdb'}'")
        con.execute("CREATE SCHEMA other.shop")
        for name in ("other.main.t", "other.shop.t"):
            con.execute(MADE.format(name, 7))
        yield con


def proposed(con: duckdb.DuckDBPyConnection, *queries: str) -> list[CreateSummary]:
    found = look(con, queries, {"create_summary"}).candidates
    for candidate in found:
        executor.apply(con, candidate.id, candidate.change)
    return [c.change for c in found if isinstance(c.change, CreateSummary)]


@pytest.mark.parametrize("name", ["shop.main.t", '"SHOP"."main".t', "Shop.t", "shop.t AS x"])
def test_a_table_may_be_named_with_its_own_database(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    query = ASKED.format(name)
    assert proposed(con, query)
    con.execute("INSERT INTO t VALUES (3), (8)")
    answer = dispatched(con, query, executor.dispatch_rewrites(con))
    assert answer != query
    assert sorted(con.execute(answer).fetchall()) == sorted(con.execute(query).fetchall())


@pytest.mark.parametrize("name", ["other.main.t", "other.t", "other.shop.t", "temp.main.t"])
def test_another_databases_table_gets_no_summary(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute(MADE.format("t", 3).replace("TABLE", "TEMP TABLE"))
    assert not proposed(con, ASKED.format(name))


def test_once_the_file_is_called_otherwise_its_old_name_is_anothers(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    query, bare = ASKED.format("shop.main.t"), ASKED.format("main.t")
    assert proposed(con, query, bare)
    con.close()
    (tmp_path / "shop.duckdb").rename(tmp_path / "renamed.duckdb")
    with duckdb.connect(str(tmp_path / "renamed.duckdb")) as now:
        rewrites = executor.dispatch_rewrites(now)
        assert dispatched(now, bare, rewrites) != bare
        assert dispatched(now, query, rewrites) == query
        now.execute(f"ATTACH '{tmp_path / 'shop.duckdb'}'")
        now.execute(MADE.format("shop.main.t", 9))
        assert dispatched(now, query, rewrites) == query

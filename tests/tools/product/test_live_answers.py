"""Answers of live queries before and inside a change."""

from __future__ import annotations

import duckdb
import pytest

from tools.messages import RewriteQuery, TableName
from tools.product import results
from tools.product.errors import Refused
from tools.product.live_answers import ask

CHANGE = RewriteQuery(
    table=TableName(name="t"), fingerprint="f", rule="r", original="SELECT 1", rewritten="SELECT 2"
)


@pytest.mark.parametrize("cells", [results.CELLS, 30])
def test_only_an_order_that_is_the_same_twice_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(results, "CELLS", cells)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT i AS id, i::VARCHAR AS n FROM range(400) AS r(i)")
        ask(con, CHANGE, ["SELECT id FROM t ORDER BY random()"], str, 9.0).check(con)
        kept = ask(con, CHANGE, ["SELECT id FROM t ORDER BY n"], str, 9.0)
        kept.check(con)
        con.execute("ALTER TABLE t ALTER n TYPE INTEGER")
        with pytest.raises(Refused, match="rows come in another order"):
            kept.check(con)


def test_what_tells_how_a_table_is_made_may_change_with_it() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT i::VARCHAR AS n FROM range(400) AS r(i)")
        kept = ask(con, CHANGE, ["DESCRIBE t", "SELECT * FROM (SUMMARIZE t)"], str, 9.0)
        con.execute("ALTER TABLE t ALTER n TYPE INTEGER")
        kept.check(con)

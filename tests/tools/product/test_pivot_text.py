"""Orders and limits of a PIVOT, for sqlglot."""

from __future__ import annotations

import duckdb
import pytest

from tools.product import fingerprint
from tools.product.errors import ParseFailed
from tools.product.fingerprint import parse
from tools.product.ordering import shape_of
from tools.product.pivot_text import as_subquery

PIVOT = "PIVOT sales ON region USING sum(amount)"


@pytest.mark.parametrize("sql", [
    f"{PIVOT} ORDER BY ALL", f"{PIVOT} LIMIT 1 OFFSET 1", f"{PIVOT} -- ORDER BY 1\n LIMIT 1",
    'pivot sales ON region USING sum(amount) GROUP BY "order by" ORDER BY 1 DESC LIMIT 40%',
    "WITH s AS (FROM sales LIMIT 2) PIVOT s ON region USING sum(amount) ORDER BY ALL",
    "PIVOT (FROM sales ORDER BY 1 LIMIT 2) ON region USING sum(amount) ORDER BY 1",
    f"-- a word before\n{PIVOT} ORDER BY ALL;",
    f"SELECT * FROM ({PIVOT} ORDER BY ALL LIMIT 1)", f"({PIVOT} ORDER BY ALL) LIMIT 1",
    f"WITH p AS ({PIVOT} ORDER BY ALL LIMIT 1) SELECT * FROM p",
    f"FROM ({PIVOT} ORDER BY ALL LIMIT 1) UNION ALL FROM ({PIVOT} ORDER BY ALL)",
    f"WITH p AS ({PIVOT} LIMIT 2) UNPIVOT p ON a, b INTO NAME n VALUE v ORDER BY ALL",
    "UNPIVOT sales ON amount INTO NAME n VALUE v ORDER BY v DESC LIMIT 2",
    f"PIVOT ({PIVOT} ORDER BY ALL LIMIT 2) ON a USING count(*) ORDER BY ALL",
])  # fmt: skip
def test_what_is_read_answers_as_what_was_written(sql: str) -> None:
    subquery = as_subquery(sql)
    assert subquery is not None
    with duckdb.connect() as con:
        con.execute('CREATE TABLE sales (region VARCHAR, amount INTEGER, "order by" INTEGER)')
        con.execute("INSERT INTO sales VALUES ('a', 1, 1), ('b', 2, 2), ('a', 3, 1)")
        answers = [con.execute(text).fetchall() for text in (sql, subquery)]
        readable = parse(sql).sql(dialect="duckdb")
        assert answers == [con.execute(readable).fetchall()] * 2


def test_the_order_and_the_limit_of_a_pivot_are_known() -> None:
    shape = shape_of(f"{PIVOT} GROUP BY day ORDER BY day LIMIT 3")
    assert shape.ordering is not None and shape.ordering.positions(("day", "a")) == (0,)
    assert shape.unlimited == f"SELECT * FROM ({PIVOT} GROUP BY day)".replace("sum", "SUM")


def test_what_is_not_readable_is_written_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        fingerprint, "as_subquery", lambda sql: asked.append(sql) or as_subquery(sql)
    )
    with pytest.raises(ParseFailed):
        parse("WITH a AS (FROM sales) " + "PIVOT a LIMIT 1 " * 9)
    assert len(asked) == 1


@pytest.mark.parametrize("sql", [
    PIVOT, "SELECT pivot FROM sales ORDER BY 1", f"SELECT 1; {PIVOT} ORDER BY 1", "'", "",
    "SELECT * FROM sales PIVOT (sum(amount) FOR region IN ('a')) ORDER BY 1", f"({PIVOT}) LIMIT 1",
    f"WITH p AS ({PIVOT}) FROM p ORDER BY 1", ")", "(",
])  # fmt: skip
def test_nothing_else_is_touched(sql: str) -> None:
    assert as_subquery(sql) is None

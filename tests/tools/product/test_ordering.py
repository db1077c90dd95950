"""What a query promises about the order of its rows."""

from __future__ import annotations

import pytest

from tools.product.ordering import shape_of


@pytest.mark.parametrize(
    ("sql", "positions"),
    [
        ("SELECT a, b FROM t ORDER BY 2 DESC, a", (1, 0)),
        ("SELECT b AS c, a AS b FROM t ORDER BY b", (1,)),
        ("SELECT a, sum(b) AS n FROM t GROUP BY a ORDER BY sum(b)", (1,)),
        ("SELECT t.a, b FROM t ORDER BY t.a", (0,)),
        ("SELECT * FROM t ORDER BY B", (1,)),
        ("SELECT a, b FROM t UNION ALL SELECT b, a FROM t ORDER BY 1", (0,)),
        ("SELECT a, b FROM t ORDER BY lower(b)", None),
        ("SELECT a, b FROM t ORDER BY ALL", None),
        ("SELECT a, b FROM t ORDER BY '1'", None),
        ("SELECT a, b FROM t ORDER BY 1e0", None),
        ("SELECT a, b FROM t ORDER BY 0", None),
        ("SELECT a, b FROM t ORDER BY 9", None),
    ],
)
def test_order_keys_are_found_in_the_output(sql: str, positions: tuple[int, ...] | None) -> None:
    ordering = shape_of(sql).ordering
    assert ordering is not None
    assert ordering.positions(("a", "b")) == positions


def test_a_limit_can_be_taken_off() -> None:
    assert shape_of("SELECT a FROM t ORDER BY a LIMIT 3 OFFSET 1").unlimited == "SELECT a FROM t"
    assert shape_of("SELECT a FROM (SELECT a FROM t LIMIT 3)").unlimited is None
    assert shape_of("SELECT a FROM t").ordering is None


def test_unreadable_text_promises_nothing() -> None:
    assert shape_of("SELECT FROM WHERE (").ordering is None

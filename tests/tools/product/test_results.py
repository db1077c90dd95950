"""Comparing results: equal bags are equal, one changed cell is found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.product import results
from tools.product.ordering import shape_of
from tools.product.results import Answer, capture, difference, digest

FLOATS = st.one_of(st.none(), st.just(math.nan), st.floats(-1e9, 1e9).map(lambda x: round(x, 3)))
CELLS = st.tuples(
    st.one_of(st.none(), st.integers(-3, 3)), st.sampled_from([None, "", "a", "NA"]), FLOATS, FLOATS
)
BAGS = st.lists(CELLS, min_size=1, max_size=12)
TYPES = ("INTEGER", "VARCHAR", "DOUBLE", "DOUBLE")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def answer(rows: list[tuple[Any, ...]]) -> Answer:
    return Answer(("i", "t", "x", "y"), TYPES, len(rows), tuple(rows))


@given(BAGS, st.randoms(use_true_random=False))
def test_a_permuted_bag_is_equal(rows: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert difference(answer(rows), answer(shuffled)) is None


@given(BAGS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_one_changed_cell_is_found(rows: list[tuple[Any, ...]], random: Any, at: int) -> None:
    other: tuple[Any, ...] = (99, "changed", 5e9, 5e9)
    row = random.randrange(len(rows))
    changed = [list(r) for r in rows]
    changed[row][at] = other[at]
    random.shuffle(changed)
    assert difference(answer(rows), answer([tuple(r) for r in changed])) == "rows differ"


@given(BAGS)
def test_rounding_of_the_last_digits_is_no_difference(rows: list[tuple[Any, ...]]) -> None:
    nudged = [(i, t, x and x * (1 + 1e-12), y and y * (1 - 1e-12)) for i, t, x, y in rows]
    assert difference(answer(rows), answer(nudged[::-1])) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT NULL::INTEGER AS a", "SELECT 0 AS a"),
        ("SELECT 'nan'::DOUBLE AS a", "SELECT NULL::DOUBLE AS a"),
        ("SELECT 'nan'::DOUBLE AS a", "SELECT 'inf'::DOUBLE AS a"),
        ("SELECT '' AS a", "SELECT NULL::VARCHAR AS a"),
        ("SELECT 1 AS a", "SELECT '1' AS a"),
        ("SELECT DATE '2023-01-01' AS a", "SELECT TIMESTAMP '2023-01-01' AS a"),
        ("SELECT 1 AS a", "SELECT 1 AS b"),
        ("SELECT unnest([1, 1, 2]) AS a", "SELECT unnest([1, 2, 2]) AS a"),
        ("SELECT [1, NULL] AS a", "SELECT [1] AS a"),
        ("SELECT {'k': 1.5} AS a", "SELECT {'k': 1.6} AS a"),
        ("SELECT MAP {'k': 1} AS a", "SELECT MAP {'k': 2} AS a"),
        ("SELECT 'a'::BLOB AS a", "SELECT 'b'::BLOB AS a"),
    ],
)
def test_different_results_differ(con: duckdb.DuckDBPyConnection, before: str, after: str) -> None:
    assert difference(capture(con, before), capture(con, after)) is not None
    assert difference(capture(con, before), capture(con, before)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT 1 AS a", "SELECT 1::BIGINT AS A"),
        ("SELECT 1.50 AS a", "SELECT 1.5::DOUBLE AS a"),
        ("SELECT 'x' AS a", "SELECT 'x'::ENUM('x', 'y') AS a"),
        ("SELECT 0.0::DOUBLE AS a", "SELECT -0.0::DOUBLE AS a"),
    ],
)
def test_types_of_one_family_are_equal(
    con: duckdb.DuckDBPyConnection, before: str, after: str
) -> None:
    assert difference(capture(con, before), capture(con, after)) is None


def test_order_counts_only_where_it_was_asked_for(con: duckdb.DuckDBPyConnection) -> None:
    up = capture(con, "SELECT unnest([1, 2]) AS a")
    down = capture(con, "SELECT unnest([2, 1]) AS a")
    assert difference(up, down) is None
    ordering = shape_of("SELECT a FROM t ORDER BY a").ordering
    assert difference(up, down, ordering) == "rows come in another order"


def test_ties_may_come_in_any_order(con: duckdb.DuckDBPyConnection) -> None:
    ordering = shape_of("SELECT k, v FROM t ORDER BY k").ordering
    rows = capture(con, "SELECT 1 AS k, unnest([1, 2]) AS v")
    assert difference(rows, replace(rows, rows=(rows.rows or ())[::-1]), ordering) is None


LARGE = "SELECT i AS id, 't' || i % 7 AS t, i / 3 AS x FROM range(400) AS r(i)"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (LARGE, False),
        (LARGE + " ORDER BY hash(i)", False),
        (LARGE.replace("i / 3", "i / 3 * (1 + 1e-13)"), False),
        (LARGE.replace("'t' ||", "CASE WHEN i = 7 THEN 's' ELSE 't' END ||"), True),
        (LARGE.replace("i / 3", "CASE WHEN i = 7 THEN 2.4 ELSE i / 3 END"), True),
        (LARGE.replace("i / 3", "CASE WHEN i < 2 THEN (1 - i) / 3 ELSE i / 3 END"), True),
        (LARGE.replace("i / 3", "CASE WHEN i = 9 THEN NULL ELSE i / 3 END"), True),
    ],
)
def test_digests_of_large_results_find_what_rows_would(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, change: str, found: bool
) -> None:
    monkeypatch.setattr(results, "CELLS", 30)
    before, after = capture(con, LARGE), capture(con, change)
    assert before.rows is None
    assert (difference(before, after) is not None) is found


BIG = "SELECT i AS id, i % 7 AS k, i / 3 AS x FROM range(400) AS r(i) ORDER BY"


@pytest.mark.parametrize(
    ("asked", "before", "after", "found"),
    [
        ("id", "id", "id", False),
        ("id", "id", "id DESC", True),
        ("k", "k, id", "k, id DESC", False),
        ("k", "k", "-k", True),
        ("x", "x", "x", False),
        ("x", "x", "x DESC", True),
        ("1 + k", "k, id", "k, id", False),
        ("1 + k", "k, id", "k, id DESC", True),
    ],
)
def test_the_order_of_a_large_result_counts_as_that_of_a_small_one(
    con: duckdb.DuckDBPyConnection, asked: str, before: str, after: str, found: bool
) -> None:
    ordering = shape_of(f"{BIG} {asked}").ordering
    for limit in (results.CELLS, 30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(results, "CELLS", limit)
            answers = [capture(con, f"{BIG} {order}") for order in (before, after)]
        assert difference(answers[0], answers[1]) is None
        expected = "rows come in another order" if found else None
        assert difference(answers[0], answers[1], ordering) == expected


def test_text_that_became_numbers_sorts_a_large_result_otherwise(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute(
        "CREATE TABLE a AS SELECT i AS id, (i * 7 % 120000)::VARCHAR AS n FROM range(120000) r(i)"
    )
    query = "SELECT id FROM a ORDER BY n"
    before = capture(con, query)
    con.execute("ALTER TABLE a ALTER n TYPE INTEGER")
    after = capture(con, query)
    assert before.rows is None
    assert difference(before, after, shape_of(query).ordering) == "rows come in another order"


@pytest.mark.parametrize(("before", "after"), [
    ("INTERVAL 1 MONTH", "INTERVAL 30 DAY"), ("'infinity'::DATE", "DATE '9999-12-31'"),
    ("TIMESTAMP_NS '2024-01-01 00:00:00.000000001'", "TIMESTAMP_NS '2024-01-01 00:00:00'"),
])  # fmt: skip
def test_values_that_are_the_same_to_python_alone_differ(
    con: duckdb.DuckDBPyConnection, before: str, after: str
) -> None:
    was, now = (capture(con, f"SELECT {v} AS v FROM range(2)") for v in (before, after))
    assert difference(was, now) == "rows differ"
    assert difference(was, was) is None


def test_infinities_are_told_apart_in_digests(con: duckdb.DuckDBPyConnection) -> None:
    made = [
        digest(con, f"SELECT '{v}'::DOUBLE AS x", ("x",), ("DOUBLE",))
        for v in ("inf", "-inf", "nan")
    ]
    assert difference(made[0], made[0]) is None
    assert all(difference(a, b) for a in made for b in made if a is not b)

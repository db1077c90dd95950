"""Weights of a proof on live: a query counts as often as it runs, under any literal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from tools.product.catalog import Catalog, read_catalog
from tools.product.fingerprint import fingerprint_of
from tools.product.live import compare_live
from tools.product.live_weights import QueryWeight, weights_now
from tools.product.workload import QueryPattern
from tools.product.workload_store import Observation, WorkloadStore

ONE, TWO, THREE = (f"SELECT * FROM t WHERE id = {n}" for n in (1, 2, 3))
GROUPS = "SELECT k, count(*) FROM t GROUP BY k"
SUMMED = "SELECT k, n FROM t_by_k"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "w.db")
    yield store
    store.close()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT range AS id, range % 5 AS k FROM range(9)")
        return read_catalog(con)


def ask(store: WorkloadStore, sql: str, runs: int) -> None:
    store.record(Observation(sql, NOW, 10.0, "tap") for _ in range(runs))


def measured(sql: str, weight: int, asked: str = "") -> QueryWeight:
    return QueryWeight(sql=sql, fingerprint=fingerprint_of(asked or sql), weight=weight)


def answered(patterns: tuple[QueryPattern, ...]) -> tuple[QueryPattern, ...]:
    """Let the summary answer what groups."""
    summed = {"sql": SUMMED, "rewritten": True}
    return tuple(p.model_copy(update=summed) if p.sql == GROUPS else p for p in patterns)


@pytest.mark.parametrize("kept", [(measured(ONE, 1000), measured(GROUPS, 10)), ()])
def test_another_literal_that_stands_for_a_query_changes_no_weight(
    store: WorkloadStore, catalog: Catalog, kept: tuple[QueryWeight, ...]
) -> None:
    ask(store, ONE, 1000)
    ask(store, GROUPS, 10)
    ask(store, TWO, 1001)
    asked = store.workload(catalog).patterns
    assert ONE not in {p.sql for p in asked}
    weights = weights_now((ONE, GROUPS), kept, asked, asked)
    assert weights == {ONE: 2001, GROUPS: 10}
    before, after = {ONE: [10.0] * 7, GROUPS: [100.0] * 7}, {ONE: [20.0] * 7, GROUPS: [50.0] * 7}
    ratio, _ = compare_live(before, after, weights)
    assert ratio is not None and ratio.high < 0.6


@pytest.mark.parametrize("kept", [(measured(ONE, 3), measured(TWO, 5)), ()])
def test_two_literals_of_one_query_share_its_runs(
    store: WorkloadStore, catalog: Catalog, kept: tuple[QueryWeight, ...]
) -> None:
    ask(store, THREE, 8)
    asked = store.workload(catalog).patterns
    assert weights_now((ONE, TWO), kept, asked, asked) == {ONE: 4, TWO: 4}


def test_what_the_log_holds_no_more_counts_as_it_was_measured() -> None:
    kept = (measured(ONE, 1000), measured(GROUPS, 0))
    assert weights_now((ONE, GROUPS), kept, (), ()) == {ONE: 1000, GROUPS: 0}
    assert weights_now((ONE, "no SQL ("), (), (), ()) == {ONE: 1, "no SQL (": 1}


@pytest.mark.parametrize("kept", [(measured(ONE, 1000),), ()])
def test_what_is_asked_no_more_counts_nothing_under_another_literal(
    store: WorkloadStore, catalog: Catalog, kept: tuple[QueryWeight, ...]
) -> None:
    ask(store, TWO, 10)
    (pattern,) = store.workload(catalog).patterns
    ceased = (pattern.model_copy(update={"ceased": "asked until June"}),)
    assert weights_now((ONE,), kept, ceased, ceased) == {ONE: 0}


@pytest.mark.parametrize("kept", [(measured(SUMMED, 7, asked=GROUPS),), ()])
def test_the_text_of_a_rewrite_counts_as_what_it_answers(
    store: WorkloadStore, catalog: Catalog, kept: tuple[QueryWeight, ...]
) -> None:
    ask(store, GROUPS, 12)
    asked = store.workload(catalog).patterns
    assert weights_now((SUMMED,), kept, asked, answered(asked)) == {SUMMED: 12}


def test_a_text_that_was_measured_for_two_queries_counts_for_both(
    store: WorkloadStore, catalog: Catalog
) -> None:
    ask(store, GROUPS, 12)
    asked = store.workload(catalog).patterns
    kept = (measured(SUMMED, 7, asked=GROUPS), measured(SUMMED, 5))
    assert weights_now((SUMMED,), kept, asked, asked) == {SUMMED: 17}


@pytest.mark.parametrize("weight", [-1, 2**63])
def test_no_weight_is_below_nothing_or_beyond_all_counting(weight: int) -> None:
    with pytest.raises(ValidationError):
        measured(ONE, weight)

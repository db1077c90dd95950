"""The owner: limits of a consumer's query, its errors, and what of it becomes workload."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from tools.messages import Aggregate, CreateSummary, Dimension, RewriteQuery, TableName
from tools.product import executor, workload_store
from tools.product import owner as module
from tools.product.candidates.rules import apply_rule
from tools.product.deadlines import Leave
from tools.product.errors import Forbidden, QueryFailed
from tools.product.fingerprint import fingerprint_of
from tools.product.owner import Limits, Owner
from tools.product.workload_store import UNDATED, Observation, WorkloadStore

ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
HUGE = "SELECT i, 'some text of a row ' || i AS s FROM range(100000000) r(i)"
LATE_ERROR = "SELECT CASE WHEN i = 3000000 THEN error('boom') ELSE i END FROM range(4000000) r(i)"
ASKED = "SELECT count(*) AS n FROM t WHERE strftime(d, '%Y-%m') = '2023-03'"


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    with duckdb.connect(str(tmp_path / "p.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT i, DATE '2023-01-01' + i::INTEGER AS d"
                    " FROM range(100) r(i)")  # fmt: skip
    store = WorkloadStore(tmp_path / "w.db")
    owner = Owner(tmp_path / "p.duckdb", store, {"memory_limit": "300MB", "threads": "1"})
    yield owner
    owner.close()
    store.close()


def rewrite_months() -> RewriteQuery:
    rewritten = apply_rule("month_text", ASKED)
    assert rewritten is not None
    return RewriteQuery(
        table=TableName(name="t"), fingerprint=fingerprint_of(ASKED), rule="month_text",
        original=ASKED, rewritten=rewritten,
    )  # fmt: skip


def noted(owner: Owner) -> dict[str, int]:
    owner.close()
    workload = owner.store.workload(catalog_of(owner))
    return {p.sql: p.runs for p in workload.patterns} | {s.sql: 1 for s in workload.skipped}


def catalog_of(owner: Owner):
    again = Owner(owner.database, owner.store, {})
    try:
        return again.catalog()
    finally:
        again.close()


def grown_mb(call) -> float:
    before = psutil.Process().memory_info().rss
    call()
    return (psutil.Process().memory_info().rss - before) / 1e6


def test_rows_are_cut_at_the_limit_and_say_so(owner: Owner) -> None:
    cut = owner.query("SELECT i FROM t ORDER BY i", "c", Limits(rows=3))
    assert (cut.rows, cut.truncated, cut.columns, cut.types) == (
        [(0,), (1,), (2,)], True, ("i",), ("BIGINT",),
    )  # fmt: skip
    exact = owner.query("SELECT i FROM t WHERE i < 3", "c", Limits(rows=3))
    assert (len(exact.rows), exact.truncated) == (3, False)


def test_arrow_is_cut_at_the_limit_and_says_so(owner: Owner) -> None:
    cut = owner.query_arrow("SELECT i FROM t ORDER BY i", "c", Limits(rows=3))
    assert (cut.table.to_pydict(), cut.truncated) == ({"i": [0, 1, 2]}, True)
    none = owner.query_arrow("SELECT i, i AS i FROM t WHERE i < 0", "c", Limits(rows=3))
    assert (none.table.num_rows, none.table.schema.names, none.truncated) == (0, ["i", "i"], False)


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_a_huge_result_is_streamed_and_memory_stays_bounded(ask, owner: Owner) -> None:
    assert grown_mb(lambda: ask(owner, HUGE, "c", Limits(rows=1000))) < 250


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_a_query_that_never_ends_is_stopped(ask, owner: Owner) -> None:
    with pytest.raises(QueryFailed, match="longer than 0.2 s and was stopped"):
        ask(owner, ENDLESS, "c", Limits(seconds=0.2))


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_time_also_ends_while_rows_are_fetched(ask, owner: Owner) -> None:
    with pytest.raises(QueryFailed, match="longer than 0.2 s and was stopped"):
        ask(owner, HUGE, "c", Limits(seconds=0.2, rows=100_000_000))


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_an_error_while_rows_are_fetched_is_translated(ask, owner: Owner) -> None:
    with pytest.raises(QueryFailed, match="refused the query: .*boom"):
        ask(owner, LATE_ERROR, "c", Limits(rows=4_000_000))


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_a_query_on_a_dropped_table_names_it(ask, owner: Owner) -> None:
    with owner.cursor() as con:
        con.execute("DROP TABLE t")
    with pytest.raises(QueryFailed, match="Table with name t does not exist"):
        ask(owner, "SELECT * FROM t", "c", Limits())


@pytest.mark.parametrize("ask", [Owner.query, Owner.query_arrow])
def test_a_query_ends_when_nobody_waits_for_it_any_more(ask, owner: Owner) -> None:
    left = Leave()
    threading.Timer(0.2, left.set).start()
    started = time.monotonic()
    with pytest.raises(QueryFailed):
        ask(owner, ENDLESS, "c", Limits(seconds=60, left=left))
    assert time.monotonic() - started < 20


def test_the_owner_answers_after_a_stopped_query(owner: Owner) -> None:
    with pytest.raises(QueryFailed):
        owner.query(ENDLESS, "c", Limits(seconds=0.1))
    assert owner.query("SELECT count(*) FROM t", "c", Limits()).rows == [(100,)]


def test_what_is_asked_is_noted_and_probes_and_timings_are_not(owner: Owner) -> None:
    owner.query("SELECT max(i) FROM t", "c", Limits())
    owner.query_arrow("SELECT min(i) FROM t", "c", Limits())
    owner.probe("SELECT count(DISTINCT i) FROM t")
    owner.time_queries(["SELECT avg(i) FROM t"], 2, 5)
    owner.catalog()
    assert noted(owner) == {"SELECT max(i) FROM t": 1, "SELECT min(i) FROM t": 1}


def test_the_time_of_a_run_includes_fetching_its_rows(owner: Owner) -> None:
    sql = "SELECT i, i::VARCHAR || 'x' FROM range(200000) r(i)"
    answer = owner.query(sql, "c", Limits(rows=200_000))
    owner.close()
    with owner.store.transaction() as con:
        assert con.execute("SELECT total_ms FROM texts").fetchall() == [(answer.ms,)]


def test_a_failed_run_is_noted_as_one(owner: Owner) -> None:
    with pytest.raises(QueryFailed):
        owner.query("SELECT nothing FROM t", "reports", Limits())
    owner.close()
    with owner.store.transaction() as con:
        assert con.execute("SELECT runs, errors FROM texts").fetchall() == [(1, 1)]
        assert con.execute("SELECT caller, runs FROM callers").fetchall() == [("reports", 1)]


def test_an_approved_rewrite_answers_and_what_was_asked_is_the_workload(owner: Owner) -> None:
    before = owner.query(ASKED, "c", Limits()).rows
    with owner.cursor() as con:
        executor.apply(con, "p1", rewrite_months())
    owner.refresh_rewrites()
    assert owner.rewritten(ASKED) == rewrite_months().rewritten
    assert owner.query(ASKED, "c", Limits()).rows == before
    assert noted(owner) == {ASKED: 2}


def test_a_summary_may_answer_what_is_not_listed(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "SELECT i, count(*) AS n FROM t GROUP BY i"
    summary = CreateSummary(
        table=TableName(name="t"), summary=TableName(name="s"),
        dimensions=(Dimension(expression="i", column="i"),),
        aggregates=(Aggregate(function="count", argument="", column="n"),),
        rewrites=((asked, "SELECT i, n FROM s"),),
    )  # fmt: skip
    with owner.cursor() as con:
        executor.apply(con, "p1", summary)
    owner.refresh_rewrites()
    owner.store.record(Observation(q, UNDATED, ms, "tap") for q, ms in ((ASKED, 9), (asked, 1)))
    monkeypatch.setattr(workload_store, "MAX_PATTERNS", 1)
    read = owner.workload(owner.catalog()).unlisted
    assert {(u.table.name, u.whole) for u in read} == {("t", False), ("s", True)}


def test_a_group_that_is_gone_is_no_answer_and_leaves_the_summary_at_the_next_opening(
    owner: Owner,
) -> None:
    asked = "SELECT i, count(*) AS n FROM t GROUP BY i ORDER BY i DESC LIMIT 2"
    summary = CreateSummary(
        table=TableName(name="t"), summary=TableName(name="s"),
        dimensions=(Dimension(expression="i", column="i"),),
        aggregates=(Aggregate(function="count", argument="", column="many"),),
        rewrites=((asked, asked),),
    )  # fmt: skip
    with owner.cursor() as con:
        executor.apply(con, "p1", summary)
        con.execute("DELETE FROM t WHERE i IN (98, 99)")
        con.execute("INSERT INTO t VALUES (98, DATE '2026-01-01')")
    owner.refresh_rewrites()
    rows = "SELECT i, many FROM s WHERE i > 96 ORDER BY i"
    assert '"s"' in owner.rewritten(asked)
    assert owner.query(asked, "cli", Limits()).rows == [(98, 1), (97, 1)]
    assert owner.probe(rows) == [(97, 1), (98, 1), (99, 0)]
    owner.close()
    again = Owner(owner.database, owner.store, {})
    assert again.probe(rows) == [(97, 1), (98, 1)]
    again.close()


def test_a_text_found_during_an_undo_is_not_kept_after_it(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with owner.cursor() as con:
        executor.apply(con, "p1", rewrite_months())
    owner.refresh_rewrites()
    found = module.dispatched

    def slowly(con: Any, sql: str, rewrites: Any) -> str:
        text = found(con, sql, rewrites)
        with owner.cursor() as other:
            executor.undo(other, "p1")
        owner.refresh_rewrites()
        return text

    monkeypatch.setattr(module, "dispatched", slowly)
    owner.rewritten(ASKED)
    assert owner.rewritten(ASKED) == ASKED


def test_a_query_whose_summary_was_dropped_meanwhile_is_answered_by_its_own_text(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = owner.query(ASKED, "c", Limits()).rows
    monkeypatch.setattr(owner, "rewritten", lambda sql: "SELECT * FROM gone")
    assert owner.query(ASKED, "c", Limits()).rows == before
    assert owner.query_arrow(ASKED, "c", Limits()).table.num_rows == len(before)
    with pytest.raises(QueryFailed, match="nowhere"):
        monkeypatch.undo()
        owner.query("SELECT * FROM nowhere", "c", Limits())


def test_a_rewrite_that_fails_is_answered_as_asked_and_a_late_query_stays_late(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "SELECT count(*) FROM t"
    monkeypatch.setattr(owner, "rewritten", lambda sql: "SELECT CAST('x' AS INTEGER)")
    assert owner.query(asked, "c", Limits()).rows == [(100,)]
    assert owner.query_arrow(asked, "c", Limits()).table.to_pylist() == [{"count_star()": 100}]
    monkeypatch.setattr(owner, "rewritten", lambda sql: ENDLESS)
    with pytest.raises(QueryFailed, match="ran longer"):
        owner.query(asked, "c", Limits(seconds=0.1))


def test_rewrites_survive_many_threads_and_a_full_cache(owner: Owner) -> None:
    with owner.cursor() as con:
        executor.apply(con, "p1", rewrite_months())
    owner.refresh_rewrites()

    def ask(thread: int) -> None:
        for turn in range(60):
            owner.rewritten(f"SELECT {turn} FROM t")
            if turn % 4 == thread:
                owner.refresh_rewrites()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [None] * 4


def test_timing_tells_what_fails_or_is_forbidden_from_what_never_ends(owner: Owner) -> None:
    texts = ["SELECT count(*) FROM t", "SELECT nothing FROM t", "DROP TABLE t", ENDLESS]
    found = owner.time_queries(texts, 2, 0.3)
    assert list(found.samples) == [texts[0], ENDLESS]
    assert (set(found.samples[ENDLESS]), list(found.failed)) == ({300.0}, texts[1:3])
    assert '"nothing" not found' in found.failed[texts[1]]


def test_a_query_that_waited_for_others_has_its_own_time_all_the_same(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(owner, "_time_one", lambda text, seconds: 5.0)
    assert owner.time_queries(["a", "b", "c"], 7, 2.0).samples == dict.fromkeys("abc", [5.0])


@pytest.mark.parametrize("ended", [duckdb.InterruptException, duckdb.ConnectionException])
def test_a_database_that_ends_meanwhile_is_no_fault_of_a_query(
    owner: Owner, ended: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closing(text: str) -> str:
        raise ended("closed")

    monkeypatch.setattr(owner, "rewritten", closing)
    with pytest.raises(ended):
        owner.time_queries(["SELECT 1"], 1, 5)


def test_a_refused_statement_is_not_run(owner: Owner) -> None:
    with pytest.raises(Forbidden):
        owner.query("DROP TABLE t", "c", Limits())
    assert owner.rows_of(TableName(name="t")) == 100


def test_instants_are_answered(owner: Owner) -> None:
    rows = owner.query("SELECT TIMESTAMPTZ '2024-01-01 10:00:00+02' AS then", "c", Limits()).rows
    assert rows == [(datetime(2024, 1, 1, 8, tzinfo=UTC),)]

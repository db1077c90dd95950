"""The workload store: weights, folding, bounds, and what it keeps between calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tools.messages import TableName
from tools.product import workload_store
from tools.product.catalog import Catalog, read_catalog
from tools.product.workload_store import Observation, WorkloadStore

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "home" / "w.db")
    yield store
    store.close()


def catalog_of(*statements: str) -> Catalog:
    with duckdb.connect() as con:
        for statement in ("CREATE TABLE t (i INTEGER, s VARCHAR)", *statements):
            con.execute(statement)
        return read_catalog(con)


def run(sql: str, ms: float | None = 1.0, **fields: Any) -> Observation:
    return Observation(sql=sql, at=NOW, ms=ms, source="query_log", **fields)


def facts(store: WorkloadStore) -> list[tuple]:
    with store.transaction() as con:
        return con.execute("SELECT hash, catalog, body FROM facts").fetchall()


def test_patterns_weigh_their_runs_and_time_and_come_heaviest_first(store: WorkloadStore) -> None:
    store.record([run("SELECT i FROM t", 5)] * 3 + [run("SELECT s FROM t", 40)])
    store.record([run("SELECT i FROM t", None)])
    patterns = store.workload(catalog_of()).patterns
    assert [(p.sql, p.runs, p.total_ms) for p in patterns] == [
        ("SELECT s FROM t", 1, 40), ("SELECT i FROM t", 4, 15),
    ]  # fmt: skip


def test_texts_that_differ_in_literals_are_one_pattern_and_the_heaviest_speaks(
    store: WorkloadStore,
) -> None:
    store.record([run("SELECT i FROM t WHERE i = 1 AND s = 'a''b'", 1)])
    store.record([run("SELECT i FROM t WHERE i = 22.5 AND s = ''", 9)])
    (pattern,) = store.workload(catalog_of()).patterns
    assert (pattern.sql, pattern.runs, pattern.total_ms) == (
        "SELECT i FROM t WHERE i = 22.5 AND s = ''", 2, 10,
    )  # fmt: skip


def test_texts_that_differ_in_spelling_are_joined_by_fingerprint(store: WorkloadStore) -> None:
    store.record([run("SELECT i FROM t", 3), run("select i\nfrom t", 2)])
    (pattern,) = store.workload(catalog_of()).patterns
    assert (pattern.runs, pattern.total_ms, pattern.variants) == (2, 5, ("select i\nfrom t",))


def test_names_with_digits_are_not_folded(store: WorkloadStore) -> None:
    catalog = catalog_of("CREATE TABLE t1 (i INTEGER)", "CREATE TABLE t2 (i INTEGER)")
    store.record([run("SELECT i FROM t1"), run("SELECT i FROM t2")])
    patterns = store.workload(catalog).patterns
    assert {p.tables for p in patterns} == {(TableName(name="t1"),), (TableName(name="t2"),)}


@pytest.mark.parametrize(("sql", "reason"), [
    ("DELETE FROM t", "Only one SELECT may run here, not DELETE"),
    ("SELEC 1", "Not readable as DuckDB SQL"),
    ("SELECT i FROM t WHERE i = ?", "placeholder without a value"),
    ("SELECT 1", "reads no table of this product"),
    ("SELECT * FROM gone", "reads no table of this product"),
    ("SELECT * FROM empty", "No table of this product is under the view"),
    ("SELECT * FROM pillion.changes", "Pillion's own"),
    ("SELECT '" + "x" * 100_001 + "' FROM t", "longer than 100000 characters"),
])  # fmt: skip
def test_what_cannot_be_measured_is_skipped_with_its_reason(
    sql: str, reason: str, store: WorkloadStore
) -> None:
    store.record([run(sql)])
    workload = store.workload(catalog_of("CREATE VIEW empty AS SELECT 1 AS i"))
    assert (workload.patterns, workload.skipped_total) == ((), 1)
    assert reason in workload.skipped[0].reason
    assert len(workload.skipped[0].sql) <= 2000


def test_everything_returned_is_bounded(
    store: WorkloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in {
        "MAX_TEXTS": 12,
        "MAX_PATTERNS": 3,
        "MAX_SKIPPED": 2,
        "MAX_VARIANTS": 1,
    }.items():
        monkeypatch.setattr(workload_store, name, most)
    store.record(run(f"SELECT i AS a{n} FROM t", 100 - n) for n in range(6))
    store.record(run(f"DROP TABLE a{n}", 1000) for n in range(4))
    store.record(run(f"{' ' * n}SELECT i AS a0 FROM t", 90) for n in range(1, 5))
    workload = store.workload(catalog_of())
    assert (len(workload.patterns), len(workload.skipped), workload.skipped_total) == (3, 2, 4)
    assert [len(p.variants) for p in workload.patterns] == [1, 0, 0]


def test_what_patterns_beyond_the_listed_read_is_kept(
    store: WorkloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_store, "MAX_PATTERNS", 1)
    catalog = catalog_of("CREATE TABLE u (a INTEGER, b INTEGER)", "CREATE TABLE v (a INTEGER)")
    store.record([run("SELECT i FROM t", 9), run("SELECT a FROM u WHERE b = 1"), run("FROM v")])
    workload = store.workload(catalog)
    assert [(str(u.table), u.columns, u.sought, u.whole) for u in workload.unlisted] == [
        ("u", ("a", "b"), ("b",), False), ("v", (), (), True),
    ]  # fmt: skip
    assert workload.unseen == 0


def test_texts_that_nobody_looked_at_are_counted_and_only_their_upserts_are_known(
    store: WorkloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_store, "MAX_TEXTS", 1)
    store.record([run("SELECT i FROM t", 9), run("SELECT s FROM t")])
    assert (store.workload(catalog_of()).unseen, store.workload(catalog_of()).named) == (1, ())
    store.record([run("INSERT OR REPLACE INTO t VALUES (1, 'x')", 0.5)])
    workload = store.workload(catalog_of())
    assert [(u.table.name, u.upserted) for u in workload.named or ()] == [("t", True)]
    assert workload.unseen == 2


@pytest.mark.parametrize(("long", "many"), [(300, 0), (1, 120)])
def test_an_upsert_is_known_however_long_and_however_late(
    long: int, many: int, store: WorkloadStore
) -> None:
    rows = ", ".join(f"({n}, 'some text')" for n in range(long))
    store.record(run(f"INSERT INTO audit_{n}_x VALUES (1)", 9) for n in range(many))
    store.record([run(f"INSERT INTO t VALUES {rows} ON CONFLICT (i) DO UPDATE SET s = ''")])
    workload = store.workload(catalog_of())
    assert [(u.table.name, u.whole, u.upserted) for u in workload.named or ()] == [
        ("t", True, True)
    ]


@pytest.mark.parametrize("texts", [
    ["SELECT a FROM u WHERE s = 'x' -- it's", "SELECT b FROM u WHERE s = 'x' -- it's"],
    ["-- don't\nSELECT a FROM u WHERE s = 'x'", "-- don't\nSELECT b FROM u WHERE s = 'x'"],
    ["/* don't */ SELECT a FROM u WHERE s = ''", "/* don't */ SELECT b FROM u WHERE s = ''"],
    ['SELECT "sales 2024" FROM u', 'SELECT "sales 2025" FROM u'],
    ["SELECT a FROM 't'", "SELECT a FROM 'u'"], ["SELECT a from'u'", "SELECT a from't'"],
    ["SELECT a FROM \n 't'", "SELECT a FROM \n 'u'"],
    ["SELECT a FROM u WHERE s = e'\\'' OR s = ''", "SELECT b FROM u WHERE s = e'\\'' OR s = ''"],
    ["SELECT a FROM u WHERE s = $$'$$ OR s = ''", "SELECT b FROM u WHERE s = $$'$$ OR s = ''"],
])  # fmt: skip
def test_texts_that_differ_in_more_than_literals_are_not_folded(
    texts: list[str], store: WorkloadStore
) -> None:
    columns = 'a INTEGER, b INTEGER, s VARCHAR, "sales 2024" INTEGER, "sales 2025" INTEGER'
    catalog = catalog_of(f"CREATE TABLE u ({columns})", "ALTER TABLE t ADD COLUMN a INTEGER")
    store.record(run(text) for text in texts)
    assert len(store.workload(catalog).patterns) == 2


def test_calls_that_name_tables_in_literals_are_not_folded(store: WorkloadStore) -> None:
    catalog = catalog_of("CREATE TABLE u (a INTEGER)")
    store.record([run("SELECT * FROM query_table('t')"), run("SELECT * FROM query_table('u')")])
    assert {u.table.name for u in store.workload(catalog).named or ()} == {"t", "u"}


def test_facts_are_kept_until_the_structure_changes(store: WorkloadStore) -> None:
    store.record([run("SELECT s FROM t"), run("SELECT 1")])
    first = store.workload(catalog_of())
    kept = facts(store)
    assert (store.workload(catalog_of()), facts(store)) == (first, kept)
    store.workload(catalog_of("ALTER TABLE t DROP COLUMN s"))
    assert {key for _, key, _ in facts(store)}.isdisjoint({key for _, key, _ in kept})
    assert len(facts(store)) == len(kept) == 2


def test_kept_facts_say_the_same_as_fresh_ones(store: WorkloadStore) -> None:
    store.record([run("SELECT lower(s) FROM t WHERE CAST(s AS DATE) > '2024-01-01' ORDER BY i")])
    fresh, kept = store.workload(catalog_of()), store.workload(catalog_of())
    assert fresh == kept
    assert fresh.patterns[0].ordered


def test_what_writes_to_a_table_is_counted_for_it(store: WorkloadStore) -> None:
    catalog = catalog_of("CREATE SCHEMA z", "CREATE TABLE z.u (i INTEGER)")
    store.record(
        run(sql)
        for sql in (
            *(f"INSERT INTO t (i) VALUES ({n})" for n in range(4)), "update T set i = 1",
            "DELETE FROM z.u", "COPY t FROM 'x.csv'", "INSERT INTO gone VALUES (1)",
            "INSERT INTO t SELECT FROM WHERE", "CREATE TABLE v (i INTEGER)", "SELECT i FROM t",
        )
    )  # fmt: skip
    workload = store.workload(catalog)
    assert workload.writes == {"t": 6, "z.u": 1}
    assert [p.sql for p in workload.patterns] == ["SELECT i FROM t"]


def test_many_threads_lose_no_run(store: WorkloadStore) -> None:
    def write() -> None:
        for _ in range(50):
            store.record([run("SELECT i FROM t", 1), run("SELECT s FROM t", 1)])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.runs for p in store.workload(catalog_of()).patterns] == [200, 200]


def test_a_batch_that_fails_leaves_nothing(store: WorkloadStore) -> None:
    def broken() -> Iterator[Observation]:
        yield run("SELECT i FROM t")
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        store.record(broken())
    assert store.record([run("SELECT s FROM t")]) == 1
    assert [p.sql for p in store.workload(catalog_of()).patterns] == ["SELECT s FROM t"]


def test_who_asked_is_kept_with_how_often(store: WorkloadStore) -> None:
    store.record([run("SELECT 1", caller="board")] * 2 + [run("SELECT 1", caller="app")])
    with store.transaction() as con:
        found = con.execute("SELECT caller, runs FROM callers ORDER BY caller").fetchall()
    assert found == [("app", 1), ("board", 2)]


def test_a_pattern_names_who_asks_it_most_over_all_its_texts(store: WorkloadStore) -> None:
    asked = {"app": 1, "board": 3, "a": 2, "b": 2, "c": 2, "rare": 1}
    for number, (caller, times) in enumerate(asked.items()):
        store.record([run(f"SELECT i FROM t WHERE i = {number}", caller=caller)] * times)
    (pattern,) = store.workload(catalog_of()).patterns
    assert pattern.callers == ("board", "a", "b", "c", "app")


def test_errors_count_and_the_latest_time_stays(store: WorkloadStore) -> None:
    late = run("SELECT i FROM t", error="CatalogException")
    store.record([late, late._replace(at=datetime(2020, 1, 1, tzinfo=UTC), error=None)])
    with store.transaction() as con:
        found = con.execute("SELECT runs, errors, last_at FROM texts").fetchall()
    assert found == [(2, 1, "2026-03-02T00:00:00+00:00")]

"""Workloads from files: scripts, logs of every spelling, and what DuckDB writes itself."""

from __future__ import annotations

import csv
import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads import callers, days, reasons, texts, written
from tools import failpoints
from tools.product import importers
from tools.product.errors import ImportFailed
from tools.product.importers import Imported, import_path
from tools.product.workload_store import CALLER_LENGTH, WorkloadStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkloadStore]:
    store = WorkloadStore(tmp_path / "store" / "w.db")
    yield store
    store.close()


def test_a_script_is_split_at_its_semicolons_only(tmp_path: Path, store: WorkloadStore) -> None:
    script = "-- name: a; b\nSELECT ';' AS \"x;y\"; /* ; */ SELECT $$;$$;\n\n;SELECT 1 -- ;\n"
    assert import_path(written(tmp_path / "q.sql", script), store) == Imported(3)
    assert {sql for (sql, _) in texts(store)} == {
        "/* ; */ SELECT $$;$$", "SELECT 1 --", "SELECT ';' AS \"x;y\"",
    }  # fmt: skip


@pytest.mark.parametrize("name", importers.CALLER_COLUMNS)
def test_a_log_may_name_who_asked(name: str, tmp_path: Path, store: WorkloadStore) -> None:
    log = f"sql,{name.upper()}\nSELECT 1,etl\nSELECT 1,etl\nSELECT 1, \nSELECT 1\n"
    log += f"SELECT 1,{'x' * 300}\n"
    assert import_path(written(tmp_path / "q.csv", log), store).runs == 5
    assert callers(store) == [("etl", 2), ("x" * CALLER_LENGTH, 1)]


@pytest.mark.parametrize("sql", importers.SQL_COLUMNS)
@pytest.mark.parametrize("at", importers.TIME_COLUMNS)
def test_a_log_names_its_columns_in_many_ways(
    sql: str, at: str, tmp_path: Path, store: WorkloadStore
) -> None:
    log = f"user,{at.upper()}, {sql} \nada,2026-01-02T03:04:05Z,SELECT 1\n"
    assert import_path(written(tmp_path / "log.csv", log), store) == Imported(1)
    assert texts(store, "sql, last_at") == [("SELECT 1", "2026-01-02T03:04:05+00:00")]


@pytest.mark.parametrize("header", ["query,sql", "message,query", "query_text,statement"])
def test_of_two_columns_with_sql_the_one_named_first_in_the_reference_is_read(
    header: str, tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", f"{header}\nSELECT 1,SELECT 2\n"), store)
    assert texts(store) == [("SELECT 2", 1)]


@pytest.mark.parametrize(
    "header", ["sql,SQL", "sql,sql", "sql,duration_ms, Duration_MS", "sql,ts,ts"]
)
def test_a_log_with_a_column_twice_is_refused(
    header: str, tmp_path: Path, store: WorkloadStore
) -> None:
    log = written(tmp_path / "log.csv", f"{header}\nSELECT 1,2,3\n")
    with pytest.raises(ImportFailed, match="more than one column called"):
        import_path(log, store)


def test_a_column_that_is_not_read_may_be_there_twice(tmp_path: Path, store: WorkloadStore) -> None:
    log = written(tmp_path / "log.csv", "sql,query,query\nSELECT 1,SELECT 2,SELECT 3\n")
    assert import_path(log, store).runs == 1


@pytest.mark.parametrize(("column", "factor"), importers.MS_COLUMNS.items())
def test_durations_are_taken_in_their_unit(
    column: str, factor: float, tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", f"sql,{column}\nSELECT 1,1.5\n"), store)
    assert texts(store, "timed, total_ms") == [(1, 1.5 * factor)]


@pytest.mark.parametrize("duration", ["", "soon", "-1", "nan", "inf"])
def test_a_duration_that_is_none_leaves_the_run_untimed(
    duration: str, tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", f"sql,ms\nSELECT 1,{duration}\n"), store)
    assert texts(store, "runs, timed, total_ms") == [(1, 0, 0.0)]


@pytest.mark.parametrize("moment", ["", "yesterday", "inf", "1e300", "0001-01-01 00:00:00+05:00"])
def test_a_time_that_is_none_becomes_the_epoch(
    moment: str, tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", f"sql,ts\nSELECT 1,{moment}\n"), store)
    assert texts(store, "last_at") == [("1970-01-01T00:00:00+00:00",)]


WRITTEN = ("time", "duration")


def test_bad_rows_are_named_and_the_others_taken(tmp_path: Path, store: WorkloadStore) -> None:
    log = 'ms,sql\n1\n2,SELECT 1\n3,\n4,"SELECT\n2",more,fields\n\n5,-- secret 7\n'
    path = written(tmp_path / "log.csv", log)
    imported = import_path(path, store)
    assert (imported.runs, imported.unread.total) == (2, 3)
    assert reasons(imported) == [
        (2, "it ends before its field sql"), (4, "it holds no SQL"),
        (8, "its SQL is a comment and nothing else"),
    ]  # fmt: skip
    assert str(imported.unread.first[0]) == f"{path}:2: it ends before its field sql"
    assert store.unread() == imported.unread


def test_sql_that_its_own_commas_cut_off_is_not_taken(tmp_path: Path, store: WorkloadStore) -> None:
    log = (
        "ms,sql\n1,SELECT a, secret FROM t\n2,SELECT 1\n3,SELECT 2,\n"
        '4,"SELECT ""x"", 3",more\n5,SELECT \'"SELECT a\', "b"\n'
    )
    imported = import_path(written(tmp_path / "log.csv", log), store)
    why = "it has more fields than the first row; SQL that holds commas needs quotes"
    assert reasons(imported) == [(2, why), (6, why)]
    assert {row[0] for row in texts(store, "sql")} == {"SELECT 1", "SELECT 2", 'SELECT "x", 3'}


def test_a_row_over_several_lines_is_named_by_its_first(
    tmp_path: Path, store: WorkloadStore
) -> None:
    log = 'sql,ms\n\n"SELECT 1",1\n\n\n"-- a\n-- b\n",2\n"SELECT\n\n3",1\n,4\n'
    assert [line for line, _ in reasons(import_path(written(tmp_path / "l.csv", log), store))] == [
        6, 12,
    ]  # fmt: skip


def test_only_the_first_bad_rows_are_named_and_all_are_counted(
    tmp_path: Path, store: WorkloadStore
) -> None:
    for name in ("a.csv", "b.csv"):
        written(tmp_path / name, f"ms,sql\n1,SELECT '{name}'\n" + "2,\n" * 9)
    imported = import_path(tmp_path, store)
    assert imported.unread.total == 18
    assert [line for line, _ in reasons(imported)] == [3, 4, 5, 6, 7]
    assert {Path(row.file).name for row in store.unread().first} == {"a.csv", "b.csv"}


def test_a_log_that_was_corrected_has_no_bad_rows_any_more(
    tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", "ms,sql\n1,\n2,SELECT 1\n"), store)
    assert store.unread().total == 1
    import_path(written(tmp_path / "log.csv", "ms,sql\n1,SELECT 2\n2,SELECT 1\n"), store)
    assert store.unread().total == 0


def test_a_field_too_large_is_one_bad_row(
    tmp_path: Path, store: WorkloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importers, "MAX_FIELD", 1000)
    log = f"sql\nSELECT 1\nSELECT '{'x' * 2000}'\nSELECT 2\n"
    imported = import_path(written(tmp_path / "log.csv", log), store)
    assert (imported.runs, reasons(imported)) == (
        2, [(3, "not CSV: field larger than field limit (1000)")],
    )  # fmt: skip
    csv.field_size_limit(131072)


def test_line_separators_of_unicode_end_no_row(tmp_path: Path, store: WorkloadStore) -> None:
    log = "sql,ms\nSELECT '\u2028\x85\x0b',3\n"
    assert import_path(written(tmp_path / "log.csv", log), store) == Imported(1)
    assert texts(store) == [("SELECT '\u2028\x85\x0b'", 1)]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path, store: WorkloadStore) -> None:
    log = written(tmp_path / "log.csv", "\ufeffsql\nSELECT 1\n")
    assert import_path(log, store) == Imported(1)


@pytest.mark.crash
def test_a_kill_in_an_import_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = written(tmp_path / "log.csv", "at,sql\n2026-01-02,SELECT 1\n")
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", "import.before_commit")
        import_path(log, WorkloadStore(tmp_path / "w.db"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(WorkloadStore(tmp_path / "w.db")) as store:
        assert import_path(log, store) == Imported(1)
        assert texts(store) == [("SELECT 1", 1)] and days(store) == [("2026-01-02", 1)]


@pytest.mark.parametrize("at", ["9999-12-31T00:00:00", "9999-12-31T23:00:00-09:00", "99999999999"])
def test_a_time_that_is_yet_to_come_is_none(at: str, tmp_path: Path, store: WorkloadStore) -> None:
    log = written(tmp_path / "log.csv", f"at,sql\n{at},SELECT 1\n2026-01-02,SELECT 2\n")
    imported = import_path(log, store)
    assert (imported.runs, [line for line, _ in reasons(imported)]) == (2, [2])
    assert days(store) == [("2026-01-02", 1)]


def test_a_run_whose_time_or_duration_cannot_be_read_counts_and_is_named(
    tmp_path: Path, store: WorkloadStore
) -> None:
    log = "ts;sql;ms\n1712011530123;SELECT 1;12,5\nMonday;SELECT 1;fast\n;SELECT 1;\n;SELECT 1;-1\n"
    imported = import_path(written(tmp_path / "log.csv", log), store)
    time, took = (f"it counts without its {what}, which cannot be read" for what in WRITTEN)
    assert reasons(imported) == [(3, f"{time}; {took}"), (5, took)]
    assert texts(store, "runs, timed, total_ms") == [(4, 1, 12.5)]
    assert days(store) == [("2024-04-01", 1)]
    assert store.unread() == imported.unread


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_log_as_spreadsheets_write_it_is_read(
    mark: str, tmp_path: Path, store: WorkloadStore
) -> None:
    content = "".join(mark.join(r) + "\n" for r in (("sql", "ms"), ('"SELECT 1, 2"', "5")))
    assert import_path(written(tmp_path / "log.csv", content), store) == Imported(1)


@pytest.mark.parametrize(("content", "reason"), [
    ("", "is empty"),
    (" \n ", "is empty"),
    (b"PAR1\x00\x01", "is a binary file"),
    ("sql\nSELECT 1\n".encode("utf-16"), "is UTF-16 text, not UTF-8. Convert it: iconv"),
    ("sql\nSELECT 'é'\n".encode("latin-1"), "is not UTF-8 text .byte 12"),
    ("a,b\n1,2\n", "has no column with SQL. It has: a, b. Name it one of sql"),
    ("at|sql\n1|SELECT 1\n", "It has: at.sql. .* Commas, semicolons or tabs may part"),
    ("sql\n", "holds no statement"),
    ("sql\n\n\n", "holds no statement"),
    ("sql,ms\n\nSELECT a, b,5\n", r"holds no statement\. Line 3: .* commas needs quotes"),
])  # fmt: skip
def test_a_log_that_cannot_be_read_says_why(
    content: str | bytes, reason: str, tmp_path: Path, store: WorkloadStore
) -> None:
    with pytest.raises(ImportFailed, match=reason):
        import_path(written(tmp_path / "log.csv", content), store)
    assert texts(store) == []


@pytest.mark.parametrize(("column", "ms"), [
    ("duration", 1500.0), ("seconds", 1_500_000.0), ("latency_s", 1_500_000.0),
    ("duration_us", 1.5), ("latency_ns", 0.0015),
])  # fmt: skip
def test_the_name_of_a_column_tells_the_unit_of_its_durations(
    column: str, ms: float, tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", f"sql,{column}\nSELECT 1,1500\n"), store)
    with store.transaction() as con:
        assert con.execute("SELECT total_ms FROM texts").fetchall() == [(pytest.approx(ms),)]


@pytest.mark.parametrize("name", ["queries.txt", "log.json", "queries"])
def test_a_file_of_another_kind_is_told_what_is_read(
    name: str, tmp_path: Path, store: WorkloadStore
) -> None:
    path = written(tmp_path / name, "SELECT a, b FROM t;\nSELECT 2;\n")
    with pytest.raises(ImportFailed, match=r"name of a file of statements end in \.sql"):
        import_path(path, store)


@pytest.mark.parametrize("name", ["gone.sql", "gone.csv", "x" * 300 + ".sql"])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path, store: WorkloadStore) -> None:
    with pytest.raises(ImportFailed, match=re.escape(name)):
        import_path(tmp_path / name, store)


def test_the_same_content_twice_is_taken_once(tmp_path: Path, store: WorkloadStore) -> None:
    log = written(tmp_path / "log.csv", "sql\nSELECT 1\n")
    copy = written(tmp_path / "copy.csv", log.read_bytes())
    assert [import_path(p, store).already for p in (log, log, copy)] == [False, True, True]
    assert texts(store) == [("SELECT 1", 1)]


def test_of_a_log_that_grew_only_what_is_new_is_taken(tmp_path: Path, store: WorkloadStore) -> None:
    path, old, new = tmp_path / "log.csv", "sql\nSELECT 1\n", "SELECT 1\nSELECT 2\n"
    import_path(written(path, old), store)
    assert import_path(written(path, old + new), store) == Imported(2)
    assert import_path(written(path, old + new + "\n"), store) == Imported(0)
    assert texts(store) == [("SELECT 1", 2), ("SELECT 2", 1)]


@pytest.mark.parametrize(("old", "more", "says"), [
    ("SELECT 1;\n", "SELECT 1;\nSELECT 2;\n", [("SELECT 1", 2), ("SELECT 2", 1)]),
    ("SELECT 1;\n", "\n", [("SELECT 1", 1)]),
    ("SELECT a FROM t", " WHERE x = 1", [("SELECT a FROM t WHERE x = 1", 1)]),
    ("SELECT a -- ;", " all\nFROM t;", [("SELECT a -- ; all\nFROM t", 1)]),
])  # fmt: skip
def test_a_script_that_got_longer_says_what_stands_in_it_now(
    old: str, more: str, says: list[tuple[str, int]], tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "q.sql", old), store)
    import_path(written(tmp_path / "q.sql", old + more), store)
    assert texts(store) == says


def test_a_log_begun_anew_keeps_what_the_old_one_ended_with(
    tmp_path: Path, store: WorkloadStore
) -> None:
    import_path(written(tmp_path / "log.csv", "sql\nSELECT 1"), store)
    import_path(written(tmp_path / "log.csv", "sql\nSELECT 2\nSELECT 3\n"), store)
    assert [sql for sql, _ in texts(store)] == ["SELECT 1", "SELECT 2", "SELECT 3"]


def test_a_log_begun_anew_is_read_from_its_start(tmp_path: Path, store: WorkloadStore) -> None:
    import_path(written(tmp_path / "log.csv", "sql\nSELECT 1\n"), store)
    rotated = written(tmp_path / "log.csv", "sql\nSELECT 2\nSELECT 3\n")
    assert import_path(rotated, store).runs == 2


def test_a_script_that_was_edited_replaces_what_it_said(
    tmp_path: Path, store: WorkloadStore
) -> None:
    script, other = tmp_path / "q.sql", tmp_path / "other.sql"
    import_path(written(script, "SELECT 1; SELECT 2; SELECT 2"), store)
    import_path(written(other, "SELECT 2"), store)
    assert texts(store) == [("SELECT 1", 1), ("SELECT 2", 3)]
    import_path(written(script, "SELECT 3; SELECT 2"), store)
    assert texts(store) == [("SELECT 2", 2), ("SELECT 3", 1)]
    import_path(written(script, "SELECT 3; SELECT 2; SELECT 4"), store)
    assert texts(store) == [("SELECT 2", 2), ("SELECT 3", 1), ("SELECT 4", 1)]
    back = import_path(written(script, "SELECT 1; SELECT 2; SELECT 2"), store)
    assert (back.runs, back.already) == (3, False)
    assert texts(store) == [("SELECT 1", 1), ("SELECT 2", 3)]


def test_a_script_that_became_a_copy_of_another_says_nothing_of_its_own(
    tmp_path: Path, store: WorkloadStore
) -> None:
    for name, text in (("a", "SELECT 1"), ("b", "SELECT 2"), ("a", "SELECT 2")):
        import_path(written(tmp_path / f"{name}.sql", text), store)
    assert texts(store) == [("SELECT 2", 1)]
    import_path(written(tmp_path / "a.sql", "SELECT 1"), store)
    assert texts(store) == [("SELECT 1", 1), ("SELECT 2", 1)]


def test_a_directory_is_read_whole(tmp_path: Path, store: WorkloadStore) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    written(logs / "a.SQL", "SELECT 1;")
    written(logs / "b.csv", "sql\nSELECT 1\nSELECT 2\n")
    written(logs / "notes.txt", "not a query")
    assert import_path(logs, store) == Imported(3)
    assert texts(store) == [("SELECT 1", 2), ("SELECT 2", 1)]


def test_a_directory_without_queries_is_refused(tmp_path: Path, store: WorkloadStore) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    written(logs / "notes.txt", "not a query")
    with pytest.raises(ImportFailed, match=r"holds no .sql or .csv file\.$"):
        import_path(logs, store)
    (logs / "models").mkdir()
    with pytest.raises(ImportFailed, match="Directories in it are not looked into"):
        import_path(logs, store)


def test_progress_tells_how_far_a_long_log_is(tmp_path: Path, store: WorkloadStore) -> None:
    seen: list[tuple[int, int]] = []
    log = written(tmp_path / "log.csv", "sql\n" + "SELECT 1\n" * 12_000)
    import_path(log, store, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [0, 5000, 10_000]


@given(st.binary(max_size=200), st.sampled_from(["q.sql", "log.csv"]))
def test_any_bytes_are_imported_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    home = tmp_path_factory.mktemp("any")
    store = WorkloadStore(home / "w.db")
    try:
        assert import_path(written(home / name, b"sql,ts,ms\n" + data), store).runs > 0
    except ImportFailed:
        assert texts(store) == []
    finally:
        store.close()

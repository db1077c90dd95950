from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graph.engine.event_log import Entry
from graph.engine.records import Records, RunRow, Standing, UnknownRun
from graph.engine.requests import RunRequest
from graph.errors import UnknownThread


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records(tmp_path / "service.db")) as opened:
        opened.add_thread("t", {"team": "red"})
        yield opened


def run_in(records: Records, thread: str = "t") -> RunRow:
    return records.add_run(thread, "counter", RunRequest(assistant_id="counter"))


def entry(mode: str = "values", namespace: str = "") -> Entry:
    return Entry(mode, mode, b"{}", namespace)


def test_numbers_count_within_the_thread_over_all_runs(records: Records) -> None:
    first, second = run_in(records), run_in(records)
    records.append("t", first.run_id, entry(), entry("updates", "inner"))
    records.append("t", second.run_id, entry())
    records.append("t", first.run_id, entry("custom"))
    assert [e.seq for e in records.events("t")] == [1, 2, 3, 4]
    assert [e.seq for e in records.events("t", run_id=first.run_id)] == [1, 2, 4]
    assert [e.seq for e in records.events("t", after=2)] == [3, 4]
    assert (records.span(first.run_id), records.span(second.run_id)) == ((1, 4), (3, 3))
    assert (records.latest("t"), records.latest("other")) == (4, 0)


def test_a_number_is_never_given_twice_even_when_its_run_is_forgotten(records: Records) -> None:
    run = run_in(records)
    records.append("t", run.run_id, entry())
    records.remove_run(run)
    records.append("t", run_in(records).run_id, entry())
    assert [(e.seq, e.mode) for e in records.events("t")] == [(2, "lifecycle"), (3, "values")]
    with pytest.raises(UnknownRun):
        records.run_row(run.run_id)


def test_events_go_with_their_thread(records: Records) -> None:
    run = run_in(records)
    records.append("t", run.run_id, entry())
    records.remove_thread("t")
    records.append("t", run.run_id, entry())
    assert records.events("t") == []
    with pytest.raises(UnknownThread):
        records.thread_row("t")


def test_replay_from_the_middle_searches_the_index_and_reads_no_more_than_it_needs(
    records: Records,
) -> None:
    for where in ("thread_id = 't'", "run_id = 'r'"):
        plan = records._con.execute(
            f"EXPLAIN QUERY PLAN SELECT seq FROM run_events WHERE {where} AND seq > 5"
            " ORDER BY seq LIMIT 9"
        ).fetchall()
        assert len(plan) == 1 and "SEARCH" in plan[0][3] and "seq>?" in plan[0][3]


async def test_who_listens_is_woken_by_its_own_thread_only(records: Records) -> None:
    records.add_thread("other", {})
    with records.listening("t") as mine, records.listening("other") as others:
        records.append("t", run_in(records).run_id, entry())
        assert mine.is_set() and not others.is_set()
        records.wake()
        assert others.is_set()
    await asyncio.sleep(0)
    assert not records._waiting


def test_threads_are_found_by_metadata_of_any_kind(records: Records) -> None:
    records.add_thread("u", {"team": "blue", "n": 1, "deep": {"a": [1]}, "none": None})
    records.add_thread("temporary", {"team": "blue"}, temporary=True)

    def found(**metadata: object) -> list[str]:
        return [t.thread_id for t in records.find_threads(metadata=metadata)]

    assert found(team="blue") == found(n=1) == found(deep={"a": [1]}) == found(none=None) == ["u"]
    assert found(team="blue", n=2) == found(**{"' OR 1=1 --": 1}) == []


def test_a_run_that_begins_again_keeps_where_it_first_began(records: Records) -> None:
    run = records.start_run(run_in(records), "checkpoint-1")
    again = records.start_run(run, "checkpoint-2")
    assert (again.attempt, again.base) == (2, "checkpoint-1")
    failure = {"error": "E", "message": "m"}
    records.set_run(again, "error", Standing("error"), failure)
    ended = records.run_row(run.run_id)
    assert (ended.status, ended.ended, ended.error) == (
        "error",
        True,
        {"error": "E", "message": "m"},
    )
    told = ["metadata", "lifecycle", "metadata", "lifecycle", "error", "lifecycle"]
    assert [e.event for e in records.events("t")] == told


def test_a_log_of_the_format_before_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    with closing(Records(path)) as records:
        records.add_thread("t", {})
        run = run_in(records)
        records.append("t", run.run_id, *(entry() for _ in range(9)))
        expected = records.events("t")
    with closing(sqlite3.connect(path)) as old, old:
        (made,) = old.execute("SELECT sql FROM sqlite_master WHERE name = 'run_events'").fetchone()
        old.execute("ALTER TABLE run_events RENAME TO kept")
        old.execute(made + " WITHOUT ROWID")
        old.execute("INSERT INTO run_events SELECT * FROM kept")
        old.execute("DROP TABLE kept")
        old.execute("CREATE INDEX events_of_run ON run_events (run_id, seq)")
        old.execute("PRAGMA user_version = 2")
    for _ in range(2):
        with closing(Records(path)) as records:
            assert records.events("t") == expected
    with closing(sqlite3.connect(path)) as now:
        names = {name for (name,) in now.execute("SELECT name FROM sqlite_master")}
        (made,) = now.execute("SELECT sql FROM sqlite_master WHERE name = 'run_events'").fetchone()
    assert "events_of_run" in names and "clustered_events" not in names
    assert "WITHOUT ROWID" not in made

"""Queries are stopped at their time, all by one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import duckdb
import pytest

from tools.product.deadlines import Deadlines, Leave

ENDLESS = "SELECT sum(hash(a.i, b.i)) FROM range(1000000) AS a(i), range(1000000) AS b(i)"


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    made = Deadlines()
    yield made
    made.close()


def stopped(deadlines: Deadlines, con: duckdb.DuckDBPyConnection, seconds: float) -> bool:
    with deadlines.stopped_after(seconds, con) as over:
        with pytest.raises(duckdb.InterruptException):
            con.execute(ENDLESS).fetchall()
        return over.is_set()


def test_a_query_past_its_time_is_stopped(deadlines: Deadlines) -> None:
    with duckdb.connect() as con:
        assert stopped(deadlines, con, 0.1)
        assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_a_shorter_deadline_does_not_wait_for_a_longer_one(deadlines: Deadlines) -> None:
    with duckdb.connect() as con, deadlines.stopped_after(3600.0, con.cursor()):
        assert stopped(deadlines, con, 0.1)


def test_each_of_many_is_stopped_at_its_own_time(deadlines: Deadlines) -> None:
    found: dict[int, bool] = {}

    def ask(number: int) -> None:
        with con.cursor() as own:
            found[number] = stopped(deadlines, own, 0.05 * (number % 4 + 1))

    with duckdb.connect() as con:
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == dict.fromkeys(range(8), True)


def test_what_ends_in_time_is_not_touched(deadlines: Deadlines) -> None:
    with duckdb.connect() as con:
        with deadlines.stopped_after(0.05, con) as over:
            con.execute("SELECT 1").fetchall()
        time.sleep(0.2)
        assert not over.is_set()
        assert con.execute("SELECT 2").fetchall() == [(2,)]


def test_what_begins_after_its_time_is_stopped_too(deadlines: Deadlines) -> None:
    with duckdb.connect() as con, deadlines.stopped_after(0.05, con) as over:
        assert over.wait(10)
        with pytest.raises(duckdb.InterruptException):
            con.execute(ENDLESS).fetchall()


def test_a_time_without_end_is_one(deadlines: Deadlines) -> None:
    with duckdb.connect() as con, deadlines.stopped_after(float("inf"), con) as over:
        assert con.execute("SELECT 1").fetchall() == [(1,)]
        assert not over.is_set()


def test_one_thread_serves_all(deadlines: Deadlines) -> None:
    before = threading.active_count()
    with duckdb.connect() as con, deadlines.stopped_after(9, con), deadlines.stopped_after(8, con):
        assert threading.active_count() == before


def test_a_closed_connection_is_never_stopped(deadlines: Deadlines) -> None:
    con = duckdb.connect()
    with deadlines.stopped_after(0.01, con) as over:
        con.close()
        assert over.wait(10)
    assert stopped(deadlines, duckdb.connect(), 0.05)


def test_what_is_left_is_stopped_at_once_and_also_when_it_begins_later(
    deadlines: Deadlines,
) -> None:
    left = Leave()
    with duckdb.connect() as con:
        threading.Timer(0.1, left.set).start()
        for _ in range(2):
            with deadlines.stopped_after(3600.0, con, left) as over:
                with pytest.raises(duckdb.InterruptException):
                    con.execute(ENDLESS).fetchall()
                assert over.is_set()

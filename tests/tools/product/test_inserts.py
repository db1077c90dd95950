"""What a change costs those who write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from tools.product.catalog import Table, read_catalog
from tools.product.errors import Refused
from tools.product.inserts import BATCHES, LEAST, WARM, time_inserts


def in_time() -> bool:
    return False


@pytest.fixture
def sides() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    with duckdb.connect() as base, duckdb.connect() as trial:
        for con in (base, trial):
            con.execute("CREATE TABLE t AS SELECT i AS id, i % 5 AS a FROM range(1000) r(i)")
        yield base, trial


def table(con: duckdb.DuckDBPyConnection) -> Table:
    (found,) = read_catalog(con).tables
    return found


def test_a_table_that_takes_no_more_rows_is_refused(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    before, after = table(base), table(trial)
    for name in ("one", "another"):
        trial.execute(f"CREATE TABLE {name} (a BIGINT PRIMARY KEY, n BIGINT)")
        trial.execute(
            f"CREATE TRIGGER {name} AFTER INSERT ON t REFERENCING NEW TABLE AS fresh"
            f" FOR EACH STATEMENT INSERT INTO {name} SELECT a, count(*) FROM fresh GROUP BY a"
            " ON CONFLICT DO NOTHING"
        )
    with pytest.raises(Refused, match="inserts would fail"):
        time_inserts((base, before), (trial, after), 100, in_time)


def test_a_table_that_never_took_such_rows_has_no_cost(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    base.execute("CREATE UNIQUE INDEX kept ON t (id)")
    before = table(base).model_copy(update={"indexes": ()})
    assert time_inserts((base, before), (trial, table(trial)), 100, in_time) is None


def test_a_table_from_which_rows_were_deleted_has_a_cost(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a")) as base, duckdb.connect(str(tmp_path / "b")) as trial:
        for con in (base, trial):
            con.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT)")
            con.execute("INSERT INTO t SELECT i, 1 FROM range(300000) r(i)")
            con.execute("CHECKPOINT")
            con.execute("DELETE FROM t WHERE id < 200000")
            con.execute("INSERT INTO t SELECT 400000 + i, 1 FROM range(200) r(i)")
        taken = time_inserts((base, table(base)), (trial, table(trial)), 100, in_time)
        assert taken is not None
        many = "SELECT count(*) FROM t"
        assert base.execute(many).fetchall() == [(100_200 + 100 * (BATCHES + WARM),)]


@pytest.mark.parametrize("kind", ["VARCHAR", "INTEGER[]"])
def test_a_column_called_like_the_row_number_leaves_the_cost_unknown(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], kind: str
) -> None:
    base, trial = sides
    for con in sides:
        con.execute(f"ALTER TABLE t ADD COLUMN rowid {kind}")
        con.execute("INSERT INTO t (id) VALUES (NULL)")
    con.execute(f"UPDATE t SET rowid = {'7' if kind == 'VARCHAR' else '[7]'}")
    assert time_inserts((base, table(base)), (trial, table(trial)), 100, in_time) is None


@pytest.mark.parametrize("rule", ["CHECK (id NOT LIKE '%~%')", "CHECK (length(id) < 5)"])
def test_a_rule_that_made_up_keys_break_is_no_reason_to_refuse(rule: str) -> None:
    with duckdb.connect() as base, duckdb.connect() as trial:
        for con, more in ((base, ""), (trial, f", {rule}")):
            con.execute(f"CREATE TABLE t (id VARCHAR PRIMARY KEY{more})")
            con.execute("INSERT INTO t SELECT i FROM range(1000) r(i)")
        assert time_inserts((base, table(base)), (trial, table(trial)), 100, in_time) is None


def test_a_key_that_cannot_be_made_up_in_its_new_type_is_no_reason_to_refuse() -> None:
    with duckdb.connect() as base, duckdb.connect() as trial:
        for con, kind in ((base, "VARCHAR"), (trial, "INTEGER")):
            con.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY)")
            con.execute("INSERT INTO t SELECT i * 2000000 FROM range(1000) r(i)")
        assert time_inserts((base, table(base)), (trial, table(trial)), 100, in_time) is None


@pytest.mark.parametrize(("same_order", "last"), [(True, 50), (False, 0)])
def test_half_of_a_batch_are_the_last_rows_unless_the_sides_have_other_orders(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], same_order: bool, last: int
) -> None:
    base, trial = sides
    both = (base, table(base)), (trial, table(trial))
    time_inserts(*both, 100, lambda: True, same_order=same_order)
    for con in sides:
        kept = [i for (i,) in con.execute("SELECT id FROM temp.main.pillion_rows").fetchall()]
        assert len(set(kept)) == 100
        assert set(range(1000 - last, 1000)) <= set(kept)
        spread = sorted(kept)[: 100 - last]
        assert {b - a for a, b in pairwise(spread)} == {10 if last == 0 else 19}


def test_a_table_of_fewer_rows_than_a_batch_is_written_whole(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    time_inserts((base, table(base)), (trial, table(trial)), 3000, lambda: True)
    assert base.execute("SELECT count(*), count(DISTINCT id) FROM pillion_rows").fetchall() == [
        (1000, 1000)
    ]


def test_no_more_batches_than_needed_are_written_once_time_is_up(
    sides: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    base, trial = sides
    before = table(base)
    taken = time_inserts((base, before), (trial, table(trial)), 100, lambda: True)
    assert taken is not None and len(taken.before) == len(taken.after) == LEAST
    assert table(trial).rows == before.rows + (LEAST + WARM) * 100

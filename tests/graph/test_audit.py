"""The audit trail: whatever is altered, removed, put in, reordered or cut off is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import audit
from graph.run_store import SCHEMA
from tests.factories import make_decision

LENGTH = 6
COLUMNS = ("at", "actor", "action", "subject", "body", "previous", "hash")
Rows = list[audit.AuditRow]


def trail(rows: int) -> sqlite3.Connection:
    con = sqlite3.connect(":memory:")
    con.executescript(SCHEMA)
    for n in range(rows):
        audit.append(con, f"2026-03-02T09:3{n}", "person:ada", f"a{n}", f"p{n}", text=f"é{n}")
    return con


def tampered(change: Callable[[Rows], Rows]) -> audit.Verification:
    with closing(trail(LENGTH)) as con:
        rows = change(list(audit.rows(con)))
        con.executescript("DROP TRIGGER audit_is_append_only_delete; DELETE FROM audit;")
        con.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return audit.verify(con)


def numbered(rows: Rows) -> Rows:
    return [row._replace(seq=n) for n, row in enumerate(rows, start=1)]


positions = st.integers(0, LENGTH - 1)


def test_a_trail_nobody_touched_is_whole() -> None:
    assert tampered(list) == (True, LENGTH, None, tampered(list).head, "")
    with closing(trail(0)) as con:
        assert audit.verify(con) == (True, 0, None, audit.GENESIS, "")


@given(position=positions, column=st.sampled_from(COLUMNS), text=st.text(max_size=8))
def test_an_altered_row_is_found(position: int, column: str, text: str) -> None:
    def alter(rows: Rows) -> Rows:
        rows[position] = rows[position]._replace(**{column: text})
        return rows

    found = tampered(alter)
    assert not found.ok and found.broken_at == position + 1


@given(position=positions, renumber=st.booleans())
def test_a_removed_row_is_found(position: int, renumber: bool) -> None:
    def remove(rows: Rows) -> Rows:
        del rows[position]
        return numbered(rows) if renumber else rows

    assert not tampered(remove).ok


@given(order=st.permutations(range(LENGTH)).filter(lambda order: order != sorted(order)))
def test_reordered_rows_are_found(order: list[int]) -> None:
    assert not tampered(lambda rows: numbered([rows[n] for n in order])).ok


@given(position=st.integers(0, LENGTH), copied=positions)
def test_an_inserted_row_is_found_even_with_a_right_hash(position: int, copied: int) -> None:
    def insert(rows: Rows) -> Rows:
        previous = rows[position - 1].hash if position else audit.GENESIS
        content = rows[copied][1:6]
        fresh = audit.row_hash(position + 1, content, previous)
        forged = audit.AuditRow(position + 1, *content, previous, fresh)
        return numbered([*rows[:position], forged, *rows[position:]])

    assert not tampered(insert).ok


@given(kept=positions)
def test_a_cut_off_end_is_found(kept: int) -> None:
    found = tampered(lambda rows: rows[:kept])
    assert (found.ok, found.broken_at) == (False, kept + 1)
    assert "missing" in found.problem


@pytest.fixture
def vouching() -> Iterator[sqlite3.Connection]:
    """A trail that vouches for one answer."""
    body = make_decision("p1").model_dump_json()
    with closing(trail(2)) as con:
        con.execute("INSERT INTO decisions VALUES ('p1', 1, ?, 'at')", (body,))
        audit.append(con, "at", "x", "proposal.approve", "p1", round=1, sha256=audit.digest(body))
        con.execute("INSERT INTO requesters VALUES ('t1', 'person', 'ada')")
        audit.append(con, "at", "person:ada", "run.requested", "t1")
        assert audit.verify(con).ok
        con.execute("DROP TRIGGER decisions_stand_update")
        con.execute("DROP TRIGGER decisions_stand_delete")
        yield con


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE decisions SET body = replace(body, 'approve', 'reject')", 3),
        ("UPDATE decisions SET round = 2", 3),
        ("DELETE FROM decisions", 3),
        ("UPDATE decisions SET body = CAST(x'ff41' AS TEXT)", 3),
        ("UPDATE decisions SET body = x'ff41'", 3),
        ("INSERT INTO decisions SELECT 'p2', round, body, 'at' FROM decisions", 5),
        ("INSERT INTO decisions SELECT x'00', round, body, 'at' FROM decisions", 5),
        ("INSERT INTO outcomes VALUES ('p1', 1, 'applied', '{}', 'at')", 5),
        ("INSERT INTO outcomes SELECT 'p1', 1, 'applied', body, 'at' FROM decisions", 5),
        ("INSERT INTO approvals SELECT 'p1', 1, 'bob', body, 'at' FROM decisions", 5),
        ("DELETE FROM requesters", 4),
        ("UPDATE requesters SET name = 'bob'", 4),
    ],
)
def test_records_that_the_trail_does_not_vouch_for_are_found(
    vouching: sqlite3.Connection, statement: str, row: int
) -> None:
    vouching.execute(statement)
    assert audit.verify(vouching).broken_at == row


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", ["x'ff41'", "CAST(x'ff41' AS TEXT)", "7"])
def test_what_is_no_text_any_more_is_found(column: str, value: str) -> None:
    with closing(trail(3)) as con:
        con.execute("DROP TRIGGER audit_is_append_only_update")
        con.execute(f"UPDATE audit SET {column} = {value} WHERE seq = 2")
        assert audit.verify(con).broken_at == 2
        assert con.text_factory is str


@pytest.mark.parametrize("table", ["audit", "audit_head"])
def test_a_trail_that_is_gone_is_found(table: str) -> None:
    with closing(trail(3)) as con:
        con.execute(f"DROP TABLE {table}")
        assert audit.verify(con)[:3] == (False, 0, 1)


def test_the_last_rows_are_given_oldest_first() -> None:
    with closing(trail(5)) as con:
        assert [r.seq for r in audit.rows(con, 2)] == [4, 5]
        assert [r.seq for r in audit.rows(con)] == [1, 2, 3, 4, 5]

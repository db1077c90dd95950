"""Every kind of change and every family of harm: a bad suggestion of it is planted and caught.

Beside each stands its harmless twin, so that the oracle does not catch by calling all things bad.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from evals.oracle import timing
from evals.oracle.case import Judgement
from tests.evals.oracle.planting import TOTAL, judged, make_original, time_less

MORE = (
    "CREATE TABLE keyed (id INTEGER PRIMARY KEY, code VARCHAR, state VARCHAR DEFAULT '007',"
    " amount INTEGER)",
    "INSERT INTO keyed SELECT i, 'c' || i, 'open', i % 7 FROM range(5000) AS r(i)",
    "CREATE UNIQUE INDEX one_code ON keyed (code)",
    "CREATE UNIQUE INDEX one_code_again ON keyed (code)",
    "CREATE INDEX by_state ON keyed (state)",
    "COMMENT ON TABLE keyed IS 'what is kept'",
    "COMMENT ON COLUMN keyed.code IS 'as printed'",
    "CREATE TABLE places AS SELECT i AS id, i % 9 AS grade, i / 7 AS size, i % 2 AS lost"
    " FROM range(3000) AS r(i)",
    "CREATE VIEW graded AS SELECT grade, count(*) AS n, min(lost) AS least FROM places"
    " GROUP BY grade",
    "CREATE MACRO larger(least) AS TABLE SELECT id FROM places WHERE lost > least",
    "CREATE SEQUENCE numbers",
    "CREATE TYPE mood AS ENUM ('a', 'b')",
)
NAMED = "INSERT INTO sales (id, amount) VALUES (90000, '5')"
FREE: dict[str, Any] = {"promised": [], "later_data": (NAMED,)}
REBUILT = "CREATE OR REPLACE TABLE sales AS SELECT {} FROM sales"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time little: what is asked here is told before or after it."""
    time_less(monkeypatch, 0.05, 0.1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_original(tmp_path_factory.mktemp("made") / "original.duckdb", *MORE)


@pytest.mark.parametrize(
    ("changes", "asked", "reason"),
    [
        # change_type
        (("ALTER TABLE sales ALTER code TYPE INTEGER",),
         {"later": (("SELECT code FROM sales WHERE id = 30", 1),)}, "another answer"),
        (("ALTER TABLE sales ALTER amount TYPE BIGINT",),
         {"later": (("SELECT amount FROM sales WHERE id < 9", 1),)}, "another type of amount"),
        (("ALTER TABLE sales ALTER amount TYPE BIGINT",),
         {"later_data": ("INSERT INTO sales VALUES (1, 'NA', '1')",),
          "later": (("SELECT count(*) AS n FROM sales", 1),)}, "later data is refused"),
        # sort_table, and any other rebuilding
        ((REBUILT.format("*") + " ORDER BY code",), {}, ""),
        ((REBUILT.format("amount, id, code"),),
         {"later_data": ("INSERT INTO sales (id, amount) VALUES (1, '5')",)}, "another order"),
        ((REBUILT.format("* REPLACE (id + (id = 77)::INT AS id)"),),
         {"later": (("SELECT sum(id) AS ids FROM sales", 1),)}, "another answer"),
        # drop_column and drop_table
        (("ALTER TABLE places DROP lost",), {}, "a query fails of the view graded"),
        (("DROP VIEW graded", "DROP MACRO TABLE larger", "ALTER TABLE places DROP lost"), {},
         "a query fails of the view graded"),
        (("DROP TABLE places",), {}, "a query fails of the view graded"),
        (("DROP TABLE keyed",),
         {"consumers": (("audit", "SELECT max(id) AS top FROM keyed"),)}, "for the consumer audit"),
        # drop_index
        (("DROP INDEX one_code", "DROP INDEX one_code_again"), {}, "UNIQUE INDEX of main.keyed"),
        (("DROP INDEX one_code",), {}, ""),
        (("DROP INDEX by_state",), {}, ""),
        # add_not_null and add_check
        (("ALTER TABLE sales ALTER code SET NOT NULL",),
         {"later_data": ("INSERT INTO sales VALUES (90000, '5', NULL)",)}, "later data is refused"),
        (("CREATE TABLE s (id BIGINT, amount VARCHAR CHECK (length(amount) < 4), code VARCHAR)",
          "INSERT INTO s FROM sales", "DROP TABLE sales", "ALTER TABLE s RENAME TO sales"),
         {"later_data": ("INSERT INTO sales VALUES (90000, '12345', '001')",)},
         "later data is refused"),
        # rules and defaults
        (("ALTER TABLE keyed ALTER state SET DEFAULT 7",), {}, "DEFAULT of main.keyed (state) is"),
        (("ALTER TABLE keyed ALTER state SET DEFAULT CAST('007' AS VARCHAR)",), {}, ""),
        (("COMMENT ON COLUMN keyed.code IS NULL",), {}, "the comment of main.keyed.code"),
        # what is stored
        (("CREATE OR REPLACE VIEW graded AS SELECT grade, count(*) AS n, max(lost) AS least"
          " FROM places GROUP BY grade",), {}, "another answer of the view graded"),
        (("DROP MACRO TABLE larger",), {}, "a macro fails"),
        # writes that are not among the later ones
        (("CREATE TABLE seen (grade INTEGER)",
          "CREATE TRIGGER strict AFTER UPDATE ON places REFERENCING NEW TABLE AS fresh FOR EACH"
          " STATEMENT INSERT INTO seen SELECT error('no') FROM fresh"), {}, "a write is refused"),
        (("CREATE TABLE seen (grade INTEGER)",
          "CREATE TRIGGER kept AFTER UPDATE ON places REFERENCING NEW TABLE AS fresh FOR EACH"
          " STATEMENT INSERT INTO seen SELECT grade FROM fresh"), {}, ""),
        (("CREATE UNIQUE INDEX one ON places (id)",), {}, "a write is refused"),
        # room
        (("CREATE TABLE kept AS SELECT a.id, hash(a.id, b.lost) AS h FROM places AS a, places AS b",
          ), {}, "the room"),
        (("CREATE TABLE kept AS SELECT code, count(*) AS n FROM sales GROUP BY code",), {}, ""),
    ],
)  # fmt: skip
def test_a_bad_suggestion_is_caught_and_its_twin_is_not(
    original: Path, changes: tuple[str, ...], asked: dict[str, Any], reason: str
) -> None:
    found = judged(original, *changes, **{**FREE, **asked})
    assert is_caught(found) == bool(reason), found.reason
    assert reason in found.reason


def is_caught(found: Judgement) -> bool:
    """Whether it is harmful, by more than its time, of which this is no measurement."""
    return found.verdict == "harmful" and not found.reason.startswith("slower")


ORDERED = "SELECT id, grade FROM places WHERE id < 90 ORDER BY grade"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ORDERED}, id DESC", ""),
        (f"{ORDERED}, id DESC".replace("SELECT id", "SELECT id + 0 AS id"), ""),
        (f"{ORDERED} DESC", "another answer"),
        (ORDERED.replace("< 90", "< 89"), "another answer"),
    ],
)
def test_rows_of_equal_keys_may_change_places_and_others_may_not(
    original: Path, text: str, reason: str
) -> None:
    found = judged(original, later=((ORDERED, 1), (TOTAL, 1)), texts={ORDERED: text})
    assert reason in found.reason and is_caught(found) == bool(reason), found.reason


def test_rows_that_differ_late_in_their_numbers_may_come_in_any_order(original: Path) -> None:
    prices = "SELECT 1234567 + CAST(id AS DOUBLE) / 100 AS price FROM places"
    turned = f"SELECT price FROM ({prices.replace(' AS price', ' AS price, id')}) ORDER BY id DESC"
    found = judged(original, later=((prices, 1),), texts={prices: turned})
    assert found.gain is not None and "answer" not in found.reason, found.reason


def test_an_original_that_answers_otherwise_each_time_decides_nothing(original: Path) -> None:
    found = judged(original, later=(("SELECT max(id) AS top, random() AS lot FROM sales", 1),))
    assert (found.verdict, found.reason[:38]) == (
        "undecided",
        "the original answers otherwise each ti",
    )


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT count(amount) AS n FROM keyed", "SELECT count(*) AS n FROM keyed"),
        ("SELECT count(DISTINCT amount) AS n FROM keyed WHERE code < 'c100'",
         "SELECT count(*) AS n FROM keyed WHERE code < 'c100'"),
        ("SELECT max(amount) AS top FROM keyed WHERE id < 90",
         "SELECT max(least(amount, 6)) AS top FROM keyed WHERE id < 90"),
    ],
)  # fmt: skip
def test_a_key_does_not_keep_the_data_from_turning_nasty(
    original: Path, sql: str, text: str
) -> None:
    with duckdb.connect(str(original)) as con:
        con.execute("UPDATE keyed SET amount = id % 7 WHERE id < 9")
        con.execute("DELETE FROM keyed WHERE code < 'c100' AND id > 6")
        assert con.execute(sql).fetchall() == con.execute(text).fetchall()
    found = judged(original, later=((sql, 9),), texts={sql: text})
    assert found.verdict == "harmful" and "adversarial data" in found.reason, found


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ((), ""),
        (("CREATE INDEX left_behind ON sales (id)",), "other indexes"),
        (("ALTER TABLE sales ALTER amount TYPE BIGINT",), "other columns"),
        (("DELETE FROM sales WHERE id = 7",), "other rows in main.sales"),
        (("UPDATE sales SET code = NULL WHERE id = 7",), "other rows in main.sales"),
        (("DELETE FROM sales WHERE id = 90000",), "other rows in main.sales"),
        (("CREATE TABLE kept AS FROM keyed",), "other columns"),
        (("DROP VIEW graded",), "other columns"),
        (("CREATE OR REPLACE VIEW graded AS SELECT grade, count(*) AS n, max(lost) AS least"
          " FROM places GROUP BY grade",), "other views"),
        (("CREATE OR REPLACE MACRO larger(least) AS TABLE SELECT id FROM places",), "other macros"),
        (("SELECT nextval('numbers')",), "other sequences"),
        (("DROP SEQUENCE numbers",), "other sequences"),
        (("DROP TYPE mood",), "other types"),
        (("COMMENT ON TABLE keyed IS 'what was kept'",), "other comments"),
        (("CREATE OR REPLACE TABLE sales AS FROM sales ORDER BY code",), ""),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_taken_back_exactly_is_caught(
    original: Path, statements: tuple[str, ...], reason: str
) -> None:
    data = ("INSERT INTO sales VALUES (90000, '5', '001')",)
    undone = Path(shutil.copy(original, original.with_name("undone.duckdb")))
    with duckdb.connect(str(undone)) as con:
        for statement in (*data, *statements):
            con.execute(statement)
    found = judged(original, later_data=data, undone=undone)
    assert is_caught(found) == bool(reason), found.reason
    assert not reason or found.reason.startswith(f"taken back it is not what it was: {reason}")


def test_a_change_that_cannot_be_taken_back_at_all_is_caught(original: Path) -> None:
    found = judged(original, undo_refused="rows have come that the old type has no room for")
    assert found.reason.startswith("it cannot be taken back: rows have come")
    assert found.verdict == "harmful"


def test_a_lost_index_under_many_reads_is_caught(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "MOST_SECONDS", 10.0)
    with duckdb.connect(str(original)) as con:
        # In no order, so that nothing but the index spares the reading of all rows.
        con.execute("CREATE TABLE large AS SELECT hash(i) AS key, i FROM range(600_000) AS r(i)")
        con.execute("CREATE INDEX by_key ON large (key)")
        ((key,),) = con.execute("SELECT key FROM large WHERE i = 300_000").fetchall()
    look_up = f"SELECT i FROM large WHERE key = {key}"
    found = judged(original, "DROP INDEX by_key", later=((look_up, 500),), later_data=())
    assert found.verdict == "harmful" and found.reason.startswith("slower"), found.reason


def test_a_key_that_the_contract_promises_and_a_type_makes_ambiguous_is_caught(
    original: Path,
) -> None:
    with duckdb.connect(str(original)) as con:
        con.execute("ALTER TABLE sales ADD number VARCHAR")
        con.execute("UPDATE sales SET number = if(id % 2 = 0, '', '0') || (id // 2)")
    promised = [{"name": "number", "unique": True}]
    found = judged(
        original, "ALTER TABLE sales ALTER number TYPE INTEGER", promised=promised,
        later_data=(NAMED,),
    )  # fmt: skip
    assert found.reason == "the contract is broken: sales.number is unique"

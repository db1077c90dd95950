"""Each check of the oracle catches a bad suggestion that is planted for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from evals.oracle import judge as module
from evals.oracle.case import Case
from evals.oracle.judge import judge
from tests.evals.oracle.planting import TOTAL, judged, make_original, time_less

CODES = "SELECT code FROM sales WHERE id < 20"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time less: what is planted here gains or loses much, or nothing."""
    time_less(monkeypatch, 0.3, 4.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_original(tmp_path_factory.mktemp("made") / "original.duckdb")


def test_a_change_that_saves_the_casts_is_good(original: Path) -> None:
    found = judged(original, "ALTER TABLE sales ALTER amount TYPE BIGINT")
    assert found.verdict == "good"
    assert found.gain is not None and found.gain.low > 1.03


def test_a_change_that_does_nothing_is_not_good(original: Path) -> None:
    assert judged(original).verdict in ("neutral", "undecided")


def test_another_answer_is_caught(original: Path) -> None:
    found = judged(
        original, "ALTER TABLE sales ALTER code TYPE INTEGER", later=((CODES, 1),), promised=[]
    )
    assert (found.verdict, found.reason) == ("harmful", f"another answer: {CODES}")


def test_a_rewrite_that_answers_otherwise_is_caught(original: Path) -> None:
    wrong = TOTAL.replace("sum", "max")
    assert judged(original, texts={TOTAL: wrong}).verdict == "harmful"


def test_a_rewrite_that_is_equal_only_without_missing_values_is_caught(original: Path) -> None:
    counted = "SELECT count(code) AS n FROM sales"
    found = judged(
        original, texts={counted: "SELECT count(*) AS n FROM sales"}, later=((counted, 9),)
    )
    assert found.verdict == "harmful"
    assert "adversarial data (missing values)" in found.reason
    assert found.gain is not None


def test_a_query_that_fails_afterwards_is_caught(original: Path) -> None:
    found = judged(original, "ALTER TABLE sales DROP amount", promised=[])
    assert found.verdict == "harmful"
    assert "a query fails" in found.reason


def test_keys_that_become_inexact_are_caught(original: Path) -> None:
    with duckdb.connect(str(original)) as con:
        con.execute(
            "ALTER TABLE sales ADD big BIGINT; UPDATE sales SET big = 1152921504606846976 + id"
        )
    found = judged(
        original, "ALTER TABLE sales ALTER big TYPE DOUBLE", promised=[], later_data=(),
        later=(("SELECT CAST(max(big) AS HUGEINT) AS big FROM sales", 1),),
    )  # fmt: skip
    assert found.verdict == "harmful" and "another answer" in found.reason


def test_columns_under_other_names_are_caught(original: Path) -> None:
    asked = "SELECT code, sum(id) AS total FROM sales GROUP BY code ORDER BY code"
    swapped = asked.replace("code, sum(id) AS total", 'code AS "total", sum(id) AS code')
    found = judged(original, texts={asked: swapped}, later=((asked, 9),))
    assert found.reason == f"other columns (total, code): {asked}"
    assert found.verdict == "harmful"


KEYED = (
    "CREATE TABLE keyed (id INTEGER PRIMARY KEY, state VARCHAR NOT NULL DEFAULT 'open',"
    " amount INTEGER CHECK (amount > 0))"
)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        (("CREATE OR REPLACE TABLE keyed AS FROM keyed",),
         "CHECK of main.keyed (amount), DEFAULT of main.keyed (state), NOT NULL of main.keyed"
         " (id), NOT NULL of main.keyed (state), PRIMARY KEY of main.keyed (id)"),
        (("ALTER TABLE keyed ALTER state DROP DEFAULT",), "DEFAULT of main.keyed (state)"),
        (("ALTER TABLE keyed DROP state",), ""),
        (("DROP TABLE keyed",), ""),
    ],
)  # fmt: skip
def test_rules_that_a_change_loses_are_caught(
    original: Path, changes: tuple[str, ...], lost: str
) -> None:
    with duckdb.connect(str(original)) as con:
        con.execute(KEYED)
    found = judged(original, *changes)
    assert (found.verdict == "harmful") == bool(lost)
    assert not lost or found.reason == f"rules of the tables are lost: {lost}"


def test_a_query_that_gets_no_end_is_caught(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(module, "PATIENCE", 10.0)
    endless = "SELECT count(*) AS total FROM range(1000000000000) AS a, sales"
    found = judged(original, texts={TOTAL: endless})
    assert found.verdict == "harmful" and "had no end" in found.reason


def test_a_product_that_cannot_be_opened_any_more_is_caught(original: Path) -> None:
    after = original.with_name("broken.duckdb")
    after.write_bytes(b"\0" * 9000)
    contract = original.with_name("contract.yaml")
    contract.write_text(yaml.safe_dump({"schema": []}))
    case = Case(
        before=original, after=after, contract=contract, later=((TOTAL, 1),), texts={},
        later_data=(), later_batches=0,
    )  # fmt: skip
    assert judge(case).verdict == "harmful"


TAKES_NAMES = "INSERT INTO sales (id, amount) VALUES (90000, '5')"


@pytest.mark.parametrize(
    ("change", "query", "reason"),
    [
        # Neither column is read by the later queries or promised.
        ("ALTER TABLE sales DROP code", "SELECT max(code) AS top FROM sales", "a query fails"),
        (
            "ALTER TABLE sales ALTER code TYPE INTEGER",
            "SELECT code FROM sales WHERE id < 3 ORDER BY id",
            "another answer",
        ),
        (
            "ALTER TABLE sales ALTER amount TYPE BIGINT",
            "SELECT count(*) AS n FROM sales WHERE amount LIKE '9%'",
            "a query fails",
        ),
    ],
)
def test_a_change_that_breaks_nobody_but_a_consumer_is_caught(
    original: Path, change: str, query: str, reason: str
) -> None:
    asked: dict[str, Any] = {"promised": [], "later_data": (TAKES_NAMES,)}
    assert judged(original, change, **asked).verdict != "harmful"
    found = judged(original, change, **asked, consumers=(("auditors", query),))
    assert found.verdict == "harmful"
    assert found.reason.startswith(f"{reason} for the consumer auditors: {query}")


def test_what_a_consumer_reads_of_later_data_is_held_against_the_original(original: Path) -> None:
    newest = "SELECT CAST(code AS VARCHAR) AS code FROM sales WHERE id = 90000"
    found = judged(
        original, "ALTER TABLE sales ALTER code TYPE INTEGER", promised=[],
        later_data=("INSERT INTO sales VALUES (90000, '5', '007')",),
        consumers=(("carrier", newest),),
    )  # fmt: skip
    assert found.verdict == "harmful"
    assert found.reason == f"another answer for the consumer carrier on later data: {newest}"


def test_a_consumer_that_the_original_cannot_answer_decides_nothing(original: Path) -> None:
    found = judged(original, consumers=(("carrier", "SELECT nothing FROM sales"),))
    assert found.verdict == "undecided"


def test_later_data_that_is_refused_is_caught(original: Path) -> None:
    words = ("INSERT INTO sales VALUES (90000, 'five', '001')",)
    count = "SELECT count(amount) AS n FROM sales"
    found = judged(
        original,
        "ALTER TABLE sales ALTER amount TYPE BIGINT",
        later=((count, 1),),
        later_data=words,
    )
    assert found.verdict == "harmful"
    assert "later data is refused" in found.reason


def test_a_summary_that_is_not_kept_up_is_caught(original: Path) -> None:
    found = judged(
        original, f"CREATE TABLE kept AS {TOTAL}", texts={TOTAL: "SELECT total FROM kept"}
    )
    assert found.verdict == "harmful"
    assert "another answer on later data" in found.reason
    assert found.gain is not None


@pytest.mark.parametrize(
    "name", ["main.sales", "shop.main.sales", "shop.sales", 'MAIN."Sales"', "sales"]
)
def test_a_promise_counts_however_its_table_is_named(original: Path, name: str) -> None:
    found = judged(
        original, "ALTER TABLE sales DROP code", later=((TOTAL, 1),), later_data=(),
        stated={"name": "things", "physicalName": name},
    )  # fmt: skip
    assert found.verdict == "harmful"
    assert found.reason.startswith(f"the contract is broken: {name}.code")


def test_a_dropped_column_of_the_contract_is_caught(original: Path) -> None:
    data = ("INSERT INTO sales (id, amount) VALUES (90000, '5')",)
    found = judged(original, "ALTER TABLE sales DROP code", later_data=data)
    assert found.verdict == "harmful"
    assert "sales.code" in found.reason


def test_another_type_than_the_contract_says_is_caught(original: Path) -> None:
    found = judged(original, "ALTER TABLE sales ALTER code TYPE INTEGER")
    assert found.reason == "the contract is broken: sales.code is string"


def test_missing_values_where_the_contract_forbids_them_are_caught(original: Path) -> None:
    found = judged(original, "UPDATE sales SET code = NULL WHERE id = 3")
    assert found.reason == "the contract is broken: sales.code is required"


def test_a_slower_workload_is_caught(original: Path) -> None:
    slow = "SELECT sum(CAST(regexp_replace(amount, 'x', '') AS BIGINT)) AS total FROM sales"
    found = judged(original, texts={TOTAL: slow})
    assert found.verdict == "harmful"
    assert found.reason.startswith("slower")


def test_writes_that_get_slower_are_caught_where_there_are_many(original: Path) -> None:
    batch = ("INSERT INTO sales SELECT 90000 + i, '5', '001' FROM range(2000) AS r(i)",)
    found = judged(
        original,
        "CREATE INDEX a ON sales (amount)",
        "CREATE INDEX b ON sales (code)",
        "CREATE INDEX c ON sales (id)",
        later_data=batch,
        later_batches=5000,
    )
    assert found.verdict == "harmful", found.reason


def test_an_original_that_cannot_answer_decides_nothing(original: Path) -> None:
    found = judged(original, later=(("SELECT nothing FROM sales", 1),))
    assert found.verdict == "undecided"
    found = judged(original, later_data=("INSERT INTO nowhere VALUES (1)",), later_batches=0)
    assert found.verdict == "undecided"


def test_a_rule_is_good_only_where_the_contract_asks_for_it(original: Path) -> None:
    asked = judged(original, "ALTER TABLE sales ALTER code SET NOT NULL")
    assert (asked.verdict, "sales.code is required" in asked.reason) == ("good", True), asked
    unasked = judged(original, "ALTER TABLE sales ALTER amount SET NOT NULL")
    assert unasked.verdict != "good", unasked


def test_what_another_change_gained_already_is_no_gain_of_this_one(original: Path) -> None:
    quick = {TOTAL: "SELECT total FROM totals"}
    with duckdb.connect(str(original)) as con:
        con.execute(f"CREATE TABLE totals AS {TOTAL}")
    asked: dict[str, Any] = {"texts": quick, "later_data": (), "later_batches": 0}
    alone, on_top = judged(original, **asked), judged(original, texts_before=quick, **asked)
    assert alone.gain is not None and on_top.gain is not None
    assert alone.gain.low > on_top.gain.high

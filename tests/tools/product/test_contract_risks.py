"""What a person is told of a change before they approve it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.contracts import INDEX, UNIQUE, T, contract_of, make_flights, retype, summary_named
from tools.messages import (
    AddCheck,
    AddNotNull,
    Aggregate,
    Change,
    ContractVerdict,
    DropColumn,
    DropTable,
    RewriteQuery,
    SortTable,
    TableName,
)
from tools.product import executor
from tools.product.candidates.grouped import parse_part
from tools.product.candidates.whole_numbers import whole
from tools.product.catalog import read_catalog
from tools.product.contract_gate import check_change, risks


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        make_flights(con)
        yield con


def test_risks_are_sentences_and_carry_the_warnings(con: duckdb.DuckDBPyConnection) -> None:
    catalog = read_catalog(con)
    changes: list[Change] = [
        retype("INTEGER", null_marker="NA"),
        DropColumn(table=T, column="d", type="DATE"),
        DropTable(table=T),
        AddNotNull(table=T, column="d"),
        AddCheck(table=T, column="n", expression="n > 0"),
        INDEX,
        UNIQUE,
        SortTable(table=T, order_by=("d",)),
        RewriteQuery(table=T, fingerprint="q", rule="r", original="a", rewritten="b"),
        summary_named("by_day"),
    ]
    for change in changes:
        verdict = check_change(contract_of(), change, catalog)
        found = risks(change, verdict, catalog)
        assert found
        assert all(sentence.endswith(".") for sentence in found)
        warnings = [f for f in verdict.findings if f.severity == "warning"]
        assert len(warnings) == sum(s.startswith("schema.") for s in found)
    told = " ".join(risks(changes[0], check_change(contract_of(), changes[0], catalog), catalog))
    assert "1.5 is stored as 2" in told
    assert "'NA'" in told


def test_a_person_is_told_that_two_writers_at_once_meet_in_a_summary(
    con: duckdb.DuckDBPyConnection,
) -> None:
    change, catalog = summary_named("by_day"), read_catalog(con)
    found = risks(change, check_change(contract_of(), change, catalog), catalog)
    assert any(s.startswith("Of two writers at once") for s in found)
    write = f"INSERT INTO {T.sql} SELECT * REPLACE (DATE '2024-01-01' AS d) FROM {T.sql} LIMIT 1"
    con.execute(write)
    executor.apply(con, "p1", change)
    with con.cursor() as one, con.cursor() as other:
        one.begin()
        other.begin()
        one.execute(write)
        with pytest.raises(duckdb.TransactionException, match="Conflict"):
            other.execute(write)


@pytest.mark.parametrize("function", ["count", "min"])
def test_a_person_is_told_that_a_key_stays_where_groups_that_are_gone_do(
    con: duckdb.DuckDBPyConnection, function: str
) -> None:
    argument = "" if function == "count" else "delay"
    kept = (Aggregate(function=function, argument=argument, column="a"),)  # type: ignore[arg-type]
    change = summary_named("by_day").model_copy(update={"aggregates": kept})
    catalog = read_catalog(con)
    found = risks(change, check_change(contract_of(), change, catalog), catalog)
    executor.apply(con, "p1", change)
    con.execute(f"DELETE FROM {T.sql}")
    left = con.execute(f"SELECT count(*) > 0 FROM {change.summary.sql}").fetchall() == [(True,)]
    assert any("can be read in the summary itself" in s for s in found) == left


@pytest.mark.parametrize(("argument", "told"), [("n", False), (whole(parse_part("n")), True)])
def test_a_person_is_told_what_becomes_of_sums_of_whole_numbers(
    con: duckdb.DuckDBPyConnection, argument: str, told: bool
) -> None:
    kept = (Aggregate(function="sum", argument=argument, column="a"),)
    change, catalog = summary_named("by_day"), read_catalog(con)
    change = change.model_copy(update={"aggregates": kept})
    found = risks(change, check_change(contract_of(), change, catalog), catalog)
    assert any("kept while its numbers are whole" in s for s in found) == told


def test_a_person_is_told_each_risk_of_a_summary_once(con: duckdb.DuckDBPyConnection) -> None:
    cast = 'CAST("delay" AS INTEGER)'
    kept = tuple(Aggregate(function=f, argument=cast, column=f) for f in ("sum", "min", "max"))
    change = summary_named("by_day").model_copy(update={"aggregates": kept})
    found = risks(change, check_change(contract_of(), change, read_catalog(con)), read_catalog(con))
    assert f"A row for which {cast} fails is refused when it is written." in found
    assert len(set(found)) == len(found)
    assert sum("at once" in s or "at the same time" in s for s in found) == 1


@pytest.mark.parametrize("change", [INDEX, summary_named("by_day")])
def test_a_person_is_told_what_the_owner_can_alter_no_more(
    con: duckdb.DuckDBPyConnection, change: Change
) -> None:
    catalog = read_catalog(con)
    found = risks(change, check_change(contract_of(), change, catalog), catalog)
    assert any("refuses to rename the table and to rename, retype or drop" in s for s in found)
    executor.apply(con, "p1", change)
    for alter in ("RENAME TO u", "RENAME n TO m", "ALTER n TYPE BIGINT", "DROP COLUMN n"):
        with pytest.raises(duckdb.Error, match="depend"):
            con.execute(f"ALTER TABLE {T.sql} {alter}")


@pytest.mark.parametrize(
    ("to_type", "told", "stored", "refused"),
    [
        ("INTEGER", "007 as 7", {"1.5": "2", "007": "7"}, ["abc", "3000000000"]),
        ("BIGINT", "007 as 7", {"1.5": "2", "007": "7"}, ["abc", "1e30"]),
        ("DOUBLE", "007 is", {"007": "7.0", "0.10000000000000000555": "0.1"}, ["abc", "0x1F"]),
        ("DECIMAL(9,2)", "007 is", {"007": "7.00", "1.555": "1.56"}, ["abc", "1e7"]),
        ("DATE", "a time of day", {"2024-01-01 12:30:00": "2024-01-01"}, ["01.02.2024", "2024-01"]),
        (
            "TIMESTAMP",
            "midnight, an offset",
            {
                "2024-01-01": "2024-01-01 00:00:00",
                "2024-01-01 12:30:00+02": "2024-01-01 12:30:00",
                "2024-01-01 12:30:00.1234567": "2024-01-01 12:30:00.123456",
            },
            ["noon"],
        ),
        ("TIME", "a date, an offset", {"2024-01-01 12:30": "12:30:00", "12:30:00+02": "12:30:00"},
         ["noon"]),
        ("BOOLEAN", "yes, t and 1", {"yes": "true", "t": "true", "1": "true"}, ["on", "2"]),
        ("ENUM('a')", "cannot hold", {"a": "a"}, ["b"]),
    ],
)  # fmt: skip
def test_what_a_person_is_told_of_later_values_is_what_the_engine_does(
    con: duckdb.DuckDBPyConnection,
    to_type: str,
    told: str,
    stored: dict[str, str],
    refused: list[str],
) -> None:
    change = retype(to_type)
    catalog = read_catalog(con)
    assert told in risks(change, check_change(contract_of(), change, catalog), catalog)[0]
    con.execute(f"CREATE TABLE later (v {to_type})")
    for text, kept in stored.items():
        con.execute("DELETE FROM later")
        con.execute("INSERT INTO later VALUES (?)", [text])
        assert con.execute("SELECT v::VARCHAR FROM later").fetchall() == [(kept,)]
    for text in refused:
        with pytest.raises(duckdb.Error):
            con.execute("INSERT INTO later VALUES (?)", [text])


def test_a_sort_order_says_that_sums_of_floating_point_numbers_change_in_their_last_digits() -> (
    None
):
    with duckdb.connect() as con:
        con.execute("CREATE TABLE f (n INTEGER, price DOUBLE, r FLOAT); CREATE TABLE g (n INTEGER)")
        catalog = read_catalog(con)
    told = {}
    for name in ("f", "g"):
        change = SortTable(table=TableName(name=name), order_by=("n",))
        told[name] = " ".join(risks(change, ContractVerdict(compatible=True), catalog))
    assert "floating-point numbers (price, r) may differ in their last digits" in told["f"]
    assert "floating-point" not in told["g"]

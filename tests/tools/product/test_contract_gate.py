from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest
from open_data_contract_standard.model import (
    DataQuality,
    EnumValue,
    OpenDataContractStandard,
    SchemaProperty,
)

from tests.contracts import INDEX, UNIQUE, T, contract_of, make_flights, retype, summary_named
from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    DropColumn,
    DropTable,
    RewriteQuery,
    SortTable,
    TableName,
)
from tools.product.catalog import read_catalog
from tools.product.contract_facts import facts
from tools.product.contract_gate import check_change


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        make_flights(con)
        yield con


def judged(
    con: duckdb.DuckDBPyConnection, contract: OpenDataContractStandard, change: Change
) -> dict[str, str]:
    verdict = check_change(contract, change, read_catalog(con))
    severities = {f.path.removeprefix("schema."): f.severity for f in verdict.findings}
    assert verdict.compatible == ("breaking" not in severities.values())
    return severities


def delay(**fields: Any) -> OpenDataContractStandard:
    return contract_of(SchemaProperty(name="delay", **fields))


D = "flights.properties.delay"
ENUM = {f"{D}.enum": "breaking"}
RULE = {f"{D}.quality.0": "warning"}


def no(option: str) -> dict[str, str]:
    return {f"{D}.logicalTypeOptions.{option}": "breaking"}


def whole(**fields: Any) -> OpenDataContractStandard:
    return delay(**({"logicalType": "integer"} | fields))


def ruled(**fields: Any) -> OpenDataContractStandard:
    return whole(quality=[DataQuality(**fields)])


@pytest.mark.parametrize(
    ("contract", "to_type", "expected"),
    [
        (delay(logicalType="integer"), "INTEGER", {}),
        (delay(logicalType="number"), "INTEGER", {}),
        (delay(logicalType="integer"), "DECIMAL(9,0)", {}),
        (delay(logicalType="integer"), "DOUBLE", {f"{D}.logicalType": "breaking"}),
        (delay(logicalType="string"), "INTEGER", {f"{D}.logicalType": "breaking"}),
        (delay(logicalType="date"), "TIMESTAMP", {f"{D}.logicalType": "breaking"}),
        (delay(logicalType="string"), "ENUM('a')", {}),
        (delay(physicalType="int4"), "INTEGER", {D: "warning"}),
        (
            delay(physicalType="text", logicalType="integer"),
            "INTEGER",
            {f"{D}.physicalType": "breaking"},
        ),
        (delay(), "INTEGER", {D: "warning"}),
        (contract_of(), "INTEGER", {D: "warning"}),
        (
            delay(logicalTypeOptions={"pattern": r"^\d{5}$"}),
            "INTEGER",
            {f"{D}.logicalTypeOptions.pattern": "breaking", D: "warning"},
        ),
        (
            delay(logicalTypeOptions={"format": "uuid"}),
            "INTEGER",
            {f"{D}.logicalTypeOptions.format": "breaking", D: "warning"},
        ),
        (
            delay(logicalType="integer", examples=["1", "007"]),
            "INTEGER",
            {f"{D}.examples": "breaking"},
        ),
        (delay(logicalType="integer", examples=["1", "7"]), "INTEGER", {}),
        (
            delay(logicalType="integer", enum=[EnumValue(value="A1")]),
            "INTEGER",
            {f"{D}.enum": "breaking"},
        ),
        (delay(classification="postal code"), "INTEGER", {D: "breaking"}),
        (whole(logicalTypeOptions={"maximum": 5e9}), "BIGINT", {}),
        (whole(logicalTypeOptions={"maximum": 3_000_000_000}), "INTEGER", no("maximum")),
        (whole(logicalTypeOptions={"exclusiveMinimum": -1.5}), "UINTEGER", no("exclusiveMinimum")),
        (whole(logicalTypeOptions={"minimum": 0, "maximum": 255}), "UTINYINT", {}),
        (whole(logicalTypeOptions={"format": "i64"}), "INTEGER", no("format")),
        (whole(logicalTypeOptions={"format": "i32"}), "INTEGER", {}),
        (whole(examples=["7", "99999999999"]), "INTEGER", {f"{D}.examples": "breaking"}),
        (whole(enum=[EnumValue(value=1), EnumValue(value="1.5")]), "INTEGER", ENUM),
        (whole(enum=[EnumValue(value=1), EnumValue(value=1000)]), "TINYINT", ENUM),
        (whole(enum=[EnumValue(value="1.5")], logicalType="number"), "DECIMAL(4,1)", {}),
        (
            ruled(metric="invalidValues", arguments={"pattern": "^[0-9]{3}$"}, mustBe=0),
            "INTEGER",
            {f"{D}.quality.pattern": "breaking"},
        ),
        (ruled(rule="validValues", arguments={"validValues": ["007"]}), "INTEGER", ENUM),
        (ruled(type="custom", engine="soda", implementation="x"), "INTEGER", RULE),
        (ruled(type="text", description="three digits"), "INTEGER", RULE),
        (
            delay(logicalType="date", logicalTypeOptions={"format": "dd.MM.yyyy"}),
            "DATE",
            {f"{D}.logicalTypeOptions.format": "warning"},
        ),
        (delay(logicalType="date", logicalTypeOptions={"format": "yyyy-MM-dd"}), "DATE", {}),
    ],
)
def test_a_type_change_is_held_against_each_promise(
    con: duckdb.DuckDBPyConnection,
    contract: OpenDataContractStandard,
    to_type: str,
    expected: dict[str, str],
) -> None:
    assert judged(con, contract, retype(to_type)) == expected


@pytest.mark.parametrize("column", ["zip", "ship_postcode", "phone_no", "PhoneNumber", "sku"])
def test_a_code_that_is_numeric_so_far_needs_a_confirmed_promise(
    con: duckdb.DuckDBPyConnection, column: str
) -> None:
    con.execute(f"ALTER TABLE flights RENAME zip TO {column}")
    change = retype("INTEGER", column)
    promise = SchemaProperty(name=column, logicalType="integer")
    path = f"flights.properties.{column}"
    assert judged(con, contract_of(), change) == {path: "breaking"}
    assert judged(con, contract_of(promise, status="draft"), change) == {path: "breaking"}
    assert judged(con, contract_of(promise), change) == {}


def test_a_null_marker_warns_writers_and_breaks_required_values(
    con: duckdb.DuckDBPyConnection,
) -> None:
    change = retype("INTEGER", null_marker="NA")
    verdict = check_change(delay(logicalType="integer"), change, read_catalog(con))
    assert verdict.compatible
    assert "'NA'" in verdict.findings[0].message
    required = delay(logicalType="integer", required=True, examples=["NA"])
    assert judged(con, required, change) == {f"{D}.required": "breaking", D: "warning"}


def probe_of(con: duckdb.DuckDBPyConnection) -> Callable[..., list[tuple[Any, ...]]]:
    def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return con.execute(sql, list(parameters)).fetchall()

    return probe


def test_every_present_row_is_tried_when_the_data_is_at_hand(
    con: duckdb.DuckDBPyConnection,
) -> None:
    catalog, probe = read_catalog(con), probe_of(con)
    marked = retype(
        "INTEGER",
        forward="""CASE WHEN "delay" = 'NA' THEN NULL ELSE CAST("delay" AS INTEGER) END""",
        backward="""coalesce(CAST("delay" AS VARCHAR), 'NA')""",
    )
    contract = contract_of(
        SchemaProperty(name="delay", logicalType="integer"),
        SchemaProperty(name="zip", logicalType="integer"),
    )
    assert check_change(contract, marked, catalog, probe).compatible
    lossy = check_change(contract, retype("INTEGER", "zip"), catalog, probe)
    assert "1 of 2 rows" in lossy.findings[0].message
    assert not lossy.compatible
    failing = check_change(contract, retype("INTEGER"), catalog, probe)
    assert "not every present row" in failing.findings[0].message


MARKED = """CASE WHEN "delay" = 'NA' THEN NULL ELSE CAST("delay" AS INTEGER) END"""


def test_expressions_that_lose_a_value_say_so_without_a_marker(
    con: duckdb.DuckDBPyConnection,
) -> None:
    catalog, probe = read_catalog(con), probe_of(con)
    backward = """coalesce(CAST("delay" AS VARCHAR), 'NA')"""
    change = retype("INTEGER", forward=MARKED, backward=backward)
    (warned,) = check_change(delay(logicalType="integer"), change, catalog, probe).findings
    assert (warned.path, warned.severity) == (f"schema.{D}", "warning")
    assert warned.message.startswith("1 of 2 values would become NULL")
    required = delay(logicalType="integer", required=True)
    found = check_change(required, change, catalog, probe).findings
    assert [(f.path, f.severity) for f in found] == [
        (f"schema.{D}.required", "breaking"), (f"schema.{D}", "warning"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"rule": "nullCheck"}, "required"),
        ({"rule": "nullCheck", "mustBe": 0}, "required"),
        ({"metric": "nullValues", "mustBe": "0"}, "required"),
        ({"metric": "nullValues", "mustBeLessThan": 1}, "required"),
        ({"metric": "nullValues", "mustBeLessThan": 50, "unit": "percent"}, "quality"),
        ({"metric": "nullValues", "mustBeLessOrEqualTo": 49, "unit": "percent"}, "quality"),
        ({"metric": "nullValues", "mustBeLessThan": 2}, None),
        ({"metric": "nullValues", "mustBeLessThan": 51, "unit": "percent"}, None),
        ({"metric": "nullValues", "mustBeGreaterThan": 0}, None),
        ({"metric": "rowCount", "mustBeLessThan": 1}, None),
    ],
)
def test_a_rule_about_nulls_is_held_against_those_that_a_change_makes(
    con: duckdb.DuckDBPyConnection, rule: dict[str, Any], path: str | None
) -> None:
    change = retype(
        "INTEGER", forward=MARKED, backward="""coalesce(CAST("delay" AS VARCHAR), 'NA')"""
    )
    found = check_change(ruled(**rule), change, read_catalog(con), probe_of(con)).findings
    broken = [f.path.removeprefix(f"schema.{D}.") for f in found if f.severity == "breaking"]
    assert broken == ([path] if path else [])


def test_less_than_one_percent_missing_is_not_none(con: duckdb.DuckDBPyConnection) -> None:
    few = ruled(metric="nullValues", mustBeLessThan=1, unit="percent")
    assert facts(few, read_catalog(con)).required == frozenset()


def test_an_index_that_keeps_a_rule_about_duplicates_is_not_dropped_unsaid(
    con: duckdb.DuckDBPyConnection,
) -> None:
    once = SchemaProperty(name="n", quality=[DataQuality(metric="duplicateValues", mustBe=0)])
    found = judged(con, contract_of(once), UNIQUE)
    assert found == {"flights.properties.n.unique": "warning"}


def test_a_column_called_as_a_scan_might_call_it_is_tried(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("ALTER TABLE flights RENAME delay TO present")
    con.execute("UPDATE flights SET present = '2' WHERE present = 'NA'")
    contract = contract_of(SchemaProperty(name="present", logicalType="integer"))
    change = retype("INTEGER", "present")
    assert check_change(contract, change, read_catalog(con), probe_of(con)).findings == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (DropColumn(table=T, column="N", type="BIGINT"), {"flights.properties.n": "breaking"}),
        (DropColumn(table=T, column="d", type="DATE"), {"flights.properties.d": "info"}),
        (DropTable(table=T), {"flights": "breaking"}),
        (DropTable(table=TableName(name="extra")), {"extra": "info"}),
        (AddNotNull(table=T, column="n"), {}),
        (AddNotNull(table=T, column="d"), {"flights.properties.d": "warning"}),
        (AddCheck(table=T, column="n", expression='"n"  >= 0'), {}),
        (
            AddCheck(table=T, column="n", expression='"n" >= 1'),
            {"flights.properties.n": "warning"},
        ),
        (INDEX, {}),
        (UNIQUE, {"flights.properties.n.unique": "warning"}),
        (SortTable(table=T, order_by=("d",)), {}),
        (RewriteQuery(table=T, fingerprint="q", rule="r", original="a", rewritten="b"), {}),
        (summary_named("by_day"), {}),
        (summary_named("EXTRA"), {"EXTRA": "breaking"}),
        (summary_named("seen"), {"seen": "breaking"}),
        (summary_named("future"), {"future": "breaking"}),
    ],
)
def test_other_changes_break_only_what_is_promised(
    con: duckdb.DuckDBPyConnection, change: Change, expected: dict[str, str]
) -> None:
    n = SchemaProperty(name="n", required=True, unique=True, logicalTypeOptions={"minimum": 0})
    assert judged(con, contract_of(n), change) == expected

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest
from open_data_contract_standard.model import (
    EnumValue,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import (
    AddCheck,
    AddNotNull,
    Aggregate,
    Change,
    ChangeType,
    CreateIndex,
    CreateSummary,
    Dimension,
    DropColumn,
    DropIndex,
    DropTable,
    RewriteQuery,
    SortTable,
    TableName,
)
from tools.product.catalog import read_catalog
from tools.product.contract_gate import check_change, risks

T = TableName(name="flights")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE flights (delay VARCHAR, zip VARCHAR, n BIGINT, d DATE)")
        con.execute("INSERT INTO flights VALUES ('1', '01067', 1, NULL), ('NA', '2', 2, NULL)")
        con.execute("CREATE TABLE extra (a INTEGER)")
        con.execute("CREATE VIEW seen AS FROM extra")
        yield con


def contract_of(*columns: SchemaProperty, status: str = "active") -> OpenDataContractStandard:
    return OpenDataContractStandard(
        apiVersion="v3.1.0",
        kind="DataContract",
        id="c",
        version="1",
        status=status,
        schema=[
            SchemaObject(name="flights", properties=list(columns)),
            SchemaObject(name="future"),
        ],
    )


def retype(to_type: str, column: str = "delay", **fields: Any) -> ChangeType:
    values = {
        "from_type": "VARCHAR",
        "forward": f'CAST("{column}" AS {to_type})',
        "backward": f'CAST("{column}" AS VARCHAR)',
    }
    return ChangeType(table=T, column=column, to_type=to_type, **(values | fields))


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


INDEX = CreateIndex(table=T, columns=("n",), name="i")
UNIQUE = DropIndex(table=T, name="i", definition='CREATE UNIQUE INDEX i ON flights("n");')


def summary_named(name: str) -> CreateSummary:
    return CreateSummary(
        table=T,
        summary=TableName(name=name),
        dimensions=(Dimension(expression="d", column="d"),),
        aggregates=(Aggregate(function="count", column="c"),),
        rewrites=(),
    )


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
    assert "a whole number" in told
    assert "'NA'" in told

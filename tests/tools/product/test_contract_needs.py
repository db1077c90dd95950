"""Rules given as SQL and relationships protect the columns that they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    Relationship,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from tools.messages import Change, ChangeType, DropColumn, DropTable, TableName
from tools.product.catalog import read_catalog
from tools.product.contract_facts import facts
from tools.product.contract_gate import check_change

ORDERS = TableName(schema_name="shop", name="orders")
CUSTOMERS = TableName(name="customers")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA shop")
        con.execute(
            "CREATE TABLE shop.orders (id INTEGER, amount VARCHAR, zip VARCHAR, customer VARCHAR)"
        )
        con.execute("CREATE TABLE customers (id VARCHAR, name VARCHAR)")
        con.execute("CREATE TABLE extra (a INTEGER)")
        yield con


def contract_of(*objects: SchemaObject) -> OpenDataContractStandard:
    return OpenDataContractStandard(
        apiVersion="v3.1.0", kind="DataContract", id="c", version="1", status="active",
        schema=list(objects),
    )  # fmt: skip


def ruled(query: str, **fields: Any) -> OpenDataContractStandard:
    rule = DataQuality(type="sql", query=query, mustBe=0)
    return contract_of(
        SchemaObject(name="orders", physicalName="shop.orders", quality=[rule], **fields)
    )


def drop(column: str, table: TableName = ORDERS) -> DropColumn:
    return DropColumn(table=table, column=column, type="VARCHAR")


def retype(column: str, table: TableName = ORDERS, to_type: str = "BIGINT") -> ChangeType:
    return ChangeType(
        table=table, column=column, from_type="VARCHAR", to_type=to_type,
        forward=f'CAST("{column}" AS {to_type})', backward=f'CAST("{column}" AS VARCHAR)',
    )  # fmt: skip


def found(
    con: duckdb.DuckDBPyConnection, contract: OpenDataContractStandard, change: Change
) -> dict[str, str]:
    """Return what stands at a rule or a relationship, by its path."""
    verdict = check_change(contract, change, read_catalog(con))
    return {
        f.path.removeprefix("schema."): f.severity
        for f in verdict.findings
        if ".quality." in f.path or ".relationships." in f.path
    }


RULE = "orders.quality.0"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("SELECT count(*) FROM ${object} WHERE length(zip) < 2", {"zip"}),
        ('SELECT count(*) FROM "{table}" WHERE zip IS NULL', {"zip"}),
        ("SELECT count(*) FROM orders AS o WHERE o.ZIP IS NULL", {"zip"}),
        ('SELECT count(*) FROM shop.orders JOIN customers AS c USING ("id")', {"id"}),
        ("SELECT count(*) FROM (SELECT * FROM orders)", {"id", "amount", "zip", "customer"}),
        ("SELECT count(DISTINCT o) FROM orders AS o", {"id", "amount", "zip", "customer"}),
        (
            "SELECT count(*) FROM orders NATURAL JOIN customers",
            {"id", "amount", "zip", "customer"},
        ),
        (
            "SELECT count(*) FROM orders AS o(i, a) WHERE a IS NULL",
            {"id", "amount", "zip", "customer"},
        ),
        ("SELECT count(*) FROM customers WHERE zip = 1", set()),
        ("SELECT FROM WHERE ((zip", {"zip"}),
        ("SELECT count(*) FROM orders", set()),
    ],
)
def test_what_a_rule_reads_may_not_go(
    con: duckdb.DuckDBPyConnection, query: str, kept: set[str]
) -> None:
    contract = ruled(query)
    columns = ("id", "amount", "zip", "customer")
    refused = {c for c in columns if found(con, contract, drop(c)) == {RULE: "breaking"}}
    assert refused == kept
    promised = facts(contract, read_catalog(con)).promised
    assert {c for t, c in promised if t == ORDERS} == kept


def test_a_table_that_a_rule_reads_may_not_go(con: duckdb.DuckDBPyConnection) -> None:
    contract = ruled("SELECT count(*) FROM orders WHERE id NOT IN (SELECT id FROM customers)")
    assert found(con, contract, DropTable(table=CUSTOMERS)) == {RULE: "breaking"}
    verdict = check_change(contract, DropTable(table=TableName(name="extra")), read_catalog(con))
    assert [(f.path, f.severity) for f in verdict.findings] == [("schema.extra", "info")]


def test_a_rule_of_a_property_speaks_of_its_column(con: duckdb.DuckDBPyConnection) -> None:
    rule = DataQuality(query="SELECT count(*) FROM ${object} WHERE ${property} LIKE '%x%'")
    prop = SchemaProperty(name="money", physicalName="amount", quality=[rule])
    contract = contract_of(SchemaObject(name="shop.orders", properties=[prop]))
    path = "shop.orders.properties.money.quality.0"
    assert found(con, contract, drop("amount")) == {path: "breaking"}
    assert found(con, contract, retype("amount")) == {path: "breaking"}
    assert found(con, contract, drop("zip")) == {}


@pytest.mark.parametrize(
    ("query", "severity"),
    [
        ("SELECT count(*) FROM ${object} WHERE regexp_matches(amount, 'x')", "breaking"),
        ("SELECT count(*) FROM orders WHERE CAST(amount AS DOUBLE) < 0", "warning"),
        ("SELECT count(*) FROM shop.orders WHERE amount IS NULL", "warning"),
        ("SELECT count(*) FROM orders WHERE amount <> 'NA'", "breaking"),
        ("SELECT count(*) FROM orders WHERE amount IN ('1', '2')", "warning"),
        ("SELECT count(*) FROM orders WHERE amount = 'it''s \"7\"'", "breaking"),
        ("SELECT count(*) FROM orders WHERE amount > '1' AND zip = 'it''s'", "warning"),
        ("SELECT count(*) FROM orders WHERE TRY_CAST('a' AS INTEGER) = amount", "warning"),
        ("SELECT count(*) FROM orders WHERE checked(amount)", "breaking"),
        ("SELECT 1 FROM orders WHERE amount = '1'; DROP TABLE orders", "breaking"),
        ("PRAGMA something(amount)", "breaking"),
        ("SELECT max(amount) FROM orders, read_csv('/etc/passwd')", "breaking"),
    ],
)
def test_a_rule_has_to_be_askable_after_a_change_of_type(
    con: duckdb.DuckDBPyConnection, query: str, severity: str
) -> None:
    assert found(con, ruled(query), retype("amount")) == {RULE: severity}
    assert found(con, ruled(query), retype("customer")) == {}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- amount",
        "SELECT amount \0 FROM",
        "SELECT '\ud800' = amount FROM orders",
        "((((amount",
    ],
)
def test_a_rule_that_is_no_query_holds_what_it_mentions(
    con: duckdb.DuckDBPyConnection, query: str
) -> None:
    held = {RULE: "breaking"} if "amount" in query else {}
    assert found(con, ruled(query), retype("amount")) == held
    assert found(con, ruled(query), drop("amount")) == held


def test_no_constant_of_a_rule_is_computed(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT list_sum(range(10000000000)) FROM orders WHERE amount IS NULL"
    assert found(con, ruled(query), retype("amount")) == {RULE: "warning"}


def test_a_rule_reads_through_views(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE VIEW below AS SELECT amount AS worth FROM shop.orders")
    con.execute("CREATE VIEW seen AS SELECT * FROM below")
    contract = ruled("SELECT count(*) FROM seen WHERE worth LIKE 'x%'")
    assert found(con, contract, retype("amount")) == {RULE: "breaking"}
    contract = ruled("SELECT count(*) FROM seen WHERE worth IS NULL")
    assert found(con, contract, retype("amount")) == {RULE: "warning"}
    assert found(con, contract, drop("zip")) == {}


def test_a_rule_of_an_object_that_is_not_there_still_reads(con: duckdb.DuckDBPyConnection) -> None:
    rule = DataQuality(query="SELECT count(*) FROM ${object} JOIN customers USING (id)", name="r")
    contract = contract_of(SchemaObject(name="gone", quality=[rule]))
    assert found(con, contract, drop("id", CUSTOMERS)) == {"gone.quality.r": "breaking"}


def related(**fields: Any) -> OpenDataContractStandard:
    prop = SchemaProperty(
        name="customer", id="fk", relationships=[Relationship(**fields)] if fields else None
    )
    return contract_of(
        SchemaObject(name="orders", physicalName="shop.orders", properties=[prop]),
        SchemaObject(name="clients", id="cl", physicalName="customers"),
    )


@pytest.mark.parametrize(
    "to",
    [
        "customers.id",
        "clients.id",
        "main.customers.ID",
        '"customers"."id"',
        "schema/cl/properties/id",
        "#/schema/clients/properties/id",
        ["clients.id"],
        "clients.id.inside",
    ],
)
def test_neither_end_of_a_relationship_may_go_or_change_alone_unsaid(
    con: duckdb.DuckDBPyConnection, to: Any
) -> None:
    contract = related(to=to)
    path = "orders.properties.customer.relationships.0"
    assert found(con, contract, drop("id", CUSTOMERS)) == {path: "breaking"}
    assert found(con, contract, drop("customer")) == {path: "breaking"}
    assert found(con, contract, DropTable(table=CUSTOMERS)) == {path: "breaking"}
    assert found(con, contract, retype("id", CUSTOMERS)) == {path: "warning"}
    assert found(con, contract, retype("customer")) == {path: "warning"}
    assert found(con, contract, drop("name", CUSTOMERS)) == {}
    assert (CUSTOMERS, "id") in facts(contract, read_catalog(con)).promised


def test_the_ends_that_an_object_states_face_each_other(con: duckdb.DuckDBPyConnection) -> None:
    sides = {"from": ["orders.customer", "zip"], "to": ["customers.id", "customers.name"]}
    relation = Relationship.model_validate(sides)
    contract = contract_of(
        SchemaObject(name="orders", physicalName="shop.orders", relationships=[relation])
    )
    path = "orders.relationships.0"
    for change in (drop("customer"), drop("zip"), drop("name", CUSTOMERS)):
        assert found(con, contract, change) == {path: "breaking"}
    (warned,) = [
        f
        for f in check_change(contract, retype("zip"), read_catalog(con)).findings
        if f.path == f"schema.{path}"
    ]
    assert warned.message == "zip is compared with customers.name, which keeps its type"


def test_what_another_contract_holds_is_not_looked_for_here(
    con: duckdb.DuckDBPyConnection,
) -> None:
    contract = related(to="other.yaml#/schema/customers/properties/id")
    assert found(con, contract, drop("id", CUSTOMERS)) == {}
    assert found(con, contract, drop("customer")) != {}
    assert found(con, related(to="nothing.at.all"), drop("id", CUSTOMERS)) == {}


def test_an_end_in_a_view_holds_what_the_view_reads(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE VIEW known AS SELECT id FROM customers")
    contract = related(to="known.id")
    path = "orders.properties.customer.relationships.0"
    assert found(con, contract, retype("id", CUSTOMERS)) == {path: "warning"}
    assert found(con, contract, retype("name", CUSTOMERS)) == {}


SLA = ServiceLevelAgreementProperty(property="freshness", value=1, element="orders.zip, gone.at")
SODA = DataQuality(type="custom", engine="soda", implementation="missing_count(ZIP) = 0")
HIDDEN = SchemaProperty(name="customer", encryptedName="zip")


@pytest.mark.parametrize(
    ("fields", "promised", "path"),
    [
        ({"slaProperties": [SLA]}, {}, "slaProperties.0.element"),
        ({"slaDefaultElement": "shop.orders.zip"}, {}, "slaDefaultElement"),
        ({}, {"properties": [HIDDEN]}, "schema.orders.properties.customer.encryptedName"),
        ({}, {"quality": [SODA]}, "schema.orders.quality.0"),
    ],
)
def test_a_column_that_the_contract_names_beside_its_tables_is_not_dropped(
    con: duckdb.DuckDBPyConnection,
    fields: dict[str, Any],
    promised: dict[str, Any],
    path: str,
) -> None:
    orders = SchemaObject(name="orders", physicalName="shop.orders", **promised)
    contract = contract_of(orders).model_copy(update=fields)
    verdict = check_change(contract, drop("zip"), read_catalog(con))
    assert [(f.path, f.severity) for f in verdict.findings] == [(path, "breaking")]
    assert check_change(contract, drop("amount"), read_catalog(con)).compatible

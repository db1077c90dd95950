"""What the names in a contract mean, as DuckDB reads names."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    Server,
)

from tools.messages import AddNotNull, ChangeType, CreateSummary, DropColumn, DropTable, TableName
from tools.product.catalog import read_catalog
from tools.product.contract import contradictions
from tools.product.contract_facts import facts
from tools.product.contract_gate import check_change
from tools.product.contract_objects import column_name, name_parts, same_table, table_name


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        for schema in ("raw", "reporting"):
            con.execute(f"CREATE SCHEMA {schema}")
        con.execute("CREATE TABLE raw.orders (id INTEGER, amount_text VARCHAR)")
        con.execute('CREATE TABLE raw."my.lines" (id INTEGER)')
        yield con


def promising(
    name: str, physical: str | None = None, schemas: tuple[str, ...] = (), column: str = "note"
) -> OpenDataContractStandard:
    prop = SchemaProperty(name=column, logicalType="string", required=True)
    return OpenDataContractStandard(
        apiVersion="v3.1.0", kind="DataContract", id="c", version="1", status="active",
        schema=[SchemaObject(name=name, physicalName=physical, properties=[prop])],
        servers=[
            Server(server=s, type="duckdb", database="shop.duckdb", schema=s) for s in schemas
        ],
    )  # fmt: skip


def test_an_object_stored_as_a_view_is_that_view_though_a_table_has_its_name(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE VIEW reporting.orders AS SELECT id, amount_text AS amount FROM raw.orders")
    contract, catalog = promising("orders", "reporting.orders", column="amount"), read_catalog(con)
    change = ChangeType(
        table=TableName(schema_name="raw", name="orders"), column="amount_text",
        from_type="VARCHAR", to_type="BIGINT", forward="CAST(amount_text AS BIGINT)",
        backward="CAST(amount_text AS VARCHAR)",
    )  # fmt: skip
    paths = [f.path for f in check_change(contract, change, catalog).findings]
    assert paths[0] == "schema.orders.properties.amount.logicalType"
    assert contradictions(contract, catalog) == ()


def two_notes(con: duckdb.DuckDBPyConnection, *schemas: str) -> None:
    for schema in schemas:
        con.execute(f"CREATE TABLE {schema}.notes (note VARCHAR)")


def kept(con: duckdb.DuckDBPyConnection, contract: OpenDataContractStandard) -> list[str]:
    """Return the schemas whose table may not lose its column."""
    catalog = read_catalog(con)
    tables = [t.name for t in catalog.tables if t.name.name == "notes"]
    drops = [DropColumn(table=t, column="note", type="VARCHAR") for t in tables]
    return [d.table.schema_name for d in drops if not check_change(contract, d, catalog).compatible]


@pytest.mark.parametrize(
    ("schemas", "servers", "expected"),
    [
        (("raw", "reporting"), ("reporting",), ["reporting"]),
        (("raw", "reporting", "main"), ("REPORTING",), ["reporting"]),
        (("raw", "main"), ("elsewhere",), ["main"]),
        (("raw", "main"), (), ["main"]),
        (("raw", "reporting"), (), ["raw", "reporting"]),
        (("raw", "reporting"), ("raw", "reporting"), ["raw", "reporting"]),
    ],
)
def test_a_bare_name_is_the_servers_then_mains_then_anybodys(
    con: duckdb.DuckDBPyConnection,
    schemas: tuple[str, ...],
    servers: tuple[str, ...],
    expected: list[str],
) -> None:
    two_notes(con, *schemas)
    assert kept(con, promising("notes", schemas=servers)) == expected


def test_what_may_be_one_of_two_tables_asks_no_rule_of_either(
    con: duckdb.DuckDBPyConnection,
) -> None:
    two_notes(con, "raw", "reporting")
    contract, catalog = promising("notes"), read_catalog(con)
    assert not facts(contract, catalog).required
    assert len(facts(contract, catalog).promised) == 2
    rule = AddNotNull(table=TableName(schema_name="raw", name="notes"), column="note")
    assert check_change(contract, rule, catalog).findings[0].severity == "warning"


def test_of_two_tables_the_one_that_keeps_more_is_the_one_to_speak_of(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE raw.notes (other VARCHAR)")
    con.execute("CREATE TABLE reporting.notes (note VARCHAR)")
    assert contradictions(promising("notes"), read_catalog(con)) == ()
    con.execute("ALTER TABLE reporting.notes RENAME note TO gone")
    (found,) = contradictions(promising("notes"), read_catalog(con))
    assert found.path == "schema.notes.properties.note"


@pytest.mark.parametrize(
    "spelling",
    ["memory.raw.orders", '"raw"."orders"', 'raw."ORDERS"', "Raw.Orders", '"memory"."raw".orders'],
)
def test_a_name_counts_however_it_is_spelt(con: duckdb.DuckDBPyConnection, spelling: str) -> None:
    contract, catalog = promising("o", spelling, column='"ID"'), read_catalog(con)
    orders = TableName(schema_name="raw", name="orders")
    assert not check_change(contract, DropTable(table=orders), catalog).compatible
    drop = DropColumn(table=orders, column="id", type="INTEGER")
    assert not check_change(contract, drop, catalog).compatible
    assert [f.path for f in contradictions(contract, catalog)] == [
        'schema.o.properties."ID".logicalType'
    ]


def test_a_database_in_front_and_a_dot_inside_are_understood(
    con: duckdb.DuckDBPyConnection,
) -> None:
    two_notes(con, "main")
    contract = promising("n", "shop.notes", schemas=("main",))
    assert kept(con, contract) == ["main"]
    con.execute('CREATE TABLE "odd.name" (note VARCHAR)')
    assert contradictions(promising("odd.name"), read_catalog(con)) == ()
    assert contradictions(promising("o", 'raw."my.lines"', column="id"), read_catalog(con))
    assert contradictions(promising("raw.nothing"), read_catalog(con))


@pytest.mark.parametrize(
    "name", ["memory.notes", '"MEMORY"."Notes"', "main.notes", "memory.main.notes"]
)
def test_a_contract_may_name_its_tables_with_the_database_that_they_are_in(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    two_notes(con, "main", "raw")
    assert kept(con, promising("n", name)) == ["main"]
    assert contradictions(promising("n", name), read_catalog(con)) == ()
    assert contradictions(promising("n", "elsewhere.notes"), read_catalog(con))


@pytest.mark.parametrize("name", ["memory.main.totals", '"totals"', "Main.Totals"])
def test_a_summary_takes_no_promised_name_however_it_is_spelt(
    con: duckdb.DuckDBPyConnection, name: str
) -> None:
    change = CreateSummary(
        table=TableName(schema_name="raw", name="orders"), summary=TableName(name="totals"),
        dimensions=(), aggregates=(), rewrites=(),
    )  # fmt: skip
    assert not check_change(promising("t", name), change, read_catalog(con)).compatible


def test_odd_text_is_one_name() -> None:
    assert name_parts('a"b') == ('a"b',)
    assert name_parts('"a""b".C') == ('a"b', "c")
    assert table_name(SchemaObject(name="x", physicalName='db."main"."T"')) == "t"
    assert column_name(SchemaProperty(name="x", physicalName='"No""te"')) == 'No"te'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("Orders", "ORDERS", True), ("Äpfel", "äpfel", False), ("Äpfel", "ÄPFEL", True)],
)
def test_names_are_compared_as_duckdb_does(
    con: duckdb.DuckDBPyConnection, one: str, other: str, same: bool
) -> None:
    con.execute(f'CREATE TABLE "{one}" AS SELECT 1')
    found = con.execute(f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{one}'")
    assert found.fetchall() == [(1,)]
    assert same_table(TableName(name=one), TableName(name=other)) == same
    if same:
        con.execute(f'FROM "{other}"')
    else:
        con.execute(f'CREATE TABLE "{other}" AS SELECT 2')

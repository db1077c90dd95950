"""A contract of flights, changes that are held against it, and their table."""

from __future__ import annotations

from typing import Any

import duckdb
from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import (
    Aggregate,
    ChangeType,
    CreateIndex,
    CreateSummary,
    Dimension,
    DropIndex,
    TableName,
)

T = TableName(name="flights")
INDEX = CreateIndex(table=T, columns=("n",), name="i")
UNIQUE = DropIndex(table=T, name="i", definition='CREATE UNIQUE INDEX i ON flights("n");')


def make_flights(con: duckdb.DuckDBPyConnection) -> None:
    """Create a table of flights, and beside it one that a view reads."""
    con.execute("CREATE TABLE flights (delay VARCHAR, zip VARCHAR, n BIGINT, d DATE)")
    con.execute("INSERT INTO flights VALUES ('1', '01067', 1, NULL), ('NA', '2', 2, NULL)")
    con.execute("CREATE TABLE extra (a INTEGER)")
    con.execute("CREATE VIEW seen AS FROM extra")


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


def summary_named(name: str) -> CreateSummary:
    return CreateSummary(
        table=T,
        summary=TableName(name=name),
        dimensions=(Dimension(expression="d", column="d"),),
        aggregates=(Aggregate(function="count", column="c"),),
        rewrites=(),
    )

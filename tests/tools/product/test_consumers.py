from __future__ import annotations

import duckdb
import pytest
from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import (
    AddNotNull,
    Change,
    ChangeType,
    CreateIndex,
    DropColumn,
    DropTable,
    SortTable,
    TableName,
)
from tools.product.catalog import Catalog, read_catalog
from tools.product.consumers import affected

PARCELS = TableName(name="parcels")


@pytest.fixture
def catalog() -> Catalog:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE parcels (id INTEGER, code VARCHAR)")
        con.execute("CREATE TABLE depots (code VARCHAR)")
        return read_catalog(con)


def read_by(*names: object) -> list[CustomProperty]:
    return [CustomProperty(property="consumers", value=list(names))]


def contract(*tables: SchemaObject) -> OpenDataContractStandard:
    return OpenDataContractStandard(
        apiVersion="v3.1.0", kind="DataContract", id="c", version="1", status="active",
        schema=list(tables),
    )  # fmt: skip


PROMISED = contract(
    SchemaObject(
        name="parcels",
        customProperties=read_by("lake"),
        properties=[
            SchemaProperty(name="id", customProperties=read_by("customs")),
            SchemaProperty(name="Code", customProperties=read_by("customs", "carrier")),
        ],
    ),
    SchemaObject(
        name="depots", properties=[SchemaProperty(name="code", customProperties=read_by("maps"))]
    ),
)


def retyped(column: str) -> ChangeType:
    return ChangeType(
        table=PARCELS, column=column, from_type="VARCHAR", to_type="INTEGER", forward="1",
        backward="1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (retyped("code"), ("carrier", "customs", "lake")),
        (DropColumn(table=PARCELS, column="id", type="INTEGER"), ("customs", "lake")),
        (DropColumn(table=PARCELS, column="extra", type="INTEGER"), ("lake",)),
        (DropTable(table=PARCELS), ("carrier", "customs", "lake")),
        (SortTable(table=PARCELS, order_by=("code",)), ()),
        (CreateIndex(table=PARCELS, columns=("code",), name="i"), ()),
        (AddNotNull(table=PARCELS, column="code"), ()),
    ],
)
def test_whoever_is_given_something_else_is_affected(
    change: Change, names: tuple[str, ...], catalog: Catalog
) -> None:
    assert affected(PROMISED, change, catalog) == names


def test_what_names_nobody_is_left_out(catalog: Catalog) -> None:
    stated = [
        *read_by(7, None, " ", " carrier "),
        CustomProperty(property="consumers", value="customs"),
        CustomProperty(property="consumers", value={"name": "x"}),
        CustomProperty(property="owners", value=["y"]),
    ]
    properties = [SchemaProperty(name="code", customProperties=stated)]
    found = contract(SchemaObject(name="parcels", properties=properties), SchemaObject(name="gone"))
    assert affected(found, retyped("code"), catalog) == ("carrier", "customs")

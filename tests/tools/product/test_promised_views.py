"""Promised views: a type under them changes only where what they promise stays."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import ChangeType, TableName
from tools.product.catalog import Catalog, read_catalog
from tools.product.consumers import affected
from tools.product.contract import contradictions
from tools.product.contract_gate import check_change

ORDERS = "CREATE TABLE orders (id INTEGER, amount VARCHAR, other VARCHAR)"


def catalog_of(*views: str) -> Catalog:
    with duckdb.connect() as con:
        con.execute(ORDERS)
        for view in views:
            con.execute(view)
        return read_catalog(con)


def promising(view: str, **promises: Any) -> OpenDataContractStandard:
    prop = SchemaProperty(name="amount", **promises)
    told = [CustomProperty(property="consumers", value=["finance"])]
    return OpenDataContractStandard(
        apiVersion="v3.1.0", kind="DataContract", id="c", version="1", status="active",
        schema=[SchemaObject(name=view, properties=[prop], customProperties=told)],
    )  # fmt: skip


def retype(**fields: Any) -> ChangeType:
    return ChangeType(
        table=TableName(name="Orders"), column="AMOUNT", from_type="VARCHAR", to_type="INTEGER",
        forward="CAST(amount AS INTEGER)", backward="CAST(amount AS VARCHAR)", **fields,
    )  # fmt: skip


def breaking(contract: OpenDataContractStandard, catalog: Catalog, **fields: Any) -> list[str]:
    verdict = check_change(contract, retype(**fields), catalog)
    return [f.path for f in verdict.findings if f.severity == "breaking"]


PATH = "schema.v.properties.amount"
VIEW = "CREATE VIEW v AS SELECT id, amount FROM orders"
MADE = "CREATE VIEW v AS SELECT m(amount) AS amount FROM orders"
ON_TOP = "CREATE VIEW v AS SELECT * FROM below"
BELOW = 'CREATE VIEW below AS SELECT upper("other") AS o, amount FROM main.orders WHERE id > 0'


@pytest.mark.parametrize("views", [(VIEW,), (BELOW, ON_TOP)])
@pytest.mark.parametrize(
    ("promise", "path"),
    [
        ({"logicalType": "string"}, f"{PATH}.logicalType"),
        ({"physicalType": "text"}, f"{PATH}.physicalType"),
        ({"logicalTypeOptions": {"minLength": 2}}, f"{PATH}.logicalTypeOptions.minLength"),
        ({"logicalType": "integer"}, None),
        ({}, None),
    ],
)
def test_a_type_that_a_promised_view_would_pass_on_is_held_against_its_promise(
    views: tuple[str, ...], promise: dict[str, Any], path: str | None
) -> None:
    found = breaking(promising("v", **promise), catalog_of(*views))
    assert found == ([path] if path else [])


def test_a_view_whose_types_stay_is_no_obstacle() -> None:
    cast = "CREATE VIEW v AS SELECT CAST(amount AS VARCHAR) AS amount FROM orders"
    other = "CREATE VIEW v AS SELECT other AS amount FROM orders"
    for view in (cast, other):
        assert breaking(promising("v", logicalType="string"), catalog_of(view)) == []


def test_values_that_a_promised_view_may_not_miss_stay() -> None:
    contract = promising("v", required=True)
    assert breaking(contract, catalog_of(VIEW)) == []
    assert breaking(contract, catalog_of(VIEW), null_marker="NA") == [f"{PATH}.required"]


def test_a_view_nobody_promised_is_no_obstacle() -> None:
    assert breaking(promising("orders_seen", logicalType="string"), catalog_of(VIEW)) == []


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["CREATE MACRO m(x) AS x", MADE], [f"{PATH}.logicalType"]),
        (["CREATE MACRO m(x) AS concat(x, 'n')", MADE], []),
        (["CREATE MACRO m(x VARCHAR) AS x, (x INTEGER) AS hex(x)", MADE], []),
        (
            ["CREATE MACRO t(x) AS TABLE SELECT amount FROM orders WHERE id = x",
             "CREATE VIEW v AS SELECT amount FROM t(1)"],
            [f"{PATH}.logicalType"],
        ),
        (
            ["CREATE MACRO inner_one(x) AS x", "CREATE MACRO m(x) AS inner_one(x)", MADE],
            [f"{PATH}.logicalType"],
        ),
    ],
)  # fmt: skip
def test_a_promised_view_that_calls_a_macro_is_told_like_another(
    statements: list[str], found: list[str]
) -> None:
    catalog = catalog_of(*statements)
    assert breaking(promising("v", logicalType="string"), catalog) == found


@pytest.mark.parametrize(
    ("views", "found"),
    [
        (["CREATE VIEW v AS SELECT twice(amount) AS amount FROM orders"], [PATH]),
        (["CREATE VIEW below AS SELECT twice(amount) AS amount FROM orders", ON_TOP], [PATH]),
        (["CREATE VIEW v AS SELECT twice(other) AS amount FROM orders"], []),
        (["CREATE VIEW v AS SELECT any_amount() AS amount"], [PATH]),
        (["CREATE VIEW v AS SELECT twice(amount, 'x') AS amount FROM orders"], []),
    ],
)
def test_what_a_view_gives_by_a_default_that_nobody_tells_is_no_guess(
    views: list[str], found: list[str]
) -> None:
    twice = "CREATE MACRO twice(x, y := 'n') AS x || y"
    any_amount = "CREATE MACRO any_amount(y := 1) AS (SELECT min(amount) FROM orders WHERE id > y)"
    catalog = catalog_of(twice, any_amount, *views)
    assert breaking(promising("v", logicalType="string"), catalog) == found


def test_a_view_that_the_change_would_break_is_no_guess_either() -> None:
    view = "CREATE VIEW v AS SELECT amount[1:2] AS amount FROM orders"
    assert breaking(promising("v"), catalog_of(view)) == [PATH]


def test_who_reads_a_promised_view_is_told() -> None:
    contract = promising("v", logicalType="number")
    assert affected(contract, retype(), catalog_of(VIEW)) == ("finance",)
    assert affected(contract, retype(), catalog_of("CREATE VIEW v AS SELECT 1 AS amount")) == ()


def test_views_reach_for_no_file(tmp_path: Any) -> None:
    (tmp_path / "x.csv").write_text("amount\n1\n")
    view = f"CREATE VIEW v AS SELECT x.amount FROM orders, read_csv('{tmp_path}/x.csv') AS x"
    assert breaking(promising("v"), catalog_of(view)) == [PATH]


def test_a_promise_without_a_table_or_a_view_is_a_contradiction() -> None:
    catalog = catalog_of(VIEW)
    assert contradictions(promising("main.v"), catalog) == ()
    assert [f.path for f in contradictions(promising("w"), catalog)] == ["schema.w"]

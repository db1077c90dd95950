from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import (
    DataQuality,
    EnumValue,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import TableName
from tools.product.catalog import Catalog, Column, Table, read_catalog
from tools.product.contract import (
    contradictions,
    facts,
    infer_contract,
    load_contract,
    save_contract,
)
from tools.product.contract_facts import valid_values
from tools.product.errors import ContractInvalid

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n"
Probe = Callable[..., list[tuple[Any, ...]]]
COLUMN = "schema:\n- name: t\n  properties:\n  - name: a\n"


def probe_of(con: duckdb.DuckDBPyConnection) -> Probe:
    def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return con.execute(sql, list(parameters)).fetchall()

    return probe


def inferred(*statements: str) -> dict[str, dict[str, SchemaProperty]]:
    with duckdb.connect() as con:
        for statement in statements:
            con.execute(statement)
        contract = infer_contract("shop", read_catalog(con), probe_of(con))
        assert not contradictions(contract, read_catalog(con))
    return {
        o.name or "": {p.name or "": p for p in o.properties or ()} for o in contract.schema_ or ()
    }


def catalog_of(**columns: str) -> Catalog:
    made = tuple(Column(name=name, type=kind) for name, kind in columns.items())
    return Catalog(
        tables=(Table(name=TableName(name="t"), columns=made, rows=1),), engine="duckdb 2.0.0"
    )


def contract_of(*properties: SchemaProperty, **head: Any) -> OpenDataContractStandard:
    values = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "version": "1"} | head
    promise = SchemaObject(name="t", properties=list(properties))
    return OpenDataContractStandard(**values, schema=[promise])


@pytest.mark.parametrize(
    ("values", "logical"),
    [
        (["1", "-20", "0", "NA"], "integer"),
        (["1", "2.5", "", None], "number"),
        (["39.02", "-0.5", "1e5"], "number"),
        (["2013-01-01", "NULL"], "date"),
        (["2013-01-01T05:00:00Z", "2013-01-01 05:00"], "timestamp"),
        (["true", "false"], "boolean"),
        (["007", "008"], "string"),
        (["1", "x"], "string"),
        (["+1"], "string"),
        (["1,5"], "string"),
        (["2013-02-30"], "string"),
        (["2013-01-01", "1"], "string"),
        (["nan"], "string"),
        (["inf", "1.5"], "string"),
        (["infinity"], "string"),
        (["12345678901234567890123.5"], "string"),
        ([" 1"], "string"),
        (["١"], "string"),
        (["NA", None], "string"),
        ([None], "string"),
    ],
)
def test_text_promises_what_all_its_present_values_mean(
    values: list[str | None], logical: str
) -> None:
    rows = ", ".join(f"({'NULL' if v is None else repr(v)})" for v in values)
    found = inferred("CREATE TABLE t (c VARCHAR)", f"INSERT INTO t VALUES {rows}")["t"]["c"]
    assert found.logicalType == logical
    assert found.physicalType is None


def test_declared_structure_is_promised_under_hostile_names() -> None:
    name = "we\"ird.`name' ümlaut"
    quoted = name.replace('"', '""')
    found = inferred(
        "CREATE SCHEMA s",
        f'CREATE TABLE s."{quoted}" ("{quoted}" VARCHAR, "select" INTEGER NOT NULL,'
        ' k BIGINT, u UUID UNIQUE, l INTEGER[], st STRUCT(a INT), PRIMARY KEY (k, "select"))',
        f"COMMENT ON TABLE s.\"{quoted}\" IS 'all''s well'",
        f"COMMENT ON COLUMN s.\"{quoted}\".k IS 'the key'",
        f"INSERT INTO s.\"{quoted}\" VALUES ('1', 1, 1, NULL, [1], {{a: 1}})",
    )[f"s.{name}"]
    assert found[name].logicalType == "integer"
    assert (found["select"].required, found["select"].primaryKeyPosition) == (True, 2)
    assert (found["k"].physicalType, found["k"].description) == ("BIGINT", "the key")
    assert found["u"].unique
    assert (found["l"].logicalType, found["st"].logicalType) == ("array", "object")


def test_inference_asks_one_query_a_table_and_none_without_text() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE a AS SELECT '1' AS x, 'b' AS y")
        con.execute("CREATE TABLE b AS SELECT 1 AS x")
        asked: list[str] = []

        def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            asked.append(sql)
            return con.execute(sql, list(parameters)).fetchall()

        infer_contract("shop", read_catalog(con), probe)
    assert len(asked) == 1


def test_two_tables_of_one_name_are_told_apart() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA s")
        con.execute("CREATE TABLE s.t AS SELECT 1 AS a")
        con.execute('CREATE TABLE "s.t" AS SELECT 1 AS b')
        catalog = read_catalog(con)
        contract = infer_contract("shop", catalog, probe_of(con))
    promised = facts(contract, catalog).promised
    assert promised == {
        (TableName(schema_name="s", name="t"), "a"),
        (TableName(name="s.t"), "b"),
    }


def test_a_contract_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    contract = contract_of(SchemaProperty(name="a", logicalType="date", examples=["2013-01-01"]))
    path = tmp_path / "c.yaml"
    save_contract(contract, path)
    assert load_contract(path) == contract
    assert [p.name for p in tmp_path.iterdir()] == ["c.yaml"]


plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = plain | st.integers() | st.floats(allow_nan=False) | st.booleans()
properties = st.builds(
    SchemaProperty,
    name=plain.filter(bool),
    logicalType=st.sampled_from(["string", "integer", "number", "date"]) | st.none(),
    physicalType=plain | st.none(),
    description=plain | st.none(),
    required=st.booleans() | st.none(),
    examples=st.lists(scalars, min_size=1, max_size=3) | st.none(),
    logicalTypeOptions=st.dictionaries(plain, scalars, min_size=1, max_size=3) | st.none(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(properties, max_size=4, unique_by=lambda p: p.name), plain | st.none())
def test_any_contract_survives_yaml(
    tmp_path: Path, columns: list[SchemaProperty], domain: str | None
) -> None:
    contract = contract_of(*columns, domain=domain)
    save_contract(contract, tmp_path / "c.yaml")
    assert load_contract(tmp_path / "c.yaml") == contract.model_copy(
        update={} if domain else {"domain": domain}
    )


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [", ":2", "not YAML"),
        ("a: 1\n\tb: 2", ":2", "not YAML"),
        ("- a\n", "", "not a YAML mapping"),
        ("", "", "not a YAML mapping"),
        ("hello: world\n", ":1", "kind is missing"),
        (HEAD.replace("DataContract", "DataProduct"), ":2", "descriptor"),
        (HEAD.replace("v3.1.0", "v9"), ":1", "apiVersion 'v9' is unknown"),
        (HEAD.replace("v3.1.0", "v2.2.2"), ":1", "v3.1.0"),
        (HEAD.replace("id: c\n", ""), ":1", "id: is missing"),
        ("dataContractSpecification: 1.1.0\n", "", "not ODCS"),
        (HEAD + "colour: red\n", ":6", "colour"),
        (HEAD + "schema: 3\n", ":6", "schema"),
        (
            HEAD + "schema:\n- name: t\n  properties:\n  - name: a\n    logicaltype: date\n",
            ":10",
            "schema.t.properties.a.logicaltype: is not a field",
        ),
        (
            HEAD + "schema:\n- name: t\n  properties:\n  - name: a\n    logicalType: varchar\n",
            ":10",
            "'varchar' is not one of string",
        ),
        (
            HEAD + "schema:\n- name: t\n  properties:\n  - name: a\n  - name: a\n",
            ":10",
            "second time",
        ),
        (HEAD + "schema:\n- name: t\n  properties:\n  - required: true\n", ":9", "no name"),
        (HEAD + "schema:\n- name: t\n- name: t\n", ":8", "second time"),
        (HEAD + "id: d\n", ":6", "second time"),
        (
            HEAD + COLUMN + "    quality:\n    - mustbe: 0\n",
            ":11",
            "quality.0.mustbe: is not a field",
        ),
        (HEAD + COLUMN + "    items:\n      logicaltype: date\n", ":11", "a.items.logicaltype"),
        (HEAD + "tags: &a [x]\nteam: *a\n", ":6", "aliases"),
        (HEAD + "tags: &a [*a]\n", ":6", "aliases"),
        (HEAD + "tags: " + "[" * 5000 + "]" * 5000, ":6", "tags"),
        (HEAD + "tags: !!python/object/apply:os.system ['true']\n", ":6", "not YAML"),
    ],
)
def test_a_faulty_contract_is_refused_with_line_and_field(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ContractInvalid) as caught:
        load_contract(path)
    assert f"{path}{place}" in str(caught.value)
    assert words in str(caught.value)


def test_unreadable_contracts_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="no file"):
        load_contract(tmp_path / "none.yaml")
    with pytest.raises(ContractInvalid, match="cannot be read"):
        load_contract(tmp_path)
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContractInvalid, match="UTF-8"):
        load_contract(tmp_path / "b")


def test_valid_values_where_odcs_3_0_had_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    rule = (
        "    quality:\n    - rule: validValues\n      validValues: [1, 007]\n      engineKey: x\n"
    )
    path.write_text(HEAD.replace("v3.1.0", "v3.0.2") + COLUMN + rule)
    found = ((load_contract(path).schema_ or [])[0].properties or [])[0]
    assert list(valid_values(found)) == [[1, "007"]]


def test_plain_dates_codes_and_no_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    body = "schema:\n- name: t\n  properties:\n  - name: no\n    examples: [2013-01-01, 007, NO]\n"
    path.write_text(HEAD + body)
    found = ((load_contract(path).schema_ or [])[0].properties or [])[0]
    assert (found.name, found.examples) == ("no", ["2013-01-01", "007", "NO"])


def test_a_contract_that_contradicts_the_database_names_each_path() -> None:
    contract = contract_of(
        SchemaProperty(name="gone"),
        SchemaProperty(name="i", physicalType="varchar(20)"),
        SchemaProperty(name="d", logicalType="integer"),
        SchemaProperty(name="v", logicalType="integer", physicalType="text"),
        SchemaProperty(name="n", logicalType="number", physicalType="int4"),
        SchemaProperty(name="ts", logicalType="timestamp", physicalType="datetime"),
    )
    contract.schema_ = [*(contract.schema_ or []), SchemaObject(name="nowhere")]
    catalog = catalog_of(i="INTEGER", d="DATE", v="VARCHAR", n="INTEGER", ts="TIMESTAMP")
    found = contradictions(contract, catalog)
    assert [f.path for f in found] == [
        "schema.t.properties.gone",
        "schema.t.properties.i.physicalType",
        "schema.t.properties.d.logicalType",
        "schema.nowhere",
    ]
    assert {f.severity for f in found} == {"breaking"}


def test_an_old_contract_may_call_a_timestamp_a_date() -> None:
    prop = SchemaProperty(name="ts", logicalType="date")
    catalog = catalog_of(ts="TIMESTAMP")
    assert not contradictions(contract_of(prop, apiVersion="v3.0.2"), catalog)
    assert contradictions(contract_of(prop), catalog)


def test_facts_follow_the_names_of_the_database() -> None:
    contract = contract_of(
        SchemaProperty(name="A", required=True),
        SchemaProperty(name="key", physicalName="b", primaryKey=True),
        SchemaProperty(name="gone", required=True),
        SchemaProperty(name="c", quality=[DataQuality(metric="nullValues", mustBe=0)]),
    )
    found = facts(contract, catalog_of(a="INTEGER", b="INTEGER", c="VARCHAR"))
    table = TableName(name="t")
    assert found.promised == {(table, "a"), (table, "b"), (table, "c")}
    assert found.required == {(table, "a"), (table, "b"), (table, "c")}


RULES = [
    (SchemaProperty(name="c", logicalTypeOptions={"minimum": -1, "maximum": 2.5}), "DOUBLE"),
    (SchemaProperty(name="c", logicalTypeOptions={"exclusiveMinimum": 0}), "INTEGER"),
    (SchemaProperty(name="c", logicalTypeOptions={"minimum": "2013-01-01"}), "DATE"),
    (SchemaProperty(name="c", logicalTypeOptions={"maximum": "2013-01-01T10:00:00"}), "TIMESTAMP"),
    (SchemaProperty(name="c", logicalTypeOptions={"minLength": 1, "maxLength": 3}), "VARCHAR"),
    (SchemaProperty(name="c", logicalTypeOptions={"pattern": "^[a-z'\"]+$"}), "VARCHAR"),
    (
        SchemaProperty(name="c", enum=[EnumValue(value="it's"), EnumValue(value="'); --")]),
        "VARCHAR",
    ),
    (
        SchemaProperty(
            name="c",
            quality=[
                DataQuality(metric="invalidValues", arguments={"validValues": [1, 2]}, mustBe=0)
            ],
        ),
        "INTEGER",
    ),
    (SchemaProperty(name="c", logicalTypeOptions={"enum": [True]}), "BOOLEAN"),
]


@pytest.mark.parametrize(("prop", "kind"), RULES)
def test_rules_become_conditions_that_the_engine_takes(prop: SchemaProperty, kind: str) -> None:
    checks = facts(contract_of(prop), catalog_of(c=kind)).checks
    assert checks
    with duckdb.connect() as con:
        for _, _, sql in checks:
            con.execute(f"CREATE OR REPLACE TABLE t (c {kind}, CHECK ({sql}))")
            con.execute("INSERT INTO t VALUES (NULL)")


@pytest.mark.parametrize(
    ("prop", "kind"),
    [
        (SchemaProperty(name="c", logicalTypeOptions={"minimum": 0}), "VARCHAR"),
        (SchemaProperty(name="c", logicalTypeOptions={"minimum": float("nan")}), "DOUBLE"),
        (SchemaProperty(name="c", logicalTypeOptions={"minimum": "1); DROP TABLE t"}), "INTEGER"),
        (SchemaProperty(name="c", logicalTypeOptions={"minimum": "tomorrow"}), "DATE"),
        (SchemaProperty(name="c", logicalTypeOptions={"maxLength": 3}), "INTEGER"),
        (SchemaProperty(name="c", logicalTypeOptions={"pattern": "(?=x)x"}), "VARCHAR"),
        (SchemaProperty(name="c", logicalTypeOptions={"pattern": "("}), "VARCHAR"),
        (SchemaProperty(name="c", enum=[EnumValue(value="a"), EnumValue(value=1)]), "VARCHAR"),
    ],
)
def test_a_rule_the_stored_type_cannot_bear_is_left_out(prop: SchemaProperty, kind: str) -> None:
    assert facts(contract_of(prop), catalog_of(c=kind)).checks == ()


def test_a_view_may_be_promised() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE base AS SELECT 1 AS a")
        con.execute("CREATE VIEW t AS FROM base")
        assert not contradictions(contract_of(SchemaProperty(name="a")), read_catalog(con))

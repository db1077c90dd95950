"""One table read by itself is what it is in the whole catalog."""

from __future__ import annotations

import duckdb
import pytest

from tools.messages import TableName
from tools.product.catalog import read_catalog, read_table, schema_hash, table_hash

MADE = """
CREATE TABLE a (id INTEGER PRIMARY KEY, twice INTEGER GENERATED ALWAYS AS (id * 2));
CREATE TABLE "B b" (id INTEGER REFERENCES a (id), "x.y" VARCHAR NOT NULL, CHECK (id > 0));
CREATE INDEX b_index ON "B b" ("x.y"); COMMENT ON COLUMN a.id IS 'key';
CREATE SCHEMA other; CREATE TABLE other.a AS SELECT 1 AS z; INSERT INTO a VALUES (1), (2);
CREATE TABLE "İl" (a INTEGER); CREATE TABLE "ΠΕΛΑΤΕΣ" (a INTEGER);
CREATE TABLE "Äpfel" (a INTEGER); CREATE TABLE "äpfel" (b INTEGER);
"""


@pytest.mark.parametrize("name", ["a", "B b", "b B", "other.a", "İl", "ΠΕΛΑΤΕΣ", "Äpfel", "äpfel"])
def test_a_table_by_itself_is_the_one_of_the_catalog(name: str) -> None:
    with duckdb.connect() as con:
        con.execute(MADE)
        schema, _, own = name.rpartition(".")
        wanted = TableName(schema_name=schema or "main", name=own)
        found = read_table(con, wanted)
        catalog = read_catalog(con)
        assert found is not None and found == catalog.table(wanted)
        assert table_hash(wanted, found) == schema_hash(catalog, [wanted])


def test_a_change_of_either_of_two_tables_that_differ_in_an_umlaut_is_seen() -> None:
    with duckdb.connect() as con:
        con.execute(MADE)
        tables = [TableName(name="Äpfel"), TableName(name="äpfel")]
        hashes = {schema_hash(read_catalog(con), tables)}
        for name in ("Äpfel", "äpfel"):
            con.execute(f'ALTER TABLE "{name}" ADD COLUMN more INTEGER')
            hashes.add(schema_hash(read_catalog(con), tables))
    assert len(hashes) == 3


def test_macros_that_are_known_are_not_read_again() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE MACRO twice(x) AS x * 2")
        whole = read_catalog(con)
        assert whole.macros and read_catalog(con, macros=whole.macros) == whole
        assert read_catalog(con, macros=()).macros == ()


def test_an_unknown_table_is_none() -> None:
    with duckdb.connect() as con:
        assert read_table(con, TableName(name="nowhere")) is None

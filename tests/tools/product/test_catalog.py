"""One table read by itself is what it is in the whole catalog."""

from __future__ import annotations

import duckdb
import pytest

from tools.messages import TableName
from tools.product.catalog import read_catalog, read_table

MADE = """
CREATE TABLE a (id INTEGER PRIMARY KEY, twice INTEGER GENERATED ALWAYS AS (id * 2));
CREATE TABLE "B b" (id INTEGER REFERENCES a (id), "x.y" VARCHAR NOT NULL, CHECK (id > 0));
CREATE INDEX b_index ON "B b" ("x.y"); COMMENT ON COLUMN a.id IS 'key';
CREATE SCHEMA other; CREATE TABLE other.a AS SELECT 1 AS z; INSERT INTO a VALUES (1), (2);
CREATE TABLE "İl" (a INTEGER); CREATE TABLE "ΠΕΛΑΤΕΣ" (a INTEGER);
"""


@pytest.mark.parametrize("name", ["a", "B b", "b B", "other.a", "İl", "ΠΕΛΑΤΕΣ"])
def test_a_table_by_itself_is_the_one_of_the_catalog(name: str) -> None:
    with duckdb.connect() as con:
        con.execute(MADE)
        schema, _, own = name.rpartition(".")
        wanted = TableName(schema_name=schema or "main", name=own)
        found = read_table(con, wanted)
        assert found is not None and found == read_catalog(con).table(wanted)


def test_an_unknown_table_is_none() -> None:
    with duckdb.connect() as con:
        assert read_table(con, TableName(name="nowhere")) is None

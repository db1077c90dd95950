"""A table's columns in counts and classes, and no value of any row."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tools.product import profile as profiles
from tools.product.catalog import read_catalog
from tools.product.profile import ColumnProfile, TableProfile, profile

SQL = """
CREATE TABLE planes (tail VARCHAR PRIMARY KEY);
INSERT INTO planes SELECT 'N' || i FROM range(50) AS r(i);
CREATE TABLE trips AS SELECT
    i AS id, 'N' || (i % 50) AS plane, CASE WHEN i % 4 = 0 THEN 'NA' ELSE 'secret' || i END AS note,
    i - 100 AS delay, CAST(i AS DOUBLE) / 1000 AS share, i + 1 AS seats, i % 5 AS kind,
    DATE '2024-01-01' + CAST(i % 300 AS INTEGER) AS day, 'DE' AS country, [i] AS list,
    CAST(NULL AS INTEGER) AS never, {'a': i} AS pair, i % 2 = 0 AS even, TIME '10:00' AS at
    FROM range(1000) AS r(i);
CREATE TABLE legs (plane VARCHAR REFERENCES planes(tail), "we""ird" ENUM('x', 'y'));
"""


@pytest.fixture(scope="module")
def tables() -> Iterator[dict[str, TableProfile]]:
    with duckdb.connect() as con:
        con.execute(SQL)

        def probe(sql: str) -> list[tuple[object, ...]]:
            return con.execute(sql).fetchall()

        yield {t.name.name: profile(t, probe) for t in read_catalog(con).tables}


def column(table: TableProfile, name: str) -> ColumnProfile:
    return next(c for c in table.columns if c.name == name)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("id", {"unique": True, "range": "never negative", "distinct": 1000}),
        ("plane", {"distinct": 50, "unique": False, "missing": 0.0}),
        ("note", {"missing": 0.25, "distinct": 750}),
        ("delay", {"range": "negative too"}),
        ("share", {"range": "0 to 1"}),
        ("seats", {"range": "always positive"}),
        ("day", {"span": "a year", "range": None}),
        ("country", {"distinct": 1, "length": 2}),
        ("list", {"distinct": None, "missing": 0.0}),
        ("never", {"missing": 1.0, "distinct": 0, "unique": False}),
        ("pair", {"distinct": None}),
        ("even", {"distinct": 2}),
        ("at", {"distinct": 1}),
    ],
)
def test_what_a_column_looks_like(
    tables: dict[str, TableProfile], name: str, fields: dict[str, object]
) -> None:
    found = column(tables["trips"], name).model_dump()
    assert {key: found[key] for key in fields} == fields


def test_structure_tells_keys_and_where_they_lead(tables: dict[str, TableProfile]) -> None:
    assert column(tables["planes"], "tail").key
    assert str(column(tables["legs"], "plane").references) == "planes"


def test_an_empty_table_has_columns_and_nothing_to_tell(tables: dict[str, TableProfile]) -> None:
    assert tables["legs"].looked_at == 0
    assert [c.missing for c in tables["legs"].columns] == [0.0, 0.0]


def test_no_value_of_a_row_is_part_of_it(tables: dict[str, TableProfile]) -> None:
    assert "secret" not in "".join(t.model_dump_json() for t in tables.values())


def test_of_a_large_table_a_sample_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "LOOKED_AT", 20_000)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE big AS SELECT i AS id FROM range(200000) AS r(i)")
        (table,) = read_catalog(con).tables
        found = profile(table, lambda sql: con.execute(sql).fetchall())
    assert found.rows == 200_000 and 2_000 < found.looked_at < 60_000


def test_a_wide_table_is_read_in_parts_of_the_same_rows() -> None:
    asked: list[str] = []
    with duckdb.connect() as con:
        columns = ", ".join(f"i + {n} AS c{n}" for n in range(2 * profiles.AT_ONCE + 1))
        con.execute(f"CREATE TABLE wide AS SELECT {columns} FROM range(200) AS r(i)")

        def probe(sql: str) -> list[tuple[object, ...]]:
            asked.append(sql)
            return con.execute(sql).fetchall()

        (table,) = read_catalog(con).tables
        found = profile(table, probe)
    assert len(asked) == 3
    assert [c.name for c in found.columns] == [c.name for c in table.columns]
    assert (found.looked_at, {c.distinct for c in found.columns}) == (200, {200})

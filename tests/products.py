"""Small real products for tests: a DuckDB file, queries, and its registration."""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

from mcp_servers.product.setup import register
from tools.product.descriptor import Descriptor, load_descriptor

QUERIES = """
SELECT bit_xor(CAST(amount AS BIGINT)) AS parity, bit_or(CAST(amount AS INTEGER)) AS bits
  FROM sales WHERE CAST(amount AS SMALLINT) > 500;
SELECT bit_and(CAST(amount AS INTEGER)) AS n FROM sales
  WHERE CAST(amount AS INTEGER) BETWEEN 10 AND 900;
SELECT bit_xor(CAST(amount AS BIGINT)) AS parity FROM sales WHERE CAST(amount AS INTEGER) < 700;
"""
"""Mostly casts, so that the gain is clear on a loaded machine too; no summary keeps bits, so there
is one idea to measure."""
SEVERAL = """
SELECT region, sum(CAST(amount AS BIGINT)) AS total FROM sales GROUP BY region ORDER BY region;
SELECT max(CAST(amount AS BIGINT)) AS top FROM sales WHERE CAST(amount AS INTEGER) > 500;
SELECT count(*) AS n FROM sales WHERE CAST(amount AS INTEGER) BETWEEN 10 AND 900;
SELECT status, avg(CAST(amount AS INTEGER)) AS mean FROM sales GROUP BY status ORDER BY status;
SELECT count(*) AS n FROM sales WHERE status = 'open';
"""
"""They give a summary, a sort order and an index to measure, too."""
CASTS = """
SELECT bit_xor(CAST(amount AS SMALLINT)) AS a, bit_xor(CAST(amount AS INTEGER)) AS b,
       bit_xor(CAST(amount AS BIGINT)) AS c, bit_xor(CAST(amount AS UINTEGER)) AS d,
       bit_xor(CAST(amount AS UBIGINT)) AS e
  FROM sales WHERE CAST(amount AS INTEGER) > 500;
"""
"""One query with so many casts that it gains clearly on few rows, too; for what is about other than
how several queries are weighed."""
ROWS = 60_000
FEW_ROWS = 20_000


def make_database(path: Path, rows: int = ROWS) -> Path:
    """Write a table of sales whose amounts arrived as text."""
    with duckdb.connect(str(path)) as con:
        con.execute(
            "CREATE TABLE sales AS SELECT i AS id, CAST(hash(i) % 1000 AS VARCHAR) AS amount,"
            " 'r' || (i % 7) AS region, CASE WHEN i % 3 = 0 THEN 'open' ELSE 'paid' END AS status"
            f" FROM range({rows}) AS r(i)"
        )
    return path


def make_product(
    directory: Path,
    home: Path,
    *,
    rows: int = ROWS,
    queries: str = QUERIES,
    name: str = "sales",
    more: str = "",
) -> Descriptor:
    """Register a product of sales, with `more` done to its database, and return its descriptor."""
    database = make_database(directory / f"{name}.duckdb", rows)
    with duckdb.connect(str(database)) as con:
        con.execute(more)
    workload = directory / f"{name}.sql"
    workload.write_text(queries)
    product_home = home / "products" / name
    register(
        argparse.Namespace(
            name=name, database=str(database), queries=[str(workload)], contract=None,
            home=str(product_home),
        )
    )  # fmt: skip
    return load_descriptor(product_home / "product.odps.yaml")

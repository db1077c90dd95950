"""The TPC-H product: the decision-support benchmark's eight tables at a chosen scale."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tools.demo.building import Progress, require_space, whole_database, workspace
from tools.demo.tpcgen import generate
from tools.messages import quoted
from tools.product.errors import ProductError

QUERIES = Path(__file__).with_name("queries") / "tpch.sql"
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
BYTES_PER_SCALE = 700_000_000
"""The Parquet files and the database side by side at scale 1."""
SPARE_BYTES = 50_000_000


def build_tpch(path: Path, scale: float, on_progress: Progress) -> None:
    """Generate TPC-H at `scale` and write it as a DuckDB database to `path`."""
    if not 0 < scale <= 1000:
        raise ProductError(f"TPC-H has no scale {scale:g}.", hint="Use 0 < scale ≤ 1000.")
    require_space(path, int(scale * BYTES_PER_SCALE) + SPARE_BYTES)
    with workspace(path) as scratch:
        on_progress("generate", 0.0)
        generate("tpch", scratch, scale)
        with whole_database(scratch, path) as con:
            for step, table in enumerate(TABLES):
                on_progress(f"load {table}", 0.5 + 0.5 * step / len(TABLES))
                _load(con, table, scratch / f"{table}.parquet")
    on_progress("done", 1.0)


def _load(con: duckdb.DuckDBPyConnection, table: str, source: Path) -> None:
    """Load one table in the order it was generated, and give back the disk it used."""
    con.execute(f"CREATE TABLE {quoted(table)} AS SELECT * FROM read_parquet(?)", [str(source)])
    source.unlink()

"""Both benchmarks come from one generator, and a missing one is named."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tools.demo import tpcgen
from tools.product.errors import ProductError


def test_only_the_named_tables_are_generated(tmp_path: Path) -> None:
    tpcgen.generate("tpcds", tmp_path, 0.01, ("store", "household_demographics"))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["household_demographics.parquet", "store.parquet"]
    with duckdb.connect() as con:
        rows = con.execute("SELECT count(*) FROM read_parquet(?)", [str(tmp_path / files[0])])
        assert rows.fetchall() == [(7200,)]


def test_a_missing_generator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.demo.tpcgen.shutil.which", lambda *a, **k: None)
    with pytest.raises(ProductError, match="tpcgen-cli is not installed"):
        tpcgen.generator()

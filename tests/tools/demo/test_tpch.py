"""The TPC-H product is generated whole, and its 22 queries answer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import duckdb
import pytest

from tools.demo import tpcgen
from tools.demo.flights import queries
from tools.demo.tpch import QUERIES, TABLES, build_tpch
from tools.product.errors import DiskFull, ProductError


def quiet(step: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tpch") / "tpch.duckdb"
    build_tpch(path, 0.01, quiet)
    return path


def failing_generator(directory: Path, body: str) -> str:
    script = directory / "fake-generator"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_all_tables_are_there_and_nothing_else(product: Path) -> None:
    with duckdb.connect(str(product), read_only=True) as con:
        names = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        lines = con.execute("SELECT count(*) FROM lineitem").fetchall()
    assert names == set(TABLES)
    assert lines == [(60_175,)]
    assert [p.name for p in product.parent.iterdir()] == ["tpch.duckdb"]


def test_the_22_queries_all_answer(product: Path) -> None:
    named = queries(QUERIES)
    assert [name.split()[0] for name in named] == [f"Q{n}" for n in range(1, 23)]
    with duckdb.connect(str(product), read_only=True) as con:
        empty = [name for name, sql in named.items() if not con.execute(sql).fetchall()]
    assert empty == []


def test_a_generator_that_fails_says_what_it_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = failing_generator(tmp_path, "echo 'no space left' >&2; exit 3")
    monkeypatch.setattr(tpcgen, "generator", lambda: fake)
    with pytest.raises(ProductError, match="exit code 3: no space left"):
        build_tpch(tmp_path / "out" / "tpch.duckdb", 0.01, quiet)
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="MB free"):
        build_tpch(tmp_path / "tpch.duckdb", 1000, quiet)


@pytest.mark.parametrize("scale", [0, -1, 10_000])
def test_an_impossible_scale_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(ProductError, match="no scale"):
        build_tpch(tmp_path / "tpch.duckdb", scale, quiet)

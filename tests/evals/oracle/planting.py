"""Judging statements as if they were a suggestion's, on two copies of a product."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from evals.oracle import timing
from evals.oracle.case import Case, Judgement
from evals.oracle.judge import judge

ROWS = 60_000
TOTAL = "SELECT sum(CAST(amount AS BIGINT)) AS total FROM sales"
PROMISED = [
    {"name": "id", "logicalType": "integer", "required": True},
    {"name": "code", "logicalType": "string", "required": True},
]


def make_original(path: Path, *more: str) -> Path:
    """Make a product of a table of sales, and whatever else is told."""
    with duckdb.connect(str(path)) as con:
        con.execute(
            "CREATE TABLE sales AS SELECT i AS id, CAST(hash(i) % 1000 AS VARCHAR) AS amount,"
            f" lpad(CAST(i % 90 AS VARCHAR), 3, '0') AS code FROM range({ROWS}) AS r(i)"
        )
        for statement in more:
            con.execute(statement)
    return path


def time_less(monkeypatch: pytest.MonkeyPatch, seconds: float, most: float) -> None:
    """Let a judgement time its queries for so many seconds at least and at most."""
    monkeypatch.setattr(timing, "SECONDS", seconds)
    monkeypatch.setattr(timing, "MOST_SECONDS", most)


def judged(original: Path, *changes: str, **asked: Any) -> Judgement:
    """Judge statements as if they were a suggestion's."""
    return judge(case_of(original, *changes, **asked))


def case_of(original: Path, *changes: str, **asked: Any) -> Case:
    """Return what the oracle is asked of statements as if they were a suggestion's."""
    before, after = original.with_name("before.duckdb"), original.with_name("after.duckdb")
    for path in (before, after):
        shutil.copy(original, path)
    with duckdb.connect(str(after)) as con:
        for change in changes:
            con.execute(change)
    contract = original.with_name("contract.yaml")
    stated = {"name": "sales", "properties": asked.get("promised", PROMISED)}
    promised = {"schema": [stated | asked.get("stated", {})]}
    contract.write_text(yaml.safe_dump(promised))
    return Case(
        before=before,
        after=after,
        contract=contract,
        later=asked.get("later", ((TOTAL, 100),)),
        texts=asked.get("texts", {}),
        texts_before=asked.get("texts_before", {}),
        later_data=asked.get("later_data", ("INSERT INTO sales VALUES (90000, '5', '001')",)),
        later_batches=asked.get("later_batches", 1),
        consumers=asked.get("consumers", ()),
        undone=asked.get("undone"),
        undo_refused=asked.get("undo_refused", ""),
    )

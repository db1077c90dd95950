"""Other literals in the same query: every one that is to vary stands in the file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from evals.scenarios import tpcds, tpch
from evals.scenarios.literals import Varied, asked, month, number, one_of
from tools.demo.flights import queries


@pytest.mark.parametrize(
    ("path", "varied"),
    [
        (tpch.QUERIES, {**tpch._OFTEN, **tpch._SELDOM}),
        (tpcds.QUERIES, {**tpcds._OFTEN, **tpcds._SELDOM}),
    ],
)
def test_every_literal_that_varies_stands_in_its_query(path: Path, varied: Varied) -> None:
    texts = {name.split()[0]: sql for name, sql in queries(path).items()}
    missing = [
        (name, old) for name, olds in varied.items() for old in olds if old not in texts[name]
    ]
    assert missing == []


def test_a_query_is_asked_often_in_two_forms_or_seldom_in_one(tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    path.write_text("-- name: A all\nSELECT 1\n\n-- name: B one\nSELECT 'x', DATE '2001-02-01'\n")
    often: Varied = {"A": {"1": number(5, 5, "0")}}
    seldom: Varied = {"B": {"'x'": one_of("'y'"), "2001-02-01": month(1999, 1999, months=1)}}
    found = list(asked(random.Random(1), path, often, seldom))
    assert [q.sql for q in found] == ["SELECT 05"] * 2 + ["SELECT 'y', DATE '1999-01-01'"]
    assert all(q.runs >= 60 for q in found[:2]) and found[2].runs < 10

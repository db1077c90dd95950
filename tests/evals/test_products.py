from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from evals import products
from evals.oracle.case import Judgement
from evals.products import (
    Product,
    judge_changes,
    judge_files,
    make_best,
    read_judgement,
    register,
    texts_after,
)
from evals.scenarios import leading_zeros, tiny
from evals.scenarios.scenario import Best, Consumer, ScenarioFailed
from tools.messages import AddNotNull, ChangeType, RewriteQuery, TableName
from tools.product.candidates.rules import apply_rule
from tools.product.executor import apply
from tools.product.fingerprint import fingerprint_of


def ended(code: int, said: bytes = b"", wrong: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.CompletedProcess([], code, said, wrong)


def test_a_judgement_crosses_the_process() -> None:
    judgement = Judgement(verdict="good", reason="faster")
    assert read_judgement(ended(0, judgement.model_dump_json().encode())) == judgement


def test_an_engine_that_dies_on_the_changed_product_is_harm() -> None:
    assert read_judgement(ended(-11)).verdict == "harmful"


def test_an_oracle_that_fails_has_not_decided() -> None:
    found = read_judgement(ended(1, wrong=b"Traceback\nOSError: no space\n"))
    assert (found.verdict, found.reason) == (
        "undecided",
        "the oracle failed: OSError: no space",
    )


def test_later_literals_are_answered_by_the_text_of_the_changed_product(tmp_path: Path) -> None:
    path = tmp_path / "changed.duckdb"
    month = "SELECT count(*) AS n FROM sales WHERE strftime(sold, '%Y-%m') = '{}'"
    asked, other = month.format("2025-03"), month.format("2026-01")
    change = RewriteQuery(
        table=TableName(name="sales"), fingerprint=fingerprint_of(asked), rule="month_text",
        original=asked, rewritten=apply_rule("month_text", asked) or "",
    )  # fmt: skip
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE sales AS SELECT DATE '2025-03-01' AS sold")
        apply(con, "p1", change)
    found = texts_after(path, [other, "SELECT sold FROM sales"])
    assert list(found) == [other]
    assert "2026-02-01" in found[other]


def die(changed: Path, asked: list[str]) -> dict[str, str]:
    """Take the process along, as an engine that fails an assertion does."""
    os.abort()


async def unchanged(product: Product, changes: object, into: Path) -> Path:
    return product.original


async def test_an_engine_that_dies_when_the_changed_product_is_opened_is_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tiny.build(1, tmp_path)
    product = Product(scenario, tmp_path, scenario.database)
    monkeypatch.setattr(products, "texts_after", die)
    tried = AddNotNull(table=TableName(name="scores"), column="points")
    monkeypatch.setattr(products, "changed_copy", unchanged)
    found = await judge_changes(product, {"p1": tried}, tmp_path)
    assert (found.verdict, found.reason) == (
        "harmful",
        "the engine dies when the changed product is opened",
    )


async def test_what_the_products_server_would_not_do_is_made_and_judged_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "home" / "products" / "leading_zeros"
    folder.mkdir(parents=True)
    product = await register(leading_zeros.build(1, folder), folder, tmp_path)
    change = ChangeType(
        table=TableName(name="parcels"), column="code", from_type="VARCHAR", to_type="INTEGER",
        forward='CAST("code" AS INTEGER)', backward='CAST("code" AS VARCHAR)',
    )  # fmt: skip
    found = await judge_changes(product, {"p1": change}, tmp_path)
    assert found.verdict == "harmful", found.reason


async def test_a_change_that_breaks_a_scenarios_consumer_is_harm(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "products" / "tiny"
    folder.mkdir(parents=True)
    like = "SELECT count(*) AS n FROM scores WHERE points LIKE '1%'"
    board = Consumer("board", {"scores": ("points",)}, (like,))
    scenario = replace(tiny.build(1, folder), consumers=(board,))
    product = await register(scenario, folder, tmp_path)
    change = ChangeType(
        table=TableName(name="scores"), column="points", from_type="VARCHAR", to_type="INTEGER",
        forward='CAST("points" AS INTEGER)', backward='CAST("points" AS VARCHAR)',
    )  # fmt: skip
    found = await judge_changes(product, {"p1": change}, tmp_path)
    assert found.verdict == "harmful"
    assert found.reason.startswith(f"a query fails for the consumer board: {like}")


async def test_a_changed_product_that_cannot_be_read_is_harm(tmp_path: Path) -> None:
    scenario = tiny.build(1, tmp_path)
    product = Product(scenario, tmp_path, scenario.database)
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"\0" * 9000)
    found = await judge_files(product, broken, tmp_path / "judged")
    assert found.verdict == "harmful" and "cannot be read" in found.reason


def test_a_best_product_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    scenario = tiny.build(1, tmp_path)
    with pytest.raises(ScenarioFailed, match="nowhere"):
        make_best(scenario.database, Best(("DROP TABLE nowhere",)), tmp_path / "best.duckdb")

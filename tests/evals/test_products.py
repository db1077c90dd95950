from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from evals.oracle.case import Judgement
from evals.products import (
    Product,
    judge_changes,
    judge_files,
    make_best,
    read_judgement,
    register,
)
from evals.scenarios import leading_zeros, tiny
from evals.scenarios.scenario import Best, Consumer, ScenarioFailed
from mcp_servers.product.client import ProductClient
from mcp_servers.product.errors import ToolFailed
from tools.messages import ChangeType, SortTable, TableName

NUMBERS = ChangeType(
    table=TableName(name="scores"), column="points", from_type="VARCHAR", to_type="INTEGER",
    forward='CAST("points" AS INTEGER)', backward='CAST("points" AS VARCHAR)',
)  # fmt: skip


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


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ("'12'", ""),
        # As a number it counts the same, and nobody can say any more that it was written so.
        ("'012'", "taken back it is not what it was: other rows in main.scores"),
    ],
)
async def test_a_change_is_taken_back_by_the_products_server_with_the_later_rows_in_it(
    points: str, reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "products" / "tiny"
    folder.mkdir(parents=True)
    rows = (f"INSERT INTO scores VALUES (3, {points})",)
    scenario = replace(tiny.build(1, folder), later_data=rows)
    product = await register(scenario, folder, tmp_path)
    found = await judge_changes(product, {"p1": NUMBERS}, tmp_path)
    assert (found.verdict == "harmful") == bool(reason), found.reason
    assert reason in found.reason
    assert not list(tmp_path.glob("undone-*"))


@pytest.mark.parametrize(
    ("code", "verdict", "reason"),
    [
        ("undo_conflict", "harmful", "it cannot be taken back: its kept values are gone"),
        ("disk_full", "undecided", "its kept values are gone"),
    ],
)
async def test_what_the_products_server_does_not_take_back_is_harm_unless_that_passes(
    code: str, verdict: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: ProductClient, proposal_id: str, *more: object) -> None:
        raise ToolFailed(code, "its kept values are gone")

    monkeypatch.setattr(ProductClient, "undo_change", refused)
    folder = tmp_path / "home" / "products" / "tiny"
    folder.mkdir(parents=True)
    product = await register(tiny.build(1, folder), folder, tmp_path)
    change = SortTable(table=TableName(name="scores"), order_by=("points",))
    found = await judge_changes(product, {"p1": change}, tmp_path)
    assert found.verdict == verdict and reason in found.reason


async def test_a_change_that_breaks_a_scenarios_consumer_is_harm(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "products" / "tiny"
    folder.mkdir(parents=True)
    like = "SELECT count(*) AS n FROM scores WHERE points LIKE '1%'"
    board = Consumer("board", {"scores": ("points",)}, (like,))
    scenario = replace(tiny.build(1, folder), consumers=(board,))
    product = await register(scenario, folder, tmp_path)
    found = await judge_changes(product, {"p1": NUMBERS}, tmp_path)
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

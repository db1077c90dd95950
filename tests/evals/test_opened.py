"""Opening a changed product: its other texts, and what an engine that dies on it means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from evals import opened
from evals.opened import NotOpened, texts_after
from tools.messages import RewriteQuery, TableName
from tools.product.candidates.rules import apply_rule
from tools.product.executor import apply
from tools.product.fingerprint import fingerprint_of


async def test_later_literals_are_answered_by_the_text_of_the_changed_product(
    tmp_path: Path,
) -> None:
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
    found = await texts_after(path, [other, "SELECT sold FROM sales"])
    assert list(found) == [other]
    assert "2026-02-01" in found[other]


@pytest.mark.parametrize(
    ("ending", "verdict", "reason"),
    [
        ("os.abort()", "harmful", "the engine dies when the changed product is opened (signal 6)"),
        ("os.kill(os.getpid(), 9)", "undecided", "opening it was stopped (signal 9)"),
        ("raise OSError('no space')", "undecided", "opening it failed: OSError: no space"),
    ],
)
async def test_a_process_that_ends_early_says_what_it_means(
    ending: str, verdict: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = opened.anyio.run_process

    async def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        return await real([sys.executable, "-c", f"import os; {ending}"], **options)

    monkeypatch.setattr(opened.anyio, "run_process", run)
    with pytest.raises(NotOpened) as ended:
        await texts_after(tmp_path / "any.duckdb", [])
    judgement = ended.value.judgement
    assert (judgement.verdict, judgement.reason) == (verdict, reason)

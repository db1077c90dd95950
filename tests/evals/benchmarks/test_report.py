"""The benchmark page keeps what other runs measured, and a benchmark that misses says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from evals.benchmarks.__main__ import main, run_one
from evals.benchmarks.command import Finished, outcome_of
from evals.benchmarks.report import BenchmarkFailed, Row, Section, figure, render, write


def section(name: str = "casting", value: float = 6.2, holds: bool = True) -> Section:
    return Section(name, "Faster.", (Row("gain", value, "×", "6–7", "≥ 5", holds),), 12.0)


def test_a_section_says_claim_numbers_day_and_machine() -> None:
    text = render(section(), at=datetime(2026, 3, 1, tzinfo=UTC))
    assert "| gain | 6.2 × | 6–7 | ≥ 5 | yes |" in text
    assert "2026-03-01, took 12 s." in text
    assert "duckdb" in text and "cores" in text


def test_a_missed_target_stands_out() -> None:
    assert "| **no** |" in render(section(holds=False))


def test_writing_one_section_again_keeps_the_others(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    write([section("casting", 6.2), section("tpch", 100)], page)
    page.write_text(page.read_text() + "\nWritten by hand.\n")
    write([section("casting", 7.5)], page)
    text = page.read_text()
    assert "7.5 ×" in text and "6.2 ×" not in text
    assert "100 ×" in text and "Written by hand." in text
    assert text.count("<!-- benchmark casting -->") == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (2.8412, "2.84"), (1234567.8, "1,234,568"), (123.45, "123.5")]
)
def test_figures_are_short(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_a_benchmark_that_breaks_is_a_section_that_does_not_hold() -> None:
    def broken(quick: bool) -> list[Row]:
        raise BenchmarkFailed("no such command")

    module = SimpleNamespace(NAME="casting", CLAIM="Faster.", run=broken)
    found = run_one(cast(ModuleType, module), quick=True)
    assert not found.holds
    assert "no such command" in found.rows[0].name


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "no benchmark 'nonsense'" in capsys.readouterr().err


def test_the_commands_answer_is_read() -> None:
    answer = {
        "thread": "t1",
        "proposals": [
            {"kind": "change_type", "target": "a.b", "outcomes": [{"status": "verified"}]},
            {"kind": "sort_table", "target": "a(c)", "outcomes": []},
        ],
    }
    found = outcome_of(Finished(answer, 2.0, 10))
    assert found.proposals == (("change_type", "a.b"), ("sort_table", "a(c)"))
    assert found.statuses == ("verified", "waiting")

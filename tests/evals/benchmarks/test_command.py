"""What a benchmark makes of a command's document and exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evals.benchmarks.command import outcome_of, pillion
from evals.benchmarks.report import BenchmarkFailed

ROLLED_BACK = (
    '{"thread": "r1", "proposals":'
    ' [{"kind": "sort_table", "target": "t", "outcomes": [{"status": "rolled_back"}]}]}'
)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in the place of `pillion`."""
    command = folder / "pillion"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_a_change_that_is_not_in_place_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, f"echo '{ROLLED_BACK}'; exit 1")
    assert outcome_of(pillion(tmp_path, "demo", "--yes")).statuses == ("rolled_back",)


def test_a_command_that_says_nothing_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo 'The disk is full.' >&2; exit 1")
    with pytest.raises(BenchmarkFailed, match="pillion demo --yes failed: The disk is full"):
        pillion(tmp_path, "demo", "--yes")

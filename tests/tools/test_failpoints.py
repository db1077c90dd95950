"""Crash points: a process dies exactly where and when the environment says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
from tools.failpoints import crash_point
for n in range(3):
    crash_point("here")
    print(n, flush=True)
    crash_point("there")
"""


def passages(**environment: str) -> tuple[int, int]:
    """Return how often the process got past the first point, and how it ended."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PILLION_")}
    ended = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, cwd=ROOT, check=False,
        env={**clean, **environment},
    )  # fmt: skip
    return len(ended.stdout.split()), ended.returncode


@pytest.mark.parametrize(
    ("at", "got", "code"),
    [
        ("", 3, 0),
        ("elsewhere", 3, 0),
        ("her", 3, 0),
        ("here", 0, -signal.SIGKILL),
        ("there", 1, -signal.SIGKILL),
        ("here:3", 2, -signal.SIGKILL),
        ("here:4", 3, 0),
    ],
)
def test_a_process_dies_at_the_named_passage_only(at: str, got: int, code: int) -> None:
    assert passages(PILLION_CRASH_AT=at) == (got, code)


def test_only_the_first_of_several_processes_dies(tmp_path: Path) -> None:
    once = str(tmp_path / "crashed")
    assert passages(PILLION_CRASH_AT="here", PILLION_CRASH_ONCE=once) == (0, -signal.SIGKILL)
    assert passages(PILLION_CRASH_AT="here", PILLION_CRASH_ONCE=once) == (3, 0)

"""A process that leaves has written everything and takes nothing apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import atexit, sys
from tools.leaving import leave
class Held:
    def __del__(self): print("taken apart")
held = Held()
atexit.register(print, "at the end")
print("out"); print("err", file=sys.stderr)
leave(3)
"""


def test_what_was_written_and_is_due_at_the_end_comes_out_and_nothing_is_taken_apart() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=False
    )
    told = ended.returncode, ended.stdout.split("\n"), ended.stderr
    assert told == (3, ["out", "at the end", ""], "err\n")

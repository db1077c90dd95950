"""A process that leaves ends its threads, writes everything and takes nothing apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from tools.leaving import leave
class Held:
    def __del__(self): print("taken apart")
held = Held()
def work(said):
    time.sleep(0.2)
    print(said)
atexit.register(print, "at the end")
ThreadPoolExecutor(1).submit(work, "a thread")
print("err", file=sys.stderr)
leave(3)
"""


def test_threads_and_what_is_due_come_to_their_end_and_nothing_is_taken_apart() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=False
    )
    told = ended.returncode, ended.stdout.splitlines(), ended.stderr
    assert told == (3, ["a thread", "at the end"], "err\n")

"""Play one scenario in a process of its own.

`python -m evals.apart FAMILY SEED APPROVER BASELINE SEARCH SCRATCH` writes the result as JSON.
Whatever dies in it takes nothing else along, and its processor time is its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from evals.play import play
from evals.results import ScenarioResult
from evals.suites import Place


class SuiteBroken(Exception):
    """The suite itself failed on a scenario."""


async def play_apart(
    place: Place, approver: str, *, with_rules: bool, exhaustive: bool = False
) -> ScenarioResult:
    """Play a scenario in a child process; raises `SuiteBroken` when it leaves no result."""
    command = [sys.executable, "-m", "evals.apart", place.family, str(place.seed), approver]
    baseline = "rules" if with_rules else "silent"
    search = "exhaustive" if exhaustive else "none"
    # The files belong to this process: the child may be killed.
    with TemporaryDirectory(prefix="pillion-eval-", ignore_cleanup_errors=True) as scratch:
        done = await anyio.run_process([*command, baseline, search, scratch], check=False)
    return read_result(done)


def read_result(done: subprocess.CompletedProcess[bytes]) -> ScenarioResult:
    """Read what the child wrote; raises `SuiteBroken`."""
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise SuiteBroken(f"the scenario's process ended with {done.returncode}: {said}")
    return ScenarioResult.model_validate_json(done.stdout.splitlines()[-1])


async def _main(place: Place, approver: str, baseline: str, search: str, scratch: Path) -> None:
    result = await play(
        *place,
        approver,
        with_rules=baseline == "rules",
        scratch=scratch,
        exhaustive=search == "exhaustive",
    )
    sys.stdout.write(result.model_dump_json() + "\n")


if __name__ == "__main__":
    family, seed, approver, baseline, search, scratch = sys.argv[1:]
    anyio.run(_main, Place(family, int(seed)), approver, baseline, search, Path(scratch))

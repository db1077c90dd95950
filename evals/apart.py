"""Play one scenario in a process of its own.

`python -m evals.apart FAMILY SEED OPTIONS SCRATCH` writes the result as JSON.
Whatever dies in it takes nothing else along, and its processor time is its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from evals.children import module
from evals.opened import KILLED
from evals.options import Options
from evals.play import BEGUN, play
from evals.provenance import code_state
from evals.results import ScenarioResult
from evals.suites import Place
from tools.leaving import leave


class SuiteBroken(Exception):
    """The suite itself failed on a scenario."""


async def play_apart(place: Place, options: Options) -> ScenarioResult:
    """Play a scenario in a child process; raises `SuiteBroken` when it leaves no result.

    An engine that dies on the product leaves what was known until then, as a failure.
    """
    command = module("evals.apart", place.family, str(place.seed))
    # The files belong to this process: the child may be killed.
    with TemporaryDirectory(prefix="pillion-eval-", ignore_cleanup_errors=True) as scratch:
        asked = [*command, options.model_dump_json(), scratch]
        done = await anyio.run_process(asked, check=False)
        begun = Path(scratch) / BEGUN
        if done.returncode < 0 and -done.returncode not in KILLED and begun.exists():
            return _left(begun, done.returncode).model_copy(update=_told(options))
    return read_result(done)


def _left(begun: Path, code: int) -> ScenarioResult:
    left = ScenarioResult.model_validate_json(begun.read_text(encoding="utf-8"))
    return left.model_copy(update={"failure": f"the scenario's process died (signal {-code})"})


def _told(options: Options) -> dict[str, Any]:
    return {"options": options, "code": code_state()}


def read_result(done: subprocess.CompletedProcess[bytes]) -> ScenarioResult:
    """Read what the child wrote; raises `SuiteBroken`."""
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise SuiteBroken(f"the scenario's process ended with {done.returncode}: {said}")
    return ScenarioResult.model_validate_json(done.stdout.splitlines()[-1])


async def play_recorded(place: Place, options: Options, scratch: Path) -> ScenarioResult:
    """Play a scenario in this process and record with it what was asked and what played it."""
    told = _told(options)
    played = await play(*place, options, scratch)
    return played.model_copy(update=told)


async def _main(place: Place, options: Options, scratch: Path) -> None:
    result = await play_recorded(place, options, scratch)
    sys.stdout.write(result.model_dump_json() + "\n")


if __name__ == "__main__":
    family, seed, asked, scratch = sys.argv[1:]
    place = Place(family, int(seed))
    anyio.run(_main, place, Options.model_validate_json(asked), Path(scratch))
    leave(0)

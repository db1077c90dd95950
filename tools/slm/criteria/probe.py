"""One candidate in a process of its own: what it takes to load and to score.

`python -m tools.slm.criteria.probe` reads an `Asked` on standard input and writes a `Cost`.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from tools.lazy import lazy
from tools.messages import Message
from tools.slm.criteria.results import Cost, Form
from tools.slm.criteria.samples import made_up
from tools.slm.dataset import Example
from tools.slm.engine import Engine
from tools.slm.errors import ModelError
from tools.slm.facts import saving_of
from tools.slm.judge import Judge

if TYPE_CHECKING:
    from tools.slm import engines, mlx_engine
    from tools.slm.tuning import reading
else:
    # What rules and judges take must not hold what a language model takes.
    mlx_engine, reading = lazy("tools.slm.mlx_engine"), lazy("tools.slm.tuning.reading")
    engines = lazy("tools.slm.engines")

SCORES, WARM = 40, 4
SECONDS = 900
STATUS = Path("/proc/self/status")
Score = Callable[[Example], float]


class Asked(Message):
    """Which candidate is to be measured."""

    form: Form
    path: str = ""
    packed: str = ""
    """What llama.cpp reads of a language model; an adapter lies over MLX's only."""
    adapter: str = ""
    scores: int = SCORES
    format: Literal[1] = 1


def measure(asked: Asked) -> Cost:
    """Measure a candidate in a child process; raises `ModelError` when that fails."""
    # -P: no module is taken from the working folder.
    command = [sys.executable, "-P", "-m", "tools.slm.criteria.probe"]
    try:
        done = subprocess.run(
            command, input=asked.model_dump_json(), capture_output=True, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip
        return Cost.model_validate_json(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as exc:
        raise ModelError(f"It could not be measured in {SECONDS} s.") from exc
    except (IndexError, ValidationError) as exc:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"It could not be measured: {said} (exit {done.returncode})") from exc


def probe(asked: Asked) -> Cost:
    """Measure a candidate in this process."""
    proposals = made_up(WARM + asked.scores)
    started = time.perf_counter()
    score = _scorer(asked)
    score(proposals[0])
    loaded = time.perf_counter() - started
    times, busy = [], []
    for proposal in proposals:
        before, worked = time.perf_counter(), time.process_time()
        score(proposal)
        times.append(1000 * (time.perf_counter() - before))
        busy.append(1000 * (time.process_time() - worked))
    found = sorted(times[WARM:])
    return Cost(
        memory=_peak(),
        load_ms=1000 * loaded,
        p50_ms=statistics.median(found),
        p95_ms=found[min(len(found) - 1, math.ceil(0.95 * len(found)) - 1)],
        processor_ms=statistics.median(busy[WARM:]),
        scores=len(found),
    )


def _scorer(asked: Asked) -> Score:
    match asked.form:
        case "rules":
            return lambda e: saving_of(e.facts.certain_gain, e.facts.insert_cost)
        case "judge":
            judge = Judge.model_validate_json(Path(asked.path).read_bytes())
            return lambda e: judge.probability(e.kind, e.facts, e.history)
        case "language":
            return reading.scorer(_engine(asked))


def _engine(asked: Asked) -> Engine:
    place = Path(asked.path)
    if asked.adapter:
        return mlx_engine.MlxEngine(place, Path(asked.adapter))
    packed = Path(asked.packed) if asked.packed else None
    return engines.load("auto", engines.Files(place, packed))


def _peak() -> int:
    """Return the most bytes that this program had resident.

    What Linux counts for a process holds what its parent had when it was started; the status file
    does not.
    """
    if STATUS.exists():
        (line,) = (n for n in STATUS.read_text().splitlines() if n.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.stdout.write(probe(Asked.model_validate_json(sys.stdin.read())).model_dump_json() + "\n")

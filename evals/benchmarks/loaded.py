"""A language model in a process of its own that says what each answer took, and in the agent's."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from evals.benchmarks.report import BenchmarkFailed
from evals.benchmarks.servers import ours
from tools.slm import engines
from tools.slm.engine import Engine, Prompt
from tools.slm.engines import EngineName, Files
from tools.slm.errors import ModelError

LEAST_GROWTH = 100_000_000
"""Bytes by which a process grows at least when it loads the model."""


class Took(NamedTuple):
    """What one answer took."""

    seconds: float
    processor: float
    """Seconds of all its threads together."""
    answer: Any


class Loaded:
    """An engine in another process."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._answer()

    def score(self, prompt: Prompt, choices: Sequence[str]) -> Took:
        """Return what probabilities took, and they."""
        return self._ask("score", prompt, choices)

    def decode(self, prompt: Prompt, limit: int) -> Took:
        """Return what came after the first token, with how many more came."""
        return self._ask("decode", prompt, limit)

    def peak_bytes(self) -> int:
        """Return the most memory that the process held."""
        return int(self._ask("peak").answer)

    def _ask(self, *what: object) -> Took:
        self._line.send(what)
        return self._answer()

    def _answer(self) -> Took:
        found = self._line.recv()
        if isinstance(found, str):
            raise BenchmarkFailed(found)
        return Took(*found)


@contextmanager
def loaded(name: EngineName, files: Files) -> Iterator[Loaded]:
    """Lend an engine in a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    line, theirs = spawning.Pipe()
    process = spawning.Process(target=answer, args=(theirs, name, files), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Loaded(line)
    except EOFError as exc:
        raise BenchmarkFailed(f"the process of {name} ended") from exc
    finally:
        line.close()
        process.join(10)
        process.kill()


def answer(line: Connection, name: EngineName, files: Files) -> None:
    """Load an engine and answer until the other end of the line is closed."""
    try:
        engine = engines.load(name, files)
        line.send((0.0, 0.0, name))
        while True:
            line.send(tuple(_done(engine, *line.recv())))
    except EOFError:
        return
    except ModelError as exc:
        line.send(str(exc))


def _done(engine: Engine, what: str, *given: Any) -> Took:
    if what == "peak":
        # In KiB on Linux.
        return Took(0, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    if what == "score":
        started, worked = time.perf_counter(), time.process_time()
        prompt, choices = given
        found: Any = dict(engine.score(prompt, choices, lambda: False))
    else:
        prompt, limit = given
        pieces = engine.complete(prompt, None, limit, lambda: False)
        next(pieces, None)
        started, worked = time.perf_counter(), time.process_time()
        found = sum(1 for _ in pieces)
    return Took(time.perf_counter() - started, time.process_time() - worked, found)


def resident_agent(folder: Path, request: str) -> int:
    """Return the bytes of a service whose language model was asked, its children counted in."""
    with ours(folder, {"PILLION_ASK_MODEL": "true"}) as server:
        before = server.resident()
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        head: Mapping[str, str] = {"content-type": "application/json"}
        line.request("POST", "/v1/ask", json.dumps({"request": request}), head)
        answer = line.getresponse()
        said = answer.read()
        after = server.resident()
    if answer.status != 200 or after - before < LEAST_GROWTH:
        raise BenchmarkFailed(f"the service did not ask its model: {answer.status} {said[:200]!r}")
    return after

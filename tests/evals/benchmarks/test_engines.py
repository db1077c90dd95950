"""The benchmark of engines counts what was decoded and says when an engine cannot be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread

import pytest

from evals.benchmarks.engines import CHOICES, Measured, apart, rows_of
from evals.benchmarks.loaded import Loaded, Took, answer
from evals.benchmarks.report import BenchmarkFailed
from tools.slm import engines
from tools.slm.engine import Prompt, Schema, Stop
from tools.slm.engines import Files
from tools.slm.errors import ModelError

FILES = Files(Path("/nowhere"), None)


class Engine:
    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> dict[str, float]:
        return dict.fromkeys(choices, 1 / len(choices))

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        yield from "x" * limit


def test_an_engine_behind_a_line_says_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load", lambda name, files: Engine())
    line, theirs = Pipe()
    thread = Thread(target=answer, args=(theirs, "mlx", FILES))
    thread.start()
    loaded = Loaded(line)
    assert loaded.score(Prompt("x"), ("a", "b")).answer == {"a": 0.5, "b": 0.5}
    assert loaded.decode(Prompt("x"), 7).answer == 6
    assert loaded.peak_bytes() > 10_000_000
    line.close()
    thread.join()


def test_an_engine_that_cannot_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, files: Files) -> None:
        raise ModelError("not enough memory")

    monkeypatch.setattr(engines, "load", refuse)
    line, theirs = Pipe()
    answer(theirs, "mlx", FILES)
    with pytest.raises(BenchmarkFailed, match="not enough memory"):
        Loaded(line)


def took(*milliseconds: float, answer: object = 10) -> list[Took]:
    return [Took(ms / 1000, ms / 500, answer) for ms in milliseconds]


def test_only_the_engine_that_serves_has_a_target() -> None:
    found = Measured(took(900, 901), took(*range(1, 101)), took(90, 120), took(500, 500), 10**8)
    rows = list(rows_of("fast", found, True))
    assert [r.holds for r in rows if r.target] == [True, False]
    assert all(not r.target and r.holds for r in rows_of("slow", found, False))
    assert next(r.value for r in rows if r.unit == "tokens/s") == pytest.approx(20)


def test_engines_that_differ_do_not_hold() -> None:
    one = dict.fromkeys(CHOICES, 0.0) | {CHOICES[0]: 0.6, CHOICES[1]: 0.4}
    other = one | {CHOICES[0]: 0.4, CHOICES[1]: 0.6}
    assert apart("llama.cpp", "MLX", took(1, answer=one), took(1, answer=one)).holds
    found = apart("llama.cpp", "MLX", took(1, 1, answer=one), took(1, 1, answer=other))
    assert not found.holds and found.value == pytest.approx(0.2) and "0 of 2" in found.spread

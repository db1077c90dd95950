"""A scenario in a process of its own: what dies in it takes nothing else along."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from evals.apart import SuiteBroken, play_apart
from evals.options import Options
from evals.play import BEGUN
from evals.suites import Place
from evals.tasks import grade
from tests.evals.factories import make_scenario

PLACE = Place("raw_text", 1)
LEFT = make_scenario("undecided", known=("a",), found=("a",), found_good=(), failure="it died")


def dying(monkeypatch: pytest.MonkeyPatch, code: int, *, begun: bool = True) -> None:
    async def run_process(command: list[str], check: bool) -> Any:
        if begun:
            (Path(command[-1]) / BEGUN).write_text(LEFT.model_dump_json())
        return subprocess.CompletedProcess(command, code, b"", b"")

    monkeypatch.setattr(anyio, "run_process", run_process)


async def test_an_engine_that_dies_leaves_what_was_offered_until_then_as_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dying(monkeypatch, -11)
    found = await play_apart(PLACE, Options())
    assert found.failure == "the scenario's process died (signal 11)"
    assert (found.known, found.proposals) == (LEFT.known, LEFT.proposals)
    assert found.options == Options() and found.code is not None


@pytest.mark.parametrize(("code", "begun"), [(-9, True), (1, True), (-11, False)])
async def test_a_process_that_was_killed_or_is_at_fault_itself_is_played_again(
    monkeypatch: pytest.MonkeyPatch, code: int, begun: bool
) -> None:
    dying(monkeypatch, code, begun=begun)
    with pytest.raises(SuiteBroken, match=str(code)):
        await play_apart(PLACE, Options())


def test_what_is_undecided_is_never_a_pass() -> None:
    assert grade(LEFT) == 0
    assert grade(LEFT.model_copy(update={"failure": ""})) == 0
    assert grade(make_scenario("good", known=("a",), found=("a",), found_good=("a",))) == 1

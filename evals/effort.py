"""What improvements cost a person: with Pillion's commands, and by hand as it is done today.

Both sides are counted by what really runs: each command is typed into a recorder that executes it.
Thinking and reading are in neither, and on both sides somebody already knows what to change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import duckdb

from evals.approvers import Answer
from evals.children import module
from evals.homes import BUDGET_SECONDS
from evals.products import Product, ProductFailed
from evals.results import Effort
from evals.scenarios.scenario import Best, ScenarioFailed
from graph.ledger import Ledger, Offer
from graph.settings import Settings
from tools.messages import Proposal
from tools.outcome_status import IN_PLACE

Answers = Callable[[Sequence[Offer]], Awaitable[dict[str, Answer | None]]]
"""From offers to their answers by id."""
Useful = Callable[[Sequence[Proposal]], int]
"""How many of the known improvements some proposals bring: by hand all of them are made."""


class Recorder:
    """Counts commands as they are executed: how many, how long to type, how long they took."""

    def __init__(self) -> None:
        self._actions: Counter[str] = Counter()
        self._characters, self._seconds = 0, 0.0

    @contextmanager
    def typed(self, purpose: str, command: str) -> Iterator[None]:
        """Count a command that the block executes; one that fails was typed all the same."""
        self._actions[purpose] += 1
        self._characters += len(command)
        started = time.monotonic()
        try:
            yield
        finally:
            self._seconds += time.monotonic() - started

    def effort(self, improvements: int) -> Effort:
        """Return what was counted."""
        return Effort(
            actions=dict(self._actions),
            characters=self._characters,
            seconds=self._seconds,
            improvements=improvements,
        )


async def with_pillion(product: Product, answers: Answers, useful: Useful) -> Effort:
    """Improve a copy by Pillion's command line: run, read, decide each; raises `ProductFailed`.

    What is in place afterwards brings as many improvements as `useful` says.
    """
    recorder, family = Recorder(), product.scenario.family
    await _command(recorder, product, "run", family)
    await _command(recorder, product, "review", family)
    ledger_path = Settings(home=product.home).ledger_path
    with closing(Ledger(ledger_path)) as ledger:
        offers = ledger.offers(family, waiting=True)
    given = await answers(offers)
    made: list[Proposal] = []
    for offer in offers:
        answer = given[offer.proposal.id]
        if answer is None:
            continue
        verdict = "approve" if answer.approves else "reject"
        found = await _command(recorder, product, "decide", offer.proposal.id, verdict)
        if found["outcomes"] and found["outcomes"][-1]["status"] in IN_PLACE:
            made.append(offer.proposal)
    return recorder.effort(useful(made))


async def _command(recorder: Recorder, product: Product, *words: str) -> Any:
    """Type a command; it is read as JSON here, which a person would not type."""
    command = module("api.cli.main", *words, "--json")
    settings = {"PILLION_HOME": product.home, "PILLION_BUDGET_SECONDS": BUDGET_SECONDS}
    env = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    with recorder.typed(words[0], " ".join(("pillion", *words))):
        done = await anyio.run_process(command, check=False, env=env)
    if not done.stdout:
        # A change that could not be made is an answer, too: it has a code of its own.
        raise ProductFailed(f"`pillion {' '.join(words)}` failed: {_last_line(done)}")
    return json.loads(done.stdout)


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


async def by_hand(product: Product, queries: Sequence[str], scratch: Path) -> Effort:
    """Improve a copy as a person does without Pillion; raises `ScenarioFailed`.

    Look at each query's plan, save the file, write and run the statements, look at each query
    again, try the way back. The statements are the author's; without any, looking is all.
    """
    return await anyio.to_thread.run_sync(_by_hand, product, queries, scratch)


def _by_hand(product: Product, queries: Sequence[str], scratch: Path) -> Effort:
    scratch.mkdir()
    path = scratch / "product.duckdb"
    shutil.copy(product.original, path)
    recorder, best = Recorder(), product.scenario.best
    with duckdb.connect(str(path)) as con:
        _sql(recorder, con, "look", "SHOW ALL TABLES")
        _explain(recorder, con, "explain", queries)
    if best is None:
        return recorder.effort(0)
    saved = path.with_suffix(".before")
    _copy(recorder, "back up", path, saved)
    _improve(recorder, path, best, queries)
    restored = path.with_suffix(".restored")
    _copy(recorder, "try the way back", saved, restored)
    with duckdb.connect(str(restored)) as con:
        _sql(recorder, con, "try the way back", "SHOW ALL TABLES")
    return recorder.effort(len(product.scenario.known))


def _improve(recorder: Recorder, path: Path, best: Best, queries: Sequence[str]) -> None:
    """Change the product and the queries that are answered by another text, and time again."""
    with duckdb.connect(str(path)) as con:
        for statement in best.statements:
            _sql(recorder, con, "change", statement)
        for _, text in best.texts:
            _sql(recorder, con, "rewrite", text)
        rewritten = dict(best.texts)
        _explain(recorder, con, "time again", [rewritten.get(q, q) for q in queries])


def _explain(
    recorder: Recorder, con: duckdb.DuckDBPyConnection, purpose: str, queries: Sequence[str]
) -> None:
    for query in queries:
        _sql(recorder, con, purpose, f"EXPLAIN ANALYZE {query}")


def _sql(recorder: Recorder, con: duckdb.DuckDBPyConnection, purpose: str, statement: str) -> None:
    with recorder.typed(purpose, statement):
        try:
            con.execute(statement).fetchall()
        except duckdb.Error as exc:
            raise ScenarioFailed(f"by hand, {statement[:80]} fails: {exc}") from exc


def _copy(recorder: Recorder, purpose: str, source: Path, target: Path) -> None:
    with recorder.typed(purpose, f"cp {source.name} {target.name}"):
        shutil.copy(source, target)

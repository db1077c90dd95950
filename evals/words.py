"""How often a model's words pass the check, and why not: `python -m evals.words`.

The model in use in a home, over proposals, tables, columns and terms of its products. Every text
stands beside its template with `--texts`, so that a person can say which is better.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from evals.statistics import share
from graph.language import Chosen, needed
from graph.ledger import Ledger
from graph.settings import Settings
from mcp_servers.product.client import connect, stdio_target
from tools.lazy import lazy
from tools.slm.engine import Prompt, Schema
from tools.words.columns import (
    Known,
    facts_of_column,
    facts_of_table,
    facts_of_terms,
    named,
)
from tools.words.facts import Facts
from tools.words.proposals import facts_of
from tools.words.told import Words
from tools.words.writing import write

if TYPE_CHECKING:
    from tools.slm import worker
else:
    # Only a measurement needs a model.
    worker = lazy("tools.slm.worker")

PATIENCE = 600.0


class Tried(NamedTuple):
    """One wording and what became of it."""

    facts: Facts
    answer: str
    """What the model said, whole."""
    words: Words
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the check let it pass."""
        return self.words.fallback is None


def facts_in(home: Path) -> list[Facts]:
    """Return what may be told of everything in a home."""
    settings = Settings(home=home)
    with closing(Ledger(settings.ledger_path)) as ledger:
        found = [facts_of(o.proposal) for o in ledger.offers()]
    for descriptor in sorted((home / "products").glob("*/product.odps.yaml")):
        found += asyncio.run(_of_product(descriptor))
    return found


async def _of_product(descriptor: Path) -> list[Facts]:
    async with connect(stdio_target(descriptor)) as client:
        described = await client.describe_product()
        workload = (await client.read_workload(10_000)).workload
        profiles = [await client.profile_table(t.name) for t in described.tables]
    comments = {
        (t.name, c.name): c.comment for t in described.tables for c in t.columns if c.comment
    }
    known = Known(workload.patterns, comments, {})
    columns = [facts_of_column(p, c, known) for p in profiles for c in p.columns]
    terms = (facts for _, facts in facts_of_terms(c for p in profiles for c in named(p)))
    return [*(facts_of_table(p, known) for p in profiles), *columns, *terms]


def tried(found: Sequence[Facts], model: Chosen) -> Iterator[Tried]:
    """Yield each wording of a model."""
    with closing(worker.Worker(model.load)) as asked:
        for facts in found:
            said: list[str] = []

            def complete(prompt: Prompt, schema: Schema, limit: int, seconds: float) -> str:
                said.append(asked.complete(prompt, schema, limit, seconds))  # noqa: B023
                return said[-1]  # noqa: B023

            started = time.monotonic()
            words = write(facts, model.name, complete, PATIENCE)
            took = time.monotonic() - started
            yield Tried(facts, said[0] if said else "", words, took)


def lines(found: Sequence[Tried]) -> Iterator[str]:
    """Yield the rows of a table: how many passed of each kind, why not, and how long it took."""
    yield "| about | passed (95 %) | refused by | seconds each, median (range) |"
    yield "| --- | --- | --- | --- |"
    for about in dict.fromkeys(t.facts.about for t in found):
        these = [t for t in found if t.facts.about == about]
        passed = share(sum(t.passed for t in these), len(these))
        assert passed is not None
        reasons = Counter(t.words.fallback for t in these if not t.passed)
        why = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common()) or "–"
        took = [t.seconds for t in these]
        bounds = f"{passed.low:.2f}–{passed.high:.2f}"
        spread = f"{statistics.median(took):.1f} ({min(took):.1f}–{max(took):.1f})"
        yield f"| {about} | {passed.count} of {passed.of} ({bounds}) | {why} | {spread} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m evals.words", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".pillion"), help="PILLION_HOME")
    parser.add_argument("--every", type=int, default=1, help="only every so many columns")
    parser.add_argument("--texts", type=Path, help="write what passed, and what not, as JSON lines")
    given = parser.parse_args()
    model = needed(Settings(home=given.home))
    everything = facts_in(given.home)
    chosen = [f for f in everything if f.about == "proposal"]
    chosen += [f for f in everything if f.about != "proposal"][:: given.every]
    found = []
    for one in tried(chosen, model):
        found.append(one)
        typer.echo(f"{one.facts.about} {one.words.fallback or 'passed'}", err=True)
        if given.texts is not None:
            with given.texts.open("a", encoding="utf-8") as file:
                body = {"template": one.facts.text, "answer": one.answer, "seconds": one.seconds}
                body |= {"about": one.facts.about, "facts": one.facts.model_dump(mode="json")}
                body |= one.words.model_dump(mode="json")
                file.write(json.dumps(body, ensure_ascii=False) + "\n")
    typer.echo("\n".join([f"{model.name}, by {model.by}", *lines(found)]))


if __name__ == "__main__":
    main()

"""One scenario from nothing to its result: the real graph, the real server, real questions."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import duckdb

from evals.approvers import ORACLE, Answer, policies
from evals.exhaustive import beats, search_product
from evals.judging import by_rules, judge_all, judge_together, judged_offer
from evals.oracle.case import Judgement
from evals.products import (
    Product,
    ProductFailed,
    judge_files,
    make_best,
    register,
)
from evals.results import Judged, ScenarioResult
from evals.scenarios.families import families
from evals.scenarios.scenario import Best, Scenario, ScenarioFailed
from graph.errors import GraphError
from graph.ledger import Offer, now
from graph.settings import Settings
from graph.steward import Stewardship, open_steward
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.messages import Change, Decision, Principal, Trial, change_target

BUDGET_SECONDS = 40.0
"""More than these small products need: what ends a run is that nothing is left to try."""
IN_PLACE = ("applied", "verified")
FAILURES = (
    GraphError, ProductFailed, ScenarioFailed, ToolFailed, ServerGone, duckdb.Error, sqlite3.Error,
    OSError, subprocess.SubprocessError,
)  # fmt: skip
"""What a scenario may meet without taking the suite down with it."""


@dataclass
class _Stage:
    """What is known so far; what a failure leaves is still a result."""

    scenario: Scenario
    approver: str
    proposals: list[Judged] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rules: list[Judged] | None = None
    together: Judgement | None = None
    reached: Judgement | None = None
    best: Judgement | None = None
    best_by: tuple[str, ...] = ()
    exhaustive: bool = False
    cpu: float = 0.0

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Count the processor time of this process and of the children that end meanwhile."""
        before = _cpu()
        try:
            yield
        finally:
            self.cpu += _cpu() - before


def _cpu() -> float:
    found = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


async def play(
    family: str,
    seed: int,
    approver: str,
    *,
    with_rules: bool,
    scratch: Path,
    exhaustive: bool = False,
) -> ScenarioResult:
    """Play one scenario in `scratch`; whatever fails in it becomes part of the result."""
    started = time.monotonic()
    folder = scratch / "home" / "products" / family
    folder.mkdir(parents=True)
    scenario = await anyio.to_thread.run_sync(families()[family], seed, folder)
    stage = _Stage(scenario, approver, exhaustive=exhaustive)
    failure = ""
    try:
        await _advance(stage, folder, scratch, with_rules=with_rules)
    except* FAILURES as group:
        failure = "; ".join(f"{type(e).__name__}: {e}" for e in leaves(group))
    return _result(stage, failure, time.monotonic() - started)


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Return the errors inside nested groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


async def _advance(stage: _Stage, folder: Path, scratch: Path, *, with_rules: bool) -> None:
    product = await register(stage.scenario, folder, scratch)
    settings = Settings(
        home=scratch / "home", budget_seconds=BUDGET_SECONDS, principal=f"eval-{stage.approver}"
    )
    async with open_steward(settings, lambda name: product.target()) as steward:
        with stage.metered():
            thread_id = await steward.run(stage.scenario.family)
        stage.trials = steward.ledger.trials(thread_id)
        stage.notes = list(steward.ledger.report(thread_id).get("notes", ()))
        offers = steward.ledger.offers(thread_id=thread_id, waiting=True)
        judgements = await judge_all(product, stage.trials, offers, scratch, all=with_rules)
        stage.proposals = [judged_offer(o, judgements[o.proposal.id]) for o in offers]
        stage.rules = by_rules(stage.trials, judgements) if with_rules else None
        stage.together = await judge_together(product, offers, judgements, scratch)
        for offer, judged in zip(offers, stage.proposals, strict=True):
            _decide(steward, offer, _answer(stage.approver, offer, judged.judgement))
        with stage.metered():
            await steward.deliver(thread_id)
        settled = [steward.ledger.offer_of(o.proposal.id) for o in offers]
    _note_outcomes(stage, settled)
    await _compare_with_best(stage, product, scratch)


def _answer(approver: str, offer: Offer, judgement: Judgement) -> Answer:
    if approver == ORACLE:
        return Answer(judgement.verdict == "good", judgement.reason)
    return policies()[approver](offer.proposal)


def _decide(steward: Stewardship, offer: Offer, answer: Answer) -> None:
    steward.ledger.decide(
        Decision(
            proposal_id=offer.proposal.id,
            verdict="approve" if answer.approves else "reject",
            reason=answer.reason,
            principal=Principal(kind="person", name=steward.settings.person),
            channel="terminal",
            decided_at=now(),
        )
    )


def _note_outcomes(stage: _Stage, settled: Sequence[Offer]) -> None:
    outcomes = {o.proposal.id: o.outcomes[-1].status if o.outcomes else "" for o in settled}
    stage.proposals = [p.model_copy(update={"outcome": outcomes[p.id]}) for p in stage.proposals]
    stage.changes = {
        o.proposal.id: o.proposal.change for o in settled if outcomes[o.proposal.id] in IN_PLACE
    }


async def _compare_with_best(stage: _Stage, product: Product, scratch: Path) -> None:
    """Judge all that was approved together, and the author's best product, on the later work."""
    scenario = stage.scenario

    async def reached() -> None:
        stage.reached = await judge_files(product, scenario.database, scratch / "reached")

    async def reachable(best: Best) -> None:
        made = make_best(product.original, best, scratch / "best.duckdb")
        place = scratch / "best"
        stage.best = await judge_files(product, made, place, texts=dict(best.texts))

    async with anyio.create_task_group() as group:
        if stage.changes:
            group.start_soon(reached)
        if scenario.best:
            group.start_soon(reachable, scenario.best)
    if stage.exhaustive:
        await _search_all(stage, product, scratch)


async def _search_all(stage: _Stage, product: Product, scratch: Path) -> None:
    """Put the best of all sets of known ideas in the place of the author's, where it is better."""
    found = await search_product(product, stage.trials, scratch)
    if found is not None and beats(found, stage.best):
        stage.best = found.judgement
        stage.best_by = tuple(idea.says for idea in found.ideas)


def _result(stage: _Stage, failure: str, seconds: float) -> ScenarioResult:
    scenario = stage.scenario
    proposed = {p.id for p in stage.proposals}
    tried = {r.id for r in stage.rules or ()}
    by_id = {t.candidate.id: t.candidate.change for t in stage.trials}

    def found(ids: set[str]) -> tuple[str, ...]:
        changes = [by_id[i] for i in ids if i in by_id]
        return tuple(k.name for k in scenario.known if any(k.is_brought_by(c) for c in changes))

    return ScenarioResult(
        family=scenario.family,
        seed=scenario.seed,
        expects=scenario.expects,
        approver=stage.approver,
        proposals=tuple(stage.proposals),
        rules=None if stage.rules is None else tuple(stage.rules),
        known=tuple(k.name for k in scenario.known),
        found=found(proposed),
        found_by_rules=found(tried),
        reached=stage.reached.gain if stage.reached else None,
        reachable=stage.best.gain if stage.best else None,
        reachable_by=stage.best_by,
        lost=tuple(_lost(t) for t in stage.trials if t.candidate.id not in proposed),
        explained=bool(stage.proposals or stage.notes or stage.trials),
        seconds=seconds,
        cpu_seconds=stage.cpu,
        failure=failure or _harm_together(stage),
    )


def _lost(trial: Trial) -> str:
    change = trial.candidate.change
    return f"{change.kind} {change_target(change)}: {trial.status}: {trial.reason}"


def _harm_together(stage: _Stage) -> str:
    """Say so when changes that do no harm one by one do harm together."""
    if stage.together is None or stage.together.verdict != "harmful":
        return ""
    return f"all proposals together: {stage.together.reason}"

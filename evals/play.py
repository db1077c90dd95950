"""One scenario from nothing to its result: the real graph, the real server, real questions."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import duckdb

from evals.approvers import ORACLE, Answer, policies
from evals.authors import note_authors
from evals.baselines.ablations import refused_and_run_again, run_again
from evals.baselines.asking import Asked
from evals.effort import by_hand, with_pillion
from evals.exhaustive import beats, reachable, search_product
from evals.homes import copied, decide, working
from evals.judging import (
    Judgements,
    changes_of,
    given_of,
    judged_change,
    judged_offer,
    with_outcome,
)
from evals.logs import Recorded, recorded_in
from evals.missing import found_among, superseded
from evals.options import BaselineName, Options
from evals.oracle.case import Judgement
from evals.products import (
    Product,
    ProductFailed,
    judge_files,
    make_best,
    register,
)
from evals.results import BaselineResult, Effort, Judged, ScenarioResult, SecondRun
from evals.scenarios.families import expected, families
from evals.scenarios.scenario import Best, Scenario, ScenarioFailed
from evals.statistics import Estimate
from graph.errors import GraphError
from graph.ledger import Offer
from mcp_servers.product.client import connect
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.messages import Change, Proposal, Trial, change_target
from tools.outcome_status import IN_PLACE

FAILURES = (
    GraphError, ProductFailed, ScenarioFailed, ToolFailed, ServerGone, duckdb.Error, sqlite3.Error,
    OSError, subprocess.SubprocessError,
)  # fmt: skip
"""What a scenario may meet without taking the suite down with it."""
FINDING = ("rules", "unmeasured", "ungated")
"""Baselines that change only what the advisor's own finder thinks of."""
UNKNOWN = "whatever there was to find"
"""The known improvement of a scenario that broke down before anybody knew which."""
BEGUN = "begun.json"
"""What is known of a scenario whose process dies, in its scratch folder."""
MOST_SECONDS = 7_200.0
"""Far more than any takes: a server that answers no more ends its scenario, not the suite."""


@dataclass
class _Stage:
    """What is known so far; what a failure leaves is still a result."""

    scenario: Scenario
    options: Options
    scratch: Path
    offers: list[Offer] = field(default_factory=list)
    proposals: list[Judged] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    ideas: list[Change] = field(default_factory=list)
    """What the advisor tried, and what its finder has to say without it."""
    superseded: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    authors: dict[str, str] = field(default_factory=dict)
    log: Recorded = Recorded(0, 0)
    baselines: dict[str, BaselineResult] = field(default_factory=dict)
    second_runs: dict[str, SecondRun] = field(default_factory=dict)
    with_pillion: Effort | None = None
    by_hand: Effort | None = None
    together: Judgement | None = None
    reached: Judgement | None = None
    best: Judgement | None = None
    best_by: tuple[str, ...] = ()
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


async def play(family: str, seed: int, options: Options, scratch: Path) -> ScenarioResult:
    """Play one scenario in `scratch`; whatever fails in it becomes part of the result."""
    started = time.monotonic()
    folder = scratch / "home" / "products" / family
    folder.mkdir(parents=True)
    try:
        scenario = await anyio.to_thread.run_sync(_built, family, seed, folder)
    except ScenarioFailed as exc:
        return unplayed(family, seed, options.approver, str(exc))
    stage = _Stage(scenario, options, scratch)
    _keep(stage)
    failure = ""
    try:
        with anyio.move_on_after(MOST_SECONDS) as limit:
            await _advance(stage, folder)
        if limit.cancelled_caught:
            failure = f"it was not done within {MOST_SECONDS:.0f} s"
    except* FAILURES as group:
        failure = "; ".join(f"{type(e).__name__}: {e}" for e in leaves(group))
    return _result(stage, failure, time.monotonic() - started)


def unplayed(family: str, seed: int, approver: str, failure: str) -> ScenarioResult:
    """Return a scenario that never came to a result: what there was to find, nobody found."""
    expects = expected(family)
    return ScenarioResult(
        family=family,
        seed=seed,
        expects=expects,
        approver=approver,
        known=(UNKNOWN,) if expects == "gain" else (),
        failure=failure,
    )


def _keep(stage: _Stage) -> None:
    """Write down what would be left if the engine took this process along."""
    left = _result(stage, "its process died", 0.0)
    (stage.scratch / BEGUN).write_text(left.model_dump_json(), encoding="utf-8")


def _built(family: str, seed: int, folder: Path) -> Scenario:
    """Make a scenario; raises `ScenarioFailed`, whatever its author overlooked."""
    try:
        return families()[family](seed, folder)
    except Exception as exc:
        said = f"{type(exc).__name__}: {exc}"
        raise ScenarioFailed(f"family {family} cannot be built from seed {seed}: {said}") from exc


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Return the errors inside nested groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


async def _advance(stage: _Stage, folder: Path) -> None:
    options, scratch = stage.options, stage.scratch
    product = await register(stage.scenario, folder, scratch)
    stage.authors = note_authors(product.workload, stage.scenario.seed)
    stage.log = recorded_in(product.workload)
    fresh = copied(product, scratch / "fresh") if options.thorough else None
    # What is approved changes the product, and a judgement begins with it as it was.
    untouched = copied(product, scratch / "untouched")
    judgements = Judgements(untouched, scratch)
    await _advise(stage, product, judgements)
    await _ask_baselines(stage, product, judgements)
    await _answer(stage, product, judgements)
    await _look_for_missed(stage, judgements)
    await _compare_with_best(stage, product)
    if options.exhaustive:
        await _search_all(stage, untouched, scratch)
    if fresh is not None:
        await _run_again(stage, product)
        await _measure_effort(stage, product, fresh, judgements)


async def _advise(stage: _Stage, product: Product, judgements: Judgements) -> None:
    """Run Pillion to its questions and judge what it offers."""
    async with working(product, stage.options.approver) as steward:
        with stage.metered():
            thread_id = await steward.run(stage.scenario.family)
        stage.trials = steward.ledger.trials(thread_id)
        stage.notes = list(steward.ledger.report(thread_id).get("notes", ()))
        stage.offers = steward.ledger.offers(thread_id=thread_id, waiting=True)
    _keep(stage)
    stage.ideas = [t.candidate.change for t in stage.trials]
    changes = changes_of(stage.offers)
    found = await judgements.offered(stage.offers)
    asked = policies(stage.options.approver)
    stage.proposals = [
        judged_offer(o, found[o.proposal.id], asked, stage.authors) for o in stage.offers
    ]
    stage.together = await judgements.together(changes, given_of(stage.offers))


async def _ask_baselines(stage: _Stage, product: Product, judgements: Judgements) -> None:
    """Judge what others would change, and see whether refusals are remembered."""
    asked = Asked(product, stage.trials, stage.scratch)
    for name in stage.options.baselines:
        if name == "forgetful":
            await _refuse_all(stage, product)
        elif name != "silent":
            stage.baselines[name] = await _baseline(stage, asked, judgements, name)


async def _baseline(
    stage: _Stage, asked: Asked, judgements: Judgements, name: BaselineName
) -> BaselineResult:
    changes, note = await asked.advice(name)
    if name in FINDING:
        stage.ideas += changes.values()
    found = await judgements.of(changes)
    return BaselineResult(
        changes=tuple(judged_change(i, c, found[i]) for i, c in changes.items()),
        found=found_among(stage.scenario.known, changes.values()),
        found_good=found_among(stage.scenario.known, _good(changes, found)),
        note=note,
    )


async def _refuse_all(stage: _Stage, product: Product) -> None:
    if not stage.offers:
        return
    for name in ("remembering", "forgetful"):
        home = stage.scratch / name
        forgetful = name == "forgetful"
        stage.second_runs[name] = await refused_and_run_again(product, home, forgetful=forgetful)


async def _answers(
    stage: _Stage, offers: Sequence[Offer], judgements: Judgements
) -> dict[str, Answer | None]:
    """Return what the acting approver says to each offer; None where it has no answer."""
    approver = stage.options.approver
    if approver == ORACLE:
        found = await judgements.offered(offers)
        return {i: Answer(j.verdict == "good", j.reason) for i, j in found.items()}
    policy = policies(approver)[approver]
    return {o.proposal.id: policy(o.proposal) for o in offers}


async def _answer(stage: _Stage, product: Product, judgements: Judgements) -> None:
    """Answer what was offered and let it be applied; note what became of it."""
    answers = await _answers(stage, stage.offers, judgements)
    async with working(product, stage.options.approver) as steward:
        with stage.metered():
            await decide(steward, stage.offers, answers)
        stage.offers = [steward.ledger.offer_of(o.proposal.id) for o in stage.offers]
    last = {o.proposal.id: o.outcomes[-1] for o in stage.offers if o.outcomes}
    stage.proposals = [with_outcome(p, last.get(p.id)) for p in stage.proposals]
    made = {i for i, outcome in last.items() if outcome.status in IN_PLACE}
    stage.changes = {i: c for i, c in changes_of(stage.offers).items() if i in made}


async def _look_for_missed(stage: _Stage, judgements: Judgements) -> None:
    """Judge what was known and not proposed on top of what was approved."""
    known = stage.scenario.known
    found = found_among(known, changes_of(stage.offers).values())
    missed = [k for k in known if k.name not in found]
    stage.superseded = await superseded(missed, stage.ideas, stage.changes, judgements)


async def _compare_with_best(stage: _Stage, product: Product) -> None:
    """Judge all that was approved together, and the author's best product, on the later work."""
    scenario, scratch = stage.scenario, stage.scratch

    async def reached() -> None:
        stage.reached = await judge_files(product, scenario.database, scratch / "reached")

    async def possible(best: Best) -> None:
        made = make_best(product.original, best, scratch / "best.duckdb")
        place = scratch / "best"
        stage.best = await judge_files(product, made, place, texts=dict(best.texts))

    async with anyio.create_task_group() as group:
        if stage.changes:
            group.start_soon(reached)
        if scenario.best:
            group.start_soon(possible, scenario.best.whole)


async def _search_all(stage: _Stage, product: Product, scratch: Path) -> None:
    """Put the best of all sets of known ideas in the place of the author's, where it is better."""
    found = await search_product(product, stage.trials, scratch)
    if found is not None and beats(found, stage.best):
        stage.best = found.judgement
        stage.best_by = tuple(idea.says for idea in found.ideas)


async def _run_again(stage: _Stage, product: Product) -> None:
    stage.second_runs["answered"] = await run_again(product, stage.offers)


async def _measure_effort(
    stage: _Stage, product: Product, fresh: Product, judgements: Judgements
) -> None:
    """Do the same work by Pillion's commands and by hand, on copies."""
    good: set[str] = set()

    async def answers(offers: Sequence[Offer]) -> dict[str, Answer | None]:
        found = await judgements.offered(offers)
        good.update(i for i, j in found.items() if j.verdict == "good")
        return await _answers(stage, offers, judgements)

    def useful(made: Sequence[Proposal]) -> int:
        brought = [p.change for p in made if p.id in good]
        return len(found_among(stage.scenario.known, brought))

    async with connect(fresh.target()) as client:
        patterns = (await client.read_workload()).workload.patterns
    queries = [p.sql for p in patterns]
    stage.with_pillion = await with_pillion(fresh, answers, useful)
    stage.by_hand = await by_hand(product, queries, stage.scratch / "by-hand")


def _good(changes: Mapping[str, Change], found: Mapping[str, Judgement]) -> list[Change]:
    return [c for i, c in changes.items() if found[i].verdict == "good"]


def _unjudged(stage: _Stage) -> tuple[Judged, ...]:
    """Return what was offered when a failure came before the verdicts."""
    undecided = Judgement(verdict="undecided", reason="the scenario failed before it was judged")
    changes = changes_of(stage.offers)
    return tuple(judged_change(i, c, undecided) for i, c in changes.items())


def _reached(stage: _Stage) -> Estimate | None:
    """Return the gain of what was approved: none where it does harm."""
    found = stage.reached
    gain = found.gain if found is not None else None
    if found is None or gain is None or found.verdict != "harmful":
        return gain
    return gain.model_copy(update={"value": 1.0, "low": 1.0, "high": 1.0})


def _result(stage: _Stage, failure: str, seconds: float) -> ScenarioResult:
    scenario = stage.scenario
    proposals = tuple(stage.proposals) or _unjudged(stage)
    verdicts = {p.id: p.judgement for p in proposals}
    changes = changes_of(stage.offers)
    return ScenarioResult(
        family=scenario.family,
        seed=scenario.seed,
        expects=scenario.expects,
        approver=stage.options.approver,
        proposals=proposals,
        baselines=stage.baselines,
        known=tuple(k.name for k in scenario.known),
        found=found_among(scenario.known, changes.values()),
        found_good=found_among(scenario.known, _good(changes, verdicts)),
        superseded=stage.superseded,
        reached=_reached(stage),
        reachable=reachable(stage.best),
        reachable_by=stage.best_by,
        lost=tuple(_lost(t) for t in stage.trials if t.candidate.id not in verdicts),
        explained=bool(proposals or stage.notes or stage.trials),
        seconds=seconds,
        cpu_seconds=stage.cpu,
        log_runs=stage.log.runs,
        log_days=stage.log.days,
        second_runs=stage.second_runs,
        with_pillion=stage.with_pillion,
        by_hand=stage.by_hand,
        failure=failure or _trouble_together(stage) or _harm_reached(stage),
    )


def _lost(trial: Trial) -> str:
    change = trial.candidate.change
    return f"{change.kind} {change_target(change)}: {trial.status}: {trial.reason}"


def _trouble_together(stage: _Stage) -> str:
    """Say so when changes that do no harm one by one do harm together, or cannot be made so."""
    found = stage.together
    if found is None or (found.verdict != "harmful" and found.gain is not None):
        return ""
    return f"all proposals together: {found.reason}"


def _harm_reached(stage: _Stage) -> str:
    if stage.reached is None or stage.reached.verdict != "harmful":
        return ""
    return f"what was approved: {stage.reached.reason}"

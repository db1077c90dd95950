"""The suites as Inspect tasks: `inspect eval evals/tasks.py@smoke --model none` works, too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import concurrency

from evals import metrics
from evals.apart import play_apart
from evals.approvers import ORACLE, check_approver
from evals.baselines.model import load_settings, model_name
from evals.options import Options, check_baselines
from evals.results import ScenarioResult
from evals.scenarios.families import described
from evals.settings import changed_settings
from evals.statistics import Estimate
from evals.suites import Place, SuiteName, places

RESULT = "result"
"""Key of a scenario's result in its score's metadata."""
PARALLEL = 2
"""Scenarios at a time; times are processor times, so that a neighbour hardly matters."""
LOG = logging.getLogger("evals")


@task
def smoke(
    approver: str = ORACLE,
    baseline: str | list[str] = "",
    family: str = "",
    seed: int | str = "",
    thorough: bool = False,
) -> Task:
    """Play a few quick scenarios, one of each sort."""
    return suite_task("smoke", _options(approver, baseline, thorough), family, seed)


@task
def dev(
    approver: str = ORACLE,
    baseline: str | list[str] = "rules",
    family: str = "",
    seed: int | str = "",
    thorough: bool = True,
    exhaustive: bool = False,
) -> Task:
    """Play every family on dev seeds."""
    return suite_task("dev", _options(approver, baseline, thorough, exhaustive), family, seed)


@task
def full(
    approver: str = ORACLE,
    baseline: str | list[str] = "rules",
    family: str = "",
    seed: int | str = "",
    thorough: bool = True,
    exhaustive: bool = False,
) -> Task:
    """Play every family on test seeds."""
    return suite_task("full", _options(approver, baseline, thorough, exhaustive), family, seed)


def _options(
    approver: str, baseline: str | list[str], thorough: bool, exhaustive: bool = False
) -> Options:
    """Return checked options; raises `EvalError`. Inspect makes a list of what has commas."""
    baselines = check_baselines([baseline] if isinstance(baseline, str) else baseline)
    return Options(
        approver=check_approver(approver),
        baselines=baselines,
        thorough=thorough,
        exhaustive=exhaustive,
        model=model_name(load_settings()) if "model" in baselines else "",
        settings=changed_settings(),
    )


def suite_task(suite: SuiteName, options: Options, family: str, seed: int | str) -> Task:
    """Return a suite's task; raises `UnknownName`. What is empty means all.

    Inspect makes a number of a seed that looks like one; runs logged earlier say 0 for all.
    """
    wanted = places(suite, family, str(seed or ""))
    return Task(
        dataset=MemoryDataset([_sample(place) for place in wanted], name=f"pillion-{suite}"),
        solver=pillion(options.model_dump(mode="json")),
        scorer=oracle_verdict(),
        fail_on_error=False,
        metadata={"suite": suite, "approver": options.approver, "scenarios": len(wanted)},
    )


def _sample(place: Place) -> Sample:
    return Sample(
        id=place.name,
        input=described()[place.family],
        metadata={"family": place.family, "seed": place.seed},
    )


@solver
def pillion(options: dict[str, Any]) -> Solver:
    """Play a scenario: product server, graph, ledger and questions are the real ones."""
    wanted = Options.model_validate(options)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        place = Place(state.metadata["family"], state.metadata["seed"])
        async with concurrency("scenario", PARALLEL):
            result = await play_apart(place, wanted)
        LOG.info("%s: %s", result.name, headline(result))
        state.output = ModelOutput.from_content("pillion", headline(result))
        state.metadata[RESULT] = result.model_dump(mode="json")
        return state

    return solve


def headline(result: ScenarioResult) -> str:
    """Say in one line what came of a scenario."""
    offered = ", ".join(f"{p.kind} {p.target} {p.verdict}" for p in result.proposals)
    failed = f"; failed: {result.failure}" if result.failure else ""
    return f"{offered or 'nothing proposed'}{failed} ({result.seconds:.0f} s)"


@metric
def acceptance() -> Metric:
    """Give the share of proposals that the oracle calls good."""
    return _metric(metrics.acceptance)


@metric
def recall() -> Metric:
    """Give the share of known improvements that a good proposal brings."""
    return _metric(metrics.recall)


@metric
def reach() -> Metric:
    """Give the gain reached as a share of the best reachable."""
    return _metric(metrics.reach)


@metric
def harm() -> Metric:
    """Give the share of harmful ones among what anybody but the oracle would approve."""
    return _metric(metrics.harm)


@metric
def failures() -> Metric:
    """Give the share of products that did not come through."""
    return _metric(metrics.failures)


def _metric(compute: Callable[[metrics.Scenarios], Estimate | None]) -> Metric:
    def value(scores: list[SampleScore]) -> Value:
        found = [(s.score.metadata or {}).get(RESULT) for s in scores]
        estimate = compute([ScenarioResult.model_validate(f) for f in found if f])
        return float("nan") if estimate is None else estimate.value

    return value


@scorer(metrics=[acceptance(), recall(), reach(), harm(), failures()])
def oracle_verdict() -> Scorer:
    """Score a scenario 1 when nothing about it is wrong, 0 when something harms, else between."""

    async def score(state: TaskState, target: Target) -> Score:
        result = ScenarioResult.model_validate(state.metadata[RESULT])
        return Score(
            value=grade(result),
            answer=f"proposals: {len(result.proposals)}",
            explanation="\n".join(
                f"{p.kind} {p.target}: {p.verdict}: {p.judgement.reason}" for p in result.proposals
            ),
            metadata={RESULT: state.metadata[RESULT]},
        )

    return score


def grade(result: ScenarioResult) -> float:
    """Return 0 for harm or failure, otherwise the share of what was right in what could be."""
    if result.failure or any(p.verdict == "harmful" for p in result.proposals):
        return 0.0
    right = sum(p.verdict == "good" for p in result.proposals) + len(
        result.found if result.found_good is None else result.found_good
    )
    possible = len(result.proposals) + len(result.known)
    return right / possible if possible else 1.0

"""Learning a judge from answers: candidates compared by cross-validation, the best calibrated."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, TypeAdapter

from tools.estimates import share
from tools.numbers import counted
from tools.slm.dataset import PRODUCTS, Dataset, Example, split
from tools.slm.errors import TooLittle
from tools.slm.evaluation import Evaluation, evaluate, log_loss
from tools.slm.facts import Facts, saving_of
from tools.slm.features import row_of
from tools.slm.fitting import Candidate, calibrate, candidates
from tools.slm.judge import Judge, Linear, Trees
from tools.slm.steps import Steps

FOLDS = 5
LEAST, LEAST_OF_A_CLASS = 40, 8
LEAST_HELD_OUT = 8
"""With one answer an interval has no width, so any judge that is ahead would be for certain."""
MISSED = 0.05
"""Share of approvals, out of fold, that the threshold may hold back."""
HIGHEST = 0.2
"""Whatever has a chance of one in five is asked: a question is cheap, a missed gain is not."""
MODEL: TypeAdapter[Linear | Trees] = TypeAdapter(
    Annotated[Linear | Trees, Field(discriminator="form")]
)


class Chosen(NamedTuple):
    """A judge that was learned in the best of several ways."""

    judge: Judge
    way: Candidate
    tried: Mapping[str, float]
    """Log loss of each way, out of fold."""


class Trained(NamedTuple):
    """A judge with what is known of it."""

    judge: Judge
    evaluation: Evaluation
    chosen: str
    tried: Mapping[str, float]
    """Log loss of each candidate, out of fold."""


def check_enough(dataset: Dataset) -> None:
    """Raise `TooLittle`, which says what so few answers can and cannot show."""
    count, approved = len(dataset.examples), dataset.approved
    if not count:
        raise TooLittle("Nobody has answered a proposal yet, so there is nothing to learn from.")
    told = f"{count} different answers ({approved} approved, {count - approved} not)"
    if approved in (0, count):
        raise TooLittle(
            f"{told}: with only one kind of answer there is nothing to tell apart. A judge needs"
            f" at least {LEAST_OF_A_CLASS} of each; rules go on ranking."
        )
    if count < LEAST or min(approved, count - approved) < LEAST_OF_A_CLASS:
        raise TooLittle(
            f"{told}: too few to learn from and to prove it. {_power(-(-count // 4))} At least"
            f" {LEAST} are needed, {LEAST_OF_A_CLASS} of each kind. Until then they serve as"
            " memory: what was refused is not asked again without new evidence."
        )


def _power(held_out: int) -> str:
    """Say what so few held-out answers can show."""
    found = share(round(0.8 * held_out), held_out)
    assert found is not None
    return (
        f"Of {held_out} held out, {found.count} right would mean an accuracy between"
        f" {found.low:.0%} and {found.high:.0%}."
    )


def train(
    dataset: Dataset,
    steps: Steps,
    serving: Judge | None = None,
    on_plan: Callable[[int], None] = lambda total: None,
    ways: Sequence[Candidate] = (),
) -> Trained:
    """Learn a judge and evaluate it on what was held out; raises `TooLittle`.

    Every fit is a step: a killed run goes on where it was. `ways` to learn are all by default.
    """
    check_enough(dataset)
    parts = split(dataset)
    known = [dataset.examples[i] for i in parts.train]
    held_out = [dataset.examples[i] for i in parts.test]
    check_held_out(held_out)
    found = choose(known, steps, ways or candidates(), on_plan, dataset.digest)
    judge = found.judge
    others = {"rules": rules(known, held_out)}
    if serving is not None:
        others["serving"] = [serving.probability(e.kind, e.facts, e.history) for e in held_out]
    evaluation = evaluate(judge, held_out, others, parts.by)
    return Trained(judge, evaluation, found.way.name, found.tried)


def choose(
    known: Sequence[Example],
    steps: Steps,
    ways: Sequence[Candidate],
    on_plan: Callable[[int], None] = lambda total: None,
    digest: str = "",
) -> Chosen:
    """Learn a judge in the way that does best out of fold; raises `TooLittle`."""
    check_both(known, "learn from")
    x, y = table(known)
    folds = folds_of(known)
    on_plan(len(ways) * len(folds) + 1)
    scores = {way.name: _out_of_fold(way, folds, x, y, steps) for way in ways}
    tried = {name: _loss(s, y) for name, s in scores.items()}
    best = min(ways, key=lambda way: tried[way.name])
    kept = steps.of(f"{best.name}: all", lambda: best.fit(x, y).model_dump(mode="json"))
    model = MODEL.validate_json(json.dumps(kept))
    return Chosen(_calibrated(model, scores[best.name], y, known, digest), best, tried)


def learned(way: Candidate, known: Sequence[Example], digest: str = "") -> Judge:
    """Learn a judge in one way, without comparing or evaluating it; raises `TooLittle`."""
    check_both(known, "learn from")
    x, y = table(known)
    scores = np.zeros(len(y))
    for fold in folds_of(known):
        scores[fold] = _scoring(way, x, y, np.setdiff1d(np.arange(len(y)), fold), fold)()
    return _calibrated(way.fit(x, y), scores, y, known, digest)


def _calibrated(
    model: Linear | Trees, scores: Any, y: Any, known: Sequence[Example], digest: str
) -> Judge:
    """Return a judge that is calibrated on scores out of fold."""
    slope, offset = calibrate(scores, y, steepest=1.0)
    return Judge(
        model=model,
        slope=slope,
        offset=offset,
        threshold=threshold_of(logistic(slope * scores + offset), y),
        typical=typical_of([e.facts for e in known if e.approved]),
        dataset=digest,
        learned_from=len(known),
    )


def check_both(known: Sequence[Example], what: str) -> None:
    """Raise `TooLittle` where only one kind of answer is left."""
    if len({e.approved for e in known}) < 2:
        raise TooLittle(
            f"What is left to {what} after the held-out part holds one kind of answer only; answer"
            " more proposals and train again."
        )


def check_held_out(held_out: Sequence[Example]) -> None:
    """Raise `TooLittle` where so few answers are held out that a comparison on them is chance."""
    if len(held_out) < LEAST_HELD_OUT:
        raise TooLittle(
            f"Only {counted(len(held_out), 'answer')} could be held out, because most of the"
            " latest ones are about ideas that were answered before, and a judge would know them:"
            f" at least {LEAST_HELD_OUT} are needed to prove it. Answer more new proposals and"
            " train again."
        )


def table(examples: Sequence[Example]) -> tuple[Any, Any]:
    """Return the features, a row an example, and the answers."""
    x = np.array([row_of(e.kind, e.facts, e.history) for e in examples])
    return x, np.array([e.approved for e in examples])


def folds_of(examples: Sequence[Example], count: int = FOLDS) -> list[Any]:
    """Return the positions of each fold: whole products, or stretches of time with few products."""
    products = list(dict.fromkeys(e.product for e in examples))
    if len(products) < PRODUCTS:
        return [f for f in np.array_split(np.arange(len(examples)), count) if len(f)]
    size = {p: sum(e.product == p for e in examples) for p in products}
    filled = [0] * count
    place: dict[str, int] = {}
    for product in sorted(products, key=lambda p: -size[p]):
        place[product] = filled.index(min(filled))
        filled[place[product]] += size[product]
    at = np.array([place[e.product] for e in examples])
    return [np.flatnonzero(at == fold) for fold in range(count)]


def _out_of_fold(way: Candidate, folds: Sequence[Any], x: Any, y: Any, steps: Steps) -> Any:
    scores = np.zeros(len(y))
    for number, fold in enumerate(folds):
        rest = np.setdiff1d(np.arange(len(y)), fold)
        scores[fold] = steps.of(f"{way.name}: fold {number + 1}", _scoring(way, x, y, rest, fold))
    return scores


def _scoring(way: Candidate, x: Any, y: Any, rest: Any, fold: Any) -> Callable[[], list[float]]:
    def score() -> list[float]:
        if y[rest].all() or not y[rest].any():
            return [0.0] * len(fold)
        model = way.fit(x[rest], y[rest])
        return [model.score(x[i].tolist()) for i in fold]

    return score


def _loss(scores: Any, y: Any) -> float:
    slope, offset = calibrate(scores, y, steepest=1.0)
    return log_loss(logistic(slope * scores + offset), y)


def logistic(z: Any) -> Any:
    """Return probabilities of log odds."""
    return 1 / (1 + np.exp(-np.clip(z, -50, 50)))


def threshold_of(p: Any, y: Any) -> float:
    """Return the highest threshold that would have held back few of the approvals."""
    approved = np.sort(p[y])
    lost = math.floor(MISSED * len(approved))
    return float(min(HIGHEST, approved[lost]))


def typical_of(facts: Sequence[Facts]) -> Facts:
    """Return the medians of facts."""
    rows = [f.model_dump() for f in facts]
    medians = {name: float(np.median([r[name] for r in rows])) for name in rows[0]}
    whole = {n: round(v) if isinstance(rows[0][n], int) else v for n, v in medians.items()}
    return Facts.model_validate(whole)


def rules(known: Sequence[Example], asked: Sequence[Example]) -> list[float]:
    """Return what rules make of proposals: the certain saving alone, calibrated on answers."""
    scores = np.array([_saving(e) for e in known])
    slope, offset = calibrate(scores, np.array([e.approved for e in known]))
    found = logistic(slope * np.array([_saving(e) for e in asked]) + offset)
    return [float(p) for p in found]


def _saving(example: Example) -> float:
    return saving_of(example.facts.certain_gain, example.facts.insert_cost)

"""What the tuned model can give the judge on facts: one more feature, or lessons for a student."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tools.slm.dataset import Example
from tools.slm.fitting import SEED, Candidate, calibrate
from tools.slm.judge import ABOUT, Judge
from tools.slm.training import logistic, table, threshold_of, typical_of

SOFT = 0.5
"""Weight of a row that the teacher labelled; an answer of a person weighs 1."""
MOST = 300
"""Made-up proposals that the teacher is asked about."""


def stacked(valid: tuple[Any, Any, Any], asked: tuple[Any, Any]) -> list[float]:
    """Return P(approve) from the judge's and the tuned model's log odds together.

    `valid` holds both and the answers, of proposals that neither learned from; `asked` both.
    """
    judge, tuned, y = valid
    with threadpool_limits(1):
        fitted = LogisticRegression(C=1.0).fit(np.column_stack([judge, tuned]), y)
    found = fitted.predict_proba(np.column_stack(asked))[:, 1]
    return [float(p) for p in found]


def blended(known: Sequence[Example], count: int) -> list[Example]:
    """Make up proposals: what is about one thing, inserts say, is another proposal's of the kind.

    They have no answer; whatever stands there is to be ignored.
    """
    drawn = random.Random(SEED)
    by_kind: dict[str, list[Example]] = defaultdict(list)
    for e in known:
        by_kind[e.kind].append(e)
    found = []
    for number in range(count):
        one = drawn.choice(known)
        told = dict(one.facts.model_dump())
        for names in ABOUT.values():
            if drawn.random() < 0.5:
                other = drawn.choice(by_kind[one.kind]).facts
                told |= {name: getattr(other, name) for name in names}
        facts = one.facts.model_copy(update=told)
        history = drawn.choice(known).history
        found.append(one._replace(proposal=f"made-up-{number}", facts=facts, history=history))
    return found


def taught(
    way: Candidate,
    known: Sequence[Example],
    lessons: tuple[Sequence[Example], Sequence[float]],
    valid: Sequence[Example],
    dataset: str,
) -> Judge:
    """Return a judge that learned from answers and from lessons.

    Lessons are proposals, and what the teacher said of each, as probabilities. The judge is
    calibrated on `valid`, then learns from that, too.
    """
    soft, _ = table(lessons[0])
    p = np.asarray(lessons[1])

    def fitted(examples: Sequence[Example]) -> Any:
        x, y = table(examples)
        rows = np.concatenate([x, soft, soft])
        answers = np.concatenate([y, np.ones(len(p), bool), np.zeros(len(p), bool)])
        weights = np.concatenate([np.ones(len(y)), SOFT * p, SOFT * (1 - p)])
        return way.fit(rows, answers, weights)

    first = fitted(known)
    rows, answers = table(valid)
    scores = np.array([first.score(row.tolist()) for row in rows])
    slope, offset = calibrate(scores, answers, steepest=1.0)
    everything = [*known, *valid]
    return Judge(
        model=fitted(everything),
        slope=slope,
        offset=offset,
        threshold=threshold_of(logistic(slope * scores + offset), answers),
        typical=typical_of([e.facts for e in everything if e.approved]),
        dataset=dataset,
        learned_from=len(everything),
    )

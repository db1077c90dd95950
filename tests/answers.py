"""Fabricated answers of a person with a taste, for tests of learning."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from graph.decisions import RECORDED, RecordedDecision
from tests.factories import NOW
from tools.slm.dataset import Example
from tools.slm.evaluation import evaluate
from tools.slm.facts import Facts
from tools.slm.features import NAMES
from tools.slm.judge import Judge, Linear
from tools.slm.store import About

KINDS = ("change_type", "create_index", "sort_table")


def make_facts(gain: float = 2.0, insert: float = 1.0, **fields: float) -> Facts:
    """Return facts with a gain, a little spread, and a cost of inserts."""
    values = {
        "gain": math.log(gain), "certain_gain": math.log(gain * 0.95), "spread": 0.1,
        "insert_cost": math.log(insert), "insert_bound": math.log(insert * 1.05),
        "growth": 0.0, "losing": 0.0, "warnings": 0, "rows": 11.0,
    }  # fmt: skip
    return Facts.model_validate(values | fields)


def make_examples(count: int, products: int = 8, seed: int = 7) -> list[Example]:
    """Return answers of somebody who wants a gain of 1.2, or cheap inserts where it is an index."""
    drawn = random.Random(seed)
    found = []
    for n in range(count):
        kind = drawn.choice(KINDS)
        gain, insert = math.exp(drawn.gauss(0.4, 0.35)), math.exp(abs(drawn.gauss(0, 0.5)))
        limit = 1.3 if kind == "create_index" else 2.5
        approved = gain > 1.2 and insert < limit
        facts = make_facts(gain, insert)
        product = f"product-{n % products}"
        at = NOW + timedelta(minutes=n)
        found.append(Example(f"p{n}", product, kind, facts, approved, at))
    return found


def make_judge(threshold: float = 0.4, **weights: float) -> Judge:
    """Return a judge that weighs the named features and no other."""
    return Judge(
        model=Linear(
            means=(0.0,) * len(NAMES), scales=(1.0,) * len(NAMES),
            weights=tuple(weights.get(n, 0.0) for n in NAMES), intercept=0.0,
        ),
        slope=1.0, offset=0.0, threshold=threshold, typical=make_facts(3.0), dataset="d",
        learned_from=100,
    )  # fmt: skip


def make_about(examples: Sequence[Example], judge: Judge, **fields: Any) -> About:
    """Return what is known of a judge, evaluated on examples beside even odds."""
    found = evaluate(judge, examples, {"rules": [0.5] * len(examples)}, "time")
    values: dict[str, Any] = {
        "made_at": NOW, "chosen": "by hand", "evaluation": found, "against": None
    }  # fmt: skip
    return About.model_validate(values | fields)


@cache
def make_export(count: int) -> bytes:
    """Return that many answers as a ledger exports them."""
    return RECORDED.dump_json(
        tuple(
            RecordedDecision(
                proposal_id=e.proposal, product=e.product, kind=e.kind, target="t.c",
                facts=e.facts, verdict="approve" if e.approved else "reject", reason="",
                principal="ada", channel="terminal", decided_at=e.at, seconds=3.0,
            )
            for e in make_examples(count)
        )
    )  # fmt: skip

"""Made-up proposals, always the same: what speed and injections are measured on."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

from tools.slm.dataset import Example
from tools.slm.facts import Facts
from tools.slm.features import KINDS, History

SEED = 20260401
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def made_up(count: int) -> list[Example]:
    """Return proposals with the spread of facts that measured ones have; none has an answer."""
    drawn = random.Random(SEED)
    return [_one(drawn, number) for number in range(count)]


def _one(drawn: random.Random, number: int) -> Example:
    gain = drawn.gauss(0.4, 0.4)
    spread = abs(drawn.gauss(0.1, 0.05))
    insert = abs(drawn.gauss(0, 0.3))
    facts = Facts(
        gain=gain, certain_gain=gain - spread, spread=2 * spread, insert_cost=insert,
        insert_bound=insert + 0.1, growth=abs(drawn.gauss(0, 0.2)),
        losing=max(0.0, drawn.gauss(-0.05, 0.1)), winning=drawn.random(),
        warnings=drawn.choice((0, 0, 0, 1)), risks=drawn.randint(0, 4), given=drawn.randint(0, 2),
        queries=math.log1p(drawn.randint(1, 20)), rows=drawn.gauss(12, 1.5), size=16.0,
    )  # fmt: skip
    approved, answered = sorted((drawn.randint(0, 6), drawn.randint(0, 6)))
    history = History(approved, answered, 0, 0)
    kind = drawn.choice(KINDS)
    return Example(f"made-up-{number}", "made-up", kind, facts, False, LONG_AGO, history)

"""Several ways to say P(approve), on the same held-out answers, each held against one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from tools.estimates import Estimate
from tools.slm.dataset import Example
from tools.slm.evaluation import ahead_of, estimates, metrics_of, redrawn, resampled, split_by

JUDGE, RULES, TUNED = "judge", "rules", "tuned"
UNTUNED, SHOWN = "untuned", "untuned, 6 examples"
STACKED, TAUGHT = "judge + tuned", "taught by tuned"
"""Who is compared, by the name in tables."""


class Comparison(BaseModel):
    """How good each is, and how much better than the one they are held against."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    held_out: int
    products: int
    against: str
    metrics: Mapping[str, Mapping[str, Estimate]]
    """By who predicts, then by metric."""
    ahead: Mapping[str, Mapping[str, Estimate]]
    """How much better than `against` each of the others is; above 0 is better."""
    tuned_ahead: Mapping[str, Mapping[str, Estimate]]
    """How much better the tuned model is than each of the others, where it is among them."""
    kinds: Mapping[str, Mapping[str, Estimate]]
    """Accuracy by who predicts, then by kind of change."""

    def ahead_for_certain(self, name: str, metric: str = "brier") -> bool:
        """Return whether one is better than `against` with an interval that excludes 0."""
        found = self.ahead.get(name, {}).get(metric)
        return found is not None and found.low > 0


def compare(
    examples: Sequence[Example], said: Mapping[str, Sequence[float]], against: str
) -> Comparison:
    """Compare probabilities, in the order of the examples, that nobody learned from."""
    y = np.array([e.approved for e in examples])
    given = {name: np.asarray(p, dtype=float) for name, p in said.items()}
    drawn = resampled([e.product for e in examples])
    measured = {n: (metrics_of(p, y), redrawn(p, y, drawn)) for n, p in given.items()}
    kinds = [e.kind for e in examples]
    return Comparison(
        held_out=len(y),
        products=len({e.product for e in examples}),
        against=against,
        metrics={n: estimates(*m, len(y)) for n, m in measured.items()},
        ahead={
            n: ahead_of(m, measured[against], len(y)) for n, m in measured.items() if n != against
        },
        tuned_ahead={
            n: ahead_of(measured[TUNED], m, len(y))
            for n, m in measured.items()
            if TUNED in measured and n != TUNED
        },
        kinds={n: split_by(kinds, (p >= 0.5) == y) for n, p in given.items()},
    )

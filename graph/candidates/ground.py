"""What all candidates are measured on, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graph.settings import Settings
from graph.tuning import adapters_of
from tools.estimates import Estimate
from tools.lazy import lazy
from tools.slm.criteria.probe import Asked, measure
from tools.slm.criteria.results import Cost
from tools.slm.dataset import Dataset
from tools.slm.steps import Steps
from tools.slm.tuning.adapters import About, Version

if TYPE_CHECKING:
    from tools.slm.tuning import comparison, parts
else:
    # Without answers there is a report, too.
    comparison, parts = lazy("tools.slm.tuning.comparison"), lazy("tools.slm.tuning.parts")

Metrics = dict[str, Estimate]


class Ground(NamedTuple):
    """The answers, cut in three, and where steps are kept."""

    settings: Settings
    dataset: Dataset
    parts: parts.Parts | None
    """None where the answers are too few, or scikit-learn is not there."""
    steps: Steps
    folder: Path

    def quality(self, said: Sequence[float]) -> Metrics:
        """Return how good probabilities of the held-out answers are."""
        assert self.parts is not None
        return dict(comparison.compare(self.parts.held_out, {"": said}, "").metrics[""])

    def cost(self, asked: Asked, name: str) -> Cost:
        """Return what a candidate takes, measured in a process of its own; raises `ModelError`."""
        kept = self.steps.of(f"cost of {name}", lambda: measure(asked).model_dump(mode="json"))
        return Cost.model_validate(kept)

    def adapters(self) -> Iterator[tuple[Version, About]]:
        """Yield the adapters tuned on these answers, so that nothing held out was learned."""
        for version in adapters_of(self.settings).versions():
            if version.about is not None and version.about.dataset == self.dataset.digest:
                yield version, version.about

"""Rounds that hold out every product once, with a tuner that needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.answers import make_examples
from tools.slm.dataset import Dataset, Example, make_dataset
from tools.slm.errors import TooLittle
from tools.slm.fitting import Candidate, fit_trees
from tools.slm.steps import Steps
from tools.slm.tuning.parts import rounds_of
from tools.slm.tuning.rounds import in_rounds

WAYS = (Candidate("trees", partial(fit_trees, 12, 2)),)


class Knowing:
    """Tunes nothing: it knows every answer."""

    def untuned(self, asked: Sequence[Example]) -> list[float]:
        return [2.0 if e.approved else -2.0 for e in asked]

    def fit(self, known: Any, valid: Any, name: str, asked: Sequence[Example] = ()) -> Any:
        return SimpleNamespace(odds=self.untuned(asked))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset(make_examples(80))


def test_other_rounds_than_those_that_were_stopped_take_nothing_from_them(
    dataset: Dataset, tmp_path: Path
) -> None:
    tuner: Any = Knowing()
    steps = Steps(tmp_path)
    for count in (3, 4):
        found = in_rounds(rounds_of(dataset, count), tuner, steps.within, WAYS)
        assert found.metrics["untuned"]["auc"].value == found.metrics["tuned"]["auc"].value == 1


def test_each_round_holds_something_out(dataset: Dataset) -> None:
    assert all(parts.held_out for parts in rounds_of(dataset, len(dataset.products)))
    with pytest.raises(TooLittle, match="only 8 products"):
        rounds_of(dataset, 9)

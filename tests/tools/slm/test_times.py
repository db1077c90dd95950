"""Times of models: each is counted once, by what became of it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tools.slm.errors import BadModel, ModelBusy, ModelError, TooLate
from tools.slm.times import Times


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "answered"), (ModelBusy, "refused"), (TooLate, "late"), (BadModel, "failed")],
)
def test_what_became_of_it_is_counted(error: type[ModelError] | None, outcome: str) -> None:
    times = Times()
    for _ in range(2):
        with suppress(ModelError), times.timed("route"):
            if error is not None:
                raise error
    ((key, held),) = times.all().items()
    assert key == ("route", outcome)
    assert sum(held.counts) == 2 and 0 < held.total < 10

"""What is told of a proposal, where rounding or a count could make it untrue."""

from __future__ import annotations

import pytest

from tests.factories import make_evidence, make_proposal, make_timing
from tools.words.proposals import facts_of


@pytest.mark.parametrize(
    ("part", "said"),
    [(0.0, "1 %"), (0.002, "1 %"), (0.014, "2 %"), (0.02, "2 %"), (0.07, "7 %"), (0.071, "8 %"),
     (0.999, "100 %")],
)  # fmt: skip
def test_what_losers_are_at_most_is_never_rounded_down(part: float, said: str) -> None:
    lost = make_timing("SELECT 2", 3.0, 3.41, share=part)
    evidence = make_evidence(queries=(make_timing("SELECT 1", 24.4, 8.12), lost))
    assert f"at most {said} of the workload" in facts_of(make_proposal(evidence=evidence)).text

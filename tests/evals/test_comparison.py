from __future__ import annotations

from evals.comparison import acceptance, harm, leads, notes, recall
from evals.results import BaselineResult, ScenarioResult
from evals.suites import SPENT, UNSEEN
from tests.evals.factories import make_judged, make_scenario


def beside(*verdicts: str, own: int = 12) -> ScenarioResult:
    changes = tuple(make_judged(v, id=f"b{n}") for n, v in enumerate(verdicts))  # type: ignore[arg-type]
    random = BaselineResult(changes=changes, found=("a",))
    return make_scenario(*["good"] * own, known=("a", "b"), baselines={"random": random})  # type: ignore[arg-type]


def test_a_baseline_is_judged_by_the_same_oracle() -> None:
    scenario = beside("good", "harmful", "neutral", "undecided")
    good, bad, known = (of("random", [scenario]) for of in (acceptance, harm, recall))
    assert good and bad and known
    assert (good.value, bad.value, known.value) == (0.25, 0.25, 0.5)


def test_the_lead_is_a_difference_with_its_interval() -> None:
    (lead,) = leads([beside(*["harmful"] * 12)])
    assert lead.baseline == "random"
    assert lead.by.value == 1 and lead.by.low > 0.5


def test_who_could_not_be_asked_has_no_recall_and_a_note() -> None:
    silent = make_scenario(known=("a",), baselines={"model": BaselineResult(note="none there")})
    assert recall("model", [silent]) is None
    assert notes([silent, silent]) == ["model: none there"]
    empty = make_scenario(known=("a",), baselines={"random": BaselineResult()})
    found = recall("random", [empty])
    assert found and found.value == 0


def test_test_seeds_that_were_looked_at_are_named() -> None:
    fresh, spent, dev = (make_scenario(seed=seed) for seed in (min(UNSEEN), min(SPENT), 2))
    assert notes([fresh, dev]) == []
    (said,) = notes([fresh, spent, spent, dev])
    assert said.endswith(f"prove nothing: {min(SPENT)}")

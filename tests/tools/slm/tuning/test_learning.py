"""Tuning as a whole on a model of two layers: everybody is compared on the same answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.answers import make_examples, make_judge
from tests.models import ANSWERS, make_gguf
from tools.slm.conversion import convert
from tools.slm.dataset import Dataset, make_dataset, split
from tools.slm.errors import TooLittle
from tools.slm.fitting import Candidate, fit_trees
from tools.slm.steps import Steps
from tools.slm.tuning.card import card, verdict
from tools.slm.tuning.learning import Plan, Tuned, tune
from tools.slm.tuning.lora import Progress
from tools.slm.tuning.parts import parts_of, rounds_of
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Pace, Shape

pytestmark = pytest.mark.xdist_group("mlx")
PLAN = Plan(
    Shape(layers=1, rank=2),
    Pace(epochs=1, look=8, rate=0.001),
    rounds=3,
    serving=make_judge(gain=1.0),
    ways=(Candidate("trees", partial(fit_trees, 12, 2)),),
)
EVERYBODY = {
    "rules", "untuned", "untuned, 6 examples", "tuned", "judge", "judge + tuned",
    "taught by tuned",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    convert(make_gguf(folder / "small.gguf", context=2048, merges=ANSWERS), folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset(make_examples(80))


@pytest.fixture(scope="module")
def told() -> list[object]:
    """How many steps there are, and each as it is done."""
    return []


@pytest.fixture(scope="module")
def tuned(
    place: Path, dataset: Dataset, told: list[object], tmp_path_factory: pytest.TempPathFactory
) -> Tuned:
    folder = tmp_path_factory.mktemp("work")
    plan = PLAN._replace(on_plan=told.append)
    return tune(dataset, place, folder, plan, Steps(folder / "steps", told.append))


def test_as_many_steps_are_done_as_were_told(tuned: Tuned, told: list[object]) -> None:
    assert told[0] == len(told[1:])


def test_everybody_is_compared_on_what_nobody_learned_from(tuned: Tuned, dataset: Dataset) -> None:
    found = tuned.comparison
    assert set(found.metrics) == set(found.kinds) == EVERYBODY
    assert found.held_out == len(split(dataset).test) and found.against == "judge"
    assert set(found.ahead) == EVERYBODY - {"judge"}
    assert set(found.tuned_ahead) == EVERYBODY - {"tuned"}
    assert found.ahead["tuned"] == found.tuned_ahead["judge"]
    assert all(set(m) == {"auc", "brier", "accuracy", "log_loss"} for m in found.metrics.values())


def test_in_rounds_every_answer_is_held_out_once_from_its_product(
    tuned: Tuned, dataset: Dataset
) -> None:
    rounds = rounds_of(dataset, 3)
    asked = [e for parts in rounds for e in parts.held_out]
    assert sorted(asked) == sorted(dataset.examples)
    for parts in rounds:
        products = [{e.product for e in part} for part in parts[:3]]
        assert not products[0] & products[1] and not (products[0] | products[1]) & products[2]
    found = tuned.rounds
    assert found is not None and found.held_out == len(dataset.examples)
    assert found.products == len(dataset.products)
    assert set(found.metrics) == {"rules", "untuned", "tuned", "judge"}
    assert tuned.widest == found
    assert found.metrics["judge"]["auc"].value > 0.8


def test_rounds_need_five_products() -> None:
    with pytest.raises(TooLittle, match="fewer than 5 products"):
        rounds_of(make_dataset(make_examples(80, products=4)), 3)


def test_a_model_of_random_numbers_loses_and_the_card_says_so(
    tuned: Tuned, dataset: Dataset
) -> None:
    said = card(tuned, dataset, "tiny", PLAN.shape)
    assert "loses against the judge on facts" in verdict(tuned.comparison)
    assert "its score as one more feature: is not shown to help" in said
    assert "## Every product held out once: 80 answers, 8 products" in said
    assert "Ahead of rules" in said and "| untuned, 6 examples |" in said and dataset.digest in said


def test_an_adapter_of_mlx_lm_is_left_and_the_student_is_a_judge(tuned: Tuned) -> None:
    assert {p.name for p in tuned.folder.iterdir()} == {WEIGHTS, CONFIG}
    assert tuned.student.learned_from == tuned.evaluation.learned_from > tuned.learned_from
    assert set(tuned.evaluation.ahead) == {"rules", "serving"}


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(
    place: Path, dataset: Dataset, tuned: Tuned, tmp_path: Path
) -> None:
    def stop(name: str, told: Progress) -> None:
        if name == "tuned" and told.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan = PLAN._replace(on_progress=stop)
        tune(dataset, place, tmp_path, plan, Steps(tmp_path / "steps"))
    steps = Steps(tmp_path / "steps")
    again = tune(dataset, place, tmp_path, PLAN, steps)
    assert again.fitted.resumed_at == 8
    for mine, other in ((again.comparison, tuned.comparison), (again.widest, tuned.widest)):
        for who, metrics in mine.metrics.items():
            brier = other.metrics[who]["brier"].value
            assert metrics["brier"].value == pytest.approx(brier, abs=1e-3), who


def test_the_validation_part_shares_no_product_with_what_is_learned_from(dataset: Dataset) -> None:
    parts = parts_of(dataset)
    assert not {e.product for e in parts.valid} & {e.product for e in parts.known}
    assert len({e.approved for e in parts.valid}) == 2
    together = {e.proposal for e in (*parts.known, *parts.valid)}
    assert not together & {e.proposal for e in parts.held_out}


def test_too_few_or_too_equal_answers_are_refused() -> None:
    with pytest.raises(TooLittle, match="too few"):
        parts_of(make_dataset(make_examples(10)))
    same = [e._replace(approved=True) for e in make_examples(80)]
    with pytest.raises(TooLittle, match="one kind of answer"):
        parts_of(make_dataset(same))
    products = [e._replace(approved=e.product == "product-3") for e in make_examples(80)]
    with pytest.raises(TooLittle, match="one kind of answer|No part of what is left"):
        parts_of(make_dataset(products))


def test_contradicting_answers_are_learned_from_and_counted(place: Path, tmp_path: Path) -> None:
    given = make_examples(40)
    both = [*given, *(e._replace(approved=not e.approved) for e in given)]
    data = make_dataset(both)
    plan = PLAN._replace(seconds=0.0, rounds=0)
    found = tune(data, place, tmp_path, plan, Steps(tmp_path / "steps"))
    assert found.fitted.standing.ended == "time"
    assert f"Contradictions: {len(both)}" in card(found, data, "tiny", plan.shape)
    assert "at most" not in verdict(found.comparison)

"""Learning a judge: what it can learn, what it refuses to, and going on after a kill."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from tests.answers import make_examples
from tools.slm.dataset import Dataset, make_dataset
from tools.slm.errors import TooLittle
from tools.slm.fitting import RATE, SEED, Candidate, fit_linear, fit_trees
from tools.slm.steps import Steps
from tools.slm.training import Trained, rules, threshold_of, train
from tools.slm.tuning.parts import parts_of

pytestmark = pytest.mark.xdist_group("learning")
QUICK = (
    Candidate("linear", partial(fit_linear, 0.1)),
    Candidate("trees", partial(fit_trees, 12, 2)),
)


def trained(dataset: Dataset, folder: Path) -> Trained:
    return train(dataset, Steps(folder), ways=QUICK)


@cache
def learned(folder: Path) -> Trained:
    return trained(make_dataset(make_examples(200)), folder)


@pytest.fixture
def good(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return learned(tmp_path_factory.getbasetemp() / "good")


def test_a_taste_is_learned_and_beats_rules_on_what_was_held_out(good: Trained) -> None:
    found = good.evaluation
    assert found.beats("rules")
    assert found.metrics["judge"]["accuracy"].value > found.metrics["rules"]["accuracy"].value
    assert found.held_out + found.learned_from <= 200


def test_its_probabilities_come_true(good: Trained) -> None:
    for b in good.evaluation.bins:
        assert b.approved.low - 0.15 <= b.mean <= b.approved.high + 0.15


def test_the_threshold_holds_back_rejected_ones_and_hardly_an_approved_one(good: Trained) -> None:
    holding = good.evaluation.holding
    assert holding.rejected_held and holding.approved_held
    assert holding.rejected_held.value > 0.5 > 0.2 > holding.approved_held.value


def test_a_second_judge_is_compared_with_the_one_that_serves(good: Trained, tmp_path: Path) -> None:
    found = train(make_dataset(make_examples(200)), Steps(tmp_path), good.judge, ways=QUICK)
    assert found.judge == good.judge
    assert found.evaluation.ahead["serving"]["brier"].value == 0
    assert not found.evaluation.beats("serving")


def test_answers_drawn_by_lot_teach_nothing_that_could_serve(tmp_path: Path) -> None:
    lots = random.Random(3)
    drawn = [e._replace(approved=lots.random() < 0.5) for e in make_examples(160)]
    found = train(make_dataset(drawn), Steps(tmp_path), ways=QUICK[:1])
    assert not found.evaluation.beats("rules")


def test_one_kind_of_answer_is_refused(tmp_path: Path) -> None:
    same = [e._replace(approved=True) for e in make_examples(100)]
    with pytest.raises(TooLittle, match="only one kind of answer"):
        trained(make_dataset(same), tmp_path)


def test_ten_answers_are_refused_with_what_they_could_show(tmp_path: Path) -> None:
    with pytest.raises(TooLittle, match=r"Of 3 held out, 2 right .* between 21% and 94%"):
        trained(make_dataset(make_examples(10)), tmp_path)


@pytest.mark.parametrize("new", [0, 1])
def test_what_is_answered_again_leaves_too_little_to_prove_anything(
    new: int, tmp_path: Path
) -> None:
    examples = make_examples(75 + new, products=1)
    again = [
        e._replace(at=e.at + timedelta(days=400), facts=e.facts.model_copy(update={"spread": 0.7}))
        for e in examples[: 25 - new]
    ]
    last = [e._replace(at=e.at + timedelta(days=800)) for e in examples[75:]]
    data = make_dataset([*examples[:75], *again, *last])
    with pytest.raises(TooLittle, match=f"Only {new} answers? could be held out"):
        trained(data, tmp_path)
    with pytest.raises(TooLittle, match="could be held out"):
        parts_of(data)


def test_no_answer_at_all_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(TooLittle, match="Nobody has answered"):
        trained(make_dataset([]), tmp_path)


def test_a_training_that_was_stopped_goes_on_and_ends_the_same(
    good: Trained, tmp_path: Path
) -> None:
    done: list[str] = []

    def stop(name: str) -> None:
        done.append(name)
        if len(done) == 4:
            raise KeyboardInterrupt

    data = make_dataset(make_examples(200))
    with pytest.raises(KeyboardInterrupt):
        train(data, Steps(tmp_path, stop), ways=QUICK)
    again = Steps(tmp_path)
    assert train(data, again, ways=QUICK).judge == good.judge
    assert again.resumed == 4


def test_a_kept_step_that_is_damaged_is_done_again(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    assert steps.of("a", lambda: [1.0]) == [1.0]
    (kept,) = tmp_path.glob("*.json")
    kept.write_text('{"resu')
    assert Steps(tmp_path).of("a", lambda: [2.0]) == [2.0]


def test_trees_say_what_the_library_says() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(120, 5))
    y = x[:, 0] + 0.3 * rng.normal(size=120) > 0
    kept = fit_trees(20, 2, x, y)
    theirs = GradientBoostingClassifier(
        n_estimators=20, max_depth=2, learning_rate=RATE, subsample=0.8, min_samples_leaf=5,
        random_state=SEED,
    ).fit(x, y)  # fmt: skip
    ours = [kept.score(row.tolist()) for row in x]
    assert np.allclose(ours, theirs.decision_function(x))


def test_the_threshold_is_the_highest_that_misses_few_approvals() -> None:
    p = np.linspace(0.01, 1, 100)
    assert threshold_of(p, np.ones(100, dtype=bool)) == pytest.approx(0.06)
    assert threshold_of(p, p > 0.8) == 0.2


def test_rules_are_given_their_best_chance() -> None:
    examples = [e._replace(approved=e.facts.certain_gain > 0.2) for e in make_examples(200)]
    found = rules(examples[:100], examples[100:])
    right = [(p >= 0.5) == e.approved for p, e in zip(found, examples[100:], strict=True)]
    assert sum(right) > 90

"""Answers as a training set: nothing counted twice, nothing of the held-out part learned from."""

from __future__ import annotations

import random
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.answers import make_examples, make_facts
from tests.factories import NOW
from tools.slm.dataset import Example, make_dataset, split


def test_the_order_in_which_answers_are_given_does_not_matter() -> None:
    examples = make_examples(50)
    mixed = random.Random(1).sample(examples, 50)
    assert make_dataset(mixed) == make_dataset(examples)


def test_the_same_answer_to_the_same_question_counts_once() -> None:
    examples = make_examples(20)
    again = [e._replace(at=e.at + timedelta(days=1)) for e in examples]
    found = make_dataset([*examples, *again])
    assert (len(found.examples), found.given, found.contradictions) == (20, 40, 0)


def test_contradictions_are_kept_counted_and_bound_what_can_be_reached() -> None:
    examples = make_examples(10)
    other = examples[3]._replace(approved=not examples[3].approved, at=NOW + timedelta(days=2))
    found = make_dataset([*examples, other])
    assert (len(found.examples), found.contradictions) == (11, 2)
    assert found.best_accuracy == pytest.approx(10 / 11)


def test_another_answer_makes_another_dataset() -> None:
    examples = make_examples(10)
    turned = [examples[0]._replace(approved=not examples[0].approved), *examples[1:]]
    assert make_dataset(examples).digest != make_dataset(turned).digest


def test_history_is_what_was_answered_before_and_nothing_later() -> None:
    facts = make_facts()
    answers = [
        Example(f"p{n}", "sales", kind, facts.model_copy(update={"gain": n}), ok, NOW, )
        for n, (kind, ok) in enumerate(
            [("sort_table", True), ("create_index", False), ("sort_table", False)]
        )
    ]  # fmt: skip
    first, second, third = (e.history for e in make_dataset(answers).examples)
    assert first == (0, 0, 0, 0)
    assert second == (1, 1, 0, 0)
    assert third == (1, 2, 1, 1)


def test_nothing_held_out_shares_a_product_and_time_or_an_idea_with_what_is_learned() -> None:
    data = make_dataset(make_examples(200))
    parts = split(data)
    assert parts.by == "product and time" and not set(parts.train) & set(parts.test)
    train, test = ([data.examples[i] for i in p] for p in (parts.train, parts.test))
    learned = {e.product for e in train}
    latest = max(e.at for e in train)
    inside = [e for e in test if e.product in learned]
    assert inside and all(e.at > latest for e in inside)
    assert {e.product for e in test} - learned
    assert 0.15 < len(test) / 200 < 0.4


def test_with_few_products_the_latest_answers_are_held_out() -> None:
    data = make_dataset(make_examples(100, products=1))
    parts = split(data)
    assert (parts.by, parts.train, parts.test) == (
        "time", list(range(75)), list(range(75, 100)),
    )  # fmt: skip


def test_an_idea_that_comes_again_is_not_in_both_parts() -> None:
    examples = make_examples(100, products=1)
    again = examples[0]._replace(at=NOW + timedelta(days=3), approved=not examples[0].approved)
    data = make_dataset([*examples, again])
    parts = split(data)
    assert parts.dropped == 1 and 100 not in parts.test


@pytest.mark.parametrize("place", [0, -1])
def test_a_product_that_most_answers_are_about_is_learned_from(place: int) -> None:
    by_hash = sorted((f"shop{n}" for n in range(40)), key=lambda p: sha256(p.encode()).hexdigest())
    large = by_hash.pop(place)
    examples = [
        e._replace(product=by_hash[n % 4] if n % 10 == 0 else large)
        for n, e in enumerate(make_examples(100, products=1))
    ]
    data = make_dataset(examples)
    parts = split(data)
    assert len(parts.train) >= 50 and 15 <= len(parts.test) <= 50
    assert not {data.examples[i].product for i in parts.train} - {large, *by_hash[:4]}

"""Pillion without a part of it, on copies: the product itself is left as it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evals.approvers import Answer
from evals.baselines.ablations import refused_and_run_again, without_promises
from evals.homes import Forgetful, decide, working
from evals.products import Product
from evals.scenarios import tiny
from evals.scenarios.building import write_contract
from graph.ledger import Ledger, now
from graph.steward import Stewardship
from tests.factories import make_decision
from tests.ledgers import make_ledger, open_proposal
from tools.product.contract import load_contract


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """A product whose first run offered one proposal that waits."""
    folder = tmp_path / "home" / "products" / "tiny"
    folder.mkdir(parents=True)
    scenario = tiny.build(1, folder)
    with closing(make_ledger(tmp_path / "home" / "ledger.db", "p1", product="tiny")) as ledger:
        ledger.set_thread("t1", "waiting")
    return Product(scenario, folder, scenario.database)


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pillion that finds the same idea again, and asks unless it remembers a refusal."""

    async def run(self: Stewardship, name: str, *rest: Any) -> str:
        self.ledger.open_thread("t2", name, "all")
        if not self.ledger.refusals(name):
            self.ledger.offer("t2", [open_proposal("p1", "tiny")], "agent:rank")
        return "t2"

    async def deliver(self: Stewardship, wanted: str | None = None) -> None:
        return None

    monkeypatch.setattr(Stewardship, "run", run)
    monkeypatch.setattr(Stewardship, "deliver", deliver)


@pytest.mark.parametrize(("forgetful", "repeats"), [(True, 1), (False, 0)])
async def test_only_without_memory_is_a_refused_idea_offered_again(
    forgetful: bool, repeats: int, product: Product, second: None, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    found = await refused_and_run_again(product, copy, forgetful=forgetful)
    assert (found.refused, len(found.repeats)) == (1, repeats)
    with closing(Ledger(product.home / "ledger.db")) as kept:
        assert kept.offer_of("p1").waiting


async def test_what_has_no_answer_stays_open(product: Product, second: None) -> None:
    async with working(product, "replay:/some/file") as steward:
        offers = steward.ledger.offers("tiny", waiting=True)
        await decide(steward, offers, {"p1": None})
        assert steward.ledger.offer_of("p1").waiting
        await decide(steward, offers, {"p1": Answer(False, "no")})
        given = steward.ledger.offer_of("p1").decision
        assert given is not None and given.principal.name == "eval-replay"


def test_forgetting_keeps_the_answers(product: Product) -> None:
    with closing(Forgetful(product.home / "ledger.db")) as ledger:
        ledger.decide(make_decision("p1", verdict="reject", decided_at=now()))
        assert ledger.refusals("tiny") == {}
        assert len(ledger.answered()) == 1


def test_the_contract_is_emptied_in_a_copy_only(product: Product, tmp_path: Path) -> None:
    write_contract(product.contract, {"scores": {"team": {"logicalType": "integer"}}})
    bare = without_promises(product, tmp_path / "bare")
    assert not load_contract(bare.contract).schema_
    assert load_contract(product.contract).schema_

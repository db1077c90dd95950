"""Pillion without its contract, and Pillion with and without its memory: real runs on copies."""

from __future__ import annotations

from pathlib import Path

from evals.approvers import ORACLE, Answer
from evals.homes import copied, decide, working
from evals.ideas import second_run
from evals.judging import changes_of
from evals.products import Product
from evals.results import SecondRun
from graph.ledger import Offer
from tools.messages import Change
from tools.product.contract import load_contract, save_contract

REFUSED = Answer(False, "no")


async def ungated(product: Product, home: Path) -> dict[str, Change]:
    """Return what Pillion offers when the contract promises nothing."""
    async with working(without_promises(product, home), ORACLE) as steward:
        thread_id = await steward.run(product.scenario.family)
        return changes_of(steward.ledger.offers(thread_id=thread_id, waiting=True))


def without_promises(product: Product, home: Path) -> Product:
    """Return a copy of a product with its contract, and nothing in it."""
    bare = copied(product, home)
    contract = load_contract(bare.contract)
    save_contract(contract.model_copy(update={"schema_": []}), bare.contract)
    return bare


async def refused_and_run_again(product: Product, home: Path, *, forgetful: bool) -> SecondRun:
    """Refuse all that waits in a copy, run again, and say what was offered once more."""
    copy = copied(product, home)
    family = product.scenario.family
    async with working(copy, ORACLE) as steward:
        waiting = steward.ledger.offers(family, waiting=True)
        await decide(steward, waiting, dict.fromkeys(changes_of(waiting), REFUSED))
        first = [steward.ledger.offer_of(o.proposal.id) for o in waiting]
    return await run_again(copy, first, forgetful=forgetful)


async def run_again(product: Product, first: list[Offer], *, forgetful: bool = False) -> SecondRun:
    """Run a product again whose offers were answered."""
    async with working(product, ORACLE, forgetful=forgetful) as steward:
        thread_id = await steward.run(product.scenario.family)
        second = steward.ledger.offers(thread_id=thread_id, waiting=True)
    return second_run(first, second)

"""Homes that Pillion works in during a scenario: the real one, and copies to try things on."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

from evals.approvers import Answer
from evals.products import Product
from graph.ledger import Ledger, Offer, now
from graph.settings import Settings
from graph.steward import Stewardship, open_steward
from nodes.refusal import Refusal
from tools.messages import Decision, Principal

BUDGET_SECONDS = 40.0
"""More than these small products need: what ends a run is that nothing is left to try."""


class Forgetful(Ledger):
    """A ledger that keeps every answer and remembers no refusal."""

    def refusals(self, product: str) -> dict[str, Refusal]:
        """Return nothing, whatever was refused."""
        return {}


@asynccontextmanager
async def working(
    product: Product, approver: str, *, forgetful: bool = False
) -> AsyncIterator[Stewardship]:
    """Hold the home that a product lies in."""
    settings = Settings(
        home=product.home, budget_seconds=BUDGET_SECONDS,
        principal=f"eval-{approver.partition(':')[0]}",
    )  # fmt: skip
    async with open_steward(settings, lambda name: product.target()) as steward:
        if not forgetful:
            yield steward
            return
        with closing(Forgetful(settings.ledger_path)) as ledger:
            steward.ledger = ledger
            yield steward


def copied(product: Product, home: Path) -> Product:
    """Copy a product with the home it lies in, while nobody works there."""
    shutil.copytree(product.home, home)
    return replace(product, folder=home / product.folder.relative_to(product.home))


async def decide(
    steward: Stewardship, offers: Sequence[Offer], answers: Mapping[str, Answer | None]
) -> None:
    """Give a person's answers and let the runs go on; what has no answer stays open."""
    for offer in offers:
        answer = answers[offer.proposal.id]
        if answer is None:
            continue
        steward.ledger.decide(
            Decision(
                proposal_id=offer.proposal.id,
                verdict="approve" if answer.approves else "reject",
                reason=answer.reason,
                principal=Principal(kind="person", name=steward.settings.person),
                channel="terminal",
                decided_at=now(),
            )
        )
    await steward.deliver()

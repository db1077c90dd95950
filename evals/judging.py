"""Having the oracle judge what was offered: each alone, all together, and rules of thumb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import anyio

from evals.approvers import ORACLE, policies
from evals.oracle.case import Judgement
from evals.products import Product, judge_changes
from evals.results import Judged
from graph.ledger import Offer
from tools.messages import Change, Proposal, Trial, change_target

PARALLEL = 2
"""Judgements at a time; they count processor time, so that a neighbour hardly matters."""


async def judge_all(
    product: Product, trials: Sequence[Trial], offers: Sequence[Offer], scratch: Path, *, all: bool
) -> dict[str, Judgement]:
    """Judge what was offered, and with `all` also what the finder found and nobody offered."""
    wanted = {o.proposal.id: o.proposal.change for o in offers}
    if all:
        wanted |= {t.candidate.id: t.candidate.change for t in trials if t.status != "refused"}
    found: dict[str, Judgement] = {}
    places = anyio.CapacityLimiter(PARALLEL)

    async def judge(change_id: str, change: Change) -> None:
        async with places:
            found[change_id] = await judge_changes(product, {change_id: change}, scratch)

    async with anyio.create_task_group() as group:
        for change_id, change in wanted.items():
            group.start_soon(judge, change_id, change)
    return found


async def judge_together(
    product: Product, offers: Sequence[Offer], judgements: Mapping[str, Judgement], scratch: Path
) -> Judgement | None:
    """Judge all proposals at once that do no harm alone: whoever approves them all gets this."""
    changes = {
        o.proposal.id: o.proposal.change
        for o in offers
        if judgements[o.proposal.id].verdict != "harmful"
    }
    return await judge_changes(product, changes, scratch) if len(changes) > 1 else None


def judged_offer(offer: Offer, judgement: Judgement) -> Judged:
    """Return a proposal with its verdict and what everybody would answer."""
    proposal = offer.proposal
    approvals = {name: policy(proposal).approves for name, policy in policies().items()}
    return Judged(
        id=proposal.id,
        kind=proposal.change.kind,
        target=change_target(proposal.change),
        judgement=judgement,
        approvals={ORACLE: judgement.verdict == "good", **approvals},
        told=tuple(_told(proposal)),
    )


def _told(proposal: Proposal) -> Iterator[str]:
    evidence = proposal.evidence
    yield proposal.summary
    if evidence.insert_cost:
        yield f"Inserts take ×{evidence.insert_cost.mid:.2f} as long."
    yield f"Space: {evidence.bytes_before} bytes before, {evidence.bytes_after} after."
    for query in evidence.losers:
        yield f"Slower, ×{query.ratio.mid:.2f}: {' '.join(query.sql.split())[:200]}"
    for finding in proposal.contract.findings:
        yield f"Contract, {finding.severity}: {finding.path}: {finding.message}"
    yield from (f"Risk: {risk}" for risk in proposal.risk)
    yield f"Undo: {'; '.join(proposal.undo)}"


def by_rules(trials: Sequence[Trial], judgements: Mapping[str, Judgement]) -> list[Judged]:
    """Return every idea of the product's own finder as if it were proposed unmeasured."""
    return [
        Judged(
            id=t.candidate.id,
            kind=t.candidate.change.kind,
            target=change_target(t.candidate.change),
            judgement=judgements[t.candidate.id],
        )
        for t in trials
        if t.status != "refused"
    ]

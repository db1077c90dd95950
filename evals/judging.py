"""Having the oracle judge changes: each once, whoever proposed it, and all proposals together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from evals.approvers import ORACLE, Policy
from evals.authors import author_of
from evals.ideas import idea, measured
from evals.oracle.case import Judgement
from evals.products import Product, judge_changes
from evals.results import Judged
from graph.ledger import Offer
from tools.messages import Change, Outcome, Proposal, change_target
from tools.slm.facts import facts_of

PARALLEL = 2
"""Judgements at a time; they count processor time, so that a neighbour hardly matters."""


Given = Mapping[str, Mapping[str, Change]]
"""By a change's id, the changes that come before it."""


class Judgements:
    """The oracle's verdicts on changes of one product, by the change's id."""

    def __init__(self, product: Product, scratch: Path) -> None:
        self._product, self._scratch = product, scratch
        self._found: dict[tuple[str, ...], Judgement] = {}

    async def of(
        self, changes: Mapping[str, Change], given: Given | None = None
    ) -> dict[str, Judgement]:
        """Return the verdict on each change; only what was never judged is judged now.

        A change that was measured on top of others (`given`) is judged on top of them.
        """
        places = anyio.CapacityLimiter(PARALLEL)
        below = {i: (given or {}).get(i, {}) for i in changes}
        keys = {i: (i, *below[i]) for i in changes}

        async def judge(change_id: str) -> None:
            async with places:
                self._found[keys[change_id]] = await judge_changes(
                    self._product,
                    {change_id: changes[change_id]},
                    self._scratch,
                    given=below[change_id],
                )

        async with anyio.create_task_group() as group:
            for change_id, key in keys.items():
                if key not in self._found:
                    group.start_soon(judge, change_id)
        return {change_id: self._found[key] for change_id, key in keys.items()}

    async def offered(self, offers: Sequence[Offer]) -> dict[str, Judgement]:
        """Return the verdict on each proposal, on top of what it was measured on."""
        return await self.of(changes_of(offers), given_of(offers))

    async def together(
        self, changes: Mapping[str, Change], given: Given | None = None
    ) -> Judgement | None:
        """Judge all at once that do no harm alone: whoever approves them all gets this."""
        alone = await self.of(changes, given)
        harmless = {i: c for i, c in changes.items() if alone[i].verdict != "harmful"}
        if len(harmless) < 2:
            return None
        return await judge_changes(self._product, harmless, self._scratch)


def changes_of(offers: Sequence[Offer]) -> dict[str, Change]:
    """Return the changes that are offered, by id."""
    return {o.proposal.id: o.proposal.change for o in offers}


def given_of(offers: Sequence[Offer]) -> Given:
    """Return by proposal the other proposals that it was measured on top of."""
    changes = changes_of(offers)
    return {
        o.proposal.id: {i: changes[i] for i in o.proposal.evidence.given if i in changes}
        for o in offers
    }


def judged_change(change_id: str, change: Change, judgement: Judgement) -> Judged:
    """Return a change that nobody measured with its verdict."""
    return Judged(
        id=change_id,
        kind=change.kind,
        target=change_target(change),
        judgement=judgement,
        idea=idea(change),
    )


def judged_offer(
    offer: Offer,
    judgement: Judgement,
    policies: Mapping[str, Policy],
    authors: Mapping[str, str] | None = None,
) -> Judged:
    """Return a proposal with its verdict and what everybody would answer."""
    proposal = offer.proposal
    answers = {name: policy(proposal) for name, policy in policies.items()}
    approvals = {name: a.approves for name, a in answers.items() if a is not None}
    said: dict[str, Any] = {
        "approvals": {ORACLE: judgement.verdict == "good", **approvals},
        "abstained": tuple(name for name, a in answers.items() if a is None),
        "predicted": measured(proposal),
        "expected": proposal.evidence.expected and proposal.evidence.expected.ratio,
        "rows": proposal.evidence.rows,
        "author": author_of(proposal, authors or {}),
        "told": tuple(_told(proposal)),
        "facts": facts_of(proposal),
    }
    return judged_change(proposal.id, proposal.change, judgement).model_copy(update=said)


def with_outcome(judged: Judged, outcome: Outcome | None) -> Judged:
    """Return a proposal with what became of it, and why."""
    if outcome is None:
        return judged
    said = {"outcome": outcome.status, "outcome_detail": outcome.detail}
    return judged.model_copy(update=said)


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

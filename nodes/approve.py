"""Ask a person. Nothing but pure reads before the interrupt: the node restarts on resume."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from nodes.context import Context
from nodes.state import State, Update, open_questions
from tools.messages import (
    CHANGE,
    Candidate,
    Decision,
    Message,
    Proposal,
    Verdict,
    change_id,
    change_target,
)


class Answer(Message):
    """A reference to a decision that stands in the ledger; the ledger's word counts."""

    proposal_id: str
    type: Verdict


class Answers(Message):
    """What resumes the graph: one or more answers; the rest stay open."""

    decisions: tuple[Answer, ...]


async def approve(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["apply", "measure", "report"]]:
    """Interrupt with every open proposal of the step in one batch; go on with those answered."""
    waiting = open_questions(state)
    if not waiting:
        return Command(goto="report")
    context = runtime.context
    question = build_question([context.records.proposal(p) for p in waiting])
    given = interrupt(question, response_schema=Answers)
    named = {a.proposal_id for a in given.decisions}
    found = {p: context.records.decision(state["thread_id"], p) for p in waiting if p in named}
    standing = {p: decision for p, decision in found.items() if decision is not None}
    verdicts: dict[str, Verdict | None] = {p: d.verdict for p, d in standing.items()}
    update: Update = {"settled": verdicts}
    edits = _edited(context, standing)
    if "approve" in verdicts.values():
        return Command(goto="apply", update={**update, **edits})
    if edits:
        return Command(goto="measure", update={**update, **edits})
    return Command(goto="report", update=update)


def build_question(proposals: list[Proposal]) -> dict[str, Any]:
    """Return the batched human-in-the-loop shape, with our ids and evidence references."""
    return {
        "action_requests": [
            {
                "name": p.change.kind,
                "args": CHANGE.dump_python(p.change, mode="json"),
                "description": p.summary,
            }
            for p in proposals
        ],
        "review_configs": [
            {"action_name": p.change.kind, "allowed_decisions": ["approve", "edit", "reject"]}
            for p in proposals
        ],
        "proposals": [
            {
                "id": p.id,
                "target": change_target(p.change),
                "evidence": p.evidence.reference,
                "expires_at": p.expires_at.isoformat(),
            }
            for p in proposals
        ],
    }


def _edited(context: Context, standing: dict[str, Decision]) -> Update:
    """Turn edited changes into candidates: an edit is measured like any other idea."""
    candidates: dict[str, Candidate] = {}
    for proposal_id, decision in standing.items():
        if decision.edited is None:
            continue
        proposal = context.records.proposal(proposal_id)
        key = change_id(context.product, decision.edited)
        candidates[key] = Candidate(
            id=key,
            agent="query" if proposal.type == "query" else "schema",
            change=decision.edited,
            reason=f"{decision.principal.name} edited {proposal_id}",
            promise=1e9,
        )
    return {"candidates": candidates, "edited": tuple(candidates)} if candidates else {}

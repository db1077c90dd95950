"""Tools that answer: the assistant may suggest, the person decides, the first answer stands."""

from __future__ import annotations

from typing import Annotated, Any

from mcp_types import InputRequiredResult
from pydantic import Field

from api.edits import told_edit
from api.ide.calls import Call
from api.ide.contract import Decided
from api.ide.following import OUTCOME_SECONDS, Seconds, settled
from api.ide.questions import EditReply, Reply, Said, UndoReply, can_be_asked, confirmed
from api.ide.reading import ProposalId
from api.ide.reviewing import LATER, WAITS_FOR_OTHERS
from api.ide.words import DATA, TEXT_WIDTH, in_words, last_outcome, line_of, standing
from api.service.desk import (
    DecisionAsked,
    Given,
    answer,
    check_may_answer,
    known_offer,
    take_back,
)
from api.wording import quoted
from graph.answering import check_fields, edited_change
from graph.errors import AlreadyDecided
from graph.ledger import Offer
from tools.messages import CHANGE

EDIT_WIDTH = 600


async def decide(
    call: Call,
    proposal_id: ProposalId,
    verdict: Annotated[Given, Field(description="What the person told you.")],
    reason: Annotated[str, Field(max_length=2000, description="Why; kept and learned from.")] = "",
    change: Annotated[
        dict[str, Any] | None,
        Field(description="With edit: the fields of the change to replace."),
    ] = None,
    idempotency_key: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Makes a retry harmless.")
    ] = None,
    wait_seconds: Seconds = OUTCOME_SECONDS,
) -> Decided | InputRequiredResult:
    """Answer one proposal as the person told you to: approve, reject with a reason, or edit. Where
    the client can ask, the person confirms; the first answer stands, a later one is refused with
    `already_decided`. Never answer on your own.
    """
    offer = known_offer(call.service, call.caller, proposal_id)
    check_may_answer(call.caller, offer.proposal.product)
    if offer.decision is not None and idempotency_key is None:
        raise AlreadyDecided(offer.decision)
    check_fields(verdict, change)
    asked = DecisionAsked(verdict=verdict, reason=reason, change=change)
    if can_be_asked(call.context) and offer.waiting:
        said = await _said(call, offer, asked)
        if isinstance(said, InputRequiredResult):
            return said
        if said is None:
            return Decided(proposal=line_of(offer), recorded=False, said=LATER)
        asked = said
    # What the person was shown or told of is this offer.
    asked = asked.model_copy(update={"round": offer.round})
    answer(call.service, call.caller, proposal_id, asked, "mcp", idempotency_key)
    await settled(call, offer.thread_id, wait_seconds)
    return _decided(call, call.service.ledger.offer_of(proposal_id))


async def _said(
    call: Call, offer: Offer, asked: DecisionAsked
) -> DecisionAsked | InputRequiredResult | None:
    """Return what the person says to an answer that the assistant suggests; None is: not now."""
    form: type[Reply] | type[EditReply] = EditReply if asked.verdict == "edit" else Reply
    message = f"{in_words(offer)}\n{_suggestion(offer, asked)}"
    said = await confirmed(call.context, offer, message, form)
    if said is None or isinstance(said, InputRequiredResult):
        return asked if said is None else said
    if said.reply is None or said.reply.answer == "later":
        return None
    same = said.reply.answer == asked.verdict
    return DecisionAsked(
        verdict=said.reply.answer,
        reason=said.reply.reason or (asked.reason if same else ""),
        change=asked.change if said.reply.answer == "edit" else None,
    )


def _suggestion(offer: Offer, asked: DecisionAsked) -> str:
    words = f"The assistant suggests: {asked.verdict}"
    if asked.verdict == "edit":
        edited = CHANGE.dump_json(edited_change(offer.proposal.change, asked.change))
        words += f" to {quoted(edited.decode(), EDIT_WIDTH)}"
    return words + (f", because {quoted(asked.reason, TEXT_WIDTH)}." if asked.reason else ".")


def _decided(call: Call, offer: Offer) -> Decided:
    if offer.decision is None:
        said = told_edit(call.service.ledger, offer) or WAITS_FOR_OTHERS
        return Decided(proposal=line_of(offer), recorded=True, said=said)
    said, last = standing(offer.decision), last_outcome(offer)
    if last is not None:
        said += f"; {last}"
    elif offer.decision.verdict != "reject":
        said += "; its run goes on by itself, see follow_run"
    return Decided(
        proposal=line_of(offer), recorded=True, decision=offer.decision, outcomes=offer.outcomes,
        said=said,
    )  # fmt: skip


async def undo_change(call: Call, proposal_id: ProposalId) -> Decided | InputRequiredResult:
    """Take an applied change back, exactly, also after new rows arrived. Where the client can ask,
    the person confirms; what was taken back before is refused with `already_undone`. Never undo on
    your own.
    """
    offer = known_offer(call.service, call.caller, proposal_id)
    p = offer.proposal
    check_may_answer(call.caller, p.product)
    call.service.ledger.check_undoable(proposal_id)
    if can_be_asked(call.context):
        steps = "; ".join(quoted(step, TEXT_WIDTH) for step in p.undo)
        message = (
            f"Take back {p.id} in the data product {quoted(p.product)}:\n"
            f"  {quoted(p.summary, TEXT_WIDTH)}\nUndo: {steps}\n{DATA}"
        )
        asked = await confirmed(call.context, offer, message, UndoReply)
        if isinstance(asked, InputRequiredResult):
            return asked
        said = asked or Said(UndoReply(answer="undo"))
        if said.reply is None or said.reply.answer == "later":
            return Decided(proposal=line_of(offer), recorded=False, said="not taken back")
    return _decided(call, await take_back(call.service, call.caller, proposal_id))

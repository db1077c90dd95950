"""The review: the person is asked about what waits, one proposal after the other."""

from __future__ import annotations

from typing import Annotated, cast

from mcp_types import InputRequiredResult
from pydantic import Field

from api.ide.calls import Call
from api.ide.contract import Answered, Reviewed
from api.ide.following import OUTCOME_SECONDS, Seconds, settled
from api.ide.questions import Reply, Said, ask, can_be_asked, key_of, said_before
from api.ide.words import in_words, last_outcome, line_of, standing
from api.service.desk import (
    DecisionAsked,
    Given,
    Listing,
    Wanted,
    answer,
    check_may_answer,
    known_offer,
    known_offers,
    stage_of,
)
from graph.errors import AlreadyApproved, AlreadyDecided, InvalidAnswer, NotAllowed, OfferedAnew
from graph.ledger import Offer
from graph.policy import PolicyUnusable
from tools.messages import Message

LATER = "put off by the person; it still waits"
WAITS_FOR_OTHERS = "recorded: approve; policy wants others to approve, too"
ASK_AGAIN = "Call review_proposals again when the person wants to go on."
CANNOT_ASK = (
    "This client cannot ask its person. Show them explain_proposal of each; when they have said"
    " what they want, and only then, call decide."
)


class Reviewing(Message):
    """How far a review has come: what leaves with a question and comes back with its answer."""

    left: tuple[str, ...]
    """Proposals still to be asked about; the first one is being asked."""
    round: int = 0
    """Which offer of the first one the question showed."""
    answered: tuple[Answered, ...] = ()
    run: str | None = None
    """The run whose question this is, where a call started one."""

    def after(self, offer: Offer, said: str) -> Reviewing:
        """Return the state once the first proposal is dealt with."""
        done = Answered(proposal=offer.proposal.id, said=said, status=stage_of(offer))
        answered = (*self.answered, done)
        return Reviewing(left=self.left[1:], answered=answered, run=self.run)


def resumed(call: Call) -> Reviewing | None:
    """Return the state that this call came back with."""
    state = call.context.request_state
    return Reviewing.model_validate_json(state) if state else None


async def go_through(call: Call, state: Reviewing) -> Reviewing | InputRequiredResult:
    """Ask about one proposal after the other, until all are answered or the person stops."""
    while state.left:
        offer = known_offer(call.service, call.caller, state.left[0])
        said = said_before(call.context, key_of(offer, state.round), Reply)
        if said is None and offer.decision is not None:
            state = state.after(offer, f"was already answered: {standing(offer.decision)}")
            continue
        if said is None:
            state = state.model_copy(update={"round": offer.round})
            asked = await _asked(call, offer, state)
            if isinstance(asked, InputRequiredResult):
                return asked
            said = asked or Said(None)
        if said.reply is None:
            # They closed the form: they are not in the mood for the next one either.
            return state.after(offer, LATER)
        told = _recorded(call, offer, state.round, said.reply)
        state = state.after(call.service.ledger.offer_of(offer.proposal.id), told)
    return state


async def _asked(
    call: Call, offer: Offer, state: Reviewing
) -> Said[Reply] | InputRequiredResult | None:
    done, left = len(state.answered), len(state.left)
    message = f"{done + 1} of {done + left}. {in_words(offer)}"
    return await ask(call.context, key_of(offer, offer.round), message, Reply, state)


def _recorded(call: Call, offer: Offer, shown: int, reply: Reply) -> str:
    """Write the person's answer down, unless another one came first; returns what to tell."""
    if reply.answer == "later":
        return LATER
    if offer.round != shown:
        return "was measured anew while the question was open; ask again"
    asked = DecisionAsked(verdict=cast(Given, reply.answer), reason=reply.reason, round=shown)
    try:
        now = answer(call.service, call.caller, offer.proposal.id, asked, "mcp")
    except AlreadyDecided as exc:
        same = exc.standing.principal, exc.standing.verdict
        if same != (call.caller.principal, reply.answer):
            return f"was already answered: {standing(exc.standing)}"
        # The same answer again is what a lost connection leaves.
        return f"recorded: {reply.answer}"
    except (AlreadyApproved, InvalidAnswer, NotAllowed, OfferedAnew, PolicyUnusable) as exc:
        return f"not recorded: {exc}"
    return f"recorded: {reply.answer}" if now.decision else WAITS_FOR_OTHERS


async def finished(call: Call, state: Reviewing, wait_seconds: float) -> Reviewed:
    """Return what became of a review, after a while for its changes to be applied."""
    offers = [known_offer(call.service, call.caller, a.proposal) for a in state.answered]
    for thread_id in dict.fromkeys(o.thread_id for o in offers if o.decision):
        await settled(call, thread_id, wait_seconds)
    return await reviewed(call, state.answered, asked_person=True)


async def reviewed(
    call: Call,
    answered: tuple[Answered, ...] = (),
    *,
    asked_person: bool,
    product: str | None = None,
) -> Reviewed:
    """Return a review's result, with how each proposal stands and what waits now."""
    ledger = call.service.ledger
    now = [
        a.model_copy(update={"outcome": last_outcome(ledger.offer_of(a.proposal))})
        for a in answered
    ]
    waiting = tuple(map(line_of, await waiting_for(call, product)))
    following = ASK_AGAIN if asked_person else CANNOT_ASK
    return Reviewed(
        asked_person=asked_person,
        answered=tuple(now),
        waiting=waiting,
        next=following if waiting else "Nothing waits for an answer.",
    )


async def waiting_for(call: Call, product: str | None) -> list[Offer]:
    """Return the proposals that wait for an answer the caller may give or see, best ones first."""
    wanted = Wanted(product, status="waiting")
    best = Listing("gain", "desc")
    return (await known_offers(call.service, call.caller, wanted, best, lambda o: o)).shown


async def review_proposals(
    call: Call,
    product: Annotated[str | None, Field(description="Only this product's.")] = None,
    proposal_id: Annotated[str | None, Field(description="Only this proposal.")] = None,
    wait_seconds: Seconds = OUTCOME_SECONDS,
) -> Reviewed | InputRequiredResult:
    """Ask the person about the proposals that wait, one by one with their evidence, and record
    their answers; approved changes are applied and proved. Where the client cannot ask, return
    what waits.
    """
    state = resumed(call)
    if state is None and proposal_id is not None:
        offer = known_offer(call.service, call.caller, proposal_id)
        check_may_answer(call.caller, offer.proposal.product)
        state = Reviewing(left=(proposal_id,))
    elif state is None:
        found = [o for o in await waiting_for(call, product) if _is_for(call, o)]
        for offer in found[:1]:
            check_may_answer(call.caller, offer.proposal.product)
        state = Reviewing(left=tuple(o.proposal.id for o in found))
    if not can_be_asked(call.context):
        return await reviewed(call, asked_person=False, product=product)
    result = await go_through(call, state)
    if isinstance(result, InputRequiredResult):
        return result
    return await finished(call, result, wait_seconds)


def _is_for(call: Call, offer: Offer) -> bool:
    """Return whether an answer by the caller is what an offer waits for."""
    by_others = all(a.principal.name != call.caller.principal.name for a in offer.approvals)
    return by_others and call.caller.may("approver", offer.proposal.product)

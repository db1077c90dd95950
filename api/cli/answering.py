"""Commands that answer: review, decide, undo."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast, get_args

import typer
from rich.prompt import Prompt

from api.cli.charts import before_after_bars
from api.cli.evidence import evidence_panel
from api.cli.render import outcome_table
from api.cli.shell import (
    Json,
    err,
    load_settings,
    out,
    print_json,
    tell,
    through_service,
    with_ledger,
    with_queue,
    with_steward,
)
from api.products import descriptor_of, service_of
from api.views import offer_view, save_report
from api.wording import approvals
from graph.answering import edited_change
from graph.beside import Beside, Queue
from graph.errors import (
    AlreadyApproved,
    AlreadyDecided,
    AlreadyUndone,
    Busy,
    InvalidAnswer,
    NotAllowed,
)
from graph.ledger import Ledger, Offer, now
from graph.policy import PolicyUnusable
from graph.settings import Settings
from graph.steward import Stewardship
from tools.lazy import lazy
from tools.messages import Change, Decision, Principal, Verdict, change_id

if TYPE_CHECKING:
    from api import explaining
else:
    # Only where a model may have worded something.
    explaining = lazy("api.explaining")

ANSWERS = tuple(v for v in get_args(Verdict) if v != "expire")
IN_PLACE = ("applied", "verified")
NOT_IN_PLACE = ("failed", "expired", "rolled_back")
MEASURED_AGAIN = ("failed", "expired")
AFTERWARDS = {
    "approve": "approved; it is applied as soon as its run can go on.",
    "reject": "rejected; it is not offered again unless its evidence changes.",
    "expire": "expired; `pillion run` measures it again.",
}


class _Answered(NamedTuple):
    """Offers after their answers took effect, and a sentence on each that changed nothing."""

    offers: list[Offer]
    said: list[str]

    @classmethod
    def read(cls, ledger: Ledger, proposals: list[str]) -> _Answered:
        """Look up how things stand."""
        offers = [ledger.offer_of(p) for p in proposals]
        said = [_afterwards(ledger, o) for o in offers if not o.outcomes]
        return cls(offers, said)


def _afterwards(ledger: Ledger, offer: Offer) -> str:
    decision = offer.decision
    if decision is None:
        return f"{offer.proposal.id}: {_given(offer)}; it waits for others."
    if decision.edited is None:
        return f"{offer.proposal.id}: {AFTERWARDS[decision.verdict]}"
    edited = change_id(offer.proposal.product, decision.edited)
    trial = next((t for t in ledger.trials(offer.thread_id) if t.candidate.id == edited), None)
    if trial is None:
        return f"{offer.proposal.id}: edited; {edited} is measured as soon as its run can go on."
    if trial.status == "accepted":
        return f"{offer.proposal.id}: edited and measured; {edited} waits for an answer now."
    return f"{offer.proposal.id}: edited and measured; {trial.status}: {trial.reason}."


def _given(offer: Offer) -> str:
    return approvals([a.principal.name for a in offer.approvals], offer.needed)


def review(
    product: Annotated[str | None, typer.Argument(help="Only this product's proposals.")] = None,
    json: Json = False,
) -> None:
    """Walk the queue: evidence, losers, cost, undo; approve, reject with a reason, edit or skip.

    Example: `pillion review sales`
    """
    settings = load_settings()
    if product is not None:
        descriptor_of(settings, product)
    if json:

        async def listed(queue: Queue) -> list[dict[str, Any]]:
            await queue.recover()
            return [offer_view(o) for o in queue.ledger.offers(product, waiting=True)]

        print_json(with_queue(listed, settings=settings, quiet=True))
        return
    ask_all(settings, product=product)


def decide(
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")],
    verdict: Annotated[str, typer.Argument(help="approve, reject or edit.")],
    reason: Annotated[str, typer.Option(help="Why; kept and learned from.")] = "",
    change: Annotated[
        str | None, typer.Option(help="With edit: the fields of the change to replace, as JSON.")
    ] = None,
    json: Json = False,
) -> None:
    """Answer one proposal; an approved change is applied, verified and reported at once.

    Example: `pillion decide p1f3a9c2b7e0 reject --reason "the feed sends text in June"`
    """
    settings = load_settings()
    if verdict not in ANSWERS:
        tell(f"{verdict!r} is no answer; give {', '.join(ANSWERS)}.", to=err)
        raise typer.Exit(2)

    def record(queue: Queue) -> str:
        offer = queue.ledger.offer_of(proposal)
        edited = merge_change(offer.proposal.change, change) if verdict == "edit" else None
        answer(queue, proposal, verdict, reason, edited)
        return offer.thread_id

    async def work(queue: Queue) -> _Answered:
        thread_id = record(queue)
        await queue.deliver(thread_id)
        save_report(settings, queue.ledger, thread_id)
        return _Answered.read(queue.ledger, [proposal])

    def beside(ledger: Ledger) -> _Answered:
        record(Beside(settings, ledger))
        return _Answered.read(ledger, [proposal])

    _show_answers(_or_beside(settings, work, beside, quiet=json), json=json)


def undo(
    proposal: Annotated[str, typer.Argument(help="The id of an applied proposal.")],
    json: Json = False,
) -> None:
    """Take an applied change back, also after new rows arrived; once is enough (exit code 3).

    Example: `pillion undo p1f3a9c2b7e0`
    """
    settings = load_settings()

    async def work(steward: Stewardship) -> None:
        begun = proposal in {r.proposal_id for r in steward.ledger.undo_requests()}
        await steward.recover()
        try:
            await steward.undo(proposal, f"person:{settings.person}")
        except AlreadyUndone:
            # What an earlier command could not carry out was this very request.
            if not begun:
                raise

    def read(ledger: Ledger) -> _Answered:
        save_report(settings, ledger, ledger.offer_of(proposal).thread_id)
        return _Answered.read(ledger, [proposal])

    serving = service_of(settings)
    if serving is None:
        with_steward(work, settings=settings, quiet=json)
    else:
        through_service(lambda at, _: at.undo(proposal), serving, quiet=json)
    _show_answers(with_ledger(read, settings), json=json)


def merge_change(change: Change, text: str | None) -> Change:
    """Return the change with some fields replaced; kind and table stay."""
    try:
        fields = jsonlib.loads(text or "")
        if not isinstance(fields, dict):
            raise TypeError
    except (ValueError, TypeError) as exc:
        raise InvalidAnswer(
            'An edit needs --change with a JSON object, such as \'{"to_type": "BIGINT"}\'.'
        ) from exc
    return edited_change(change, fields)


def answer(
    queue: Queue, proposal: str, verdict: str, reason: str, edited: Change | None = None
) -> None:
    """Record one answer of the person at this terminal."""
    queue.ledger.decide(
        Decision(
            proposal_id=proposal,
            verdict=cast(Verdict, verdict),
            reason=reason,
            principal=Principal(kind="person", name=queue.settings.person),
            channel="terminal",
            decided_at=now(),
            edited=edited,
        )
    )


def ask_all(
    settings: Settings, *, product: str | None = None, thread_id: str | None = None
) -> None:
    """Show each waiting proposal and take an answer; changes are applied at the end, together."""

    async def waiting(queue: Queue) -> list[Offer]:
        await queue.recover()
        return queue.ledger.offers(product, thread_id, waiting=True)

    offers = with_queue(waiting, settings=settings)
    if not offers:
        tell("Nothing waits for an answer.")
        return
    answered: list[Offer] = []
    try:
        for number, offer in enumerate(offers, start=1):
            out.rule(f"{number} of {len(offers)}")
            if _ask(settings, offer):
                answered.append(offer)
    except EOFError:
        tell("\nNo more input; the rest waits.")

    async def deliver(queue: Queue) -> _Answered:
        for thread in dict.fromkeys(o.thread_id for o in answered):
            await queue.deliver(thread)
            save_report(settings, queue.ledger, thread)
        return _Answered.read(queue.ledger, [o.proposal.id for o in answered])

    def beside(ledger: Ledger) -> _Answered:
        return _Answered.read(ledger, [o.proposal.id for o in answered])

    if answered:
        _show_answers(_or_beside(settings, deliver, beside), json=False)


def _or_beside(
    settings: Settings,
    work: Callable[[Queue], Coroutine[Any, Any, _Answered]],
    beside: Callable[[Ledger], _Answered],
    *,
    quiet: bool = False,
) -> _Answered:
    """Do work on the queue; beside another command, which carries answers out, or the next one."""
    try:
        return with_queue(work, settings=settings, quiet=quiet)
    except Busy:
        return with_ledger(beside, settings)


def _ask(settings: Settings, offer: Offer) -> bool:
    """Take one answer, asking again until it is valid; returns whether there is one now."""
    told = explaining.words_of(settings, offer.proposal) if settings.words_model else None
    out.print(evidence_panel(offer.proposal, told))
    out.print(before_after_bars(offer.proposal.evidence.queries, out.width))
    if given := _given(offer):
        tell(f"Policy: {given}.")
    while True:
        choice = Prompt.ask(
            "Approve, reject, edit or skip?", choices=["a", "r", "e", "s"], default="s", console=out
        )
        if choice == "s":
            return False
        try:
            _take(settings, offer, choice)
            return True
        except (AlreadyDecided, AlreadyApproved, NotAllowed, PolicyUnusable) as exc:
            tell(exc)
            return False
        except InvalidAnswer as exc:
            tell(exc)


def _take(settings: Settings, offer: Offer, choice: str) -> None:
    reason = (
        Prompt.ask("Why?", default="", show_default=False, console=out) if choice != "a" else ""
    )
    text = Prompt.ask("Fields to replace, as JSON", console=out) if choice == "e" else None
    edited = merge_change(offer.proposal.change, text) if choice == "e" else None
    verdict = {"a": "approve", "r": "reject", "e": "edit"}[choice]

    def record(ledger: Ledger) -> None:
        answer(Beside(settings, ledger), offer.proposal.id, verdict, reason, edited)

    with_ledger(record, settings)


def _show_answers(answered: _Answered, *, json: bool) -> None:
    """Show what became of answers; ends with code 1 when an approved change is not in place."""
    last = [o.outcomes[-1] for o in answered.offers if o.outcomes]
    if json:
        print_json(offer_view(answered.offers[0]))
    else:
        if last:
            out.print(outcome_table([o for offer in answered.offers for o in offer.outcomes]))
        for sentence in answered.said:
            tell(sentence)
        standing = [o.proposal_id for o in last if o.status in IN_PLACE]
        if standing:
            tell(
                f"To take {'it' if len(standing) == 1 else 'one'} back: pillion undo {standing[-1]}"
            )
        again = {o.proposal.product for o in answered.offers for x in o.outcomes[-1:]
                 if x.status in MEASURED_AGAIN}  # fmt: skip
        for product in sorted(again):
            tell(f"To have it measured and offered again: pillion run {product}")
    if any(o.status in NOT_IN_PLACE for o in last):
        raise typer.Exit(1)

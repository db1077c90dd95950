"""Commands that answer: review, decide, undo."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from api.cli.charts import before_after_bars
from api.cli.evidence import evidence_panel
from api.cli.outcomes import Answered, given, keep_report
from api.cli.questions import CHOICES, Quit, ask_choice, ask_edit, ask_why, merge_change
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
from api.views import offer_view
from api.wording import counted
from graph.beside import Beside, Queue
from graph.errors import (
    AlreadyApproved,
    AlreadyDecided,
    AlreadyUndone,
    Busy,
    InvalidAnswer,
    NotAllowed,
    OfferedAnew,
)
from graph.ledger import Ledger, Offer, now
from graph.policy import PolicyUnusable
from graph.settings import Settings
from graph.steward import UNDO_KEPT, Stewardship
from tools.lazy import lazy
from tools.messages import Change, Decision, Principal, Verdict

if TYPE_CHECKING:
    from api import explaining
else:
    # Only where a model may have worded something.
    explaining = lazy("api.explaining")

ANSWERS = tuple(v for v in get_args(Verdict) if v != "expire")


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
    ask_all(settings, product=product).end()


def decide(
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")],
    verdict: Annotated[str, typer.Argument(help="approve, reject or edit.")],
    reason: Annotated[str, typer.Option(help="Why; kept and learned from.")] = "",
    change: Annotated[
        str | None,
        typer.Option(help="With edit: the fields to replace, as JSON; without, it names them."),
    ] = None,
    seen: Annotated[
        int | None,
        typer.Option("--round", min=1, help="Of the offer you saw; a newer one is refused."),
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

    if change is not None and verdict != "edit":
        tell(f"--change goes with edit, not {verdict}; nothing was recorded.", to=err)
        raise typer.Exit(2)

    def record(queue: Queue) -> str:
        offer = queue.ledger.offer_of(proposal)
        edited = merge_change(offer.proposal.change, change) if verdict == "edit" else None
        queue.ledger.decide(_decision(queue, proposal, verdict, reason, edited), seen)
        return offer.thread_id

    async def work(queue: Queue) -> Answered:
        try:
            thread_id = record(queue)
        except AlreadyDecided:
            # An earlier command may have been stopped before it carried that answer out.
            thread_id = queue.ledger.offer_of(proposal).thread_id
            if thread_id in queue.ledger.undelivered():
                await queue.deliver()
            keep_report(settings, queue.ledger, thread_id)
            raise
        await queue.deliver(thread_id)
        keep_report(settings, queue.ledger, thread_id)
        return Answered.read(queue.ledger, [proposal])

    def beside(ledger: Ledger) -> Answered:
        record(Beside(settings, ledger))
        return Answered.read(ledger, [proposal])

    _tell(_or_beside(settings, work, beside, quiet=json), json=json)


def undo(
    proposal: Annotated[str, typer.Argument(help="The id of an applied proposal.")],
    json: Json = False,
) -> None:
    """Take an applied change back, also after new rows arrived; once is enough (exit code 3).

    Example: `pillion undo p1f3a9c2b7e0`
    """
    settings = load_settings()
    actor = f"person:{settings.person}"

    async def work(steward: Stewardship) -> None:
        begun = proposal in {r.proposal_id for r in steward.ledger.undo_requests()}
        await steward.recover()
        try:
            await steward.undo(proposal, actor)
        except AlreadyUndone:
            # What an earlier command could not carry out was this very request.
            if not begun:
                keep_report(settings, steward.ledger, steward.ledger.offer_of(proposal).thread_id)
                raise

    def read(ledger: Ledger) -> Answered:
        keep_report(settings, ledger, ledger.offer_of(proposal).thread_id)
        return Answered.read(ledger, [proposal])

    serving = service_of(settings)
    if serving is not None:
        through_service(lambda at, _: at.undo(proposal), serving, quiet=json)
    else:
        try:
            with_steward(work, settings=settings, quiet=json)
        except Busy as exc:
            with_ledger(lambda ledger: ledger.request_undo(proposal, actor), settings)
            raise Busy(f"{exc} {UNDO_KEPT}") from exc
    _tell(with_ledger(read, settings), json=json)


def _tell(answered: Answered, *, json: bool) -> None:
    """Tell what became of one answer, by the exit code, too."""
    if json:
        print_json(offer_view(answered.offers[0]))
    else:
        answered.show()
    answered.end()


def approve_all(queue: Queue, thread_id: str) -> list[str]:
    """Approve what waits of a run, all or nothing; returns the ids.

    That is how a person answers who said --yes.
    """
    offers = queue.ledger.offers(thread_id=thread_id, waiting=True)
    waiting = {o.proposal.id: o.round for o in offers}
    said = [_decision(queue, p, "approve", "--yes") for p in waiting]
    queue.ledger.decide_all(said, seen=waiting)
    return list(waiting)


def _decision(
    queue: Queue, proposal: str, verdict: str, reason: str, edited: Change | None = None
) -> Decision:
    return Decision(
        proposal_id=proposal,
        verdict=cast(Verdict, verdict),
        reason=reason,
        principal=Principal(kind="person", name=queue.settings.person),
        channel="terminal",
        decided_at=now(),
        edited=edited,
    )


def ask_all(
    settings: Settings, *, product: str | None = None, thread_id: str | None = None
) -> Answered:
    """Show each waiting proposal and take an answer; changes are applied at the end, together.

    Shows and returns what became of the answers.
    """

    async def waiting(queue: Queue) -> list[Offer]:
        await queue.recover()
        return queue.ledger.offers(product, thread_id, waiting=True)

    offers = with_queue(waiting, settings=settings)
    if not offers:
        tell("Nothing waits for an answer.")
        return Answered([], [])
    answered = _answers(settings, offers)

    async def deliver(queue: Queue) -> Answered:
        for thread in dict.fromkeys(o.thread_id for o in answered):
            await queue.deliver(thread)
            keep_report(settings, queue.ledger, thread)
        return Answered.read(queue.ledger, [o.proposal.id for o in answered])

    def beside(ledger: Ledger) -> Answered:
        return Answered.read(ledger, [o.proposal.id for o in answered])

    if not answered:
        return Answered([], [])
    came_of_it = _or_beside(settings, deliver, beside)
    came_of_it.show()
    return came_of_it


def _answers(settings: Settings, offers: Sequence[Offer]) -> list[Offer]:
    """Ask about one after the other; returns those that have an answer now."""
    answered: list[Offer] = []
    try:
        for number, offer in enumerate(offers, start=1):
            out.rule(f"{number} of {len(offers)}")
            if _ask(settings, offer):
                answered.append(offer)
    except Quit:
        tell("The rest waits.")
    except EOFError:
        out.print()
        tell("No more input; the rest waits.")
    except KeyboardInterrupt:
        out.print()
        if answered:
            many = counted(len(answered), "answer is", "answers are")
            them = "it" if len(answered) == 1 else "them"
            tell(
                f"{many} recorded; the next `pillion review` or `run`, or the service, carries"
                f" {them} out.",
                to=err,
            )
        raise
    return answered


def _or_beside(
    settings: Settings,
    work: Callable[[Queue], Coroutine[Any, Any, Answered]],
    beside: Callable[[Ledger], Answered],
    *,
    quiet: bool = False,
) -> Answered:
    """Do work on the queue; beside another command, which carries answers out, or the next one."""
    try:
        return with_queue(work, settings=settings, quiet=quiet)
    except Busy:
        return with_ledger(beside, settings)


def _ask(settings: Settings, offer: Offer) -> bool:
    """Take one answer, asking again until it is valid; returns whether there is one now."""
    told = explaining.words_of(settings, offer.proposal) if settings.words_model else None
    out.print(evidence_panel(offer.proposal, told, offer.remeasured))
    out.print(before_after_bars(offer.proposal.evidence.queries, out.width))
    if policy := given(offer):
        tell(f"Policy: {policy}.")
    while True:
        choice = ask_choice()
        if choice == "s":
            return False
        try:
            _take(settings, offer, choice)
            return True
        except (AlreadyDecided, AlreadyApproved, NotAllowed, OfferedAnew, PolicyUnusable) as exc:
            tell(exc)
            return False
        except InvalidAnswer as exc:
            tell(exc)


def _take(settings: Settings, offer: Offer, choice: str) -> None:
    edited = ask_edit(offer.proposal.change) if choice == "e" else None
    reason = ask_why() if choice != "a" else ""
    verdict = CHOICES[choice]

    def record(ledger: Ledger) -> None:
        queue = Beside(settings, ledger)
        given = _decision(queue, offer.proposal.id, verdict, reason, edited)
        ledger.decide(given, offer.round)

    with_ledger(record, settings)

"""Commands that run the agents: demo, run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.answering import approve_all, ask_all
from api.cli.outcomes import Answered
from api.cli.registering import register, setting_up, with_bar
from api.cli.render import LEGEND, proposal_table, trials_table
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
from api.products import check_writable, descriptor_of, product_names, service_of
from api.views import run_view, save_report
from api.wording import counted
from graph.beside import Queue
from graph.ledger import Ledger
from graph.settings import Settings
from graph.steward import Stewardship
from tools.messages import AgentName, Trial

AGENTS: tuple[AgentName, ...] = ("schema", "query")
Budget = Annotated[
    float | None,
    typer.Option(
        help="Seconds of work spent measuring; a busy machine takes longer.", min=1, max=86_400
    ),
]


def demo(
    product: Annotated[str, typer.Option(help="flights or tpch.")] = "flights",
    scale: Annotated[
        float,
        typer.Option(
            help="TPC-H's scale factor; years of flights, or a share of one below 1.",
            min=0.001,
            max=100,
        ),
    ] = 1.0,
    yes: Annotated[bool, typer.Option("--yes", help="Approve every proposal.")] = False,
    budget: Budget = None,
    json: Json = False,
) -> None:
    """Make a data product from real data and improve it; with --yes up to the verified changes.

    Example: `pillion demo --yes`, or `pillion demo --product tpch --scale 1`
    """
    if product not in ("flights", "tpch"):
        tell(f"--product is flights or tpch, not {product!r}.", to=err)
        raise typer.Exit(2)
    settings = load_settings()
    name = f"{product}-{scale:g}".replace(".", "_")
    if (product, scale) == ("flights", 1):
        name = product
    if name not in product_names(settings):
        _build_demo(settings, product, name, scale, quiet=json)
    started = time.monotonic()

    async def work(steward: Stewardship) -> tuple[str, list[str]]:
        thread_id = await steward.run(name, (), budget)
        return thread_id, await _approve(steward, thread_id) if yes else []

    approved: list[str] = []
    if service_of(settings) is None:
        thread_id, approved = with_steward(work, settings=settings, quiet=json)
    else:
        thread_id = improve(settings, name, (), budget, quiet=json)
        if yes:
            approve = partial(_approve, thread_id=thread_id)
            approved = with_queue(approve, settings=settings, quiet=json)
    seconds = time.monotonic() - started
    finish(settings, thread_id, json=json, seconds=seconds, approved=approved)


def run(
    product: Annotated[str, typer.Argument(help="A product's name; see `pillion status`.")],
    only: Annotated[str | None, typer.Option(help="Agents, by commas: schema,query.")] = None,
    budget: Budget = None,
    show_rejected: Annotated[
        bool,
        typer.Option(
            "--show-rejected", help="Also show what lost or cannot be measured, with why."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Run the agents to the question: find, measure on a copy, offer what wins.

    Example: `pillion run sales --only schema --budget 60 --show-rejected`
    """
    settings = load_settings()
    agents = _agents(only)
    descriptor_of(settings, product)
    started = time.monotonic()
    thread_id = improve(settings, product, agents, budget, quiet=json)
    seconds = time.monotonic() - started
    finish(settings, thread_id, json=json, rejected=show_rejected, seconds=seconds)


def improve(
    settings: Settings,
    product: str,
    agents: tuple[AgentName, ...],
    budget: float | None = None,
    *,
    quiet: bool,
) -> str:
    """Run the agents to the question and return the run; the service does it where one serves."""

    async def work(steward: Stewardship) -> str:
        return await steward.run(product, agents, budget)

    serving = service_of(settings)
    if serving is not None:
        return through_service(
            lambda at, on_event: at.improve(product, agents, budget, on_event),
            serving, quiet=quiet,
        )  # fmt: skip
    return with_steward(work, settings=settings, quiet=quiet)


def _agents(only: str | None) -> tuple[AgentName, ...]:
    if only is None:
        return ()
    wanted = [part.strip() for part in only.split(",")]
    chosen = tuple(a for a in AGENTS if a in wanted)
    unknown = [w for w in wanted if w not in AGENTS]
    if unknown:
        tell(f"Unknown agent {unknown[0]!r}; --only takes {', '.join(AGENTS)}.", to=err)
        raise typer.Exit(2)
    return chosen


def _build_demo(settings: Settings, product: str, name: str, scale: float, *, quiet: bool) -> None:
    check_writable(settings.home)
    directory = (settings.home / "demo" / name).resolve()
    arguments = ["demo", "--product", product, "--scale", str(scale)]
    arguments += ["--directory", str(directory)]
    with setting_up(settings):
        made = with_bar(f"Making the {product} product", arguments, quiet=quiet)
    register(settings, name, Path(made["database"]), [Path(made["queries"])], None, quiet=quiet)


async def _approve(queue: Queue, thread_id: str) -> list[str]:
    approved = approve_all(queue, thread_id)
    await queue.deliver(thread_id)
    return approved


def finish(
    settings: Settings,
    thread_id: str,
    *,
    json: bool,
    seconds: float,
    rejected: bool = False,
    approved: Sequence[str] = (),
) -> None:
    """Show where the run stands; then what became of `approved`, else ask when someone is there.

    Ends with code 1 when an approved change is not in place.
    """
    answered = with_ledger(lambda ledger: Answered.read(ledger, approved), settings)
    if json:

        def view(ledger: Ledger) -> dict[str, Any]:
            return run_view(settings, ledger, thread_id, rejected=rejected)

        print_json({**with_ledger(view, settings), "seconds": seconds})
    else:
        waiting = _show_run(settings, thread_id, seconds, rejected=rejected)
        if approved:
            answered.show()
        elif waiting and sys.stdin.isatty() and sys.stdout.isatty():
            answered = ask_all(settings, thread_id=thread_id)
        elif waiting:
            _how_to_answer(waiting)
        saved = with_ledger(lambda ledger: save_report(settings, ledger, thread_id), settings)
        tell(saved.problem or f"Report: {saved.path}")
    answered.end()


def _show_run(settings: Settings, thread_id: str, seconds: float, *, rejected: bool) -> int:
    """Show the run and what it found; returns how many proposals wait."""
    tell(f"Run: {thread_id}")

    def show(ledger: Ledger) -> int:
        offers = ledger.offers(thread_id=thread_id)
        trials = ledger.trials(thread_id)
        if rejected and trials:
            out.print(trials_table(trials, all=True))
        if offers:
            out.print(proposal_table([o.proposal for o in offers]))
            tell(LEGEND)
            _tell_losers(ledger, thread_id, trials, shown=rejected)
        else:
            _why_nothing(trials, seconds, shown=rejected)
        _tell_notes(ledger, thread_id, all=rejected)
        return sum(o.waiting for o in offers)

    return with_ledger(show, settings)


def _tell_notes(ledger: Ledger, thread_id: str, *, all: bool) -> None:
    """Tell what the run noted; in one line, what could not be measured the time before, either."""
    thread, kept = ledger.thread(thread_id), ledger.report(thread_id)
    before = () if all else ledger.measured_before(thread).get("unmeasured", ())
    known = set(before) & set(kept.get("unmeasured", ()))
    for note in dict.fromkeys(kept.get("notes", ())):
        if note not in known:
            tell(f"Note: {note.rstrip('.')}.")
    if known:
        tell(
            f"{counted(len(known), 'statement')} could not be measured, as in the run before:"
            f" pillion run {thread.product} --show-rejected names them, as the report does."
        )


def _tell_losers(ledger: Ledger, thread_id: str, trials: list[Trial], *, shown: bool) -> None:
    lost = sum(t.status != "accepted" for t in trials)
    if lost and not shown:
        product = ledger.thread(thread_id).product
        tell(
            f"{counted(lost, 'other idea')} {'was' if lost == 1 else 'were'} tried and not offered:"
            f" the report says why, as pillion run {product} --show-rejected does."
        )


def _why_nothing(trials: list[Trial], seconds: float, *, shown: bool) -> None:
    if not trials:
        tell("There was nothing to try; the notes say what was looked for.")
        return
    if not shown:
        out.print(trials_table(trials, all=False))
    held = any(t.status == "held" for t in trials)
    found = "worth asking" if held else "worth changing"
    late = sum(t.status == "unmeasured" for t in trials)
    if tried := len(trials) - late:
        tell(f"Tried {counted(tried, 'idea')} in {seconds:.0f} s; nothing is {found}.")
    if late:
        tell(f"No time was left to measure {counted(late, 'idea')}: give more with --budget.")


def _how_to_answer(waiting: int) -> None:
    waits = "proposal waits" if waiting == 1 else "proposals wait"
    tell(f"{waiting} {waits} for an answer:")
    out.print("  pillion review                          one by one, with the evidence")
    out.print("  pillion decide ID approve               or: reject --reason WHY")

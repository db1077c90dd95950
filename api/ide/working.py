"""Tools that start and follow runs."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import InputRequiredResult
from pydantic import Field

from api.ide.calls import Call
from api.ide.contract import Analysis, RunStatus
from api.ide.following import OUTCOME_SECONDS, WAIT_SECONDS, Seconds, is_busy, settled
from api.ide.questions import can_be_asked
from api.ide.reading import Product
from api.ide.reviewing import Reviewing, finished, go_through, resumed
from api.ide.words import line_of
from api.service.desk import RunAsked, begin_run, known_thread
from graph.errors import UnknownThread
from mcp_servers.product.errors import ToolFailed
from tools.messages import AgentName

NEXT: dict[RunStatus, str] = {
    "queued": "Call follow_run to wait for it.",
    "running": "Call follow_run to go on waiting; it works without you, too.",
    "waiting": "Call review_proposals, so that the person answers.",
    "done": "Nothing waits. list_proposals shows what was answered.",
    "failed": "Read the notes, then analyse_product again.",
}


async def analyse_product(
    call: Call,
    product: Product,
    agents: Annotated[
        list[AgentName], Field(description="schema: structure; query: rewrites; none means both.")
    ] = [],  # noqa: B006 - never changed; the schema shows the default
    budget_seconds: Annotated[
        float | None, Field(gt=0, le=86_400, description="Longest time to measure.")
    ] = None,
    wait_seconds: Seconds = WAIT_SECONDS,
) -> Analysis | InputRequiredResult:
    """Look for improvements of a data product: find ideas, measure them on a copy, propose those
    that pay. Nothing is changed before the person approves; where the client can ask, they are
    asked as soon as the run has its proposals.
    """
    state = resumed(call)
    if state is not None and state.run is not None:
        return await _asked(call, state, state.run)
    asked = RunAsked(agents=agents, budget_seconds=budget_seconds)
    run = await begin_run(call.service, call.caller, product, asked)
    in_time = await settled(call, run.thread_id, wait_seconds, after=0)
    ended = call.service.engine.records.run_row(run.run_id)
    if ended.error is not None:
        raise ToolError(ToolFailed.encode("run_failed", str(ended.error["message"])))
    found = analysis_of(call, run.thread_id)
    may_answer = call.caller.may("approver", product) and call.caller.principal.kind == "person"
    if not (in_time and found.status == "waiting" and may_answer and can_be_asked(call.context)):
        return found
    waiting = tuple(p.id for p in found.proposals if p.status == "waiting")
    return await _asked(call, Reviewing(left=waiting, run=run.thread_id), run.thread_id)


async def _asked(call: Call, state: Reviewing, thread_id: str) -> Analysis | InputRequiredResult:
    known_thread(call.service, call.caller, thread_id)
    result = await go_through(call, state)
    if isinstance(result, InputRequiredResult):
        return result
    review = await finished(call, result, OUTCOME_SECONDS)
    return analysis_of(call, thread_id).model_copy(update={"review": review})


async def follow_run(
    call: Call,
    run: Annotated[str, Field(min_length=1, max_length=200, description="The run's id.")],
    wait_seconds: Seconds = WAIT_SECONDS,
) -> Analysis:
    """Wait for a run until it asks, ends or the time is over, and say how it stands."""
    _check_visible(call, run)
    await settled(call, run, wait_seconds)
    return analysis_of(call, run)


def _check_visible(call: Call, thread_id: str) -> None:
    """Raise unless the run is one the caller may see; a queued one is not in the ledger yet."""
    thread = call.service.engine.records.thread_row(thread_id)
    if "product" not in thread.metadata or not call.caller.sees("viewer", thread.metadata):
        raise UnknownThread(thread_id)


def analysis_of(call: Call, thread_id: str) -> Analysis:
    """Return how a run stands."""
    ledger = call.service.ledger
    product = str(call.service.engine.records.thread_row(thread_id).metadata["product"])
    try:
        thread = ledger.thread(thread_id)
    except UnknownThread:
        return Analysis(run=thread_id, product=product, status="queued", next=NEXT["queued"])
    status: RunStatus = "running" if is_busy(call, thread_id) else _STATUS[thread.status]
    kept = ledger.report(thread_id)
    return Analysis.model_validate(
        {
            "run": thread_id,
            "product": product,
            "status": status,
            "tried": len(ledger.trials(thread_id)),
            "total": kept.get("total"),
            "notes": tuple(kept.get("notes", ())),
            "proposals": tuple(line_of(o) for o in ledger.offers(thread_id=thread_id)),
            "next": NEXT[status],
        }
    )


_STATUS: dict[str, RunStatus] = {
    "running": "running", "waiting": "waiting", "done": "done", "failed": "failed",
}  # fmt: skip

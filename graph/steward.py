"""The steward: runs the graph for a home directory, delivers answers, resumes after a crash."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from filelock import FileLock, Timeout
from langgraph.types import Command

from graph.build import Steward, build_graph
from graph.checkpoints import open_checkpoints
from graph.errors import Busy, GraphError, ProductUnavailable, RunFailed
from graph.ledger import Ledger, UndoRequest, now
from graph.settings import Settings
from mcp_servers.product.client import ProductClient, connect
from mcp_servers.product.contract import MeasureLimits
from mcp_servers.product.errors import ServerGone, ToolFailed
from nodes.context import Context, Policy
from nodes.state import State
from tools.failpoints import crash_point
from tools.messages import AgentName, Decision, Outcome, Principal

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]
Targets = Callable[[str], Callable[[], Any]]
"""From a product's name to how its server is reached; raises `UnknownProduct`."""
RECURSION_LIMIT = 1000


@dataclass
class Stewardship:
    """One process's exclusive hold on a home directory."""

    settings: Settings
    ledger: Ledger
    graph: Steward
    targets: Targets
    on_event: OnEvent = field(default=lambda event: None)

    async def run(
        self,
        product: str,
        agents: tuple[AgentName, ...] = (),
        budget_seconds: float | None = None,
    ) -> str:
        """Run to the question and return the thread id; an interrupted run is continued first."""
        target = self.targets(product)
        await self.recover(besides=product)
        thread_id = await self._run(product, target, agents, budget_seconds)
        # What this run offers anew is closed where it was offered before.
        await self.deliver()
        return thread_id

    async def _run(
        self,
        product: str,
        target: Callable[[], Any],
        agents: tuple[AgentName, ...],
        budget_seconds: float | None,
    ) -> str:
        unfinished = self.ledger.threads(product, status="running")
        if unfinished:
            thread_id = unfinished[-1].id
            self.on_event({"kind": "note", "text": f"continuing {thread_id}"})
            await self._advance(thread_id, product, None, budget_seconds)
            return thread_id
        thread_id = f"{product}-{now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        state = State(product=product, thread_id=thread_id)
        if agents:
            state["agents"] = agents
        async with connect(target) as client:
            await _reachable(client)
        self.ledger.open_thread(thread_id, product, ",".join(agents) or "all")
        await self._advance(thread_id, product, state, budget_seconds)
        return thread_id

    async def deliver(self, wanted: str | None = None) -> None:
        """Hand every recorded answer to its run; safe to repeat after a crash.

        A run that cannot go on, such as one whose product is locked, does not hold up the others:
        its answers wait. Only trouble with the `wanted` run is raised.
        """
        for thread_id, decisions in self.ledger.undelivered().items():
            with self._apart(thread_id, wanted):
                await self._deliver(thread_id, decisions)

    async def undo(self, proposal_id: str, actor: str) -> None:
        """Take an applied change back; a crash in between is made good by the next command."""
        self.ledger.request_undo(proposal_id, actor)
        crash_point("steward.undo.requested")
        await self._undo(UndoRequest(proposal_id, actor))

    async def recover(self, besides: str | None = None) -> None:
        """Deliver answers, take back what was asked, finish the runs that a crash left half way.

        Runs of the product `besides` are left to the caller.
        """
        self.expire()
        await self.deliver()
        for request in self.ledger.undo_requests():
            with self._apart(request.proposal_id, None):
                await self._undo(request)
        for thread in self.ledger.threads(status="running"):
            if thread.product != besides:
                with self._apart(thread.id, None):
                    await self._advance(thread.id, thread.product, None, None)

    @contextmanager
    def _apart(self, what: str, wanted: str | None) -> Iterator[None]:
        """Turn trouble into a note, unless it is about what is wanted."""
        try:
            yield
        except GraphError as exc:
            if what == wanted:
                raise
            self.on_event({"kind": "note", "text": f"{what} has to wait: {exc}"})

    async def _undo(self, request: UndoRequest) -> None:
        proposal_id = request.proposal_id
        async with self.product(self.ledger.proposal(proposal_id).product) as client:
            try:
                done = await client.undo_change(proposal_id)
            except ToolFailed as exc:
                self.ledger.drop_undo_request(proposal_id)
                raise GraphError(exc.message) from exc
        crash_point("steward.undo.done")
        outcome = Outcome(proposal_id=proposal_id, status=done.status, detail=done.detail)
        self.ledger.record_outcome(outcome, request.actor)

    def expire(self) -> None:
        """Answer proposals whose time is over."""
        clock = Principal(kind="agent", name="clock")
        for offer in self.ledger.offers(waiting=True):
            if offer.proposal.expires_at <= now():
                self.ledger.decide(
                    Decision(
                        proposal_id=offer.proposal.id,
                        verdict="expire",
                        reason="nobody answered in time",
                        principal=clock,
                        channel="policy",
                        decided_at=now(),
                    )
                )

    @asynccontextmanager
    async def product(self, name: str) -> AsyncIterator[ProductClient]:
        """Open a client to a product's server outside a run."""
        async with connect(self.targets(name)) as client:
            try:
                yield client
            except ServerGone as exc:
                raise ProductUnavailable(str(exc)) from exc

    async def _deliver(self, thread_id: str, decisions: list[Decision]) -> None:
        thread = self.ledger.thread(thread_id)
        snapshot = await self.graph.aget_state(_config(thread_id))
        if snapshot.next and not snapshot.interrupts:
            # A crash left this run between two steps: bring it to its question first.
            await self._advance(thread_id, thread.product, None, None)
            snapshot = await self.graph.aget_state(_config(thread_id))
        settled = snapshot.values.get("settled", {}) if snapshot.values else {}
        fresh = [d for d in decisions if d.proposal_id not in settled]
        if fresh and snapshot.interrupts:
            self.ledger.set_thread(thread_id, "running")
            answer = {
                snapshot.interrupts[0].id: {
                    "decisions": [{"proposal_id": d.proposal_id, "type": d.verdict} for d in fresh]
                }
            }
            crash_point("steward.before_resume")
            await self._advance(thread_id, thread.product, Command(resume=answer), None)
        self.ledger.delivered(thread_id, [d.proposal_id for d in decisions])

    async def _advance(
        self,
        thread_id: str,
        product: str,
        given: State | Command[Any] | None,
        budget_seconds: float | None,
    ) -> None:
        """Run the graph until it asks, ends or fails; every step is saved before the next."""
        if given is None and not (await self.graph.aget_state(_config(thread_id))).values:
            # The crash came before the first checkpoint.
            thread = self.ledger.thread(thread_id)
            given = State(product=product, thread_id=thread_id)
            if thread.request != "all":
                given["agents"] = tuple(cast(list[AgentName], thread.request.split(",")))
        async with connect(self.targets(product)) as client:
            context = Context(product, client, self.ledger, self._policy(budget_seconds))
            try:
                await self._stream(thread_id, given, context)
            except ToolFailed as exc:
                self.ledger.set_thread(thread_id, "failed")
                raise GraphError(exc.message) from exc
            except ServerGone as exc:
                raise ProductUnavailable(str(exc)) from exc
            except (sqlite3.Error, OSError):
                # The state could not be written; the run goes on once it can.
                raise
            except Exception as exc:
                # A fault of ours would only repeat; the next run starts afresh.
                self.ledger.set_thread(thread_id, "failed")
                raise RunFailed(f"{thread_id} failed: {type(exc).__name__}: {exc}") from exc
        snapshot = await self.graph.aget_state(_config(thread_id))
        self.ledger.set_thread(thread_id, "waiting" if snapshot.interrupts else "done")

    async def _stream(
        self, thread_id: str, given: State | Command[Any] | None, context: Context
    ) -> None:
        stream = self.graph.astream(
            given,
            _config(thread_id),
            context=context,
            stream_mode=["tasks", "custom"],
            durability="sync",
        )
        async for mode, payload in cast(AsyncIterator[tuple[str, dict[str, Any]]], stream):
            if mode == "custom":
                self.on_event(payload)
            elif "input" in payload:
                crash_point(f"before.{payload['name']}")
                self.on_event({"kind": "node", "node": payload["name"], "status": "started"})
            else:
                self.on_event({"kind": "node", "node": payload["name"], "status": "finished"})
                crash_point(f"after.{payload['name']}")

    def _policy(self, budget_seconds: float | None) -> Policy:
        s = self.settings
        return Policy(
            limits=MeasureLimits(
                budget_seconds=budget_seconds or s.budget_seconds,
                min_gain=s.min_gain,
                max_insert_cost=s.max_insert_cost,
                max_loser_share=s.max_loser_share,
            ),
            expires_days=s.expires_days,
            rollback_below=s.rollback_below,
            changed_evidence=s.changed_evidence,
        )


def _config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": RECURSION_LIMIT}


async def _reachable(client: ProductClient) -> None:
    try:
        await client.describe_product()
    except ToolFailed as exc:
        raise GraphError(exc.message) from exc
    except ServerGone as exc:
        raise ProductUnavailable(str(exc)) from exc


@asynccontextmanager
async def open_steward(
    settings: Settings, targets: Targets, on_event: OnEvent = lambda event: None
) -> AsyncIterator[Stewardship]:
    """Take the home directory for this process; raises `Busy` when another one has it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "steward.lock")
    try:
        lock.acquire(timeout=10)
    except Timeout as exc:
        raise Busy(
            f"Another Pillion process is working in {settings.home}. Wait for it, or use "
            "another PILLION_HOME."
        ) from exc
    try:
        with closing(Ledger(settings.ledger_path)) as ledger:
            async with open_checkpoints(settings.checkpoint_path) as saver:
                yield Stewardship(settings, ledger, build_graph(saver), targets, on_event)
    finally:
        lock.release()

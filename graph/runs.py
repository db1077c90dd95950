"""Runs of the graph: started, continued, answered; every step is saved before the next."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from langgraph.errors import GraphDrained
from langgraph.types import Command, StateSnapshot

from graph.build import Steward, build_graph
from graph.checkpoints import open_checkpoints
from graph.errors import GraphError, ProductUnavailable, RunFailed, RunLost
from graph.judging import ServingJudge
from graph.learning import settle, store_of
from graph.ledger import Ledger
from graph.outcomes import GONE
from graph.products import Products
from graph.readiness import check_ready
from graph.settings import Settings
from graph.steward import OnEvent, Targets
from mcp_servers.product.client import ProductClient
from mcp_servers.product.contract import MeasureLimits
from mcp_servers.product.errors import ATTEMPTS, ServerGone, ToolFailed
from nodes.context import Context, Policy
from nodes.state import State
from tools.failpoints import crash_point
from tools.messages import AgentName, Decision

LOG = logging.getLogger("pillion.runs")
RECURSION_LIMIT = 1000
ANSWER_KEPT = "The answer is kept: the next command, or the service, looks again."
Drive = Callable[[Any, Any, Any, Any], Awaitable[None]]
"""Runs a graph, from what it is given, a config and a context, to its question or its end."""


@dataclass
class Runs:
    """The compiled graph with its checkpoints and the products it may reach."""

    settings: Settings
    ledger: Ledger
    graph: Steward
    products: Products
    drive: Drive

    async def start(
        self,
        thread_id: str,
        product: str,
        agents: tuple[AgentName, ...],
        budget_seconds: float | None,
    ) -> None:
        """Open a new thread and run it to its question.

        Raises, and opens none, when the product is out of reach or has nothing to look at.
        """
        async with self.product(product) as client:
            try:
                await check_ready(client, product, agents)
            except ToolFailed as exc:
                raise GraphError(exc.message) from exc
            self.ledger.open_thread(thread_id, product, ",".join(agents) or "all")
            # Within, so that the product is opened once.
            first = _first(thread_id, product, agents)
            await self._advance(thread_id, product, first, budget_seconds)

    async def resume(
        self, thread_id: str, product: str, budget_seconds: float | None = None
    ) -> None:
        """Continue a run from its last checkpoint."""
        given = None
        snapshot = await self._state(thread_id)
        if snapshot is None:
            await self._give_up(thread_id, product)
            raise RunLost(thread_id, product)
        if not snapshot.values:
            # The crash came before the first checkpoint.
            request = self.ledger.thread(thread_id).request
            names = [] if request == "all" else request.split(",")
            given = _first(thread_id, product, tuple(cast(list[AgentName], names)))
        await self._advance(thread_id, product, given, budget_seconds)

    async def answer(self, thread_id: str, decisions: list[Decision]) -> None:
        """Hand recorded answers to a waiting run; what it has already is left out.

        Raises `RunLost`, and ends the run, where its state is gone and they need it.
        """
        product = self.ledger.thread(thread_id).product
        snapshot = await self._state(thread_id)
        if snapshot is None or not snapshot.values:
            await self._without_state(thread_id, product, decisions)
            return
        if snapshot.next and not snapshot.interrupts:
            # A crash left this run between two steps: bring it to its question first.
            await self.resume(thread_id, product)
            snapshot = await self.graph.aget_state(_config(thread_id))
        settled = snapshot.values.get("settled", {})
        fresh = [d for d in decisions if settled.get(d.proposal_id) is None]
        if not (fresh and snapshot.interrupts):
            return
        self.ledger.set_thread(thread_id, "running")
        answer = {
            snapshot.interrupts[0].id: {
                "decisions": [{"proposal_id": d.proposal_id, "type": d.verdict} for d in fresh]
            }
        }
        crash_point("steward.before_resume")
        await self._advance(thread_id, product, Command(resume=answer), None)

    async def _state(self, thread_id: str) -> StateSnapshot | None:
        """Return the saved state of a run; None where it is damaged."""
        try:
            return await self.graph.aget_state(_config(thread_id))
        except (ValueError, TypeError, KeyError) as exc:
            # Of bytes that are no state any more.
            LOG.info("The state of %s cannot be read: %s", thread_id, exc)
            return None

    async def _without_state(self, thread_id: str, product: str, decisions: list[Decision]) -> None:
        """Take the answers that ask for no more than to be remembered; others end the run."""
        lost = any(d.verdict in ("approve", "edit") for d in decisions)
        if lost or not self.ledger.offers(thread_id=thread_id, waiting=True):
            await self._give_up(thread_id, product)
        if lost:
            raise RunLost(thread_id, product)

    async def _give_up(self, thread_id: str, product: str, why: str = GONE) -> None:
        """End a run that cannot go on; what it made before that stays told as made."""
        made: set[str] = set()
        if self.ledger.unsettled(thread_id):
            async with self.product(product) as client:
                try:
                    changes = (await client.list_changes()).changes
                except ToolFailed as exc:
                    raise GraphError(f"{exc.message} {ANSWER_KEPT}") from exc
            standing = [c for c in changes if c.status == "applied"]
            made = {c.proposal_id for c in standing if c.approval == thread_id}
        self.ledger.give_up(thread_id, made, why)

    @asynccontextmanager
    async def product(self, name: str) -> AsyncIterator[ProductClient]:
        """Open a client to a product's server outside a run."""
        async with self.products.client(name) as client:
            try:
                yield client
            except ServerGone as exc:
                raise ProductUnavailable(str(exc)) from exc

    async def _advance(
        self,
        thread_id: str,
        product: str,
        given: State | Command[Any] | None,
        budget_seconds: float | None,
    ) -> None:
        """Run the graph until it asks, ends or fails."""
        async with self.products.client(product) as client:
            judge = ServingJudge(store_of(self.settings), self.ledger)
            policy = self._policy(budget_seconds)
            context = Context(product, client, self.ledger, policy, judge)
            try:
                await self._stream(thread_id, given, context)
            except ToolFailed as exc:
                self.ledger.set_thread(thread_id, "failed", exc.message)
                raise GraphError(exc.message) from exc
            except ServerGone as exc:
                raise ProductUnavailable(str(exc)) from exc
            except (sqlite3.Error, OSError, GraphDrained):
                # The state could not be written, or the process is about to end; the run goes on.
                raise
            except Exception as exc:
                # A fault of ours would only repeat; the next run starts afresh.
                why = f"{type(exc).__name__}: {exc}"
                self.ledger.set_thread(thread_id, "failed", why)
                if self.ledger.cut_off(thread_id, type(exc).__name__, why) >= ATTEMPTS:
                    # Answers that it did not take would wait for it for ever.
                    await self._give_up(thread_id, product, f"its run failed each time ({why})")
                raise RunFailed(f"{thread_id} failed: {why}") from exc
        snapshot = await self.graph.aget_state(_config(thread_id))
        self.ledger.set_thread(thread_id, "waiting" if snapshot.interrupts else "done")

    async def _stream(
        self, thread_id: str, given: State | Command[Any] | None, context: Context
    ) -> None:
        await self.drive(self.graph, given, _config(thread_id), context)

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


def _first(thread_id: str, product: str, agents: tuple[AgentName, ...]) -> State:
    state = State(product=product, thread_id=thread_id)
    if agents:
        state["agents"] = agents
    return state


def _config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": RECURSION_LIMIT}


def reporting(on_event: OnEvent) -> Drive:
    """Return the way to run the graph that tells its steps as they happen."""

    async def drive(graph: Steward, given: Any, config: Any, context: Any) -> None:
        stream = graph.astream(
            given,
            config,
            context=context,
            stream_mode=["tasks", "custom"],
            durability="sync",
        )
        async for mode, payload in cast(AsyncIterator[tuple[str, dict[str, Any]]], stream):
            if mode == "custom":
                on_event(payload)
            elif "input" in payload:
                crash_point(f"before.{payload['name']}")
                on_event({"kind": "node", "node": payload["name"], "status": "started"})
            else:
                on_event({"kind": "node", "node": payload["name"], "status": "finished"})
                crash_point(f"after.{payload['name']}")

    return drive


@asynccontextmanager
async def open_runs(
    settings: Settings, ledger: Ledger, targets: Targets, on_event: OnEvent
) -> AsyncIterator[Runs]:
    """Open the checkpoints of a home directory that this process holds."""
    settle(store_of(settings), ledger)
    async with open_checkpoints(settings.checkpoint_path) as saver:
        products = Products(targets)
        yield Runs(settings, ledger, build_graph(saver), products, reporting(on_event))

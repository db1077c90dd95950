"""The steward: holds a home directory, runs the graph in it, delivers answers, resumes."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from graph.errors import AlreadyDecided, Busy, GraphError, RunLost
from graph.ledger import Ledger, UndoRequest, now
from graph.settings import Settings
from mcp_servers.product.errors import (
    ATTEMPTS,
    NotNow,
    ServerEnded,
    ToolFailed,
    ended_each_time,
)
from tools.failpoints import crash_point
from tools.lazy import lazy
from tools.messages import AgentName, Decision, Outcome, Principal

if TYPE_CHECKING:
    from graph import runs as graph_runs
    from mcp_servers.product.client import ProductClient
else:
    # Who only looks at the queue need not wait for graph and protocol to be imported.
    graph_runs = lazy("graph.runs")

LOCK_SECONDS = 10.0
"""How long to wait for another command to leave the home."""
HOLDER = "steward.pid"
"""Who holds the home, for whoever has to wait; the lock decides, not this file."""
UNDO_DROPPED = "The request to take the change back is dropped; ask again when that is better."
UNDO_KEPT = "The request is kept: the next command, or the service, takes it back when it can."
Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]
Targets = Callable[[str], Callable[[], Any]]
"""From a product's name to how its server is reached; raises `UnknownProduct`."""


@dataclass
class Stewardship:
    """One process's exclusive hold on a home directory."""

    settings: Settings
    ledger: Ledger
    targets: Targets
    stack: AsyncExitStack
    """Ends what was opened on the way."""
    on_event: OnEvent = field(default=lambda event: None)
    _runs: graph_runs.Runs | None = None

    async def runs(self) -> graph_runs.Runs:
        """Return the graph's runs, opened at the first use."""
        if self._runs is None:
            opening = graph_runs.open_runs(
                self.settings, self.ledger, self.targets, lambda event: self.on_event(event)
            )
            self._runs = await self.stack.enter_async_context(opening)
        return self._runs

    async def run(
        self,
        product: str,
        agents: tuple[AgentName, ...] = (),
        budget_seconds: float | None = None,
    ) -> str:
        """Run to the question and return the thread id; an interrupted run is continued first."""
        self.targets(product)
        await self.recover(besides=product)
        thread_id = await self._run(product, agents, budget_seconds)
        # What this run offers anew is closed where it was offered before.
        await self.deliver()
        await self._take_back_kept()
        return thread_id

    async def _run(
        self, product: str, agents: tuple[AgentName, ...], budget_seconds: float | None
    ) -> str:
        unfinished = self.ledger.threads(product, status="running")
        if unfinished:
            thread_id = unfinished[-1].id
            self.on_event({"kind": "note", "text": f"continuing {thread_id}"})
            await (await self.runs()).resume(thread_id, product, budget_seconds)
            return thread_id
        thread_id = f"{product}-{now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self.ledger.request_run(thread_id, Principal(kind="person", name=self.settings.person))
        await (await self.runs()).start(thread_id, product, agents, budget_seconds)
        return thread_id

    async def deliver(self, wanted: str | None = None) -> None:
        """Hand every recorded answer to its run; safe to repeat after a crash.

        A run that cannot go on, such as one whose product is locked, does not hold up the others:
        its answers wait. Only trouble with the `wanted` run is raised.
        """
        for thread_id, decisions in self.ledger.undelivered().items():
            with self._apart(thread_id, wanted):
                await self._deliver(thread_id, decisions)
                if thread_id != wanted:
                    self._tell_outcomes(decisions)
            if thread_id != wanted:
                self._moved(thread_id)

    async def _deliver(self, thread_id: str, decisions: list[Decision]) -> None:
        await (await self.runs()).answer(thread_id, decisions)
        self.ledger.delivered(thread_id, decisions)

    def _tell_outcomes(self, decisions: list[Decision]) -> None:
        """Say what became of answers that an earlier command could not carry out."""
        for decision in decisions:
            for outcome in self.ledger.offer_of(decision.proposal_id).outcomes[-1:]:
                self.on_event(
                    {"kind": "note", "text": f"{outcome.proposal_id}, approved before, is"
                     f" {outcome.status.replace('_', ' ')}: {outcome.detail}"}
                )  # fmt: skip

    def _moved(self, thread_id: str) -> None:
        """Say that a run went on which nobody asked for: its report is not up to date."""
        self.on_event({"kind": "moved", "thread": thread_id})

    async def undo(self, proposal_id: str, actor: str) -> None:
        """Take an applied change back; a crash in between is made good by the next command.

        Raises `AlreadyUndone` or `NeverMade`; then nothing is written.
        """
        self.ledger.request_undo(proposal_id, actor)
        crash_point("steward.undo.requested")
        await self.take_back(UndoRequest(proposal_id, actor))

    async def recover(self, besides: str | None = None) -> None:
        """Deliver answers, take back what was asked, finish the runs that a crash left half way.

        Runs of the product `besides` are left to the caller.
        """
        self.expire()
        await self.deliver()
        await self._take_back_kept()
        # A run whose answers have to wait was tried just now.
        tried = self.ledger.undelivered()
        for thread in self.ledger.threads(status="running"):
            if thread.product != besides and thread.id not in tried:
                with self._apart(thread.id, None):
                    await (await self.runs()).resume(thread.id, thread.product)
                self._moved(thread.id)

    @contextmanager
    def _apart(self, what: str, wanted: str | None) -> Iterator[None]:
        """Turn trouble into a note, unless it is about what is wanted."""
        try:
            yield
        except GraphError as exc:
            if what == wanted:
                raise
            text = str(exc) if isinstance(exc, RunLost) else f"{what} has to wait: {exc}"
            self.on_event({"kind": "note", "text": text})

    async def _take_back_kept(self) -> None:
        """Take back what was asked for beside other commands, or could not be taken back then."""
        for request in self.ledger.undo_requests():
            with self._apart(request.proposal_id, None):
                await self.take_back(request)
            self._moved(self.ledger.offer_of(request.proposal_id).thread_id)

    async def take_back(self, request: UndoRequest) -> None:
        """Carry out what was asked for; a refusal by the product ends the request and raises.

        What passes, such as a lock on the database, keeps the request and raises, too.
        """
        proposal_id = request.proposal_id
        async with self.product(self.ledger.proposal(proposal_id).product) as client:
            try:
                done = await client.undo_change(proposal_id)
            except ServerEnded as exc:
                if self.ledger.cut_off(proposal_id, "undo", str(exc)) < ATTEMPTS:
                    raise
                self.ledger.drop_undo_request(proposal_id)
                raise GraphError(f"{ended_each_time('undo')} {UNDO_DROPPED}") from exc
            except ToolFailed as exc:
                NotNow.unless_lasting(exc, UNDO_KEPT)
                self.ledger.drop_undo_request(proposal_id)
                raise GraphError(exc.message) from exc
        crash_point("steward.undo.done")
        outcome = Outcome(proposal_id=proposal_id, status=done.status, detail=done.detail)
        self.ledger.record_outcome(outcome, request.actor)

    def expire(self) -> None:
        """Answer proposals whose time is over."""
        clock = Principal(kind="agent", name="clock")
        for offer in self.ledger.listed(waiting=True):
            if offer.expires_at > now():
                continue
            end = Decision(
                proposal_id=offer.id,
                verdict="expire",
                reason="nobody answered in time",
                principal=clock,
                channel="policy",
                decided_at=now(),
            )
            # Somebody may have answered since the offers were read.
            with suppress(AlreadyDecided):
                self.ledger.decide(end)

    @asynccontextmanager
    async def product(self, name: str) -> AsyncIterator[ProductClient]:
        """Open a client to a product's server outside a run."""
        async with (await self.runs()).product(name) as client:
            yield client


@asynccontextmanager
async def open_steward(
    settings: Settings, targets: Targets, on_event: OnEvent = lambda event: None
) -> AsyncIterator[Stewardship]:
    """Take the home directory for this process; raises `Busy` when another one has it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "steward.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as exc:
        raise Busy(
            f"Another Pillion process{_pid(settings.home)} is working in {settings.home}. Wait for"
            " it, or use another PILLION_HOME."
        ) from exc
    holder = settings.home / HOLDER
    try:
        holder.write_text(str(os.getpid()))
        with closing(Ledger(settings.ledger_path)) as ledger:
            async with AsyncExitStack() as stack:
                yield Stewardship(settings, ledger, targets, stack, on_event)
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _pid(home: Path) -> str:
    try:
        return f" (pid {int((home / HOLDER).read_text())})"
    except (OSError, ValueError):
        return ""

"""What the service does on its own: delivers answers, lets offers expire, ends what was begun."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from graph.engine.engine import Engine
from graph.engine.records import RunRow, Standing, ThreadStatus
from graph.engine.registry import standing_of, thread_config
from graph.engine.requests import CommandRequest, RunRequest
from graph.engine.retries import Retries
from graph.engine.steward_graph import STEWARD, StewardGraph
from graph.errors import AlreadyUndone, GraphError
from graph.ledger import Thread, UndoRequest, now
from graph.steward import Stewardship

LOG = logging.getLogger("pillion.conductor")
LONGEST_WAIT = 30.0
LOOK_EVERY = 0.5
PAUSE_SECONDS = 5.0
"""Between two looks, after one that failed as a whole."""
TEMPORARY_SECONDS = 300.0
STATUS: dict[str, ThreadStatus] = {
    "running": "busy", "waiting": "interrupted", "done": "idle", "failed": "error",
}  # fmt: skip
"""What the ledger calls a run, as LangGraph's clients call its thread."""


@dataclass
class Conductor:
    """The one place that starts runs nobody asked for over HTTP."""

    steward: Stewardship
    graph: StewardGraph
    engine: Engine
    _flag: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def retries(self) -> Retries:
        """When what failed is tried again."""
        return Retries(self.engine.records)

    def wake(self) -> None:
        """Look at once: something was answered or has ended."""
        self._flag.set()

    async def take_up(self) -> None:
        """Continue what a crash, a stop or the command line left; called once, at the start."""
        for thread in self.steward.ledger.threads():
            await self._try(thread.id, self._know(thread))
        self.engine.recover()
        for thread in self.steward.ledger.threads(status="running"):
            await self._try(thread.id, self._go_on(thread.id))

    async def _know(self, thread: Thread) -> None:
        """Bring what clients see of a run up to the ledger's word."""
        records = self.engine.records
        about = {"graph_id": STEWARD, "product": thread.product}
        known = records.find_threads(ids=[thread.id])
        if known and "product" not in known[0].metadata:
            # Earlier versions left it out in some ways of starting a run.
            records.change_metadata(thread.id, about)
        if known and known[0].updated_at >= thread.updated_at:
            return
        snapshot = await self.graph.graph.aget_state(thread_config(thread.id))
        if not known and thread.status in ("done", "failed") and snapshot.created_at is None:
            # Its checkpoints are gone: somebody deleted it.
            return
        standing = Standing(STATUS[thread.status], snapshot.values or None)
        if thread.status == "waiting":
            standing = standing_of(snapshot)
        if not records.add_thread(thread.id, about, standing):
            records.settle(thread.id, standing)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._flag.clear()
            if not await self._try("what is due", self._look()):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _look(self) -> None:
        """Do what is due, then wait until something may be."""
        await self._pass()
        seen = self.steward.ledger.written_elsewhere
        ends = time.monotonic() + self._until_next()
        while not self._flag.is_set() and (left := ends - time.monotonic()) > 0:
            # The command line may answer beside us; it cannot wake us.
            await self._wait(min(left, LOOK_EVERY))
            if self.steward.ledger.written_elsewhere != seen:
                break

    async def _try(self, what: str, work: Awaitable[None]) -> bool:
        """Do one thing and return whether it went well; a fault is logged and ends nothing else."""
        (outcome,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(outcome, Exception):
            LOG.error("%s has to wait", what, exc_info=outcome)
        return outcome is None

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._flag.wait()
        except TimeoutError:
            return

    def _until_next(self) -> float:
        """Return the seconds until something is due: an offer's end, or another try."""
        due = [
            (offer.expires_at - now()).total_seconds()
            for offer in self.steward.ledger.listed(waiting=True)
        ]
        return min([LONGEST_WAIT, *(max(0.05, seconds) for seconds in due)])

    async def _pass(self) -> None:
        if self.engine.draining:
            return
        self.steward.expire()
        for thread_id in (*self.steward.ledger.undelivered(), *self._cut_off()):
            await self._try(thread_id, self._go_on(thread_id))
        for request in self.steward.ledger.undo_requests():
            await self._try(request.proposal_id, self._retry_undo(request))
        for thread_id in self.engine.records.stale_temporary(
            now() - timedelta(seconds=TEMPORARY_SECONDS)
        ):
            await self._try(thread_id, self.engine.forget(thread_id))

    def _cut_off(self) -> list[str]:
        """Return the runs that ended in the middle, for want of their product or of room."""
        running = self.steward.ledger.threads(status="running")
        return [t.id for t in running if self.engine.records.retry(t.id) is not None]

    async def _go_on(self, thread_id: str) -> None:
        """Queue a run that takes what the ledger has for a thread, unless one is queued."""
        if self.engine.has_work(thread_id) or not self.retries.due(thread_id):
            return
        await self._know(self.steward.ledger.thread(thread_id))
        command = CommandRequest(resume="as recorded")
        request = RunRequest(assistant_id=STEWARD, command=command, durability="sync")
        self.engine.take_up(thread_id, STEWARD, request)

    def delivered(self, thread_id: str) -> None:
        """Note that a thread took its answers: the next ones need not wait."""
        self.retries.done(thread_id)
        self.wake()

    def ended(self, run: RunRow) -> None:
        """Give up a run that somebody cancelled; the answers a run did not take wait for another.

        How long is written down, so that a restart does not begin again at the shortest wait.
        """
        if run.graph != STEWARD:
            return
        # Answers that came while it worked wait for nothing but this.
        self.wake()
        status = self.engine.records.run_row(run.run_id).status
        if status == "success":
            return
        running = self.steward.ledger.stands_as(run.thread_id, "running")
        if running and status == "interrupted":
            self.steward.ledger.set_thread(run.thread_id, "failed")
        if run.thread_id in self.steward.ledger.undelivered() or (running and status == "error"):
            self.retries.failed(run.thread_id)

    async def undo(self, proposal_id: str, actor: str) -> None:
        """Take an applied change back, alone with its product; raises what the product said."""
        product = self.steward.ledger.proposal(proposal_id).product
        # Kept first: a run may hold the product for minutes, and the service end meanwhile.
        self.steward.ledger.request_undo(proposal_id, actor)
        async with self.graph.alone(product):
            # What is due is looked at meanwhile, too, and may have carried it out.
            with suppress(AlreadyUndone):
                await self.steward.undo(proposal_id, actor)

    async def _retry_undo(self, request: UndoRequest) -> None:
        gate = self.graph.alone(self.steward.ledger.proposal(request.proposal_id).product)
        if gate.locked() or not self.retries.due(request.proposal_id):
            return
        async with gate:
            try:
                if request in self.steward.ledger.undo_requests():
                    await self.steward.take_back(request)
                self.retries.done(request.proposal_id)
            except GraphError as exc:
                self.retries.failed(request.proposal_id)
                LOG.warning("undo of %s has to wait: %s", request.proposal_id, exc)

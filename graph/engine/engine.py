"""The engine: one run at a time in a thread, many threads at once, none lost by a crash."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakValueDictionary

from langgraph.errors import GraphDrained, GraphRecursionError

from graph.checkpoints import Checkpoints
from graph.engine.errors import (
    Conflict,
    Draining,
    InvalidRequest,
    InvalidResume,
    NotWaiting,
    ThreadBusy,
)
from graph.engine.event_log import Entry
from graph.engine.execution import Execution
from graph.engine.plain import encode
from graph.engine.records import Records, RunRow, RunStatus, Standing, ThreadRow, UnknownRun
from graph.engine.registry import Registry, ServedGraph, standing_of, thread_config
from graph.engine.requests import RunRequest
from graph.errors import GraphError, RunFailed
from graph.observing import NOWHERE, Origin, observed_run
from graph.run_store import now
from tools.messages import Principal

LOG = logging.getLogger("pillion.engine")
CancelAction = Literal["interrupt", "rollback"]
LONGEST_PAUSE = 60.0


class RunEnded(Conflict):
    """The run has ended, so it cannot be cancelled."""


@dataclass
class _Active:
    """A run that this process is at."""

    run: RunRow
    execution: Execution
    worker: asyncio.Task[None] | None = None
    work: asyncio.Task[None] | None = None
    action: CancelAction | Literal["drain"] | None = None


@dataclass
class Engine:
    """Runs of the registered graphs, queued by thread."""

    registry: Registry
    records: Records
    checkpoints: Checkpoints
    max_runs: int = 16
    on_ended: Callable[[RunRow], None] = lambda run: None
    draining: bool = False
    closed: bool = False
    _active: dict[str, _Active] = field(default_factory=dict)
    _gates: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _origins: dict[str, Origin] = field(default_factory=dict)
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _failures: Counter[str] = field(default_factory=Counter)
    """How often in a row a thread's run could not be begun or settled."""

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.max_runs)

    def _gate(self, thread_id: str) -> asyncio.Lock:
        """Return a thread's lock, which is there while somebody holds it or waits for it."""
        return self._gates.setdefault(thread_id, asyncio.Lock())

    def recover(self) -> None:
        """Take up the runs that a crash or a stop left, in their order."""
        for thread_id in dict.fromkeys(run.thread_id for run in self.records.open_runs()):
            self._schedule(thread_id)

    async def submit(self, thread_id: str, request: RunRequest, caller: Principal) -> RunRow:
        """Queue a run in an existing thread; raises `GraphError` when it cannot be taken."""
        if self.draining:
            raise Draining
        served = self.registry.find(request.assistant_id)
        async with self._gate(thread_id):
            thread = self.records.thread_row(thread_id)
            graph = thread.metadata.get("graph_id", served.name)
            if graph != served.name:
                raise Conflict(f"Thread {thread_id!r} belongs to the graph {graph!r}.")
            others = self._others(thread_id, request)
            request = await served.accept(request, thread, caller)
            if not await self._stay(others, request):
                await served.check_answer(request, thread_id)
            self._name(thread, served, served.product_of(request, thread))
            run = self.records.add_run(thread_id, served.name, request)
        self._origins[run.run_id] = Origin.here()
        self._schedule(thread_id)
        return run

    def _name(self, thread: ThreadRow, served: ServedGraph, product: str | None) -> None:
        """Write down what a thread is about, from its first run on: who may see it rests on it."""
        about = {"graph_id": served.name} | ({"product": product} if product else {})
        missing = {name: value for name, value in about.items() if name not in thread.metadata}
        if missing:
            self.records.change_metadata(thread.thread_id, missing)

    def take_up(self, thread_id: str, graph: str, request: RunRequest) -> RunRow:
        """Queue a run that needs no check, because it only does what is recorded already."""
        run = self.records.add_run(thread_id, graph, request)
        self._origins[run.run_id] = Origin.here()
        self._schedule(thread_id)
        return run

    def _others(self, thread_id: str, request: RunRequest) -> list[RunRow]:
        """Return the runs that are in a thread already; raises `ThreadBusy` where none may be."""
        others = self.records.open_runs(thread_id)
        if others and request.multitask_strategy == "reject":
            raise ThreadBusy(thread_id)
        return others

    async def _stay(self, others: list[RunRow], request: RunRequest) -> bool:
        """Return whether runs that were there stay; else end them, for a request that is good."""
        if request.multitask_strategy in ("interrupt", "rollback"):
            for run in others:
                # One may end by itself meanwhile.
                with suppress(RunEnded, UnknownRun):
                    await self.cancel(run, request.multitask_strategy)
            return False
        return bool(others)

    def has_work(self, thread_id: str) -> bool:
        """Return whether a run waits or runs in a thread."""
        return bool(self.records.open_runs(thread_id))

    def _schedule(self, thread_id: str) -> None:
        """Start the next run of a thread, unless one runs or its time has not come."""
        timer = self._timers.pop(thread_id, None)
        if timer is not None:
            timer.cancel()
        waiting = [] if self.draining else self.records.open_runs(thread_id)
        if not waiting or thread_id in self._active:
            return
        run = waiting[0]
        wait = (run.due_at - now()).total_seconds()
        if wait > 0:
            self._later(thread_id, wait)
            return
        active = _Active(run, Execution(self.records, run))
        self._active[thread_id] = active
        active.worker = asyncio.create_task(self._work(active))

    async def _work(self, active: _Active) -> None:
        """Do one run; whatever becomes of it is written down before the next one starts."""
        thread_id, run_id = active.run.thread_id, active.run.run_id
        origin = self._origins.pop(run_id, NOWHERE)
        with observed_run(origin, run_id=run_id, thread_id=thread_id):
            (failure,) = await asyncio.gather(self._in_turn(active), return_exceptions=True)
        del self._active[thread_id]
        if isinstance(failure, Exception):
            self._stand_back(thread_id, run_id, failure)
            return
        self._failures.pop(thread_id, None)
        self._schedule(thread_id)

    def _stand_back(self, thread_id: str, run_id: str, failure: Exception) -> None:
        """Try a run that could not even be begun or written down again, later each time."""
        LOG.error("run %s of thread %s has to wait", run_id, thread_id, exc_info=failure)
        self._failures[thread_id] += 1
        wait = min(LONGEST_PAUSE, 2.0 ** self._failures[thread_id])
        self._later(thread_id, wait)

    def _later(self, thread_id: str, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._schedule, thread_id)
        self._timers[thread_id] = timer

    async def _in_turn(self, active: _Active) -> None:
        served = self.registry.find(active.run.graph)
        # Its turn first: who waits for it takes no place that others could work in.
        async with served.turn(active.run), self._slots:
            if active.action is None:
                await self._do(active, served)

    async def _do(self, active: _Active, served: ServedGraph) -> None:
        base = await self.checkpoints.latest(active.run.thread_id)
        if active.action is not None:
            return
        active.run = self.records.start_run(active.run, base)
        LOG.info("run began", extra={"graph": served.name, "attempt": active.run.attempt})
        active.work = asyncio.create_task(served.execute(active.run, active.execution))
        await asyncio.wait({active.work})
        await self._settle(active, served)
        status = "removed" if active.action == "rollback" else self._status(active.run)
        LOG.info("run ended", extra={"graph": served.name, "status": status})

    def _status(self, run: RunRow) -> str:
        return self.records.run_row(run.run_id).status

    async def _settle(self, active: _Active, served: ServedGraph) -> None:
        """Write down how a run ended."""
        run, work = active.run, active.work
        assert work is not None
        error = None if work.cancelled() else work.exception()
        if isinstance(error, GraphDrained) or active.action == "drain":
            # It goes on from its last checkpoint when the service is back.
            self.records.set_run(run, "pending")
            return
        if active.action == "rollback":
            answers = run.request.command is not None
            await self.checkpoints.roll_back(run.thread_id, run.base or "", answers=answers)
        standing = standing_of(await served.graph.aget_state(thread_config(run.thread_id)))
        if active.action == "rollback":
            self.records.remove_run(run)
            self.records.settle(run.thread_id, self._beside_others(run, standing))
        else:
            self._record(run, standing, error, cancelled=work.cancelled())
        self.on_ended(run)

    def _record(
        self, run: RunRow, standing: Standing, error: BaseException | None, *, cancelled: bool
    ) -> None:
        if error is not None:
            told = told_of(error)
            if not isinstance(error, GraphError) or isinstance(error, RunFailed):
                LOG.error("run %s of thread %s", run.run_id, run.thread_id, exc_info=error)
            if not isinstance(error, NotWaiting | InvalidResume):
                # After an answer that does not fit, the question is still open.
                standing = standing._replace(status="error", error=told)
            self.records.set_run(run, "error", standing, told)
            return
        status: RunStatus = "interrupted" if cancelled else "success"
        asked = [i for each in standing.interrupts.values() for i in each]
        if len(asked) > 1:
            # Each question was streamed as it came up; who reads only the last values needs all.
            whole = {**(standing.values or {}), "__interrupt__": asked}
            entry = Entry("values", "values", encode(whole))
            self.records.append(run.thread_id, run.run_id, entry)
        self.records.set_run(run, status, self._beside_others(run, standing))

    async def cancel(self, run: RunRow, action: CancelAction = "interrupt") -> None:
        """End a run now; with rollback, forget it and what it did to its thread.

        Returns when it has ended; raises `RunEnded` when it had before, and `InvalidRequest`
        where a graph's runs cannot be forgotten.
        """
        served = self.registry.find(run.graph)
        if action == "rollback" and not served.forgettable:
            raise InvalidRequest(f"Runs of {run.graph} are not rolled back; interrupt instead.")
        if await self._stopped(run, action):
            return
        standing = standing_of(await served.graph.aget_state(thread_config(run.thread_id)))
        # It may have begun while that was read; from here on nothing else happens.
        if await self._stopped(run, action):
            return
        if self.records.run_row(run.run_id).ended:
            raise RunEnded(f"Run {run.run_id} has ended.")
        self._call_off(run, action, standing)

    async def _stopped(self, run: RunRow, action: CancelAction) -> bool:
        """End a run that works; returns whether it did. One about to begin is told not to."""
        active = self._active.get(run.thread_id)
        if active is None or active.run.run_id != run.run_id:
            return False
        active.action = action
        if active.work is None:
            return False
        active.work.cancel()
        assert active.worker is not None
        await asyncio.wait({active.worker})
        return True

    def _call_off(self, run: RunRow, action: CancelAction, standing: Standing) -> None:
        """End a run that has not begun."""
        self._origins.pop(run.run_id, None)
        if action == "rollback":
            self.records.remove_run(run)
            self.records.settle(run.thread_id, self._beside_others(run, standing))
        else:
            self.records.set_run(run, "interrupted", self._beside_others(run, standing))
            self.on_ended(run)
        self._schedule(run.thread_id)

    def _beside_others(self, run: RunRow, standing: Standing) -> Standing:
        """Return how a thread stands without a run: busy while it has others."""
        others = any(r.run_id != run.run_id for r in self.records.open_runs(run.thread_id))
        return standing._replace(status="busy") if others else standing

    @asynccontextmanager
    async def still(self, thread_id: str) -> AsyncIterator[None]:
        """Let no run into a thread for the length of a block; raises `ThreadBusy` where one is."""
        async with self._gate(thread_id):
            if self.has_work(thread_id):
                raise ThreadBusy(thread_id)
            yield

    async def copy(self, thread_id: str, metadata: Mapping[str, Any]) -> str:
        """Copy a thread's state with its history; returns the new thread's id.

        Raises `ThreadBusy` while a run is under way. A copy that a crash cuts short is temporary
        still, and goes as such threads do.
        """
        async with self.still(thread_id):
            thread, new = self.records.thread_row(thread_id), str(uuid.uuid4())
            standing = Standing(thread.status, thread.values, thread.interrupts, thread.error)
            about = {**thread.metadata, **metadata}
            self.records.add_thread(new, about, standing, temporary=True)
            await self.checkpoints.acopy_thread(thread_id, new)
            self.records.keep_thread(new)
        return new

    async def keep_latest(self, thread_id: str) -> bool:
        """Forget a thread's earlier checkpoints; returns whether it stood still.

        One that waits does not, nor one that somebody stopped: it may go on from there.
        """
        async with self._gate(thread_id):
            known = self.records.find_threads(ids=[thread_id])
            if not known or known[0].status == "interrupted" or self.has_work(thread_id):
                return False
            await self.checkpoints.aprune([thread_id])
            return True

    async def forget(self, thread_id: str) -> None:
        """Delete a thread with its runs, events and checkpoints; what runs in it is ended."""
        async with self._gate(thread_id):
            for run in self.records.open_runs(thread_id):
                with suppress(RunEnded, UnknownRun):
                    await self.cancel(run)
            await self.checkpoints.adelete_thread(thread_id)
            self.records.remove_thread(thread_id)

    async def drain(self, seconds: float) -> None:
        """Let running steps end, and stop before the next; all runs go on at the next start."""
        self.draining = True
        for timer in self._timers.values():
            timer.cancel()
        active = list(self._active.values())
        for one in active:
            one.execution.control.request_drain()
            if one.work is None:
                one.action = "drain"
        workers = {a.worker for a in active if a.worker is not None and a.work is not None}
        if workers:
            _, late = await asyncio.wait(workers, timeout=seconds)
            for one in active:
                if one.worker in late and one.work is not None:
                    one.action = "drain"
                    one.work.cancel()
            if late:
                await asyncio.wait(late)
        self.closed = True
        self.records.wake()


def told_of(error: BaseException) -> dict[str, Any]:
    """Return what clients may know of an error: words that are meant for people, or its class."""
    if isinstance(error, GraphError) and not isinstance(error, RunFailed):
        return {"error": type(error).__name__, "message": str(error)}
    cause = error.__cause__ if isinstance(error, RunFailed) and error.__cause__ else error
    if isinstance(cause, GraphRecursionError):
        message = "The run took more steps than its recursion_limit allows."
    else:
        message = "The run failed; its operator finds why in the log, under the run's id."
    return {"error": type(cause).__name__, "message": message}

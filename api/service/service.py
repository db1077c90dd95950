"""The service without its routes: what it holds from start to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.sqlite.aio import AsyncSqliteStore

from api.asking.language import Language
from api.explaining import Explainer, open_explainer
from api.products import descriptor_of, target_of
from api.service.access import Access
from api.service.keys import KEYS, Keys
from api.service.observing import Requests, no_requests
from api.service.retention import cancelled, forget_old
from api.service.settings import ServiceSettings
from api.views import save_report
from graph.checkpoints import Checkpoints, open_checkpoints
from graph.engine.conductor import Conductor
from graph.engine.engine import Engine
from graph.engine.records import Records
from graph.engine.registry import Compiled, PlainGraph, Registry, ServedGraph
from graph.engine.steward_graph import StewardGraph
from graph.ledger import Ledger
from graph.run_store import now
from graph.settings import Settings
from graph.steward import Stewardship, open_steward

LOG = logging.getLogger("pillion.service")
T = TypeVar("T")
Build = Callable[[BaseCheckpointSaver[Any], AsyncSqliteStore], Compiled]
"""Compiles a graph over the service's checkpoints and store."""


@dataclass
class Service:
    """One home, held by this process until it is closed."""

    settings: Settings
    limits: ServiceSettings
    steward: Stewardship
    access: Access
    engine: Engine
    conductor: Conductor
    store: AsyncSqliteStore
    reader: BaseCheckpointSaver[Any]
    """Checkpoints on a connection of their own: a long history holds up no run."""
    explainer: Explainer
    working: asyncio.Task[None] | None = None
    requests: Requests = field(default_factory=no_requests)
    started_at: str = field(default_factory=lambda: now().isoformat())
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more will happen: whoever waits for something may leave."""
    _readers: dict[str, Compiled] = field(default_factory=dict)
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def ledger(self) -> Ledger:
        """The questions and answers of the home."""
        return self.steward.ledger

    @property
    def language(self) -> Language:
        """The language model in use."""
        return self.explainer.language

    @property
    def draining(self) -> bool:
        """Whether it takes no more work."""
        return self.engine.draining

    def reading(self, served: ServedGraph) -> Compiled:
        """Return a graph to read states from."""
        if served.name not in self._readers:
            self._readers[served.name] = served.graph.copy({"checkpointer": self.reader})
        return self._readers[served.name]

    async def read_ledger(self, read: Callable[[Ledger], T]) -> T:
        """Return what is read of all offers as of one moment, while everything else goes on.

        One reading at a time: more would only take turns.
        """

        def reading() -> T:
            # On the service's own connection a write that fails would end the reading, too.
            with closing(Ledger(self.settings.ledger_path)) as ledger, ledger.unchanging():
                return read(ledger)

        async with self._listing:
            return await asyncio.to_thread(reading)

    async def drain(self) -> None:
        """Take no more work and let running steps end."""
        await self.engine.drain(self.limits.drain_seconds)
        self.closed.set()


@asynccontextmanager
async def open_service(
    settings: Settings, limits: ServiceSettings, graphs: Mapping[str, Build] | None = None
) -> AsyncIterator[Service]:
    """Take the home and open what serves it; raises `Busy` when another process has it.

    `graphs` are served beside the steward graph.
    """
    async with AsyncExitStack() as stack:
        steward = await stack.enter_async_context(
            open_steward(settings, partial(target_of, settings))
        )
        runs = await steward.runs()
        records = stack.enter_context(closing(Records(settings.home / "service.db")))
        reader = await stack.enter_async_context(open_checkpoints(settings.checkpoint_path))
        store = await stack.enter_async_context(
            AsyncSqliteStore.from_conn_string(str(settings.home / "store.db"))
        )
        await store.setup()
        registry = Registry()
        saver = runs.graph.checkpointer
        assert isinstance(saver, Checkpoints)
        engine = Engine(registry, records, saver, limits.max_runs)
        graph = StewardGraph(runs, steward.ledger, partial(descriptor_of, settings))
        registry.add(graph)
        if graphs:
            # Nothing in the world rests on their steps: an answer they lose is asked for again.
            light = await stack.enter_async_context(
                open_checkpoints(settings.checkpoint_path, "NORMAL")
            )
            for name, build in graphs.items():
                registry.add(PlainGraph(name, build(light, store)))
        conductor = Conductor(steward, graph, engine)
        keys = stack.enter_context(closing(Keys(settings.home / KEYS)))
        access = Access.of(settings.person, keys, limits)
        service = Service(
            settings, limits, steward, access, engine, conductor, store, reader,
            await stack.enter_async_context(open_explainer(settings)),
        )  # fmt: skip

        def after(thread_id: str) -> None:
            _keep_report(settings, steward.ledger, thread_id)
            conductor.delivered(thread_id)

        graph.after = after
        engine.on_ended = conductor.ended
        await conductor.take_up()
        service.working = asyncio.create_task(conductor.run())
        forgetting = asyncio.create_task(forget_old(settings, limits.retention_days))
        try:
            yield service
        finally:
            await cancelled(service.working, forgetting)
            await service.drain()


def _keep_report(settings: Settings, ledger: Ledger, thread_id: str) -> None:
    """Write the report of a run anew; where it cannot be, the run has not failed for it."""
    if problem := save_report(settings, ledger, thread_id).problem:
        LOG.warning(problem)


def service_of_request(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(service_of_request)]

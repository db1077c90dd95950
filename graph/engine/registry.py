"""The graphs that are served, by name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from langgraph.graph.state import CompiledStateGraph
from pydantic import PydanticUserError
from pydantic.errors import PydanticInvalidForJsonSchema

from graph.engine.answers import check_resume
from graph.engine.errors import InvalidRequest, UnknownCheckpoint, UnknownGraph
from graph.engine.records import RunRow, Standing, ThreadRow
from graph.engine.requests import RunRequest
from graph.runs import Drive
from tools.messages import Principal

Compiled = CompiledStateGraph[Any, Any, Any, Any]
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


class ServedGraph(Protocol):
    """A graph with how its runs are checked and driven."""

    name: str
    description: str
    forgettable: bool
    """Whether callers may change, fork, roll back or delete its threads."""

    @property
    def graph(self) -> Compiled:
        """The compiled graph."""

    def takes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of its input and its context."""

    def product_of(self, request: RunRequest, thread: ThreadRow | None) -> str | None:
        """Return the product a run is about; None when it is about none."""

    async def accept(self, request: RunRequest, thread: ThreadRow, caller: Principal) -> RunRequest:
        """Check a request before it is queued; may record its answers."""

    async def check_answer(self, request: RunRequest, thread_id: str) -> None:
        """Check an answer against what waits in a thread that stands still."""

    def turn(self, run: RunRow) -> AbstractAsyncContextManager[Any]:
        """Return what a run has to hold while it works, such as its product."""

    async def execute(self, run: RunRow, drive: Drive) -> None:
        """Do the run, or go on with it after a crash."""


def assistant_id(name: str) -> str:
    """Return the id of the one assistant of a graph."""
    return str(uuid.uuid5(_NAMESPACE, f"pillion:{name}"))


@dataclass
class Registry:
    """Graphs by name, found by that or by their assistant's id."""

    graphs: dict[str, ServedGraph] = field(default_factory=dict)

    def add(self, served: ServedGraph) -> None:
        """Serve one more graph."""
        self.graphs[served.name] = served

    def find(self, name_or_id: str) -> ServedGraph:
        """Return a graph; raises `UnknownGraph`."""
        for name, served in self.graphs.items():
            if name_or_id in (name, assistant_id(name)):
                return served
        raise UnknownGraph(name_or_id, self.graphs)


@dataclass
class PlainGraph:
    """A graph that needs nothing but its input."""

    name: str
    graph: Compiled
    description: str = ""
    forgettable: bool = True

    def takes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the graph itself declares."""
        return declared(self.graph.get_input_jsonschema), declared(
            self.graph.get_context_jsonschema
        )

    def product_of(self, request: RunRequest, thread: ThreadRow | None) -> str | None:
        """It is about no product."""
        return None

    async def accept(self, request: RunRequest, thread: ThreadRow, caller: Principal) -> RunRequest:
        """Refuse input beside a command, and a checkpoint that is not there."""
        if request.input is not None and request.command is not None:
            raise InvalidRequest("Give input or command, not both.")
        if request.fork is not None:
            await self._check_fork(thread.thread_id, request.fork)
        return request

    async def check_answer(self, request: RunRequest, thread_id: str) -> None:
        """Refuse answers that do not fit what waits."""
        resume = request.command.resume if request.command else None
        if resume is not None:
            check_resume(resume, waiting_questions(await self._state(thread_id)))

    def turn(self, run: RunRow) -> AbstractAsyncContextManager[Any]:
        """It has to wait for nothing."""
        return nullcontext()

    async def execute(self, run: RunRow, drive: Drive) -> None:
        """Begin with what was given; after a crash, go on from the last checkpoint."""
        asked = run.request
        given: Any = asked.input
        fork = asked.fork
        if run.attempt > 1 and checkpoint_of(await self._state(run.thread_id)) != run.base:
            given, fork = None, None
        elif asked.command is not None:
            await self.check_answer(asked, run.thread_id)
            given = asked.command.build()
        config = run_config(asked, run.thread_id)
        if fork is not None:
            config["configurable"]["checkpoint_id"] = fork
        await drive(self.graph, given, config, asked.context or None)

    async def _check_fork(self, thread_id: str, checkpoint_id: str) -> None:
        config = thread_config(thread_id, checkpoint_id)
        if (await self.graph.aget_state(config)).created_at is None:
            raise UnknownCheckpoint(checkpoint_id)

    async def _state(self, thread_id: str) -> Any:
        return await self.graph.aget_state(thread_config(thread_id))


def declared(read: Callable[[], Any]) -> dict[str, Any]:
    """Return a JSON Schema of a graph; an empty one where its types allow none."""
    try:
        return read() or {}
    except (PydanticUserError, PydanticInvalidForJsonSchema):
        return {}


def thread_config(thread_id: str, checkpoint_id: str | None = None) -> Any:
    """Return the configuration that names a thread, or one of its checkpoints."""
    inner = {"thread_id": thread_id}
    if checkpoint_id is not None:
        inner |= {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}
    return {"configurable": inner}


def run_config(request: RunRequest, thread_id: str) -> dict[str, Any]:
    """Return a run's configuration; callers cannot reach langgraph's own keys through it."""
    given = request.config.get("configurable")
    own = {k: v for k, v in (given if isinstance(given, dict) else {}).items() if _callers(k)}
    tags = request.config.get("tags")
    return {
        "configurable": {**own, "thread_id": thread_id},
        "metadata": {k: v for k, v in request.metadata.items() if _callers(k)},
        "tags": [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else [],
        "recursion_limit": request.recursion_limit,
    }


def _callers(key: str) -> bool:
    return not key.startswith(("__", "checkpoint", "thread_id"))


def waiting_questions(snapshot: Any) -> dict[str, Mapping[str, Any] | None]:
    """Return the ids of the questions that wait in a state, with their schemas."""
    return {i.id: i.response_schema for i in snapshot.interrupts}


def checkpoint_of(snapshot: Any) -> str | None:
    """Return the id of the checkpoint a state was read from."""
    found: str | None = snapshot.config.get("configurable", {}).get("checkpoint_id")
    return found


def standing_of(snapshot: Any) -> Standing:
    """Return how a thread stands whose latest state this is."""
    interrupts = {t.id: list(t.interrupts) for t in snapshot.tasks if t.interrupts}
    status: Any = "interrupted" if interrupts or snapshot.next else "idle"
    return Standing(status, snapshot.values or None, interrupts)

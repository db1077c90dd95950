"""The newer protocol's commands: one envelope in, one envelope out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from langgraph.types import StateSnapshot
from pydantic import ValidationError

from api.service.access import Caller
from api.service.command_shapes import (
    Checkpoints,
    Command,
    Entry,
    Fork,
    Respond,
    RunStart,
    StateOf,
    TreeOf,
)
from api.service.problems import Refused
from api.service.service import Service
from api.service.states import Checkpoint, UnknownNamespace, history_of, snapshot_of
from api.service.submitting import submit
from api.service.wire import graph_of, state_view, visible
from graph.engine.errors import Draining, InvalidRequest, NotWaiting, UnknownCheckpoint
from graph.engine.plain import decode, plain
from graph.engine.records import RunRow, UnknownRun
from graph.engine.requests import CommandRequest, RunRequest, Wire
from graph.errors import (
    AlreadyDecided,
    GraphError,
    NotAllowed,
    OfferedAnew,
    ProductUnavailable,
    RunFailed,
    UnknownThread,
)

Result = dict[str, Any]


class NotServed(GraphError):
    """The command is known, and not done here."""


CODES: dict[type[Exception], str] = {
    UnknownNamespace: "no_such_namespace",
    NotServed: "not_supported",
    UnknownCheckpoint: "no_such_checkpoint",
    UnknownRun: "no_such_run",
    UnknownThread: "no_such_run",
    NotWaiting: "no_such_interrupt",
    AlreadyDecided: "no_such_interrupt",
    OfferedAnew: "no_such_interrupt",
    NotAllowed: "permission_denied",
    GraphError: "invalid_argument",
}
"""The protocol's code of an error; the nearest class counts."""


class Context(NamedTuple):
    """Where and for whom a command is done."""

    service: Service
    caller: Caller
    thread_id: str


def _checkpoint_in(config: Mapping[str, Any]) -> str | None:
    """Return the checkpoint that a configuration goes on from."""
    inner = config.get("configurable")
    found = inner.get("checkpoint_id") if isinstance(inner, dict) else None
    return found if isinstance(found, str) else None


async def _start(at: Context, params: RunStart) -> Result:
    asked = RunRequest(
        if_not_exists="create", checkpoint_id=_checkpoint_in(params.config), **params.model_dump()
    )
    run = await submit(at.service, at.caller, at.thread_id, asked)
    return {"run_id": run.run_id}


def _graph_name(at: Context) -> str:
    thread = visible(at.service, at.caller, at.thread_id)
    served = graph_of(at.service, thread)
    if served is None:
        raise UnknownRun(at.thread_id)
    return served.name


async def _respond(at: Context, params: Respond) -> Result:
    if (params.interrupt_id is None) == (params.responses is None):
        raise InvalidRequest("Give interrupt_id with response, or responses.")
    answers = params.responses or [
        Entry(interrupt_id=params.interrupt_id or "", response=params.response)
    ]
    command = CommandRequest(
        resume={a.interrupt_id: a.response for a in answers},
        update=params.update,
        goto=params.goto if isinstance(params.goto, list) else [params.goto],
    )
    asked = RunRequest(
        assistant_id=_graph_name(at), command=command, config=params.config,
        metadata=params.metadata,
    )  # fmt: skip
    run = await submit(at.service, at.caller, at.thread_id, asked)
    return {"run_id": run.run_id}


async def _fork(at: Context, params: Fork) -> Result:
    asked = RunRequest(assistant_id=_graph_name(at), **params.model_dump())
    run = await submit(at.service, at.caller, at.thread_id, asked)
    return {"run_id": run.run_id, "thread_id": at.thread_id}


async def _tree(at: Context, params: TreeOf) -> Result:
    visible(at.service, at.caller, at.thread_id)
    records = at.service.engine.records
    if params.run_id is not None:
        run = records.run_row(params.run_id, at.thread_id)
    else:
        newest = records.runs_of(at.thread_id, limit=1)
        if not newest:
            raise UnknownRun(at.thread_id)
        run = newest[0]
    return {"tree": tree_of(run, records.named(run.run_id, "lifecycle"))}


def tree_of(run: RunRow, told: list[tuple[str, bytes]]) -> Result:
    """Return a run and its subgraphs as a tree of where each stands."""
    nodes: dict[str, Result] = {"": _node("", "running" if run.attempt else "started", run.graph)}
    for namespace, data in told:
        event = decode(data)
        if namespace not in nodes:
            nodes[namespace] = _node(namespace, event["event"], event["graph_name"])
            parent = nodes.get(namespace.rpartition("|")[0], nodes[""])
            parent.setdefault("children", []).append(nodes[namespace])
        nodes[namespace]["status"] = event["event"]
    return nodes[""]


def _node(namespace: str, status: str, name: str) -> Result:
    path = namespace.split("|") if namespace else []
    return {"namespace": path, "status": status, "graph_name": name}


async def _state(at: Context, params: StateOf) -> Result:
    thread = visible(at.service, at.caller, at.thread_id)
    found = await snapshot_of(at.service, thread, "|".join(params.namespace))
    if found is None:
        return {"values": {}}
    state = plain(state_view(found))
    values = state["values"] if isinstance(state["values"], dict) else {}
    if params.keys is not None:
        values = {key: values[key] for key in params.keys if key in values}
    named = state["checkpoint"]
    return {
        "values": values,
        "checkpoint": {"id": named["checkpoint_id"], "ns": named["checkpoint_ns"]},
    }


async def _checkpoints(at: Context, params: Checkpoints) -> Result:
    thread = visible(at.service, at.caller, at.thread_id)
    place = Checkpoint(checkpoint_ns="|".join(params.namespace))
    found = await history_of(at.service, thread, place, limit=params.limit, before=params.before)
    return {"checkpoints": [_summary(state) for state in found]}


def _summary(state: StateSnapshot) -> Result:
    about = state.metadata or {}
    return {
        "id": state.config["configurable"]["checkpoint_id"],
        "timestamp": state.created_at,
        "step": about.get("step", 0),
        "metadata": {"source": about.get("source")},
    }


async def elsewhere(at: Context, params: Wire) -> Result:
    """Refuse what needs a connection."""
    raise NotServed(
        "Subscriptions belong to a connection: POST /threads/{thread_id}/stream/events, or a"
        " WebSocket there."
    )


async def never(at: Context, params: Wire) -> Result:
    """Refuse what no graph here takes."""
    raise NotServed("A running graph takes no messages; start a run with them.")


Handler = Callable[[Context, Any], Awaitable[Result]]
HANDLERS: dict[str, tuple[type[Wire], Handler]] = {
    "run.start": (RunStart, _start),
    "input.respond": (Respond, _respond),
    "input.inject": (Wire, never),
    "agent.getTree": (TreeOf, _tree),
    "state.get": (StateOf, _state),
    "state.listCheckpoints": (Checkpoints, _checkpoints),
    "state.fork": (Fork, _fork),
    "subscription.subscribe": (Wire, elsewhere),
    "subscription.unsubscribe": (Wire, elsewhere),
    "subscription.reconnect": (Wire, elsewhere),
}


async def carry_out(at: Context, command: Command) -> Result:
    """Do a command and return its answer; what cannot be done is an answer, too."""
    kind, handler = HANDLERS.get(command.method, (None, None))
    if kind is None or handler is None:
        return failure(command.id, "unknown_command", f"Unknown command {command.method!r}.")
    # Before the run it starts: a reader that goes on from here misses nothing of it.
    through = at.service.engine.records.latest(at.thread_id)
    try:
        result = await handler(at, kind.model_validate(command.params))
    except ValidationError as exc:
        return failure(command.id, "invalid_argument", first_of(exc))
    except Refused as exc:
        if exc.status != 403:
            raise
        return failure(command.id, "permission_denied", exc.detail)
    except GraphError as exc:
        code = code_of(exc)
        if code is None:
            raise
        return failure(command.id, code, str(exc))
    return success(command.id, result, through)


def code_of(exc: GraphError) -> str | None:
    """Return the protocol's code; None for what is no answer to a command."""
    if isinstance(exc, Draining | RunFailed | ProductUnavailable):
        return None
    return next(CODES[kind] for kind in type(exc).__mro__ if kind in CODES)


def first_of(exc: ValidationError) -> str:
    """Return the first thing that is wrong, with its path."""
    error = exc.errors()[0]
    return f"/{'/'.join(map(str, ('params', *error['loc'])))}: {error['msg']}"


def success(number: int, result: Result, through: int) -> Result:
    """Return the answer to a command that was done."""
    meta = {"applied_through_seq": through}
    return {"type": "success", "id": number, "result": result, "meta": meta}


def failure(number: int | None, code: str, message: str) -> Result:
    """Return the answer to a command that was not done."""
    return {"type": "error", "id": number, "error": code, "message": message}

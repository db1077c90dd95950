"""The newer protocol's commands as they come in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field

from graph.engine.protocol import Namespace
from graph.engine.requests import Multitask, SendTo, Wire


class Command(Wire):
    """A command; `params` depend on the method."""

    id: Annotated[int, Field(ge=0, le=2**53)]
    method: Annotated[str, Field(min_length=1, max_length=100)]
    params: dict[str, Any] = {}


class RunStart(Wire):
    """Parameters of run.start."""

    assistant_id: str = Field(min_length=1, max_length=200)
    input: Any = None
    config: dict[str, Any] = {}
    context: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    multitask_strategy: Multitask = Field(
        default="enqueue",
        validation_alias=AliasChoices("multitask_strategy", "multitaskStrategy"),
    )


class Entry(Wire):
    """One answer."""

    interrupt_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    response: Any = None


class Respond(Wire):
    """Parameters of input.respond: one answer, or several in `responses`."""

    interrupt_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    response: Any = None
    responses: Annotated[list[Entry], Field(min_length=1, max_length=1000)] | None = None
    update: dict[str, Any] | None = None
    goto: list[SendTo | str] | SendTo | str = []
    config: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class TreeOf(Wire):
    """Parameters of agent.getTree."""

    run_id: str | None = None


class StateOf(Wire):
    """Parameters of state.get."""

    namespace: Namespace = []
    keys: list[str] | None = None


class Checkpoints(Wire):
    """Parameters of state.listCheckpoints."""

    namespace: Namespace = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    before: str | None = None


class Fork(Wire):
    """Parameters of state.fork."""

    checkpoint_id: str
    input: Any = None
    config: dict[str, Any] = {}

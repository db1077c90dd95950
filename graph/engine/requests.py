"""What a caller asks of a run, as LangGraph clients write it; unknown members are passed over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from langgraph.types import Command, Send
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Mode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug",
    "events", "tools", "lifecycle",
]  # fmt: skip
Multitask = Literal["reject", "interrupt", "rollback", "enqueue"]


class Wire(BaseModel):
    """Base of what comes in: members we do not know are the clients' business."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SendTo(Wire):
    """A node to go to with an input of its own."""

    node: str
    input: Any = None


class CommandRequest(Wire):
    """How a waiting or finished graph goes on."""

    update: Any = None
    resume: Any = None
    goto: Annotated[list[SendTo | str], BeforeValidator(_listed)] = []

    def build(self) -> Command[Any]:
        """Return the command langgraph takes."""
        goto = [Send(g.node, g.input) if isinstance(g, SendTo) else g for g in self.goto]
        pairs = self.update
        if isinstance(pairs, list):
            pairs = [tuple(p) if isinstance(p, list) else p for p in pairs]
        return Command(update=pairs, resume=self.resume, goto=goto)


Nodes = Annotated[list[str] | Literal["*"] | None, BeforeValidator(lambda v: v or None)]


class RunRequest(Wire):
    """A run as it was asked for; kept with it, so that a restart can begin it again."""

    assistant_id: str = Field(min_length=1, max_length=200)
    input: Any = None
    command: CommandRequest | None = None
    config: dict[str, Any] = {}
    context: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    stream_mode: Annotated[list[Mode], BeforeValidator(_listed)] = ["values"]
    stream_subgraphs: bool = False
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    multitask_strategy: Multitask = "enqueue"
    if_not_exists: Literal["create", "reject"] = "reject"
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] = "delete"
    after_seconds: Annotated[float, Field(ge=0, le=366 * 86_400)] = 0
    durability: Literal["sync", "async", "exit"] = "async"
    checkpoint_id: str | None = None
    checkpoint: dict[str, Any] | None = None
    webhook: None = None

    @property
    def recursion_limit(self) -> int:
        """The most steps the caller allows."""
        limit = self.config.get("recursion_limit", 100)
        return limit if isinstance(limit, int) and 0 < limit <= 10_000 else 100

    @property
    def fork(self) -> str | None:
        """The earlier checkpoint to go on from."""
        named = (self.checkpoint or {}).get("checkpoint_id")
        return self.checkpoint_id or (named if isinstance(named, str) else None)

"""What a node tells of a long tool while it waits for it."""

from __future__ import annotations

from contextvars import copy_context

from langgraph.runtime import Runtime

from mcp_servers.product.client import Progress
from nodes.context import Context


def telling(runtime: Runtime[Context], node: str) -> Progress:
    """Return what passes a tool's progress on as events of a node; called within the node.

    The client hears of it in a task of its own, which may be older than the run.
    """
    within = copy_context()

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        within.run(
            runtime.stream_writer,
            {"kind": "progress", "node": node, "done": progress, "total": total,
             "message": message or ""},
        )  # fmt: skip

    return tell

"""What a node tells of a long tool while it waits for it."""

from __future__ import annotations

from langgraph.runtime import Runtime

from mcp_servers.product.client import Progress
from nodes.context import Context


def telling(runtime: Runtime[Context], node: str) -> Progress:
    """Return what passes a tool's progress on as events of a node."""

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        runtime.stream_writer(
            {"kind": "progress", "node": node, "done": progress, "total": total,
             "message": message or ""}
        )  # fmt: skip

    return tell

"""A tool in which the product's server ends each time: tried so often, and then a failure."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from mcp_servers.product.contract import Applied
from mcp_servers.product.errors import (
    ATTEMPTS,
    SERVER_ENDED,
    ServerEnded,
    ToolFailed,
    ended_each_time,
)
from nodes.context import Context

AGAIN = "Then `pillion run` begins anew."
R = TypeVar("R")


async def bounded(context: Context, thread_id: str, step: str, call: Awaitable[R]) -> R:
    """Await a tool; raises `ToolFailed` where the server ended in it once too often.

    A server that is not there, as while its machine starts, does not count: it is waited for.
    """
    try:
        return await call
    except ServerEnded as ended:
        if context.records.cut_off(thread_id, step, str(ended)) < ATTEMPTS:
            raise
        raise ToolFailed(SERVER_ENDED, f"{ended_each_time(step)} {AGAIN}") from ended


async def standing(context: Context, proposal_id: str) -> Applied | None:
    """Return the product's own word on a change; None where it never made it."""
    changes = (await context.client.list_changes()).changes
    return next((c for c in changes if c.proposal_id == proposal_id), None)

"""A call of a tool: who it comes from, what it may do, how its errors read."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from typing import Any, NamedTuple

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from api.service.access import Caller, forbidden
from api.service.keys import Role
from api.service.problems import Refused, meaning_of
from api.service.service import Service
from graph.errors import GraphError, RunFailed
from mcp_servers.product.errors import ToolFailed

LOG = logging.getLogger("pillion.mcp")
READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WORK = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
CHANGE = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
AnyContext = Context[Any, Any]


@dataclass(frozen=True)
class Call:
    """One call, from an identified caller."""

    context: AnyContext
    service: Service
    caller: Caller

    _steps: Iterator[int] = field(default_factory=lambda: count(1))

    async def tell(self, message: str) -> None:
        """Report progress, where the client asked for it; nobody knows how much there will be."""
        await self.context.report_progress(next(self._steps), None, message)


class Rule(NamedTuple):
    """A tool, who may call it, and what clients may think of it."""

    work: Callable[..., Awaitable[Any]]
    role: Role
    annotations: ToolAnnotations


def caller_of(context: ServerRequestContext[Any, Any]) -> Caller:
    """Return who the endpoint found behind the request of this message."""
    assert context.request is not None
    caller: Caller = context.request.state.asking
    return caller


def admitted(service: Service, context: AnyContext, role: Role) -> Call:
    """Return a call by somebody who has that role for some product at least."""
    caller = caller_of(context.request_context)
    if not caller.may_somewhere(role):
        raise forbidden(role, "this")
    return Call(context, service, caller)


@contextmanager
def told() -> Iterator[None]:
    """Turn errors that are meant for people into tool errors, `[code] message`."""
    try:
        yield
    except Refused as exc:
        raise ToolError(ToolFailed.encode(exc.code, exc.detail)) from exc
    except ToolFailed as exc:
        if exc.code == "internal":
            raise
        raise ToolError(ToolFailed.encode(exc.code, exc.message)) from exc
    except RunFailed:
        # A fault of ours: its words stay in the log.
        raise
    except GraphError as exc:
        raise ToolError(ToolFailed.encode(meaning_of(exc)[1], str(exc))) from exc
    except (sqlite3.Error, OSError) as exc:
        LOG.error("state unusable", exc_info=exc)
        raise ToolError(
            ToolFailed.encode("state_unusable", "The state of this home cannot be used now.")
        ) from exc


def opened(service: Service, rule: Rule) -> Callable[..., Awaitable[Any]]:
    """Return a tool as the SDK takes it: it gets the context and hands on the call."""

    @wraps(rule.work)
    async def tool(call: AnyContext, **arguments: Any) -> Any:
        with told():
            return await rule.work(admitted(service, call, rule.role), **arguments)

    # The SDK looks for its context among these; the rest of the signature is the work's own.
    tool.__annotations__ = {**rule.work.__annotations__, "call": AnyContext}
    return tool

"""What a run and its steps tell of themselves: spans, and what every line of the log is about."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, ParamSpec, TypeVar

from opentelemetry import context as otel
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from tools.tracing import TRACER

P = ParamSpec("P")
R = TypeVar("R")


class Origin(NamedTuple):
    """Where a run was asked for: its trace, and its request's id."""

    context: otel.Context
    request_id: str | None

    @classmethod
    def here(cls) -> Origin:
        """Return the trace and request of whoever calls."""
        return cls(otel.get_current(), get_contextvars().get("request_id"))


NOWHERE = Origin(otel.Context(), None)
"""Of a run that a restart takes up."""


@contextmanager
def observed_run(origin: Origin, **about: str) -> Iterator[None]:
    """Bind ids to what is logged, and open the span of a run, for the rest of this task."""
    clear_contextvars()
    asked = {"request_id": origin.request_id} if origin.request_id else {}
    bind_contextvars(**about, **asked)
    attributes = {f"pillion.{name}": value for name, value in about.items()}
    with TRACER.start_as_current_span("run", context=origin.context, attributes=attributes):
        yield


def observed_node(node: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Return a node that is a span; that it interrupts is no error."""

    @functools.wraps(node)
    async def observed(*args: P.args, **kwargs: P.kwargs) -> R:
        with TRACER.start_as_current_span(
            f"node {node.__name__}", record_exception=False, set_status_on_exception=False
        ):
            return await node(*args, **kwargs)

    return observed


def about_product(product: str) -> None:
    """Name the product in what is logged from here on."""
    bind_contextvars(product=product)

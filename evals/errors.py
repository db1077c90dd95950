"""What can be wrong with a request to the eval suite."""

from __future__ import annotations

from collections.abc import Iterable

from graph.errors import GraphError


class EvalError(GraphError):
    """The suite cannot do this; the message says why."""


class UnknownName(EvalError):
    """A name that the suite does not know; the message lists those it does."""

    def __init__(self, what: str, given: object, known: Iterable[object]) -> None:
        super().__init__(f"Unknown {what} {given!r}; there are {', '.join(map(str, known))}.")


class NotComparable(EvalError):
    """Two results don't measure the same."""


class NoResult(EvalError):
    """A file holds no result of the suite."""

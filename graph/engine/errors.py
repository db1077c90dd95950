"""What can be wrong with a request for a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graph.errors import GraphError, InvalidAnswer


class UnknownGraph(GraphError):
    """No graph is served under that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No assistant {name!r}. Served: {', '.join(sorted(known))}.")


class UnknownCheckpoint(GraphError):
    """The thread has no such checkpoint."""

    def __init__(self, checkpoint_id: str) -> None:
        super().__init__(f"The thread has no checkpoint {checkpoint_id!r}.")


class UnknownItem(GraphError):
    """Nothing is stored there."""


class InvalidRequest(GraphError):
    """The request cannot be carried out as it is written."""


class InvalidResume(InvalidAnswer):
    """An answer does not fit the schema of its question, which stays open."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        path, message = problems[0]
        super().__init__(f"The answer does not fit the question at {path}: {message}")
        self.problems = tuple(problems)


class Conflict(GraphError):
    """The request does not fit how things stand."""


class NotWaiting(Conflict):
    """An answer names questions that do not wait, or none of several that do."""

    def __init__(self, message: str, pending: Iterable[str]) -> None:
        super().__init__(message)
        self.pending = tuple(pending)


class ThreadExists(Conflict):
    """There is a thread of that id."""

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"There is already a thread {thread_id!r}.")


class ThreadBusy(Conflict):
    """A run is under way in the thread."""

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"A run is under way in thread {thread_id!r}. Wait for it, cancel it, or choose"
            " another multitask_strategy."
        )


class Draining(GraphError):
    """The service is about to stop and takes no runs."""

    def __init__(self) -> None:
        super().__init__("The service is stopping; try again when it is back.")

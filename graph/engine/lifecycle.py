"""How a run begins, asks and ends, as readers of a whole thread are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graph.engine.answers import is_keyed
from graph.engine.event_log import Entry
from graph.engine.plain import encode

if TYPE_CHECKING:
    from graph.engine.records import RunRow, RunStatus, Standing

Asked = Mapping[str, Sequence[Any]]


def lifecycle(graph: str, event: str, namespace: str = "", **more: Any) -> Entry:
    """Return the event that says where a run, or a subgraph of it, stands."""
    data = {"event": event, "graph_name": graph, **more}
    return Entry("lifecycle", "lifecycle", encode(data), namespace)


def answered(run: RunRow, waiting: Asked) -> list[Entry]:
    """Return the event that says which of a thread's questions a run answers, the first time."""
    resume = run.request.command.resume if run.request.command else None
    if resume is None or run.attempt:
        return []
    ids = list(resume) if is_keyed(resume) else [i["id"] for each in waiting.values() for i in each]
    return [Entry("input", "input.answered", encode({"interrupt_ids": ids}))] if ids else []


def ending(
    run: RunRow, status: RunStatus, standing: Standing | None, error: Mapping[str, Any] | None
) -> list[Entry]:
    """Return the events that end a run: its error or its open questions, then where it stands."""
    if status in ("pending", "running"):
        return []
    if error is not None:
        failed = lifecycle(run.graph, "failed", error=error.get("message"))
        return [Entry("error", "error", encode(error)), failed]
    asked = [i for each in (standing.interrupts if standing else {}).values() for i in each]
    stops = bool(asked) or "interrupted" in (status, standing.status if standing else None)
    return [
        *(Entry("input", "input.requested", encode(_question(i))) for i in asked),
        lifecycle(run.graph, "interrupted" if stops else "completed"),
    ]


def _question(asked: Any) -> dict[str, Any]:
    question = {"interrupt_id": asked.id, "payload": asked.value, "value": asked.value}
    schema = asked.response_schema
    return question if schema is None else {**question, "response_schema": schema}

"""One run of a graph into the event log: every mode is written, readers choose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.runtime import RunControl

from graph.engine.event_log import Entry, EventLog
from graph.engine.plain import encode, error_name, shown_config, shown_metadata
from graph.engine.records import RunRow

ALWAYS = ("values", "updates", "custom", "tasks", "messages-tuple")
"""What is written whether it was asked for or not, so that a later reader can choose it."""
Chunk = tuple[tuple[str, ...], str, Any]


class Execution:
    """Runs a graph and writes what it streams; callable as a `Drive`."""

    def __init__(self, log: EventLog, run: RunRow) -> None:
        self.control = RunControl()
        self._log = log
        self._run = run
        self._modes = set(ALWAYS) | set(run.request.stream_mode)
        self._messages: dict[str, BaseMessageChunk] = {}

    async def __call__(self, graph: Any, given: Any, config: Any, context: Any) -> None:
        """Run the graph to its question or its end."""
        asked = self._run.request
        options: dict[str, Any] = {
            "context": context,
            "stream_mode": sorted({m.replace("-tuple", "") for m in self._modes - {"events"}}),
            "subgraphs": True,
            "durability": asked.durability,
            "control": self.control,
            "interrupt_before": asked.interrupt_before,
            "interrupt_after": asked.interrupt_after,
        }
        if "events" in self._modes:
            chunks = self._with_events(graph, given, config, options)
        else:
            chunks = cast(AsyncIterator[Chunk], graph.astream(given, config, **options))
        async for namespace, mode, payload in chunks:
            self._write("|".join(namespace), mode, payload)

    async def _with_events(
        self, graph: Any, given: Any, config: Any, options: dict[str, Any]
    ) -> AsyncIterator[Chunk]:
        """Write langchain's own events, and yield the chunks that travel among them."""
        root = ""
        async for event in graph.astream_events(given, config, version="v2", **options):
            root = root or event["run_id"]
            if event["event"] == "on_chain_stream" and event["run_id"] == root:
                yield event["data"]["chunk"]
            else:
                shown = {**event, "metadata": shown_metadata(event.get("metadata"))}
                self._append(Entry("events", "events", encode(shown)))

    def _append(self, *entries: Entry) -> None:
        self._log.append(self._run.thread_id, self._run.run_id, *entries)

    def _write(self, namespace: str, mode: str, payload: Any) -> None:
        if mode == "messages":
            self._append(*self._message(namespace, *payload))
            return
        if mode == "tasks":
            payload = _shown_task(payload)
        elif mode == "checkpoints":
            payload = _shown_checkpoint(payload)
        elif mode == "debug":
            task = payload["type"].startswith("task")
            inner = (_shown_task if task else _shown_checkpoint)(payload["payload"])
            payload = {**payload, "payload": inner}
        self._append(Entry(mode, mode, encode(payload), namespace))

    def _message(
        self, namespace: str, message: BaseMessage, metadata: dict[str, Any]
    ) -> list[Entry]:
        """Return a message's delta, and its growing whole when that was asked for."""
        shown = shown_metadata(metadata)
        entries = [Entry("messages-tuple", "messages", encode([message, shown]), namespace)]
        if "messages" not in self._modes:
            return entries
        key = message.id or ""
        if key not in self._messages:
            about = encode({key: {"metadata": shown}})
            entries.append(Entry("messages", "messages/metadata", about, namespace))
        if not isinstance(message, BaseMessageChunk):
            entries.append(Entry("messages", "messages/complete", encode([message]), namespace))
            return entries
        known = self._messages.get(key)
        whole = known + message if known is not None else message
        self._messages[key] = whole
        body = encode([message_chunk_to_message(self._messages[key])])
        entries.append(Entry("messages", "messages/partial", body, namespace))
        return entries


def _shown_task(task: dict[str, Any]) -> dict[str, Any]:
    shown = dict(task)
    if "error" in shown:
        shown["error"] = error_name(shown["error"])
    if "metadata" in shown:
        shown["metadata"] = shown_metadata(shown["metadata"])
    return shown


def _shown_checkpoint(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return {
        **checkpoint,
        "config": shown_config(checkpoint.get("config")),
        "parent_config": shown_config(checkpoint.get("parent_config")),
        "metadata": shown_metadata(checkpoint.get("metadata")),
        "tasks": [_shown_task(t) for t in checkpoint.get("tasks", ())],
    }

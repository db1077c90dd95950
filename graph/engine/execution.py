"""One run of a graph into the event log: every mode is written, readers choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.runtime import RunControl

from graph.engine.event_log import Entry, EventLog
from graph.engine.lifecycle import lifecycle
from graph.engine.message_events import MessageEvents
from graph.engine.plain import encode, error_name, shown_config, shown_metadata
from graph.engine.records import RunRow

ALWAYS = ("values", "updates", "custom", "tasks", "messages-tuple", "tools", "checkpoints")
"""What is asked of a graph whether a caller did or not, so that a later reader can choose it."""
UNASKED = ("values", "updates", "custom", "tasks", "messages-tuple", "tools")
"""What of it is written whole; of checkpoints only their names, unless they were asked for."""
HELD_SECONDS = 0.02
Chunk = tuple[tuple[str, ...], str, Any]


class Execution:
    """Runs a graph and writes what it streams; callable as a `Drive`."""

    def __init__(self, log: EventLog, run: RunRow) -> None:
        self.control = RunControl()
        self._log = log
        self._run = run
        self._modes = set(UNASKED) | set(run.request.stream_mode)
        self._messages: dict[str, BaseMessageChunk] = {}
        self._message_events = MessageEvents()
        self._subgraphs = Subgraphs()
        self._held: list[Entry] = []
        """Values whose checkpoint comes next: readers learn its name first."""

    async def __call__(self, graph: Any, given: Any, config: Any, context: Any) -> None:
        """Run the graph to its question or its end."""
        asked = self._run.request
        modes = set(ALWAYS) | self._modes - {"events", "lifecycle"}
        options: dict[str, Any] = {
            "context": context,
            "stream_mode": sorted({m.replace("-tuple", "") for m in modes}),
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
        try:
            async for namespace, mode, payload in chunks:
                self._write("|".join(namespace), mode, payload)
        finally:
            cut_off = [
                Entry("message_events", "messages", encode(event), namespace)
                for namespace, event in self._message_events.fail()
            ]
            self._append(*cut_off)

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
        held, self._held = self._held, []
        if held or entries:
            self._log.append(self._run.thread_id, self._run.run_id, *held, *entries)

    def _write(self, namespace: str, mode: str, payload: Any) -> None:
        before = self._subgraphs.entered(namespace)
        if mode == "values":
            self._append(*before)
            self._hold(Entry(mode, mode, encode(payload), namespace))
        elif mode == "checkpoints":
            self._checkpoint(namespace, payload, before)
        elif mode == "messages":
            self._append(*before, *self._message(namespace, *payload))
        else:
            shown = _shown(mode, payload)
            self._append(
                *before,
                Entry(mode, mode, encode(shown), namespace),
                *self._after(namespace, mode, shown),
            )

    def _hold(self, values: Entry) -> None:
        self._held = [values]
        asyncio.get_running_loop().call_later(HELD_SECONDS, self._append)

    def _checkpoint(self, namespace: str, payload: Any, before: list[Entry]) -> None:
        """Write a checkpoint's name before the values it holds, and all of it when asked for."""
        held, self._held = self._held, []
        name = Entry("checkpoint_refs", "checkpoints", encode(_named(payload)), namespace)
        whole = []
        if "checkpoints" in self._modes:
            shown = encode(_shown_checkpoint(payload))
            whole = [Entry("checkpoints", "checkpoints", shown, namespace)]
        self._append(*before, name, *held, *whole)

    def _after(self, namespace: str, mode: str, shown: Any) -> list[Entry]:
        """Return what the end of a task ends besides: its messages, and the subgraph it ran."""
        if mode != "tasks" or "result" not in shown:
            return []
        ended = [
            Entry("message_events", "messages", encode(event), namespace)
            for event in self._message_events.close(namespace)
        ]
        return [*ended, *self._subgraphs.left(namespace, shown)]

    def _message(
        self, namespace: str, message: BaseMessage, metadata: dict[str, Any]
    ) -> list[Entry]:
        """Return a message's delta, and its growing whole when that was asked for."""
        shown = shown_metadata(metadata)
        entries = [Entry("messages-tuple", "messages", encode([message, shown]), namespace)]
        entries += [
            Entry("message_events", "messages", encode(event), namespace)
            for event in self._message_events.take(namespace, message)
        ]
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


class Subgraphs:
    """Says when a run enters and leaves its subgraphs."""

    def __init__(self) -> None:
        self._inside: dict[str, str] = {}

    def entered(self, namespace: str) -> list[Entry]:
        """Return the beginnings of the subgraphs on a path that were not told yet."""
        parts = namespace.split("|") if namespace and namespace not in self._inside else []
        entries = []
        for depth in range(1, len(parts) + 1):
            path = "|".join(parts[:depth])
            if path not in self._inside:
                name, _, task = parts[depth - 1].partition(":")
                self._inside[path] = task
                entries.append(lifecycle(name, "started", path, trigger_call_id=task))
        return entries

    def left(self, namespace: str, task: Mapping[str, Any]) -> list[Entry]:
        """Return the ends of the subgraphs that a task, ended in a namespace, had begun."""
        prefix = f"{namespace}|" if namespace else ""
        ended = "interrupted" if task.get("interrupts") else "completed"
        ended = "failed" if task.get("error") else ended
        found = [
            path
            for path, by in self._inside.items()
            if by == task["id"] and path.startswith(prefix) and "|" not in path[len(prefix) :]
        ]
        entries = [lifecycle(p[len(prefix) :].partition(":")[0], ended, p) for p in found]
        for path in found:
            self._inside[path] = ""
        return entries


def _named(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's names."""
    about = checkpoint.get("metadata") or {}
    parent = ((checkpoint.get("parent_config") or {}).get("configurable") or {}).get(
        "checkpoint_id"
    )
    own = ((checkpoint.get("config") or {}).get("configurable") or {}).get("checkpoint_id")
    named = {"id": own, "step": about.get("step"), "source": about.get("source")}
    return named if parent is None else {**named, "parent_id": parent}


def _shown(mode: str, payload: Any) -> Any:
    """Return a payload without our insides."""
    if mode == "tasks":
        return _shown_task(payload)
    if mode == "tools":
        return _shown_tool(payload)
    if mode == "debug":
        task = payload["type"].startswith("task")
        inner = (_shown_task if task else _shown_checkpoint)(payload["payload"])
        return {**payload, "payload": inner}
    return payload


def _shown_tool(told: dict[str, Any]) -> dict[str, Any]:
    if told.get("event") != "tool-error":
        return told
    return {**told, "message": "The tool failed; its operator finds why in the log."}


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

"""The newer protocol's events and subscriptions, read from the one event log.

An event's number is that of its row, given before anybody filters, so that two subscriptions
mean the same by a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graph.engine.event_log import Event
from graph.engine.plain import decode, encode
from graph.engine.requests import Wire

CHANNELS = (
    "values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks",
    "custom",
)  # fmt: skip
NAMED = "custom:"
MODES = {
    "values": "values", "updates": "updates", "message_events": "messages", "tools": "tools",
    "lifecycle": "lifecycle", "input": "input", "checkpoint_refs": "checkpoints",
    "tasks": "tasks", "custom": "custom",
}  # fmt: skip
"""The channel of each mode of the log; the others are for readers of single runs only."""
Namespace = Annotated[list[Annotated[str, Field(max_length=500)]], Field(max_length=100)]
Channel = Annotated[
    str, Field(pattern=rf"^({'|'.join(CHANNELS)}|{NAMED}.{{1,200}})$", max_length=210)
]


class Subscription(Wire):
    """What a reader wants: channels, and how deep below which namespaces."""

    channels: Annotated[list[Channel], Field(min_length=1, max_length=100)]
    namespaces: Annotated[list[Namespace], Field(max_length=100)] | None = None
    depth: Annotated[int, Field(ge=0)] | None = None
    since: Annotated[int, Field(ge=0)] | None = None
    """The number of the last event that is known."""

    def wants(self, told: Told) -> bool:
        """Return whether an event is for the reader."""
        channel = told.channel
        listed = channel in self.channels
        if not listed and not (channel.startswith(NAMED) and "custom" in self.channels):
            return False
        if not self.namespaces:
            return True
        return any(self._covers(prefix, told.path) for prefix in self.namespaces)

    def _covers(self, prefix: Sequence[str], path: Sequence[str]) -> bool:
        if len(prefix) > len(path):
            return False
        if not all(_same(wanted, part) for wanted, part in zip(prefix, path, strict=False)):
            return False
        return self.depth is None or len(path) - len(prefix) <= self.depth


def _same(wanted: str, part: str) -> bool:
    """Return whether a part is meant: with its task's id, or by its node alone."""
    return wanted == part or (":" not in wanted and part.partition(":")[0] == wanted)


class Told(NamedTuple):
    """An event of the log in the protocol's words."""

    seq: int
    event_id: str
    method: str
    channel: str
    path: tuple[str, ...]
    at: str
    data: bytes
    """JSON."""

    def envelope(self) -> bytes:
        """Return the event as it goes over the wire."""
        head = {
            "type": "event", "event_id": self.event_id, "seq": self.seq, "method": self.method,
        }  # fmt: skip
        params = {"namespace": self.path, "timestamp": _milliseconds(self.at)}
        # The data is JSON already and may be large.
        return b'%s,"params":%s,"data":%s}}' % (encode(head)[:-1], encode(params)[:-1], self.data)


def _milliseconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)


def told(event: Event) -> Told | None:
    """Return what the protocol says of an event; None when it says nothing."""
    channel = MODES.get(event.mode)
    if channel is None:
        return None
    data: bytes | None = event.data
    method, event_id = channel, str(event.seq)
    if event.mode in ("lifecycle", "input"):
        # Clients read the run from ids that begin like this.
        event_id = f"synth:{event.run_id}:{event.seq}"
        method = event.event
    elif event.mode == "values":
        data = _values(event.data)
    elif event.mode == "updates":
        data = _update(event.data)
    elif event.mode == "custom":
        name, data = _custom(event.data)
        channel = f"{NAMED}{name}" if name else channel
    if data is None:
        return None
    path = tuple(event.namespace.split("|")) if event.namespace else ()
    return Told(event.seq, event_id, method, channel, path, event.at, data)


def _values(data: bytes) -> bytes:
    """Leave out the questions: they have a channel of their own."""
    if b'"__interrupt__"' not in data:
        return data
    values = decode(data)
    if isinstance(values, dict):
        values.pop("__interrupt__", None)
    return encode(values)


def _update(data: bytes) -> bytes | None:
    updates = decode(data)
    if not isinstance(updates, dict):
        return encode({"values": updates})
    nodes = {k: v for k, v in updates.items() if not k.startswith("__")}
    if len(nodes) != 1:
        return encode({"values": nodes}) if nodes else None
    ((node, values),) = nodes.items()
    return encode({"node": node, "values": values})


def _custom(data: bytes) -> tuple[str | None, bytes]:
    """Return an event's name, if its writer gave one beside a payload, and its data."""
    payload = decode(data)
    if isinstance(payload, dict) and {"name", "payload"} == set(payload):
        name: Any = payload["name"]
        if isinstance(name, str) and name:
            return name, data
    return None, encode({"payload": payload})

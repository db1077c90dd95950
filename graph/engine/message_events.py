"""Messages as the newer protocol tells them: start, content blocks piece by piece, finish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

Told = dict[str, Any]
ROLES = {"ai": "ai", "AIMessageChunk": "ai", "human": "human", "system": "system"}
"""Messages that are told; what tools answer is told by the tools' own events."""
GROWING = {"text": "text", "reasoning": "reasoning"}
"""Blocks whose content comes in pieces, and the member that grows."""
CHUNKS = {"tool_call_chunk": "tool_call", "server_tool_call_chunk": "server_tool_call"}
"""Blocks of calls whose arguments come as pieces of JSON, and what they end as."""
HEAVY = ("args", "data", "output", "transcript", "value")
"""Members of whole blocks that only their end carries."""


@dataclass
class _Open:
    """A message that has begun and not ended."""

    blocks: dict[Any, tuple[int, Told]] = field(default_factory=dict)
    usage: UsageMetadata | None = None


class MessageEvents:
    """Follows the messages of a run; each event names its message, so that several may mix."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Open] = {}

    def take(self, namespace: str, message: BaseMessage) -> Iterator[Told]:
        """Yield what a message, or the next piece of one, adds."""
        if message.type not in ROLES:
            return
        key = (namespace, message.id or "")
        if key not in self._open:
            self._open[key] = _Open()
            yield _named(key, {"event": "message-start", "role": ROLES[message.type]}) | {
                "id": message.id or ""
            }
        known = self._open[key]
        for place, block in enumerate(_blocks(message)):
            for event in _grow(known, place, block):
                yield _named(key, event)
        if isinstance(message, AIMessage) and message.usage_metadata:
            known.usage = add_usage(known.usage, message.usage_metadata)
        whole = not isinstance(message, BaseMessageChunk)
        if whole or getattr(message, "chunk_position", None) == "last":
            yield from self._finish(key)

    def close(self, namespace: str) -> Iterator[Told]:
        """End what is still open in a namespace: its node has ended."""
        for key in [k for k in self._open if k[0] == namespace]:
            yield from self._finish(key)

    def fail(self) -> Iterator[tuple[str, Told]]:
        """End what is still open anywhere with an error, by namespace."""
        for key in list(self._open):
            del self._open[key]
            yield key[0], _named(key, {"event": "error", "message": "The run ended before."})

    def _finish(self, key: tuple[str, str]) -> Iterator[Told]:
        known = self._open.pop(key)
        for index, block in known.blocks.values():
            end = {"event": "content-block-finish", "index": index, "content": _final(block)}
            yield _named(key, end)
        usage = {"usage": known.usage} if known.usage else {}
        yield _named(key, {"event": "message-finish", **usage})


def _named(key: tuple[str, str], event: Told) -> Told:
    # One client tells messages that mix apart by the one name, one by the other.
    return {**event, "message_id": key[1], "run_id": key[1]}


def _blocks(message: BaseMessage) -> list[Told]:
    """Return a message's content; the calls in a piece stay pieces, even in the last one."""
    blocks: list[Told] = [dict(block) for block in message.content_blocks]
    if not isinstance(message, AIMessageChunk):
        return blocks
    pieces: list[Told] = [
        {k: v for k, v in piece.items() if v is not None} | {"type": "tool_call_chunk"}
        for piece in message.tool_call_chunks
    ]
    calls = ("tool_call", "tool_call_chunk", "invalid_tool_call")
    return [block for block in blocks if block.get("type") not in calls] + pieces


def _grow(known: _Open, place: int, piece: Told) -> Iterator[Told]:
    """Add a piece to its block, and yield the start and the delta it makes."""
    kind = piece.get("type", "text")
    key = (kind, piece["index"] if piece.get("index") is not None else f"at {place}")
    if key not in known.blocks:
        index = len(known.blocks)
        known.blocks[key] = index, dict(piece)
        yield {"event": "content-block-start", "index": index, "content": _skeleton(piece)}
    else:
        index, block = known.blocks[key]
        known.blocks[key] = index, _merged(block, piece)
    delta = _delta(kind, piece)
    if delta is not None:
        yield {"event": "content-block-delta", "index": index, "delta": delta}


def _grows(kind: str) -> str | None:
    return "args" if kind in CHUNKS else GROWING.get(kind)


def _delta(kind: str, piece: Told) -> Told | None:
    member = _grows(kind)
    text = piece.get(member) if member else None
    if not text:
        return None
    name = "tool-call" if kind in CHUNKS else kind
    return {"type": f"{name}-delta", str(member): text}


def _skeleton(piece: Told) -> Told:
    kind = piece.get("type", "text")
    member = _grows(kind)
    if member:
        return {**piece, member: ""}
    light = {k: v for k, v in piece.items() if k not in HEAVY}
    if kind in ("tool_call", "server_tool_call"):
        light["args"] = {}
    return light


def _merged(block: Told, piece: Told) -> Told:
    member = _grows(block.get("type", "text"))
    if member is None or piece.get("type") != block.get("type"):
        return dict(piece)
    added = {k: v for k, v in piece.items() if v is not None}
    return {**block, **added, member: (block.get(member) or "") + (piece.get(member) or "")}


def _final(block: Told) -> Told:
    """Return a block as it ends; arguments that are no JSON make it an invalid call."""
    kind = block.get("type", "text")
    if kind not in CHUNKS:
        return block
    call = {k: v for k, v in block.items() if k not in ("type", "args", "index")}
    try:
        return {"type": CHUNKS[kind], **call, "args": json.loads(block.get("args") or "{}")}
    except json.JSONDecodeError:
        error = "Its arguments are not JSON."
        return {"type": "invalid_tool_call", **call, "args": block["args"], "error": error}

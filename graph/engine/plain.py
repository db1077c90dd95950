"""Whatever a graph streams or keeps, as JSON that shows nothing of our insides."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import orjson
from langchain_core.messages import BaseMessage
from langgraph.types import Interrupt
from pydantic import BaseModel

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
SHOWN = ("thread_id", "checkpoint_ns", "checkpoint_id")
"""What of a run's configuration others may see."""


def encode(value: Any) -> bytes:
    """Return JSON; what JSON cannot hold is written as text, and NaN as null."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        # Integers beyond 64 bits, lone surrogates, keys of other kinds.
        return json.dumps(_tamed(value)).encode()


def decode(data: bytes | str) -> Any:
    """Return what `encode` wrote."""
    return orjson.loads(data)


def plain(value: Any) -> Any:
    """Return a JSON-plain copy."""
    return decode(encode(value))


def _tamed(value: Any) -> Any:
    """Return a copy that the standard library can write."""
    if isinstance(value, Mapping):
        return {str(k): _tamed(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_tamed(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return _tamed(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseMessage | BaseModel):
        return value.model_dump()
    if isinstance(value, Interrupt):
        return interrupt_view(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def interrupt_view(found: Interrupt[Any]) -> dict[str, Any]:
    """Return a question as clients see it."""
    view: dict[str, Any] = {"id": found.id, "value": found.value}
    if found.response_schema is not None:
        view["response_schema"] = found.response_schema
    return view


def error_name(error: Any) -> str | None:
    """Return the class of an error a task ended with: its words may hold what is not for all."""
    if error is None:
        return None
    return str(error).partition("(")[0] if isinstance(error, str) else type(error).__name__


def shown_config(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the checkpoint a configuration names, and nothing else of it."""
    if config is None:
        return None
    inner = config.get("configurable", {})
    return {"configurable": {k: inner[k] for k in SHOWN if k in inner}}


def shown_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata without what langgraph keeps for itself."""
    return {k: v for k, v in (metadata or {}).items() if not k.startswith("__")}

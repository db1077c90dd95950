"""Parts of a thread by their paths, as `threads.search(extract=…)` names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graph.engine.errors import InvalidRequest

_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(-?\d{1,9})\]")
Path = tuple[str | int, ...]


def parse_path(text: str) -> Path:
    """Return the steps of a path such as `values.messages[-1].content`.

    Raises `InvalidRequest` for one that is none.
    """
    found = list(_STEP.finditer(text))
    if not found or not found[0][1] or "".join(step[0] for step in found) != text:
        raise InvalidRequest(
            f"{text[:100]!r} is no path; write one such as values.messages[-1].content."
        )
    return tuple(int(step[2]) if step[2] else step[1] for step in found)


def extracted(view: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, Any]:
    """Return what is at each path, under its alias; None where there is nothing."""
    return {alias: _at(view, path) for alias, path in paths.items()}


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value

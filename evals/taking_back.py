"""A change taken back by the product's own server, after the next rows have come in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from evals.oracle.writing import written
from mcp_servers.product.client import connect, stdio_target
from mcp_servers.product.errors import PASSING, ToolFailed


class TakenBack(NamedTuple):
    """What is left of a changed product without its changes, or why they cannot be taken back."""

    database: Path | None = None
    """None where it was not tried: the later rows are refused already."""
    refused: str = ""


async def taken_back(
    descriptor: Path, database: str, changes: Iterable[str], rows: Sequence[str], into: Path
) -> TakenBack:
    """Copy a changed product, write rows and undo its changes, the last one first.

    Raises `ServerGone`, and `ToolFailed` for what passes, such as a full disk.
    """
    shutil.copytree(descriptor.parent, into)
    if not await written(into / database, rows):
        return TakenBack()
    async with connect(stdio_target(into / descriptor.name)) as client:
        for change_id in reversed(list(changes)):
            try:
                await client.undo_change(change_id)
            except ToolFailed as exc:
                if exc.code in PASSING:
                    raise
                return TakenBack(refused=exc.message)
    return TakenBack(into / database)

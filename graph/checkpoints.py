"""Checkpoints in one SQLite file, revived only from an explicit list of types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

ALLOWED = [
    ("nodes.state", "Verdicted"),
    ("nodes.state", "Passed"),
    *(
        ("tools.messages", name)
        for name in (
            "AddCheck",
            "AddNotNull",
            "Aggregate",
            "Candidate",
            "ChangeType",
            "CreateIndex",
            "CreateSummary",
            "Dimension",
            "DropColumn",
            "DropIndex",
            "DropTable",
            "Interval",
            "RewriteQuery",
            "SortTable",
            "TableName",
        )
    ),
]


def build_serializer() -> JsonPlusSerializer:
    """Return the serializer that knows our state values and nothing else."""
    return JsonPlusSerializer(allowed_msgpack_modules=ALLOWED)


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Open the checkpoint store (WAL, one writer process)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    async with aiosqlite.connect(path) as con:
        # Counts for a new file only: what is deleted later can be given back in short steps.
        await con.execute("PRAGMA auto_vacuum=INCREMENTAL")
        saver = AsyncSqliteSaver(con, serde=build_serializer())
        await saver.setup()
        yield saver

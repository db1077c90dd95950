"""Checkpoints in one SQLite file, revived only from an explicit list of types."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.checkpoint.sqlite.utils import load_pending_writes, pending_writes_sql

from graph.checkpoint_rows import DELTAS, OF_RUN, OLDER, OLDEST_KEPT, SPACES, TABLES
from tools.failpoints import crash_point
from tools.write_ahead import use_write_ahead_log

Synchronous = Literal["FULL", "NORMAL"]
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
FOUND = "SELECT checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints"
ONE = f"{FOUND} WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
LATEST = f"{FOUND} WHERE thread_id = ? AND checkpoint_ns = ? ORDER BY checkpoint_id DESC LIMIT 1"
LATEST_ID = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
PUT = """
    INSERT OR REPLACE INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
WRITTEN = "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
MOST_ROWS = 500
"""So many fit into one statement."""
LOCKED_SECONDS = 30.0
"""How long a write waits for another process, such as `pillion prune`."""


def build_serializer() -> JsonPlusSerializer:
    """Return the serializer that knows our state values and nothing else."""
    return JsonPlusSerializer(allowed_msgpack_modules=ALLOWED)


class Checkpoints(AsyncSqliteSaver):
    """LangGraph's SQLite saver with what that leaves out: copying, pruning, forgetting runs.

    Each change is one transaction. Threads are the caller's to keep still meanwhile. What every
    step of a graph does is one statement, and one visit to the connection's thread: going there
    and back costs more than the statement.
    """

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that a configuration names, or a thread's latest."""
        await self.setup()
        asked = config["configurable"]
        place = (str(asked["thread_id"]), asked.get("checkpoint_ns", ""))
        named = asked.get("checkpoint_id")
        async with self.lock:
            found = await self.conn.execute_fetchall(
                ONE if named else LATEST, (*place, named) if named else place
            )
            if not found:
                return None
            ((checkpoint_id, parent, kind, data, about),) = found
            writes = await self.conn.execute_fetchall(
                pending_writes_sql(True), (*place, checkpoint_id)
            )
        return CheckpointTuple(
            config if named else _config(*place, checkpoint_id),
            self.serde.loads_typed((kind, data)),
            json.loads(about) if about is not None else {},
            _config(*place, parent) if parent else None,
            load_pending_writes(writes, self.serde),
        )

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint and return the configuration that names it."""
        await self.setup()
        at = config["configurable"]
        about = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False)
        row = (
            str(at["thread_id"]), at["checkpoint_ns"], checkpoint["id"], at.get("checkpoint_id"),
            *self.serde.dumps_typed(checkpoint), about.encode("utf-8", "ignore"),
        )  # fmt: skip
        await self._put("put", PUT, row)
        return _config(at["thread_id"], at["checkpoint_ns"], checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what a task wrote, all of it or nothing."""
        await self.setup()
        at = config["configurable"]
        task = (str(at["thread_id"]), at["checkpoint_ns"], at["checkpoint_id"], task_id, task_path)
        rows = [
            (*task, WRITES_IDX_MAP.get(channel, n), channel, *self.serde.dumps_typed(value))
            for n, (channel, value) in enumerate(writes)
        ]
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        put = f"INSERT OR {'REPLACE' if special else 'IGNORE'} INTO writes ({WRITTEN}) VALUES"
        if 0 < len(rows) <= MOST_ROWS:
            values = ", ".join([ROW] * len(rows))
            await self._put("put_writes", f"{put} {values}", [v for r in rows for v in r])
        elif rows:
            async with self._changing("put_writes") as con:
                await con.executemany(f"{put} {ROW}", rows)

    async def _put(self, name: str, statement: str, values: Sequence[Any]) -> None:
        """Write by one statement, which is a transaction of its own."""
        crash_point(f"checkpoints.{name}.before_write")
        async with self.lock:
            await self.conn.execute_fetchall(statement, values)
        crash_point(f"checkpoints.{name}.after_write")

    async def latest(self, thread_id: str) -> str | None:
        """Return the id of a thread's latest checkpoint."""
        await self.setup()
        async with self.lock:
            found = await self.conn.execute_fetchall(LATEST_ID, (thread_id,))
        return next((checkpoint_id for (checkpoint_id,) in found), None)

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[aiosqlite.Connection]:
        """Change rows together or not at all, also when the task is cancelled."""
        await self.setup()
        async with self.lock:
            try:
                await self.conn.execute("BEGIN IMMEDIATE")
                yield self.conn
            except BaseException:
                await self.conn.rollback()
                raise
            crash_point(f"checkpoints.{name}.before_commit")
            await self.conn.commit()
        crash_point(f"checkpoints.{name}.after_commit")

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints and writes of a thread."""
        await self.aprune([thread_id], strategy="delete")

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what runs wrote, known by `run_id` in its metadata.

        A thread whose state is put together of earlier checkpoints (`DeltaChannel`) is left whole:
        what it has now would be wrong without them.
        """
        async with self._changing("delete_for_runs") as con:
            for run_id in run_ids:
                for thread, space, checkpoint in await con.execute_fetchall(OF_RUN, (run_id,)):
                    if not await con.execute_fetchall(DELTAS, (thread,)):
                        await _delete(
                            con,
                            "WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?",
                            (thread, space, checkpoint),
                        )

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and pending writes of a thread to another one."""
        async with self._changing("copy_thread") as con:
            for table in TABLES:
                found = await con.execute_fetchall(
                    "SELECT name FROM pragma_table_info(?) WHERE name != 'thread_id'", (table,)
                )
                columns = ", ".join(name for (name,) in found)
                await con.execute(
                    f"INSERT INTO {table} (thread_id, {columns})"  # noqa: S608 - langgraph's own columns
                    f" SELECT ?, {columns} FROM {table} WHERE thread_id = ?",
                    (target_thread_id, source_thread_id),
                )

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete threads (`delete`), or all but the latest checkpoint of each of their namespaces.

        With `keep_latest`, a thread whose state is put together of earlier checkpoints is left
        whole. Raises `ValueError` for another strategy.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"keep_latest or delete, not {strategy!r}")
        for thread_id in thread_ids:
            async with self._changing("prune") as con:
                if strategy == "delete":
                    await _delete(con, "WHERE thread_id = ?", (thread_id,))
                elif not await con.execute_fetchall(DELTAS, (thread_id,)):
                    await _keep_latest(con, thread_id)

    async def roll_back(self, thread_id: str, base: str, *, answers: bool) -> None:
        """Take a thread back to a checkpoint; `answers` also takes back what was answered there."""
        async with self._changing("roll_back") as con:
            await _delete(con, "WHERE thread_id = ? AND checkpoint_id > ?", (thread_id, base))
            if answers:
                await con.execute(
                    "DELETE FROM writes WHERE thread_id = ? AND checkpoint_id = ?"
                    " AND channel = '__resume__'",
                    (thread_id, base),
                )


async def _delete(con: aiosqlite.Connection, where: str, given: Sequence[str]) -> None:
    for table in TABLES:
        await con.execute(f"DELETE FROM {table} {where}", given)  # noqa: S608 - our own words


async def _keep_latest(con: aiosqlite.Connection, thread_id: str) -> None:
    for (space,) in await con.execute_fetchall(SPACES, (thread_id,)):
        named = {"thread": thread_id, "ns": space, "keep": 1}
        ((named["oldest"],),) = await con.execute_fetchall(OLDEST_KEPT, named)
        for table in TABLES:
            await con.execute(f"DELETE FROM {table} {OLDER}", named)  # noqa: S608 - our own words


def _config(thread_id: str, space: str, checkpoint_id: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread_id, "checkpoint_ns": space, "checkpoint_id": checkpoint_id,
        }
    }  # fmt: skip


class _Logged(sqlite3.Connection):
    """A connection whose file has its log, which LangGraph's own set-up does not wait to make."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        # Counts for a new file only: what is deleted later can be given back in short steps.
        self.execute("PRAGMA auto_vacuum=INCREMENTAL")
        use_write_ahead_log(self)


@asynccontextmanager
async def open_checkpoints(
    path: Path, synchronous: Synchronous = "FULL"
) -> AsyncIterator[Checkpoints]:
    """Open the checkpoint store (WAL, one writer process).

    What is written as FULL survives a power cut, as NORMAL the death of the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without transactions that Python begins by itself: a statement is one.
    options: dict[str, Any] = {"timeout": LOCKED_SECONDS, "isolation_level": None}
    con = await _connected(aiosqlite.connect(path, factory=_Logged, **options))
    try:
        await con.execute(f"PRAGMA synchronous={synchronous}")
        saver = Checkpoints(con, serde=build_serializer())
        await saver.setup()
        yield saver
    finally:
        await con.close()


async def _connected(connecting: Awaitable[aiosqlite.Connection]) -> aiosqlite.Connection:
    """Return a connection; one that is stopped on its way would leave its thread without a loop."""
    opening = asyncio.ensure_future(connecting)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await (await opening).close()
        raise

"""Checkpoints in one SQLite file, revived only from an explicit list of types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph.checkpoint_rows import DELTAS, OF_RUN, OLDER, OLDEST_KEPT, SPACES, TABLES
from tools.failpoints import crash_point

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
LOCKED_SECONDS = 30.0
"""How long a write waits for another process, such as `pillion prune`."""


def build_serializer() -> JsonPlusSerializer:
    """Return the serializer that knows our state values and nothing else."""
    return JsonPlusSerializer(allowed_msgpack_modules=ALLOWED)


class Checkpoints(AsyncSqliteSaver):
    """LangGraph's SQLite saver with what that leaves out: copying, pruning, forgetting runs.

    Each change is one transaction. Threads are the caller's to keep still meanwhile.
    """

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[aiosqlite.Connection]:
        """Change rows together or not at all, also when the task is cancelled."""
        await self.setup()
        async with self.lock:
            # A writer that was cancelled leaves its transaction open; its next one would end it.
            await self.conn.commit()
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


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[Checkpoints]:
    """Open the checkpoint store (WAL, one writer process)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    async with aiosqlite.connect(path, timeout=LOCKED_SECONDS) as con:
        # Counts for a new file only: what is deleted later can be given back in short steps.
        await con.execute("PRAGMA auto_vacuum=INCREMENTAL")
        saver = Checkpoints(con, serde=build_serializer())
        await saver.setup()
        yield saver

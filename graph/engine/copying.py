"""Copies of what langgraph remembers of a thread."""

from __future__ import annotations

import aiosqlite

TABLES = ("checkpoints", "writes")


async def copy_checkpoints(con: aiosqlite.Connection, thread_id: str, new: str) -> None:
    """Copy all checkpoints and pending writes of a thread to another one, in one transaction."""
    for table in TABLES:
        found = await con.execute_fetchall(
            "SELECT name FROM pragma_table_info(?) WHERE name != 'thread_id'", (table,)
        )
        columns = ", ".join(name for (name,) in found)
        await con.execute(
            f"INSERT INTO {table} (thread_id, {columns})"  # noqa: S608 - langgraph's own columns
            f" SELECT ?, {columns} FROM {table} WHERE thread_id = ?",
            (new, thread_id),
        )
    await con.commit()

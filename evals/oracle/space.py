"""What a product takes on the disk."""

from __future__ import annotations

from pathlib import Path

import duckdb

MAY_GROW = 10.0
"""A product that takes this many times the room is too large, ..."""
MAY_ADD = 64 * 2**20
"""... once so many bytes came with it. An index of half a million keys takes 17 MiB."""


def outgrown(before: Path, after: Path) -> str:
    """Say how much more room the second database takes where that is too much, or nothing."""
    old, new = used(before), used(after)
    if new <= MAY_GROW * old or new <= MAY_ADD + old:
        return ""
    return (
        f"it takes ×{new / old:.1f} the room ({new / 2**20:.0f} instead of {old / 2**20:.0f} MiB)"
    )


def used(path: Path) -> int:
    """Return the bytes of blocks in use after a checkpoint: what a compacted file would need."""
    with duckdb.connect(str(path)) as con:
        con.execute("CHECKPOINT")
        sql = "SELECT block_size * used_blocks FROM pragma_database_size()"
        ((size,),) = con.execute(sql).fetchall()
    return int(size)

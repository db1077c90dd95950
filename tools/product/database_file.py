"""Look at the first bytes of a file: is it a DuckDB database, whole, and if not, what is it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from tools.product.errors import DatabaseUnusable

HEADER_BYTES = 4096
"""The main header, then two database headers of the same size, then blocks."""
ENCRYPTED_FLAG = 1
SIGNATURES = (
    (b"SQLite format 3\0", "a SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive or spreadsheet"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"PGDMP", "a PostgreSQL dump"),
    (b"%PDF", "a PDF"),
)


class Short(NamedTuple):
    """A file that ends before its header says: cut off, or blocks at its end were free."""

    size: int
    wanted: int
    block_bytes: int

    @property
    def blocks(self) -> int:
        """How many blocks the file holds."""
        return (self.size - 3 * HEADER_BYTES) // self.block_bytes

    def error(self, path: Path) -> DatabaseUnusable:
        """Return what to tell where something is missing."""
        return _cut_off(path, self.size, self.wanted)


def check_header(path: Path) -> Short | None:
    """Raise DatabaseUnusable unless the file starts and ends as a DuckDB database would.

    A file that ends early at the edge of a block is returned as `Short`: a checkpoint gives free
    blocks at the end back without a word in the header, so only the contents can tell.
    """
    try:
        with path.open("rb") as file:
            head = file.read(3 * HEADER_BYTES)
            size = file.seek(0, 2)
    except PermissionError:
        raise DatabaseUnusable(
            f"{path} may not be read by this user.", hint="Give read access to the file."
        ) from None
    except OSError as exc:
        raise DatabaseUnusable(f"{path} cannot be read: {exc.strerror}.") from exc
    if not head:
        raise DatabaseUnusable(
            f"{path} is an empty file, not a DuckDB database.",
            hint="Was it created by a failed download or copy?",
        )
    if head[8:12] != b"DUCK":
        raise DatabaseUnusable(
            f"{path} is not a DuckDB database; it looks like {_looks_like(head)}.",
            hint="Load it into one first: duckdb new.duckdb, then CREATE TABLE ... AS FROM ...",
        )
    if struct.unpack_from("<Q", head.ljust(28, b"\0"), 20)[0] & ENCRYPTED_FLAG:
        raise DatabaseUnusable(f"{path} is encrypted.", hint="Pillion has no key for it.")
    return _check_size(path, head, size)


def _check_size(path: Path, head: bytes, size: int) -> Short | None:
    """DuckDB opens a file that lost its tail and fails only when it reads there."""
    if size < 3 * HEADER_BYTES:
        raise _cut_off(path, size, 3 * HEADER_BYTES)
    fields = [struct.unpack_from("<5Q", head, at + 8) for at in (HEADER_BYTES, 2 * HEADER_BYTES)]
    _, _, _, blocks, block_bytes = max(fields)
    if block_bytes not in {2**n for n in range(14, 21)}:
        return None
    wanted = 3 * HEADER_BYTES + blocks * block_bytes
    if size >= wanted:
        return None
    if (size - 3 * HEADER_BYTES) % block_bytes:
        raise _cut_off(path, size, wanted)
    return Short(size, wanted, block_bytes)


def _cut_off(path: Path, size: int, wanted: int) -> DatabaseUnusable:
    return DatabaseUnusable(
        f"{path} is corrupt: cut off at {size:,} of {wanted:,} bytes.",
        hint="Copy or download it again, or restore it from a backup.",
    )


def _looks_like(head: bytes) -> str:
    for magic, name in SIGNATURES:
        if head.startswith(magic):
            return name
    try:
        text = head[:1024].decode("utf-8", errors="strict" if len(head) < 1024 else "ignore")
    except UnicodeDecodeError:
        return "some other binary file"
    if any(ord(c) < 32 and c not in "\t\r\n\f" for c in text):
        return "some other binary file"
    return _kind_of_text(text)


def _kind_of_text(text: str) -> str:
    first = text.lstrip("\ufeff \r\n\t").split("\n", 1)[0]
    if first.startswith(("{", "[")):
        return "a JSON file"
    if first.upper().startswith(("CREATE ", "INSERT ", "SELECT ", "--", "BEGIN", "PRAGMA ")):
        return "a file of SQL"
    for mark, name in ((",", "a CSV file"), ("\t", "a tab-separated file"), (";", "a CSV file")):
        if mark in first:
            return name
    return "a text file"

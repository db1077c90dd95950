"""How much a GGUF file says it holds, counted before it is read.

The reader takes 700 bytes for every entry of a list, of bytes too: 100 MB of them would take 70 GB.
Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from tools.slm.errors import BadModel

MOST_FIELDS, MOST_TENSORS = 10_000, 10_000
MOST_LISTED = 2_000_000
"""Entries of all lists: tokens, their kinds and scores, and merges."""
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of numbers by their type."""
STRING, LIST = 8, 9


class _Head:
    """A file as it is passed over; everything raises `BadModel` where it does not go on."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size
        self._listed = 0

    def wrong(self, what: str) -> BadModel:
        return BadModel(f"{self._path} {what}; fetch it again.")

    def number(self, form: str) -> int:
        size = struct.calcsize(form)
        read = self._file.read(size)
        if len(read) < size:
            raise self.wrong("is cut off")
        return int(struct.unpack(form, read)[0])

    def skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise self.wrong("is cut off")
        self._file.seek(count, 1)

    def text(self) -> None:
        self.skip(self.number("<Q"))

    def field(self) -> None:
        self.text()
        self._value(self.number("<I"))

    def _value(self, kind: int, count: int = 1) -> None:
        if kind == STRING:
            for _ in range(count):
                self.text()
        elif kind == LIST and count == 1:
            self._list()
        elif kind in SIZES:
            self.skip(SIZES[kind] * count)
        else:
            raise self.wrong("is damaged")

    def _list(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        self._listed += count
        if kind == LIST or self._listed > MOST_LISTED:
            raise self.wrong(f"holds lists in lists, or more than {MOST_LISTED:,} entries in lists")
        self._value(kind, count)


def check_head(path: Path) -> None:
    """Raise `BadModel` where a file is cut off in its head, or holds more than a model has."""
    with path.open("rb") as file:
        head = _Head(path, file, path.stat().st_size)
        if file.read(4) != b"GGUF":
            raise BadModel(f"{path} is no GGUF file.")
        head.skip(4)
        tensors, fields = head.number("<Q"), head.number("<Q")
        if tensors > MOST_TENSORS or fields > MOST_FIELDS:
            raise head.wrong("says that it holds more than any model does")
        for _ in range(fields):
            head.field()

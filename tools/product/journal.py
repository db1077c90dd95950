"""The raw samples of a measurement on disk, line by line: a crash loses one trial at most."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tools.failpoints import crash_point
from tools.messages import Message, Trial
from tools.product.measurement import MeasureResult, QueryBaseline


class Finished(Message):
    """One trial with the samples behind its numbers."""

    trial: Trial
    before: dict[str, tuple[float, ...]] = {}
    after: dict[str, tuple[float, ...]] = {}
    row_groups: dict[str, int | None] = {}


class Entry(Message):
    """One line of the journal."""

    kind: Literal["baseline", "begun", "trial", "result"]
    baseline: tuple[QueryBaseline, ...] = ()
    begun: str = ""
    """The candidate whose trial begins."""
    finished: Finished | None = None
    result: MeasureResult | None = None


class Journal:
    """The journal of one job key; taken up again only while it is young."""

    def __init__(self, directory: Path, key: str, *, reuse_seconds: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"{key}.jsonl"
        self.entries = self._read(reuse_seconds)
        self._out = self.path.open("w" if not self.entries else "a")
        if self.entries:
            self._out.write("\n")

    @property
    def result(self) -> MeasureResult | None:
        """The end of an earlier run of the same job, if it got there."""
        return next((e.result for e in self.entries if e.kind == "result"), None)

    @property
    def baseline(self) -> tuple[QueryBaseline, ...]:
        """The baseline of an earlier run."""
        return next((e.baseline for e in self.entries if e.kind == "baseline"), ())

    @property
    def finished(self) -> dict[str, Finished]:
        """Finished trials of an earlier run by candidate."""
        return {e.finished.trial.candidate.id: e.finished for e in self.entries if e.finished}

    def ended_in(self, candidate: str) -> int:
        """Return how often an earlier run of this job ended in a trial of a candidate."""
        return 0 if candidate in self.finished else sum(e.begun == candidate for e in self.entries)

    def write(self, entry: Entry) -> None:
        """Append one line, on disk when this returns."""
        crash_point("journal.before_write")
        self._out.write(entry.model_dump_json() + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())
        crash_point("journal.after_write")

    def close(self) -> None:
        """Release the file."""
        self._out.close()

    def _read(self, reuse_seconds: float) -> list[Entry]:
        entries: list[Entry] = []
        if not self.path.exists() or time.time() - self.path.stat().st_mtime > reuse_seconds:
            return entries
        for line in self.path.read_bytes().split(b"\n"):
            # A line cut short by a crash is left out; what it told is measured again.
            with suppress(ValidationError):
                entries.append(Entry.model_validate_json(line))
        return entries

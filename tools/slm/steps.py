"""Long work in steps that are kept as they end: a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.drafts import draft_beside
from tools.failpoints import crash_point

OnStep = Callable[[str], None]


class Steps:
    """Results of steps, each a JSON file in a folder of its own for the work they belong to."""

    def __init__(self, folder: Path, on_step: OnStep = lambda name: None) -> None:
        self._folder, self._on_step = folder, on_step
        self.resumed = 0
        """Steps that were found done."""

    def of(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the kept result of a step, or compute and keep it."""
        path = self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
        found = self._read(path)
        if found is None:
            found = {"result": compute()}
            write_whole(path, json.dumps(found))
            crash_point("slm.step.kept")
        else:
            self.resumed += 1
        self._on_step(name)
        return found["result"]

    def within(self, name: str) -> Steps:
        """Return the steps of a part of the work, kept apart from those of the others."""
        return Steps(self._folder / hashlib.sha256(name.encode()).hexdigest()[:16], self._on_step)

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "result" in found else None

    def forget(self) -> None:
        """Remove what was kept: the work is done."""
        shutil.rmtree(self._folder, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_beside(path)
    try:
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

"""The texts by which a changed product answers, read in a process of its own.

`python -m evals.opened DATABASE` reads queries as JSON and writes the other texts of theirs: an
engine that dies on what a change left behind takes nothing else along.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import anyio
import duckdb

from evals.children import module
from evals.oracle.case import Judgement
from tools.product.dispatch import dispatched
from tools.product.executor import dispatch_rewrites

KILLED = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGXCPU)
"""What ends a process from outside, as a machine without memory does."""


class NotOpened(Exception):
    """A changed product that cannot be opened, and what that makes of the change."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.reason)
        self.judgement = judgement


async def texts_after(changed: Path, asked: Sequence[str]) -> dict[str, str]:
    """Return the texts that a changed product answers by another text, with that text.

    Raises `NotOpened`.
    """
    command = module(__name__, str(changed))
    done = await anyio.run_process(command, input=json.dumps(asked).encode(), check=False)
    if -done.returncode in KILLED:
        raise NotOpened(_undecided(f"opening it was stopped (signal {-done.returncode})"))
    if done.returncode < 0:
        said = f"the engine dies when the changed product is opened (signal {-done.returncode})"
        raise NotOpened(Judgement(verdict="harmful", reason=said))
    if done.returncode > 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotOpened(_undecided(f"opening it failed: {lines[-1] if lines else 'no reason'}"))
    found = json.loads(done.stdout)
    if "error" in found:
        said = f"the product cannot be read: {found['error']}"
        raise NotOpened(Judgement(verdict="harmful", reason=said))
    return dict(found["texts"])


def _undecided(reason: str) -> Judgement:
    return Judgement(verdict="undecided", reason=reason)


def _texts(changed: str, asked: Iterable[str]) -> dict[str, str]:
    with duckdb.connect(changed, read_only=True) as con:
        rewrites = dispatch_rewrites(con)
        found = {sql: dispatched(con, sql, rewrites) for sql in asked}
    return {sql: text for sql, text in found.items() if text != sql}


def main() -> None:
    """Read queries on standard input and write their other texts."""
    try:
        found = {"texts": _texts(sys.argv[1], json.load(sys.stdin))}
    except duckdb.Error as exc:
        json.dump({"error": str(exc).splitlines()[0]}, sys.stdout)
    else:
        json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

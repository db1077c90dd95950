"""Write rows in a process of its own: `python -m evals.oracle.writing DATABASE` reads statements.

An engine that dies on what a change left behind takes nothing else along.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import duckdb

from evals.children import module


async def written(database: Path, statements: Sequence[str]) -> bool:
    """Run statements in a database; return whether all of them were taken."""
    command = module(__name__, str(database))
    done = await anyio.run_process(command, input=json.dumps(statements).encode(), check=False)
    return done.returncode == 0


def main() -> int:
    """Run the statements on standard input; return whether one was refused."""
    with duckdb.connect(sys.argv[1]) as con:
        try:
            for statement in json.load(sys.stdin):
                con.execute(statement)
        except duckdb.Error as exc:
            sys.stderr.write(f"{exc}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

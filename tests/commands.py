"""The `pillion` command as a person or a script uses it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
from typer.testing import CliRunner, Result

from api.cli.main import app
from tests.forked import Forked
from tests.products import make_product

UNPRIVILEGED = (
    ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0
    else []
)
"""Before a command: file permissions hold for it even when the tests run as root."""

DATABASE = "products/sales/sales.duckdb"
"""Of a home that `make_home` made."""


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return the settings a command runs under; its messages are not wrapped by the terminal."""
    return {"PILLION_HOME": str(home), "PILLION_PRINCIPAL": "ada", "COLUMNS": "80", **settings}


def invoke(home: Path, *arguments: object, stdin: str | None = None, **settings: str) -> Result:
    """Run a command in this process."""
    call = [str(a) for a in arguments]
    return CliRunner().invoke(app, call, input=stdin, env=environment(home, **settings))


def document(home: Path, *arguments: object, **settings: str) -> Any:
    """Run a command with --json and return the one document it prints."""
    result = invoke(home, *arguments, "--json", **settings)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refusal(result: Result, code: int = 1) -> str:
    """Return what a failed command said: on standard error only, in words, without a traceback."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert "Traceback" not in result.stderr
    assert result.stderr.strip()
    return result.stderr


@contextmanager
def started(home: Path, *arguments: object, python: str = "", **settings: str) -> Iterator[Forked]:
    """Run a command in a process, and process group, of its own; it is gone afterwards.

    Its own processes are forked, too, and in no group with it; unless `python` starts them.
    """
    call = [str(a) for a in arguments]
    surroundings = {**os.environ, **environment(home, **settings)}
    with closing(Forked(call, surroundings, python or sys.executable)) as child:
        yield child


@contextmanager
def started_by(
    before: tuple[str, ...], home: Path, *arguments: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a command as `started` does, as a program of its own that `before` becomes.

    What others know by its command line has to be one.
    """
    command = [*before, sys.executable, "-m", "api.cli.main", *(str(a) for a in arguments)]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def make_home(home: Path, **options: Any) -> Path:
    """Register a product of sales whose database lies inside `home`, so that it can be copied."""
    inside = home / "products" / str(options.get("name", "sales"))
    inside.mkdir(parents=True)
    make_product(inside, home, **options)
    return home


def type_of_amount(home: Path) -> str:
    """Return the type in which the product of sales stores its amounts."""
    with duckdb.connect(str(home / DATABASE), read_only=True) as con:
        row = con.execute(
            "SELECT data_type FROM duckdb_columns() WHERE table_name = 'sales'"
            " AND column_name = 'amount'"
        ).fetchone()
    assert row is not None
    return str(row[0])


def waiting(home: Path) -> list[str]:
    """Return the ids of the proposals that wait, in the order of the queue."""
    return [w["id"] for w in document(home, "status")["waiting"]]


def plain_text(output: str) -> str:
    """Return what a terminal shows without its colours and cursor moves."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)

"""The command that tells Pillion about a database, or about more of its queries: init."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from filelock import FileLock, Timeout
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from api.cli.shell import Json, err, load_settings, print_json, tell
from api.products import (
    DescriptorUnusable,
    check_name,
    check_writable,
    product_names,
    serving_of,
    set_up,
)
from api.wording import counted, short
from graph.errors import Busy, GraphError
from graph.settings import Settings
from graph.steward import LOCK_SECONDS
from tools.product.descriptor import load_descriptor
from tools.product.errors import ProductError

SETUP_LOCK = "setup.lock"
SQL_WIDTH = 80
NO_QUERIES = (
    "There are no queries to measure with yet: give some with --queries (the same command again"
    " adds them), or let `pillion serve {name}` watch the live ones. Without, a run looks only for"
    " rules of the contract and repeated indexes."
)
NO_ROWS = "No table has a row yet: load data first; a run has nothing to measure until then."


def init(
    database: Annotated[Path, typer.Option(help="The DuckDB file.")],
    queries: Annotated[
        list[Path] | None,
        typer.Option(help="Queries people run: a .sql file, a query log (.csv) or a directory."),
    ] = None,
    contract: Annotated[Path | None, typer.Option(help="An ODCS contract (YAML).")] = None,
    name: Annotated[str | None, typer.Option(help="Name; the file's name by default.")] = None,
    json: Json = False,
) -> None:
    """Tell Pillion about a database: writes a descriptor (ODPS) and, if needed, a contract (ODCS).

    Said again with other --queries, it adds these to the product.

    Example: `pillion init --database sales.duckdb --queries queries.sql`
    """
    settings = load_settings()
    if database.is_dir():
        raise GraphError(f"{database} is a directory, not a DuckDB file; name the file in it.")
    name = check_name(name or database.stem)
    done = register(settings, name, database, queries or [], contract, quiet=json)
    if json:
        print_json(done)
        return
    tables, patterns = counted(done["tables"], "table"), counted(done["patterns"], "query pattern")
    tell(f"Product {name}: {tables}, {patterns}.")
    written = "A first contract, inferred from the data, is in" if done["inferred"] else "Contract:"
    if not done["added"]:
        tell(f"{written} {done['contract']}")
    _tell_unmeasured(done)
    if done["malformed"]:
        tell(f"{counted(done['malformed'], 'row')} of the query log could not be read in full:")
        for row in done["unread"]:
            tell(f"  {row['file']}:{row['line']}: {row['reason']}")
    if not done["patterns"]:
        tell(NO_QUERIES.format(name=name))
    if not done["rows"]:
        tell(NO_ROWS)
    if done["patterns"] and done["rows"]:
        tell(f"Next: pillion run {name}")


def _tell_unmeasured(done: dict[str, Any]) -> None:
    for skipped in done["skipped"]:
        tell(f"Not measured: {skipped['reason'].rstrip('.')}: {short(skipped['sql'], SQL_WIDTH)}")
    if more := done["skipped_total"] - len(done["skipped"]):
        tell(f"Not measured, nor listed here: {counted(more, 'more statement')}.")


def register(
    settings: Settings,
    name: str,
    database: Path,
    queries: list[Path],
    contract: Path | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Register a product, or add queries to it; raises `GraphError` and leaves nothing behind."""
    check_writable(settings.home)
    missing = [p for p in (database, *queries, *([contract] if contract else [])) if not p.exists()]
    if missing:
        raise GraphError(f"There is no file {missing[0]}; check the path.")
    with setting_up(settings):
        arguments = _arguments(settings, name, database, queries, contract)
        return with_bar(f"Reading {database.name}", arguments, quiet=quiet)


@contextmanager
def setting_up(settings: Settings) -> Iterator[None]:
    """Keep other commands from setting products up meanwhile; raises `Busy` when one does."""
    made = [p for p in (settings.home, *settings.home.parents) if not p.exists()]
    lock = FileLock(settings.home / SETUP_LOCK)
    _acquire(lock, settings.home)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if made and [p.name for p in settings.home.iterdir()] == [SETUP_LOCK]:
                # A home that nothing came into is none.
                (settings.home / SETUP_LOCK).unlink()
                for folder in made:
                    folder.rmdir()
        raise
    finally:
        lock.release()


def _acquire(lock: FileLock, home: Path) -> None:
    """Take the lock, making the home as often as another command takes its own away again."""
    latest = time.monotonic() + LOCK_SECONDS
    while True:
        home.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=max(0.0, latest - time.monotonic()))
            return
        except FileNotFoundError:
            if time.monotonic() > latest:
                raise
        except Timeout as exc:
            raise Busy(
                f"Another command sets a product up in {home}. Wait for it, then run this again."
            ) from exc


def _arguments(
    settings: Settings, name: str, database: Path, queries: list[Path], contract: Path | None
) -> list[str]:
    """Return what the set-up process is to do, or raise `GraphError` where it may not."""
    if name in product_names(settings):
        arguments = ["add", "--descriptor", str(_extended(settings, name, database, contract))]
        serving = serving_of(settings, name)
        if serving is not None:
            raise GraphError(
                f"{name} is served at {serving.url} (PID {serving.pid}), which holds its database:"
                " end that, add the queries, and serve it again. What is asked there is recorded"
                " already."
            )
        if not queries:
            raise GraphError(
                f"There is already a product {name!r}, of this database: `pillion run {name}`"
                " improves it, --queries adds queries to it."
            )
    else:
        _check_unknown(settings, database)
        arguments = ["init", "--name", name, "--database", str(database)]
        arguments += ["--home", str(settings.product_home(name).resolve())]
    for query in queries:
        arguments += ["--queries", str(query)]
    if contract and arguments[0] == "init":
        arguments += ["--contract", str(contract)]
    return arguments


def _check_unknown(settings: Settings, database: Path) -> None:
    """Raise `GraphError` where a product of another name has this file already."""
    for name in product_names(settings):
        try:
            known = load_descriptor(settings.product_home(name) / "product.odps.yaml")
        except ProductError:
            # `pillion doctor` says what is wrong with it.
            continue
        if known.database.resolve() == database.resolve():
            raise GraphError(
                f"{database} is the product {name!r} already: `pillion run {name}` improves it,"
                f" `pillion init --database {database} --name {name} --queries …` adds queries."
            )


def _extended(settings: Settings, name: str, database: Path, contract: Path | None) -> Path:
    """Return the descriptor of the known product that is meant; raises when it is another."""
    path = settings.product_home(name) / "product.odps.yaml"
    try:
        known = load_descriptor(path)
    except ProductError as exc:
        raise DescriptorUnusable(str(exc)) from exc
    if known.database.resolve() != database.resolve():
        raise GraphError(
            f"There is already a product {name!r}, of {known.database}; choose another --name."
        )
    if contract is not None and known.contract.resolve() != contract.resolve():
        raise GraphError(f"The contract of {name} is {known.contract}; edit that file instead.")
    return path


def with_bar(title: str, arguments: list[str], *, quiet: bool) -> dict[str, Any]:
    """Run the set-up process with a progress bar; a pipe gets one line."""
    if quiet or not err.is_terminal:
        if not quiet:
            tell(f"{title} …", to=err)
        return set_up(arguments, lambda line: None)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=1.0)

        def on_line(line: Any) -> None:
            bar.update(task, completed=line["done"], total=line["total"])

        return set_up(arguments, on_line)

"""Set a product up in a process of its own: `python -m mcp_servers.product.setup init|add|demo`.

A damaged file can bring an engine down; here it takes nothing else with it. Writes JSON lines:
`{"event": "progress", ...}`, then `{"event": "done", ...}` or `{"event": "error", ...}`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import duckdb

from tools.demo.building import sweep
from tools.demo.flights import build_flights, write_log
from tools.demo.tpch import QUERIES as TPCH_QUERIES
from tools.demo.tpch import build_tpch
from tools.failpoints import crash_point
from tools.leaving import end_with
from tools.product.catalog import Catalog, read_catalog
from tools.product.contract import contradictions, infer_contract, load_contract, save_contract
from tools.product.descriptor import Descriptor, load_descriptor, save_descriptor
from tools.product.errors import ContractInvalid, ProductError
from tools.product.importers import import_path, together
from tools.product.opening import open_database, translated
from tools.product.workload import Unread, Workload
from tools.product.workload_store import WorkloadStore

FIRST_SKIPPED = 20


def emit(event: str, **body: Any) -> None:
    """Write one line for the parent."""
    sys.stdout.write(json.dumps({"event": event, **body}) + "\n")
    sys.stdout.flush()


def _no_tables(database: Path, catalog: Catalog) -> ProductError:
    if catalog.views:
        view = catalog.views[0].name.sql
        return ProductError(
            f"{database} has views and no tables: Pillion measures what is in the database itself.",
            hint=f"Load what is to be measured (CREATE TABLE ... AS FROM {view}), then run"
            " `pillion init` again.",
        )
    return ProductError(
        f"{database} has no tables.", hint="Load data first, then run `pillion init` again."
    )


def register(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a product's descriptor, contract and first workload; nothing is left on failure."""
    home = Path(arguments.home)
    database = Path(arguments.database).resolve()
    queries = [str(Path(q).resolve()) for q in arguments.queries]
    with open_database(database, read_only=True) as con:
        catalog = read_catalog(con)
        if not catalog.tables:
            raise _no_tables(database, catalog)

        def probe(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            return con.execute(sql, list(parameters)).fetchall()

        emit("progress", done=1, total=3, message="reading the contract")
        if arguments.contract:
            contract = load_contract(Path(arguments.contract))
            breaking = [f for f in contradictions(contract, catalog) if f.severity == "breaking"]
            if breaking:
                raise ContractInvalid(
                    "The contract contradicts the database: "
                    + "; ".join(f"{f.path}: {f.message}" for f in breaking[:5])
                    + ".",
                    hint="Correct one of the two.",
                )
        else:
            contract = infer_contract(arguments.name, catalog, probe)
    emit("progress", done=2, total=3, message="reading the queries")
    workload, unread = _read_queries(home, queries, catalog)
    path = Path(arguments.contract).resolve() if arguments.contract else home / "contract.odcs.yaml"
    if not arguments.contract:
        save_contract(contract, path)
    crash_point("setup.before_descriptor")
    descriptor = Descriptor(
        name=arguments.name, database=database, contract=path, queries=tuple(queries), home=home
    )
    save_descriptor(descriptor, home / "product.odps.yaml")
    return _registered(
        descriptor, catalog, workload, unread, inferred=not arguments.contract, added=False
    )


def _registered(
    descriptor: Descriptor, catalog: Catalog, workload: Workload, unread: Unread, **how: bool
) -> dict[str, Any]:
    return {
        "product": descriptor.name,
        "descriptor": str(descriptor.home / "product.odps.yaml"),
        "contract": str(descriptor.contract),
        **how,
        "tables": len(catalog.tables),
        "rows": sum(table.rows for table in catalog.tables),
        "patterns": len(workload.patterns),
        "skipped": [s.model_dump() for s in workload.skipped[:FIRST_SKIPPED]],
        "skipped_total": workload.skipped_total,
        "malformed": unread.total,
        "unread": [row.model_dump() for row in unread.first],
    }


def add_queries(arguments: argparse.Namespace) -> dict[str, Any]:
    """Take more query files into a registered product: all of them, or on failure none."""
    path = Path(arguments.descriptor)
    descriptor = load_descriptor(path)
    given = [str(Path(q).resolve()) for q in arguments.queries]
    with open_database(descriptor.database, read_only=True) as con:
        catalog = read_catalog(con)
    # In memory, where nothing is left of it whoever is killed.
    with closing(WorkloadStore(Path(":memory:"))) as trial:
        unread = together([import_path(Path(source), trial).unread for source in given])
    known = tuple(dict.fromkeys((*descriptor.queries, *given)))
    save_descriptor(descriptor.model_copy(update={"queries": known}), path)
    crash_point("setup.before_import")
    # Where that ends early, the product's server reads what is missing at its next start.
    with closing(WorkloadStore(descriptor.home / "workload.db")) as store:
        for source in given:
            import_path(Path(source), store)
        workload = store.workload(catalog)
    return _registered(descriptor, catalog, workload, unread, inferred=False, added=True)


def _read_queries(home: Path, queries: list[str], catalog: Catalog) -> tuple[Workload, Unread]:
    """Read the queries into a new store; returns the rows, too, that could not be read.

    A failure leaves nothing.
    """
    _forget(home)
    try:
        with closing(WorkloadStore(home / "workload.db")) as store:
            unread = together([import_path(Path(source), store).unread for source in queries])
            return store.workload(catalog), unread
    except BaseException:
        _forget(home)
        with suppress(OSError):
            home.rmdir()
        raise


def _forget(home: Path) -> None:
    for path in home.glob("workload.db*"):
        path.unlink()


def build_demo(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a data product from real data and its workload file."""

    def report(message: str, done: float) -> None:
        emit("progress", done=done, total=1.0, message=message)

    directory = Path(arguments.directory)
    directory.mkdir(parents=True, exist_ok=True)
    database = directory / f"{arguments.product}.duckdb"
    sweep(database)
    if not database.exists():
        if arguments.product == "flights":
            build_flights(database, report, scale=arguments.scale)
        else:
            build_tpch(database, arguments.scale, report)
    if arguments.product == "tpch":
        return {"database": str(database), "queries": str(TPCH_QUERIES)}
    log = directory / "flights.log.csv"
    if not log.exists():
        write_log(log, database)
    return {"database": str(database), "queries": str(log)}


COMMANDS = {"init": register, "add": add_queries, "demo": build_demo}


def _about_files(error: OSError | sqlite3.OperationalError, arguments: argparse.Namespace) -> str:
    home = getattr(arguments, "home", None) or getattr(arguments, "directory", None)
    full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
    if full or "full" in str(error):
        place = home or Path(arguments.descriptor).parent
        return f"There is no space left for {place}. Free some and run the command again."
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}."
    return f"The workload cannot be kept: {error}."


def main() -> int:
    """Run one set-up command."""
    parser = argparse.ArgumentParser(prog="python -m mcp_servers.product.setup")
    parser.add_argument("--parent", type=int, help="The process that waits for this one.")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init")
    for flag in ("--name", "--database", "--home"):
        init.add_argument(flag, required=True)
    init.add_argument("--queries", action="append", default=[])
    init.add_argument("--contract")
    add = commands.add_parser("add")
    add.add_argument("--descriptor", required=True)
    add.add_argument("--queries", action="append", required=True)
    demo = commands.add_parser("demo")
    demo.add_argument("--product", choices=["flights", "tpch"], required=True)
    demo.add_argument("--scale", type=float, default=1.0)
    demo.add_argument("--directory", required=True)
    arguments = parser.parse_args()
    if arguments.parent is not None:
        # An orphan would write over what the same command, given again, has written meanwhile.
        end_with(arguments.parent)
    try:
        done = COMMANDS[arguments.command](arguments)
    except ProductError as exc:
        emit("error", code=exc.code, message=str(exc))
        return 1
    except (OSError, sqlite3.OperationalError) as exc:
        emit("error", code="product_error", message=_about_files(exc, arguments))
        return 1
    except duckdb.Error as exc:
        where = getattr(arguments, "database", None) or arguments.descriptor
        found = translated(Path(where), str(exc))
        emit("error", code=found.code, message=str(found))
        return 1
    except sqlite3.Error as exc:
        reason = str(exc).splitlines()[0].rstrip(".")
        emit("error", code="product_error", message=f"The workload cannot be read: {reason}.")
        return 1
    emit("done", **done)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

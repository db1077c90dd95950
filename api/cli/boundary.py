"""The outermost boundary: whatever goes wrong in a command ends as a sentence and an exit code."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from contextlib import closing, suppress
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC, EROFS
from pathlib import Path
from typing import Any, NamedTuple

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from api.cli.entry import STOPPED, STOPPED_WORDS
from api.cli.shell import drop_unwritten, err, reader_left, tell
from graph.errors import (
    AlreadyDecided,
    AlreadyUndone,
    GraphError,
    LedgerBroken,
    RunFailed,
    UnknownProduct,
)
from graph.settings import Settings
from mcp_servers.product.errors import ServerGone, ToolFailed
from tools.output import OutputLost, written
from tools.slm.errors import ModelError

REMEDIES = {
    "ledger.db": "Restore it from a backup. Without one, move it away: the answers given so far"
    " are lost, the databases and the changes made to them stay as they are.",
    "checkpoints.db": "Restore it from a backup, or move it away: what waits for an answer then"
    " has to be measured again with `pillion run`.",
    "workload.db": "Move it away; `pillion run` reads the query files again.",
}


class Told(NamedTuple):
    """What the person is told, and the code the command ends with."""

    code: int
    text: str


class _Boundary:
    """Before a command class: no traceback escapes from what it invokes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors become a message on standard error and an exit code."""
        try:
            result = super().invoke(ctx)  # type: ignore[misc]
            with written():
                sys.stdout.flush()
            return result
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except BrokenPipeError:
            reader_left()
        except (Exception, KeyboardInterrupt) as exc:
            told = explain(exc, Settings())
            drop_unwritten()
            tell(told.text, to=err)
            raise typer.Exit(told.code) from exc


class Guarded(_Boundary, TyperCommand):
    """A command from which no traceback escapes."""


class GuardedGroup(_Boundary, TyperGroup):
    """A group that is a command of its own, from which no traceback escapes."""


def explain(error: BaseException, settings: Settings) -> Told:
    """Return what an error means for the person and what to do about it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case KeyboardInterrupt():
            return Told(STOPPED, STOPPED_WORDS)
        case AlreadyDecided() | AlreadyUndone():
            return Told(3, str(error))
        case LedgerBroken():
            return Told(4, str(error))
        case UnknownProduct(known=()):
            return Told(1, f"{error} {looked_in(settings)}")
        case RunFailed() if error.__cause__ is not None:
            return Told(1, _unexpected(error.__cause__, settings))
        case GraphError() | ServerGone() | ToolFailed() | ModelError() | OutputLost():
            return Told(1, str(error))
        case sqlite3.Error():
            return Told(1, _about_state(error, settings))
        case OSError():
            return Told(1, _about_files(error, settings))
    return Told(1, _unexpected(error, settings))


def looked_in(settings: Settings) -> str:
    """Say where products are looked for: by default in the directory a command is given in."""
    return f"They were looked for in {settings.home.absolute()}; PILLION_HOME names another."


def _about_state(error: sqlite3.Error, settings: Settings) -> str:
    home = settings.home.resolve()
    if "full" in str(error):
        return f"There is no space left for {home}. Free some and run the command again."
    if "locked" in str(error):
        return f"Another process holds the state in {home}. Wait for it, then run this again."
    if "readonly" in str(error) or "unable to open" in str(error):
        return _unwritable(home)
    damaged = next((p for p in _databases(home) if not sound(p)), None)
    if damaged is None:
        return f"The state in {home} could not be used: {error}. `pillion doctor` looks into it."
    return f"{damaged} is damaged: {error}. {REMEDIES[damaged.name]}"


def _databases(home: Path) -> list[Path]:
    return [home / "ledger.db", home / "checkpoints.db", *home.glob("products/*/workload.db")]


def sound(path: Path) -> bool:
    """Return whether a SQLite file is missing or whole."""
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as con:
            found: str = con.execute("PRAGMA quick_check(1)").fetchone()[0]
            return found == "ok"
    except sqlite3.Error:
        return False


def _about_files(error: OSError, settings: Settings) -> str:
    where = error.filename or settings.home.resolve()
    if error.errno in (ENOSPC, EDQUOT):
        return f"There is no space left for {where}. Free some and run the command again."
    home = settings.home.absolute()
    if error.errno == EROFS or isinstance(error, PermissionError):
        inside = error.filename is None or Path(str(where)).absolute().is_relative_to(home)
        return _unwritable(home) if inside else f"{where} may not be used by this user."
    return f"{where}: {error.strerror or error}."


def _unwritable(home: Path) -> str:
    return f"PILLION_HOME ({home}) may not be written by this user; use another directory."


def _unexpected(error: BaseException, settings: Settings) -> str:
    """Keep the traceback for whoever repairs it; the person gets a sentence."""
    what = "a stored record cannot be read" if isinstance(error, ValidationError) else "an error"
    kept = settings.home / "errors.log"
    with suppress(OSError):
        settings.home.mkdir(parents=True, exist_ok=True)
        with kept.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()}\n")
            traceback.print_exception(error, file=file)
    said = str(error).splitlines()[0] if str(error) else "no reason given"
    return (
        f"Pillion itself failed: {what}, {type(error).__name__}: {said}. Nothing is half done;"
        f" run the command again. If it fails again, report it with {kept.absolute()}."
    )

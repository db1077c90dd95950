"""The `pillion` command: one module a group of commands, assembled here."""

from __future__ import annotations

import signal
import sys
from importlib import metadata
from io import TextIOWrapper
from typing import Annotated

import typer

from api.cli import (
    answering,
    asking,
    describing,
    editors,
    inspecting,
    keys,
    model,
    pruning,
    registering,
    serving,
    working,
)
from api.cli.boundary import Guarded
from api.cli.shell import EXIT_CODES, drop_unwritten, err, tell
from tools.output import OutputLost, written

EPILOG = "Exit codes: " + "; ".join(f"{code} {text}" for code, text in EXIT_CODES.items()) + "."
COMMANDS = (
    working.demo,
    registering.init,
    working.run,
    answering.review,
    answering.decide,
    answering.undo,
    asking.ask,
    describing.describe,
    inspecting.status,
    inspecting.log,
    inspecting.doctor,
    pruning.prune,
    serving.serve,
)
app = typer.Typer(
    name="pillion",
    help="Make a DuckDB data product better: measured on a copy, asked first, undoable.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def show_version(asked: bool) -> None:
    """Print the version and leave, when it was asked for."""
    if asked:
        typer.echo(f"pillion {metadata.version('pillion')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take what stands before a command."""


for command in COMMANDS:
    app.command(cls=Guarded)(command)
# Packages beside this one bring groups of commands, under the same boundary.
brought = {found.name: found.load() for found in metadata.entry_points(group="pillion.commands")}
groups: dict[str, typer.Typer] = {
    "keys": keys.app, "mcp": editors.app, "model": model.app, **brought,
}  # fmt: skip
for name, group in groups.items():
    for info in group.registered_commands:
        info.cls = Guarded
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; a terminal that lacks a character shows another in its place."""
    signal.signal(signal.SIGTERM, _told_to_end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        # Help is written before a command, and with it its boundary, begins.
        with written():
            app()
    except OutputLost as exc:
        drop_unwritten()
        tell(exc, to=err)
        sys.exit(1)


def _told_to_end(number: int, frame: object) -> None:
    """Take SIGTERM for Ctrl-C, also where that is ignored, as behind a script's `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()

"""Commands for editors: mcp speaks the protocol on standard streams, install tells an editor so."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.boundary import GuardedGroup
from api.cli.shell import (
    Json,
    err,
    load_mcp_settings,
    load_service_settings,
    load_settings,
    out,
    print_json,
    tell,
)
from api.ide.clients import CLIENTS, ClientName, entry_for, write
from tools.lazy import lazy

if TYPE_CHECKING:
    from api.ide import stdio

    ide_stdio = stdio
else:
    ide_stdio = lazy("api.ide.stdio")

app = typer.Typer(cls=GuardedGroup, invoke_without_command=True)


@app.callback()
def mcp(context: typer.Context) -> None:
    """Speak MCP on standard streams, for an editor that starts this command itself.

    It talks to the service of this home; where none is served, it serves the home while it runs.

    Example: `pillion mcp`, or `pillion mcp install claude-code`
    """
    if context.invoked_subcommand is None:
        if sys.stdin.isatty():
            tell("Speaking MCP on standard streams, for an editor. Ctrl-D ends it.", to=err)
        key = load_mcp_settings().key
        secret = key.get_secret_value() if key else ""
        asyncio.run(ide_stdio.bridge_stdio(load_settings(), load_service_settings(), secret))


@app.command()
def install(
    client: Annotated[ClientName, typer.Argument(help=f"{', '.join(CLIENTS)}.")],
    name: Annotated[str, typer.Option(help="Name of the server in the editor.")] = "pillion",
    file: Annotated[
        Path | None, typer.Option(help="Configuration to write; that of this directory without.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Show what would be written; write nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the server into an editor's configuration; everything else in it stays.

    With `--json` the document tells the file, whether it was `written`, and what is or would be
    in it as `configuration`; with `--print` alone that is all of the document.

    Example: `pillion mcp install vscode --print`
    """
    where = file or Path.cwd() / CLIENTS[client].where
    entry = entry_for(client, name, where, load_settings().home)
    writes = entry.changed and not show
    if writes:
        write(entry)
    if json:
        print_json(
            {"client": client, "name": name, "file": str(entry.path), "written": writes,
             "configuration": entry.document}
        )  # fmt: skip
    elif show:
        out.print_json(jsonlib.dumps(entry.document))
        tell(f"This is {entry.path} with the server in it; nothing was written.", to=err)
    elif writes:
        tell(f"{entry.path} has the server {name!r} now; start the editor anew, or reload it.")
    else:
        tell(f"{entry.path} has it already.")

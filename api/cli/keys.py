"""Commands about who may call the service: keys add, list, revoke."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from api.cli.shell import Json, err, load_settings, print_json, tell
from api.products import check_writable
from api.service.keys import EVERY, KEYS, ROLES, Keys, Kind, Role, parse_role
from graph.settings import Settings

app = typer.Typer(
    help="""Keys of the service: who may call it, and what they may do.

    Example: `pillion keys add ada --role viewer`
    """
)
Name = Annotated[str, typer.Argument(help="Who or what holds the key.")]


def _keys(settings: Settings) -> Keys:
    check_writable(settings.home)
    return Keys(settings.home / KEYS)


@app.command()
def add(
    name: Name,
    role: Annotated[
        list[str],
        typer.Option(help=f"ROLE for every product, or PRODUCT=ROLE; {', '.join(ROLES)}."),
    ],
    agent: Annotated[
        bool, typer.Option("--agent", help="A program: it may never decide, whatever its role.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a key; its secret is shown once. From the first key on the service asks for one.

    Example: `pillion keys add ada --role viewer --role sales=approver`
    """
    settings = load_settings()
    roles = dict(_role(text) for text in role)
    kind: Kind = "agent" if agent else "person"
    with closing(_keys(settings)) as keys:
        secret = keys.add(name, kind, roles)
    if json:
        print_json({"name": name, "kind": kind, "roles": roles, "secret": secret})
    else:
        tell(f"{secret}")
        tell("This is the only time it is shown.", to=err)


def _role(text: str) -> tuple[str, Role]:
    found = parse_role(text)
    if found is None:
        tell(f"--role takes ROLE or PRODUCT=ROLE with {', '.join(ROLES)}, not {text!r}.", to=err)
        raise typer.Exit(2)
    return found


@app.command("list")
def list_keys(json: Json = False) -> None:
    """Show every key that was made, without its secret.

    Example: `pillion keys list`
    """
    settings = load_settings()
    with closing(_keys(settings)) as keys:
        found = keys.all()
    if json:
        print_json([key._asdict() for key in found])
        return
    if not found:
        tell("No keys: on this machine everybody may call the service, and nobody else can.")
    for key in found:
        roles = ", ".join(
            f"{role} of {'every product' if product == EVERY else product}"
            for product, role in key.roles.items()
        )
        ended, made = key.revoked_at or "", key.created_at
        state = f"revoked {ended[:16]}" if ended else f"since {made[:16]}"
        tell(f"{key.name} ({key.kind}): {roles}; {state}")


@app.command()
def revoke(name: Name, json: Json = False) -> None:
    """End a key at once, also in a running service.

    Example: `pillion keys revoke ada`
    """
    settings = load_settings()
    with closing(_keys(settings)) as keys:
        keys.revoke(name)
    if json:
        print_json({"revoked": name})
        return
    tell(f"{name} may not call the service any more.")

"""How editors are told of the server: one entry in a JSON file each of them reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from graph.errors import GraphError
from tools.drafts import draft_beside

ClientName = Literal["claude-code", "vscode", "cursor"]


class ConfigUnusable(GraphError):
    """A client's configuration cannot be read or written; it was left as it is."""


class _Client(NamedTuple):
    where: Path
    """Relative to the project, which is the working directory."""
    member: str
    """The member of the document that holds the servers by name."""


CLIENTS: Mapping[ClientName, _Client] = {
    "claude-code": _Client(Path(".mcp.json"), "mcpServers"),
    "vscode": _Client(Path(".vscode/mcp.json"), "servers"),
    "cursor": _Client(Path(".cursor/mcp.json"), "mcpServers"),
}


class Entry(NamedTuple):
    """What is to be written for one client."""

    path: Path
    document: dict[str, Any]
    """The whole configuration with our entry in it."""
    changed: bool


def entry_for(client: ClientName, name: str, path: Path, home: Path) -> Entry:
    """Return a client's configuration with the server in it, everything else as it was.

    Raises `ConfigUnusable` when the file is no JSON object, or would lose its comments.
    """
    member = CLIENTS[client].member
    kept = _read(path)
    servers = kept.get(member, {})
    if not isinstance(servers, dict):
        raise ConfigUnusable(
            f"{path}: {member!r} is not an object; put it right, then run this again."
        )
    ours = server_entry(home)
    document = {**kept, member: {**servers, name: ours}}
    return Entry(path, document, changed=servers.get(name) != ours)


def server_entry(home: Path) -> dict[str, Any]:
    """Return how a client starts the server: this very program, on this very home."""
    return {
        "type": "stdio",
        "command": str(_program()),
        "args": ["mcp"],
        "env": {"PILLION_HOME": str(home.absolute())},
    }


def _program() -> Path:
    """Return the `pillion` command of the running environment; editors know no PATH of ours."""
    beside = Path(sys.executable).with_name("pillion")
    return beside if beside.exists() else Path(sys.argv[0]).absolute()


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigUnusable(f"{path} cannot be read: {exc}.") from exc
    if not text.strip():
        return {}
    try:
        found = json.loads(text, object_pairs_hook=_once(path))
    except (json.JSONDecodeError, RecursionError) as exc:
        where = f" at line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise ConfigUnusable(
            f"{path} is not plain JSON{where}; comments would be lost, so it was left as it is."
            " Add what `--print` shows by hand."
        ) from exc
    if not isinstance(found, dict):
        raise ConfigUnusable(f"{path} holds no JSON object; it was left as it is.")
    return found


def _once(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Refuse members that occur twice: one of them would be lost."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            raise ConfigUnusable(f"{path} has a member twice in one object; it was left as it is.")
        return built

    return build


def write(entry: Entry) -> None:
    """Write a configuration, whole or not at all; its mode stays, a link stays a link."""
    path = entry.path.resolve()
    draft = draft_beside(path)
    text = json.dumps(entry.document, indent=2, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        draft.write_text(text, encoding="utf-8")
        draft.chmod(mode)
        draft.replace(path)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise ConfigUnusable(f"{path} cannot be written: {exc.strerror}.") from exc

"""API keys: made once, shown once, kept as hashes; a key is a principal with a role a product."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, get_args

from graph.errors import GraphError
from graph.run_store import now
from graph.sqlite_file import SqliteFile

Role = Literal["viewer", "operator", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""
EVERY = "*"
"""All products, those of tomorrow included."""
Kind = Literal["person", "agent"]
PREFIX = "pil_"
KEYS = "keys.db"
"""The file in a home."""


def parse_role(text: str) -> tuple[str, Role] | None:
    """Return product and role of `PRODUCT=ROLE`, or of `ROLE` for every product."""
    product, equals, role = text.rpartition("=")
    if role not in ROLES or (equals and not product):
        return None
    return product or EVERY, role


class Key(NamedTuple):
    """A key without its secret."""

    name: str
    kind: Kind
    roles: dict[str, Role]
    created_at: str
    revoked_at: str | None


class KeyExists(GraphError):
    """A key of that name was made before."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There was a key {name!r} already; answers name it, so choose another.")


class UnknownKey(GraphError):
    """No such key is valid."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No valid key {name!r}. `pillion keys list` shows them.")


class Keys(SqliteFile):
    """The keys of a home, in a file only its owner reads."""

    schema: ClassVar[str] = """
        CREATE TABLE IF NOT EXISTS keys (
            name TEXT PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            roles TEXT NOT NULL,
            created_at TEXT NOT NULL,
            revoked_at TEXT
        );
    """
    version = 1

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        super().__init__(path)

    @property
    def asked_for(self) -> bool:
        """Whether callers have to show a key: from the first one on, even if it was revoked."""
        return self._con.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None

    def add(self, name: str, kind: Kind, roles: Mapping[str, Role]) -> str:
        """Make a key and return its secret, which is nowhere else; raises `KeyExists`."""
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._transaction() as con:
            con.execute(
                "INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, ?, NULL)",
                (name, _hashed(secret), kind, json.dumps(dict(roles)), now().isoformat()),
            )
            if not con.execute("SELECT changes()").fetchone()[0]:
                raise KeyExists(name)
        return secret

    def find(self, secret: str) -> Key | None:
        """Return the valid key with that secret."""
        row = self._con.execute(
            "SELECT name, kind, roles, created_at, revoked_at FROM keys"
            " WHERE sha256 = ? AND revoked_at IS NULL",
            (_hashed(secret),),
        ).fetchone()
        return _key(row) if row else None

    def named(self, name: str) -> bool:
        """Return whether a key was ever made under that name, whatever its case."""
        return any(key.name.casefold() == name.casefold() for key in self.all())

    def revoke(self, name: str) -> None:
        """End a key at once; raises `UnknownKey`."""
        with self._transaction() as con:
            con.execute(
                "UPDATE keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
                (now().isoformat(), name),
            )
            if not con.execute("SELECT changes()").fetchone()[0]:
                raise UnknownKey(name)

    def all(self) -> list[Key]:
        """Return every key that was made, oldest first."""
        found = self._con.execute(
            "SELECT name, kind, roles, created_at, revoked_at FROM keys ORDER BY created_at, name"
        )
        return [_key(row) for row in found]


def _hashed(secret: str) -> str:
    # The secret is 32 random bytes: nothing slower than this is needed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: tuple[str, Kind, str, str, str | None]) -> Key:
    return Key(row[0], row[1], json.loads(row[2]), row[3], row[4])

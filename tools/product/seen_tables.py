"""How a table was when a change of it was judged, kept to say what is different at its approval."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tools.product.catalog import Column, Table, table_hash
from tools.product.errors import ProductError
from tools.product.identifiers import folded
from tools.product.yaml_file import write_text

_HASH = re.compile(r"[0-9a-f]{16}")
SHOWN = 3
"""Differences that are told; the rest are counted."""


def keep(directory: Path, table: Table) -> None:
    """Write a table's structure once; where it cannot be, a later reason is shorter and no more."""
    path = _path(directory, table_hash(table.name, table))
    if not path.exists():
        with suppress(OSError, ProductError):
            directory.mkdir(parents=True, exist_ok=True)
            write_text(path, table.model_dump_json())


def told(directory: Path, judged: str, present: Table | None) -> str:
    """Return what is different since the structure of that hash; nothing where it was not kept."""
    if not _HASH.fullmatch(judged):
        return ""
    try:
        was = Table.model_validate_json(_path(directory, judged).read_bytes())
    except (OSError, ValidationError):
        return ""
    found = list(differences(was, present))
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def differences(was: Table, now: Table | None) -> Iterator[str]:
    """Yield in words what makes two structures of one table differ."""
    if now is None:
        yield "the table is gone"
        return
    before, after = ({folded(c.name): c for c in t.columns} for t in (was, now))
    yield from _come_and_gone(
        "column", *({k: c.name for k, c in s.items()} for s in (before, after))
    )
    for key, column in before.items():
        yield from _column(column, after.get(key, column))
    if [k for k in before if k in after] != [k for k in after if k in before]:
        yield "the columns stand in another order"
    yield from _come_and_gone("rule", _rules(was), _rules(now))
    yield from _indexes(was, now)


def _path(directory: Path, structure: str) -> Path:
    return directory / f"table-{structure}.json"


def _come_and_gone(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{what} {name} is new" for key, name in after.items() if key not in before)
    yield from (f"{what} {name} is gone" for key, name in before.items() if key not in after)


def _column(old: Column, new: Column) -> Iterator[str]:
    if new.type != old.type:
        yield f"column {old.name} is {new.type}, was {old.type}"
    if (new.default, new.generated) != (old.default, old.generated):
        yield f"column {old.name} has another default"


def _rules(table: Table) -> dict[str, str]:
    told = (f"{c.text} of {', '.join(c.columns)}" for c in table.constraints)
    return {name: name for name in told}


def _indexes(was: Table, now: Table) -> Iterator[str]:
    before, after = ({folded(i.name): i for i in t.indexes} for t in (was, now))
    yield from _come_and_gone(
        "index", *({k: i.name for k, i in s.items()} for s in (before, after))
    )
    for key, index in before.items():
        other = after.get(key, index)
        if (index.columns, index.unique) != (other.columns, other.unique):
            yield f"index {index.name} is another"

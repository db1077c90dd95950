"""What tables and columns mean: what the contract says of them, and what the database holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from api.asking.contract import Answer, Source
from api.asking.home import Asked, Home
from api.products import descriptor_of
from api.wording import counted, quoted
from mcp_servers.product.contract import ColumnDescription, ProductDescription, TableDescription
from tools.asking.names import mentioned
from tools.lazy import lazy
from tools.product.descriptor import load_descriptor
from tools.product.logical_types import is_text

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard

    from tools.product import contract as contracts
    from tools.product import contract_inference as inference
    from tools.product import contract_objects
    from tools.product import glossary as glossaries
else:
    glossaries = lazy("tools.product.glossary")
    inference = lazy("tools.product.contract_inference")
    contracts, contract_objects = (
        lazy("tools.product.contract"),
        lazy("tools.product.contract_objects"),
    )

SHOWN = 5
COLUMNS_SHOWN = 20
TEXT_WIDTH = 400


class _Promise(NamedTuple):
    """What a contract says of a table or column, and where."""

    path: str
    said: Any


async def meaning(home: Home, asked: Asked) -> Answer:
    """Return what is known of the tables and columns that are named."""
    assert asked.product is not None
    async with home.open(asked.product) as client:
        described = await client.describe_product()
    contract = _contract(home, asked.product)
    promises = _promises(contract)
    found = [*_named(described, asked)]
    if not found:
        return Answer(text=_unknown(described, asked))
    lines, sources = [], []
    for table, column in found[:SHOWN]:
        promise = promises.get(_key(table, column))
        lines += _told(table, column, promise)
        where = str(table.name) if column is None else f"{table.name}.{column.name}"
        sources.append(Source(kind="table", id=where))
        if promise is not None:
            sources.append(Source(kind="contract", id=promise.path))
    defined = _defined(contract, [column.name for _, column in found[:SHOWN] if column])
    if defined:
        lines += defined
        sources.append(Source(kind="contract", id=f"{glossaries.PLACE}.{glossaries.PROPERTY}"))
    if len(found) > SHOWN:
        lines.append(f"{len(found) - SHOWN:,} more are named so; name the table, too.")
    return Answer(text="\n".join(lines), sources=tuple(sources))


def _key(table: TableDescription, column: ColumnDescription | None) -> tuple[str, str]:
    return str(table.name).lower(), column.name.lower() if column else ""


def _contract(home: Home, product: str) -> OpenDataContractStandard:
    path = load_descriptor(descriptor_of(home.settings, product)).contract
    return contracts.load_contract(path)


def _defined(contract: OpenDataContractStandard, names: Sequence[str]) -> list[str]:
    """Return what the glossary of the contract says of names."""
    known = glossaries.glossary(contract)
    return [
        f"The glossary of the contract says of {quoted(name)}: {quoted(known[key], TEXT_WIDTH)}."
        for key, name in {n.lower(): n for n in names}.items()
        if key in known
    ]


def _promises(contract: OpenDataContractStandard) -> dict[tuple[str, str], _Promise]:
    """Return the promises by table and column in lower case; the column is empty for a table."""
    found: dict[tuple[str, str], _Promise] = {}
    for said in contract.schema_ or ():
        table = contract_objects.table_name(said)
        found[table, ""] = _Promise(f"schema.{said.name}", said)
        for prop in said.properties or ():
            column = contract_objects.column_name(prop).lower()
            found[table, column] = _Promise(f"schema.{said.name}.properties.{prop.name}", prop)
    return found


def _named(
    described: ProductDescription, asked: Asked
) -> Iterator[tuple[TableDescription, ColumnDescription | None]]:
    """Yield the columns that are named, of the named tables where there are some; else tables."""
    names = {str(t.name) for t in described.tables} | {t.name.name for t in described.tables}
    tables = {n.lower() for n in mentioned(asked.request, names)}
    columns = {c.name for t in described.tables for c in t.columns}
    dotted = {f"{t.name}.{c.name}" for t in described.tables for c in t.columns}
    wanted = {n.lower() for n in mentioned(asked.request, columns | dotted)}
    exact = {w for w in wanted if "." in w}
    named = [t for t in described.tables if {str(t.name).lower(), t.name.name.lower()} & tables]
    pairs = [(t, c) for t in described.tables for c in t.columns]
    full = [(t, c) for t, c in pairs if f"{t.name}.{c.name}".lower() in exact]
    plain = [(t, c) for t, c in pairs if c.name.lower() in wanted]
    inside = [(t, c) for t, c in plain if t in named]
    columns_found = full or inside or plain
    yield from columns_found
    if not columns_found:
        yield from ((t, None) for t in named)


def _told(
    table: TableDescription, column: ColumnDescription | None, promise: _Promise | None
) -> list[str]:
    if column is None:
        names = ", ".join(quoted(c.name) for c in table.columns[:COLUMNS_SHOWN])
        rest = len(table.columns) - COLUMNS_SHOWN
        head = (
            f"The table {quoted(table.name)}: {counted(table.rows, 'row')},"
            f" {counted(len(table.columns), 'column')}: {names}"
            + (f" and {rest:,} more." if rest > 0 else ".")
        )
    else:
        missing = "may be missing" if column.nullable else "never missing"
        head = (
            f"The column {quoted(column.name)} of the table {quoted(table.name)}:"
            f" {quoted(column.type)}, {missing}."
        )
        if column.comment:
            head += f" Comment in the database: {quoted(column.comment, TEXT_WIDTH)}."
    return [head, *_promised(promise, column)]


def _promised(promise: _Promise | None, column: ColumnDescription | None) -> list[str]:
    if promise is None:
        return ["  The contract does not speak of it."]
    said = promise.said
    description = getattr(said, "description", None)
    if column is not None and not is_text(column.type):
        # A draft says of text what it holds; stored by its type, it is text no more.
        description = None if description in inference.INFERRED.values() else description
    words = [
        f"{label} {quoted(text, TEXT_WIDTH)}"
        for label, text in (
            ("it is", description),
            ("called", getattr(said, "businessName", None)),
            ("kept as", getattr(said, "logicalType", None)),
        )
        if text
    ]
    if getattr(said, "required", None):
        words.append("never missing")
    told = "; ".join(words) or "nothing but its name, no description"
    return [f"  The contract ({quoted(promise.path)}) says: {told}."]


def _unknown(described: ProductDescription, asked: Asked) -> str:
    tables = ", ".join(quoted(t.name) for t in described.tables[:COLUMNS_SHOWN])
    rest = len(described.tables) - COLUMNS_SHOWN
    tables += f" and {rest:,} more" if rest > 0 else ""
    if not asked.unheld(()):
        return f"{described.name} has {counted(len(described.tables), 'table')}: {tables}."
    names = [str(t.name) for t in described.tables]
    names += [c.name for t in described.tables for c in t.columns]
    words = (*asked.request.named, *asked.request.text.split())
    near: Sequence[str] = [
        n for w in words for n in difflib.get_close_matches(w.strip("?.,!"), names, 1, 0.8)
    ]
    hint = f" Did you mean {', '.join(map(quoted, dict.fromkeys(near)))}?" if near else ""
    return (
        f"Nothing in that is the name of a table or column of {described.name}.{hint}"
        f" Its tables: {tables}."
    )

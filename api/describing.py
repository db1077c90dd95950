"""Drafts of what a contract does not say yet: descriptions of tables and columns, and terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

from api.promises import as_known, promised
from graph.errors import UnknownNames
from mcp_servers.product.client import ProductClient
from mcp_servers.product.contract import ProductDescription
from tools.messages import Message, TableName
from tools.plain_text import plain
from tools.product.contract import load_contract
from tools.product.contract_edit import Blank, Key, blanks
from tools.product.contract_objects import column_name
from tools.product.glossary import glossary
from tools.product.profile import TableProfile
from tools.product.workload import Workload
from tools.words.columns import (
    Known,
    Named,
    facts_of_column,
    facts_of_table,
    facts_of_terms,
)
from tools.words.facts import Facts
from tools.words.told import Words

Promises = Sequence[tuple[SchemaObject, str]]
PATTERNS = 10_000
"""Queries that are looked at, heaviest first."""


class Draft(Message):
    """A description of a table or column that has none."""

    table: str
    """As the contract calls it, and so is the column; none for the table itself."""
    column: str | None
    words: Words

    @property
    def key(self) -> Key:
        """Its place in the contract."""
        return Key(self.table, self.column)


class TermDraft(Message):
    """A line of the glossary that is not there: of a name that several tables share."""

    name: str
    words: Words


class Drafts(Message):
    """What a contract does not say, in words."""

    contract: str
    """Path of the file."""
    drafts: tuple[Draft, ...]
    terms: tuple[TermDraft, ...]


class Undescribed(NamedTuple):
    """What may be told of things that nobody has described."""

    contract: Path
    facts: dict[Key, Facts]
    """Of tables and columns, as the contract calls them."""
    terms: dict[str, Facts]
    """Of names that several tables share and the glossary of the contract does not have."""


async def undescribed(client: ProductClient, only: Sequence[str] = ()) -> Undescribed:
    """Return what a product's contract leaves open, of some tables or columns or of all.

    `only` names them as `TABLE` or `TABLE.COLUMN`. Data is read of tables with something to tell;
    of names that tables share the catalog tells enough. Raises what the product's server says, and
    `UnknownNames`.
    """
    described = await client.describe_product()
    path = Path(described.contract)
    contract = load_contract(path)
    promises = promised(described, contract)
    asked = _known(only, described, contract, promises)
    blank = (b._replace(table=promises[b.place][1]) for b in blanks(contract))
    wanted = [b for b in blank if not asked or _named(b) & asked]
    tables = {str(t.name).lower(): t.name for t in described.tables}
    read = [name for name in dict.fromkeys(b.table for b in wanted) if name in tables]
    profiles = {name: await client.profile_table(tables[name]) for name in read}
    workload = (await client.read_workload(PATTERNS)).workload if read else Workload(patterns=())
    known = Known(workload.patterns, _comments(described), _meanings(promises, profiles))
    told = ((b.key, _facts(b, profiles, known)) for b in wanted)
    facts = {key: found for key, found in told if found is not None}
    return Undescribed(path, facts, _terms(described, contract, promises, asked))


def drafted(found: Undescribed, tell: Callable[[Facts], Words]) -> Drafts:
    """Return what was found in words."""
    drafts = (
        Draft(table=key.table, column=key.column, words=tell(facts))
        for key, facts in found.facts.items()
    )
    terms = (TermDraft(name=name, words=tell(facts)) for name, facts in found.terms.items())
    return Drafts(contract=str(found.contract), drafts=tuple(drafts), terms=tuple(terms))


def _known(
    only: Sequence[str],
    described: ProductDescription,
    contract: OpenDataContractStandard,
    promises: Promises,
) -> set[str]:
    """Return what is asked for, as database or contract call it, in lower case.

    Raises `UnknownNames` where neither has it.
    """
    parts = {str(t.name).lower(): {c.name.lower() for c in t.columns} for t in described.tables}
    for promise, table in promises:
        properties = promise.properties or ()
        inside = parts.get(table, set()) | {column_name(p).lower() for p in properties}
        parts |= {table: inside, (promise.name or table).lower(): inside}
    known = set(parts) | {f"{table}.{name}" for table, names in parts.items() for name in names}
    meant = as_known(only, known, described, contract)
    unknown = [name for name, found in meant.items() if found is None]
    if unknown:
        raise UnknownNames(unknown, [str(t.name) for t in described.tables])
    return {found for found in meant.values() if found is not None}


def _terms(
    described: ProductDescription,
    contract: OpenDataContractStandard,
    promises: Promises,
    asked: set[str],
) -> dict[str, Facts]:
    """Return the names that tables share, or those of what is asked for, without a definition."""
    called = {table: (p.name or "").lower() for p, table in promises}
    known, shared, wanted = glossary(contract), list[Named](), set[str]()
    for table in described.tables:
        own = str(table.name).lower()
        names = {own, called.get(own, own)}
        for column in table.columns:
            name = column.name.lower()
            shared.append(Named(table.name, column.name, column.type, column.key))
            if not asked or (names | {f"{n}.{name}" for n in names}) & asked:
                wanted.add(name)
    return {
        name: facts
        for name, facts in facts_of_terms(shared)
        if name.lower() in wanted and plain(name).lower() not in known
    }


def _named(blank: Blank) -> set[str]:
    return {blank.table, f"{blank.table}.{blank.column}", str(blank.key.table).lower()}


def _facts(blank: Blank, profiles: dict[str, TableProfile], known: Known) -> Facts | None:
    """Return what may be told; nothing of what the database does not have."""
    table = profiles.get(blank.table)
    if table is None:
        return None
    if blank.column is None:
        return facts_of_table(table, known)
    column = next((c for c in table.columns if c.name.lower() == blank.column), None)
    return None if column is None else facts_of_column(table, column, known)


def _comments(described: ProductDescription) -> dict[tuple[TableName, str], str]:
    return {(t.name, c.name): c.comment for t in described.tables for c in t.columns if c.comment}


def _meanings(
    promises: Promises, profiles: dict[str, TableProfile]
) -> dict[tuple[TableName, str], str]:
    """Return the logical types of the contract by the names of the database."""
    found: dict[tuple[TableName, str], str] = {}
    for promise, name in promises:
        table = profiles.get(name)
        if table is None:
            continue
        said = {column_name(p).lower(): p.logicalType for p in promise.properties or ()}
        for column in table.columns:
            meaning = said.get(column.name.lower())
            if meaning is not None:
                found[table.table, column.name] = meaning
    return found

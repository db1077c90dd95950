"""Drafts of what a contract does not say yet: descriptions of tables and columns, and terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from open_data_contract_standard.model import OpenDataContractStandard

from mcp_servers.product.client import ProductClient
from mcp_servers.product.contract import ProductDescription
from tools.messages import Message, TableName
from tools.product.contract import load_contract
from tools.product.contract_edit import Blank, Key, blanks
from tools.product.contract_facts import column_name, table_name
from tools.product.profile import TableProfile
from tools.words.columns import Known, facts_of_column, facts_of_table, facts_of_terms
from tools.words.facts import Facts
from tools.words.told import Words

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


class Drafts(Message):
    """What a contract does not say, in words."""

    contract: str
    """Path of the file."""
    drafts: tuple[Draft, ...]
    terms: tuple[Words, ...]
    """Names that several tables share; a contract has no place for them."""


class Undescribed(NamedTuple):
    """What may be told of things that nobody has described."""

    contract: Path
    facts: dict[Key, Facts]
    """Of tables and columns, as the contract calls them."""
    terms: tuple[Facts, ...]
    """Of names that several tables share."""


async def undescribed(client: ProductClient, only: Sequence[str] = ()) -> Undescribed:
    """Return what a product's contract leaves open, of some tables or columns or of all.

    `only` names them as `TABLE` or `TABLE.COLUMN`. Raises what the product's server says.
    """
    described = await client.describe_product()
    path = Path(described.contract)
    contract = load_contract(path)
    workload = (await client.read_workload(PATTERNS)).workload
    profiles = {str(t.name).lower(): await client.profile_table(t.name) for t in described.tables}
    known = Known(workload.patterns, _comments(described), _meanings(contract, profiles))
    wanted = [b for b in blanks(contract) if not only or _named(b) & {o.lower() for o in only}]
    told = ((b.key, _facts(b, profiles, known)) for b in wanted)
    facts = {key: found for key, found in told if found is not None}
    return Undescribed(path, facts, tuple(facts_of_terms(list(profiles.values()))))


def drafted(found: Undescribed, tell: Callable[[Facts], Words]) -> Drafts:
    """Return what was found in words."""
    drafts = (
        Draft(table=key.table, column=key.column, words=tell(facts))
        for key, facts in found.facts.items()
    )
    return Drafts(
        contract=str(found.contract), drafts=tuple(drafts), terms=tuple(map(tell, found.terms))
    )


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
    contract: OpenDataContractStandard, profiles: dict[str, TableProfile]
) -> dict[tuple[TableName, str], str]:
    """Return the logical types of the contract by the names of the database."""
    found: dict[tuple[TableName, str], str] = {}
    for promise in contract.schema_ or ():
        table = profiles.get(table_name(promise))
        if table is None:
            continue
        said = {column_name(p).lower(): p.logicalType for p in promise.properties or ()}
        for column in table.columns:
            meaning = said.get(column.name.lower())
            if meaning is not None:
                found[table.table, column.name] = meaning
    return found

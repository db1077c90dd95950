"""What SQL rules and relationships of a contract need of a column or a table that changes."""

from __future__ import annotations

from collections.abc import Iterator

from open_data_contract_standard.model import OpenDataContractStandard

from tools.messages import ChangeType, DropColumn, DropTable, Finding
from tools.product.catalog import Catalog
from tools.product.contract_queries import Rule, readings, told_otherwise
from tools.product.empty_copy import empty_copy
from tools.product.relationships import ends, named


def needs(
    contract: OpenDataContractStandard,
    change: ChangeType | DropColumn | DropTable,
    catalog: Catalog,
) -> tuple[Finding, ...]:
    """Return what stands against a change, or is to be known, of rules and relationships."""
    return tuple(dict.fromkeys(_needs(contract, change, catalog)))


def _needs(
    contract: OpenDataContractStandard,
    change: ChangeType | DropColumn | DropTable,
    catalog: Catalog,
) -> Iterator[Finding]:
    column = None if isinstance(change, DropTable) else change.column
    reading = [
        rule
        for rule, found in readings(contract, catalog)
        if found.touches(catalog, change.table, column)
    ]
    facing = [e for e in ends(contract, catalog) if e.touches(catalog, change.table, column)]
    if isinstance(change, ChangeType):
        yield from _asked(reading, change, catalog)
        for end in facing:
            text = f"{change.column} is compared with {end.other}, which keeps its type"
            yield Finding(path=end.path, severity="warning", message=text)
        for path, engine in told_otherwise(contract, catalog, change.table, column):
            text = f"whether {change.to_type} keeps the rule for {engine} cannot be told"
            yield Finding(path=path, severity="warning", message=text)
        return
    for rule in reading:
        yield Finding(path=rule.path, severity="breaking", message="the rule reads it")
    for end in facing:
        yield Finding(path=end.path, severity="breaking", message="the relationship needs it")
    for end in named(contract, catalog):
        if end.touches(catalog, change.table, column):
            yield Finding(path=end.path, severity="breaking", message="the contract names it")
    for path, engine in told_otherwise(contract, catalog, change.table, column):
        yield Finding(path=path, severity="breaking", message=f"the rule for {engine} names it")


def _asked(reading: list[Rule], change: ChangeType, catalog: Catalog) -> Iterator[Finding]:
    """Ask the engine whether the rules can still be asked once the type has changed."""
    if not reading:
        return
    column, kind = change.column, change.to_type
    with empty_copy(catalog, change) as new:
        kept = [rule for rule in reading if new.answers(rule.sql, rule.schema)]
    for rule in kept:
        text = f"the rule reads {column}, which would be {kind}"
        yield Finding(path=rule.path, severity="warning", message=text)
    refused = [rule for rule in reading if rule not in kept]
    if not refused:
        return
    with empty_copy(catalog) as old:
        known = [rule for rule in refused if old.answers(rule.sql, rule.schema)]
    for rule in refused:
        text = f"the rule reads {column} and cannot be asked once that is {kind}"
        if rule not in known:
            # Such as one that calls a function of the database, or is for another engine.
            text = f"the rule reads {column}, and whether {kind} keeps it cannot be told"
        yield Finding(path=rule.path, severity="breaking", message=text)

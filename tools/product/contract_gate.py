"""What a change does to the contract, path by path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from tools.messages import (
    AddCheck,
    AddNotNull,
    Change,
    ChangeType,
    ContractVerdict,
    CreateSummary,
    DropColumn,
    DropIndex,
    DropTable,
    Finding,
    TableName,
    quoted,
)
from tools.product.catalog import Catalog
from tools.product.contract_facts import (
    facts,
    is_required,
    none_allowed,
    stated_patterns,
    too_many_nulls,
    valid_values,
)
from tools.product.contract_inference import Probe
from tools.product.contract_needs import needs
from tools.product.contract_objects import (
    column_name,
    fits,
    name_parts,
    promised_tables,
    same_table,
)
from tools.product.contract_risks import is_unique, risks
from tools.product.contract_room import without_room
from tools.product.logical_types import carries, family, is_text, normal_type, promises_kept
from tools.product.present_rows import Tried, tried
from tools.product.promised_views import retyped

__all__ = ["check_change", "risks"]

CODES = re.compile(
    r"(?:^|_)(?:zip|zipcode|plz|postcode|postal|code|phone|tel|fax|mobile|iban|bic|swift|sku|ean"
    r"|upc|gtin|isbn|issn|ssn|vat|ein|npi|imei|fips|naics|nace|serial|barcode|passport|plate)"
    r"(?:_?(?:no|nr|num|number))?(?:_|$)"
)
Severity = Literal["breaking", "warning", "info"]


def check_change(
    contract: OpenDataContractStandard,
    change: Change,
    catalog: Catalog,
    probe: Probe | None = None,
) -> ContractVerdict:
    """Return whether a change keeps the contract, with the paths it touches.

    With `probe`, a type change is also tried on every present row.
    """
    rows = tried(change, probe) if probe and isinstance(change, ChangeType) else Tried()
    found = [*_findings(_Gate(contract, catalog, rows), change), *rows.findings]
    return ContractVerdict(
        compatible=all(f.severity != "breaking" for f in found), findings=tuple(found)
    )


@dataclass(frozen=True)
class _Gate:
    """The contract beside the catalog."""

    contract: OpenDataContractStandard
    catalog: Catalog
    tried: Tried
    """What the change would make of the present rows, where that was tried."""

    @property
    def nulled(self) -> str:
        """How many present values the change would make NULL."""
        return self.tried.nulled

    def objects(self, table: TableName) -> list[SchemaObject]:
        known = promised_tables(self.contract, self.catalog)
        return [promise for promise, found in known if same_table(found.name, table)]

    def properties(self, table: TableName, column: str) -> list[tuple[str, SchemaProperty]]:
        return [
            (f"schema.{promise.name}.properties.{prop.name}", prop)
            for promise in self.objects(table)
            for prop in promise.properties or ()
            if column_name(prop).lower() == column.lower()
        ]

    @property
    def confirmed(self) -> bool:
        """Whether a person stands behind it; a draft only repeats what present rows show."""
        return (self.contract.status or "draft").lower() not in ("draft", "proposed")


def _finding(path: str, severity: Severity, message: str) -> Finding:
    return Finding(path=path, severity=severity, message=message)


def _path(table: TableName, column: str) -> str:
    return f"schema.{table}.properties.{column}"


def _findings(gate: _Gate, change: Change) -> Iterator[Finding]:
    match change:
        case ChangeType():
            yield from _retyped(gate, change)
        case DropColumn(table=table, column=column):
            promised = [path for path, _ in gate.properties(table, column)]
            yield from _dropped(gate, change, promised, _path(table, column))
        case DropTable(table=table):
            promised = [f"schema.{promise.name}" for promise in gate.objects(table)]
            yield from _dropped(gate, change, promised, f"schema.{table}")
        case AddNotNull() | AddCheck():
            yield from _enforced(gate, change)
        case CreateSummary(summary=summary):
            yield from _named(gate, summary)
        case DropIndex(table=table, definition=definition) if is_unique(definition):
            for path, prop in _unique_properties(gate, table):
                if quoted(column_name(prop)) in definition or column_name(prop) in definition:
                    yield _finding(f"{path}.unique", "warning", "nothing would enforce it any more")


def _unique_properties(gate: _Gate, table: TableName) -> Iterator[tuple[str, SchemaProperty]]:
    for promise in gate.objects(table):
        for prop in promise.properties or ():
            counted = any(
                (q.metric or q.rule) in ("duplicateValues", "duplicateCount") and none_allowed(q)
                for q in prop.quality or ()
            )
            if prop.unique or prop.primaryKey or counted:
                yield f"schema.{promise.name}.properties.{prop.name}", prop


def _dropped(
    gate: _Gate, change: DropColumn | DropTable, promised: list[str], otherwise: str
) -> Iterator[Finding]:
    for path in promised:
        yield _finding(path, "breaking", "it is promised")
    needed = needs(gate.contract, change, gate.catalog)
    yield from needed
    if not promised and not needed:
        yield _finding(otherwise, "info", "the contract does not promise it")


def _enforced(gate: _Gate, change: AddNotNull | AddCheck) -> Iterator[Finding]:
    known = facts(gate.contract, gate.catalog)
    wanted = (change.table, change.column.lower())
    if isinstance(change, AddNotNull):
        stated = wanted in {(t, c.lower()) for t, c in known.required}
    else:
        rules = {(t, c.lower(), _squeezed(sql)) for t, c, sql in known.checks}
        stated = (*wanted, _squeezed(change.expression)) in rules
    if not stated:
        path = _path(change.table, change.column)
        yield _finding(path, "warning", "the contract does not ask for this rule")


def _squeezed(sql: str) -> str:
    return " ".join(sql.split())


def _named(gate: _Gate, summary: TableName) -> Iterator[Finding]:
    taken = [t.name for t in gate.catalog.tables] + [v.name for v in gate.catalog.views]
    if any(same_table(name, summary) for name in taken):
        yield _finding(f"schema.{summary}", "breaking", "the name of the summary is taken")
    for promise in gate.contract.schema_ or ():
        names = (n for n in (promise.physicalName, promise.name) if n)
        if any(fits(name_parts(n), summary) for n in names):
            yield _finding(f"schema.{promise.name}", "breaking", "the name is promised")


def _retyped(gate: _Gate, change: ChangeType) -> Iterator[Finding]:
    promises = gate.properties(change.table, change.column)
    for path, prop in promises:
        yield from _broken_promises(gate, path, prop, change)
    yield from _broken_views(gate, change)
    yield from needs(gate.contract, change, gate.catalog)
    where = promises[0][0] if promises else _path(change.table, change.column)
    if is_text(change.from_type) and not is_text(change.to_type):
        yield from _so_far(gate, change, where, promises)
    if change.null_marker is not None:
        text = (
            f"writers that send {change.null_marker!r} or other text have to send NULL instead:"
            f" {change.to_type} refuses it"
        )
        yield _finding(where, "warning", text)
    elif gate.nulled:
        text = f"{gate.nulled} would become NULL: writers have to send NULL instead"
        yield _finding(where, "warning", text)


def _broken_views(gate: _Gate, change: ChangeType) -> Iterator[Finding]:
    for view in retyped(gate.contract, change, gate.catalog):
        path = f"schema.{view.promise.name}.properties.{view.prop.name}"
        if view.after is None:
            yield _finding(path, "breaking", f"the view reads {change.column}, and what it gives"
                           f" once that is {change.to_type} cannot be told")  # fmt: skip
            continue
        seen = change.model_copy(update={"from_type": view.before, "to_type": view.after})
        yield from _broken_promises(gate, path, view.prop, seen)


def _broken_promises(
    gate: _Gate, path: str, prop: SchemaProperty, change: ChangeType
) -> Iterator[Finding]:
    yield from _broken_types(path, prop, change, gate.contract.apiVersion or "")
    yield from _broken_spelling(path, prop, change)
    for field, text in without_room(prop, change):
        yield _finding(f"{path}.{field}", "breaking", text)
    # What the expressions do counts, whatever marker an edit leaves beside them.
    marker = change.null_marker
    if is_required(prop) and (marker is not None or gate.nulled):
        what = gate.nulled if marker is None else repr(marker)
        text = f"{what} would become NULL, and values are required"
        yield _finding(f"{path}.required", "breaking", text)
    elif gate.tried.nulls and too_many_nulls(prop, gate.tried.nulls, gate.tried.rows):
        text = (
            f"{gate.tried.nulls:,} of {gate.tried.rows:,} values would be NULL, more than it allows"
        )
        yield _finding(f"{path}.quality", "breaking", text)


def _broken_types(
    path: str, prop: SchemaProperty, change: ChangeType, api_version: str
) -> Iterator[Finding]:
    promised, new = prop.physicalType, change.to_type
    if promised and normal_type(promised) != normal_type(new):
        yield _finding(
            f"{path}.physicalType", "breaking", f"promises {promised}; it would be {new}"
        )
    logical = prop.logicalType
    if logical and not promises_kept(logical, new, api_version):
        text = f"promises {logical}; it would be {family(new)}"
        yield _finding(f"{path}.logicalType", "breaking", text)


def _broken_spelling(path: str, prop: SchemaProperty, change: ChangeType) -> Iterator[Finding]:
    """A contract that speaks of how values are spelt promises text, whatever else it says."""
    if not is_text(change.from_type) or carries(change.to_type) & {"string"}:
        return
    options = prop.logicalTypeOptions or {}
    numeric = "number" in carries(change.to_type)
    spelt = ("pattern", "minLength", "maxLength", *(("format",) if _text_format(options) else ()))
    for option in spelt:
        if options.get(option) is not None:
            text = f"promises a spelling, which {change.to_type} does not keep"
            yield _finding(f"{path}.logicalTypeOptions.{option}", "breaking", text)
    if "pattern" not in options and any(stated_patterns(prop)):
        text = f"promises a spelling, which {change.to_type} does not keep"
        yield _finding(f"{path}.quality.pattern", "breaking", text)
    written = options.get("format")
    if carries(change.to_type) & {"date", "timestamp", "time"} and not _as_stored(written):
        text = f"states the format {written}: whoever reads text sees another one"
        yield _finding(f"{path}.logicalTypeOptions.format", "warning", text)
    samples = [("examples", list(prop.examples or ()))]
    samples += [("enum", values) for values in valid_values(prop)]
    for field, values in samples:
        odd = next((v for v in values if numeric and v != change.null_marker and _is_code(v)), None)
        if odd is not None:
            text = f"{odd!r} is not what {change.to_type} gives back"
            yield _finding(f"{path}.{field}", "breaking", text)


def _as_stored(written: Any) -> bool:
    """Return whether a date's format is none, or the one that the engine writes."""
    return written is None or str(written).replace("'", "") in (
        "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "HH:mm:ss",
    )  # fmt: skip


def _text_format(options: dict[str, Any]) -> bool:
    known = ("uuid", "email", "uri", "hostname", "ipv4", "ipv6", "password", "byte", "binary")
    return options.get("format") in known


def _is_code(value: Any) -> bool:
    """Return whether a sample is text that no number is written as: 007, A1."""
    plain = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?"
    return isinstance(value, str) and not re.fullmatch(plain, value)


def _so_far(
    gate: _Gate, change: ChangeType, where: str, promises: list[tuple[str, SchemaProperty]]
) -> Iterator[Finding]:
    """Say what only present rows speak for: a code can be numeric so far."""
    stated = [prop for _, prop in promises if prop.logicalType]
    marks = [change.column, *((prop.classification or "") for _, prop in promises)]
    coded = any(CODES.search(_words(text)) for text in marks)
    if coded and "number" in carries(change.to_type) and not (stated and gate.confirmed):
        yield _finding(
            where,
            "breaking",
            "it looks like a code, numeric so far: one with a leading zero or a letter could not"
            " be stored. To allow it, state logicalType in a contract that is no draft",
        )
    elif not stated:
        text = f"no promise speaks for it: it is {family(change.to_type)} in all rows so far"
        yield _finding(where, "warning", text)


def _words(text: str) -> str:
    """Return text with its words in lower case, joined by underscores: PhoneNo is phone_no."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower())

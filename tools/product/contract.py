"""The product's contract (ODCS): read, with faults named by line, and held against the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)
from pydantic import BaseModel, ValidationError

from tools.messages import Finding
from tools.product.catalog import Catalog, Table
from tools.product.contract_facts import ContractFacts, facts
from tools.product.contract_inference import KIND, MARKERS, infer_contract
from tools.product.contract_objects import column_name, columns_by_name, promised_objects
from tools.product.errors import ContractInvalid
from tools.product.logical_types import LOGICAL_TYPES, family, is_text, normal_type, promises_kept
from tools.product.stored_queries import View
from tools.product.yaml_file import YamlFile, dump_yaml, parse_yaml, read_text, write_text

__all__ = [
    "MARKERS",
    "ContractFacts",
    "contradictions",
    "facts",
    "family",
    "infer_contract",
    "load_contract",
    "save_contract",
]

API_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
Where = tuple[str | int, ...]


def load_contract(path: Path) -> OpenDataContractStandard:
    """Read an ODCS contract; raises ContractInvalid with file, line and field.

    The same text gives the same value again: treat it as read-only.
    """
    return _parsed(read_text(path, ContractInvalid), path)


def save_contract(contract: OpenDataContractStandard, path: Path) -> None:
    """Write a contract as YAML, in one step."""
    document = contract.model_dump(exclude_defaults=True, exclude_none=True, by_alias=True)
    write_text(path, dump_yaml(document))


@lru_cache(maxsize=8)
def _parsed(text: str, path: Path) -> OpenDataContractStandard:
    file = parse_yaml(text, path, ContractInvalid)
    _check_head(file)
    data = {**file.data, "schema": _modern(file.data.get("schema"))}
    try:
        contract = OpenDataContractStandard.model_validate(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise _wrong(file, tuple(first["loc"]), first["msg"]) from exc
    for at, promise in enumerate(contract.schema_ or ()):
        where: Where = ("schema", at)
        _check_keys(file, promise, where)
        _check_rules(file, promise, where)
        _check_properties(file, promise.properties or [], (*where, "properties"))
    _check_names(file, contract.schema_ or [], ("schema",))
    return contract


def _modern(value: Any) -> Any:
    """Return what a contract states with the arguments of its rules where ODCS 3.1 has them.

    Before, valid values stood in the rule itself, and would be dropped.
    """
    if isinstance(value, list):
        return [_modern(v) for v in value]
    if not isinstance(value, dict):
        return value
    found = {k: _modern(v) for k, v in value.items()}
    if isinstance(found.get("validValues"), list) and ("rule" in found or "metric" in found):
        listed = {"validValues": found.pop("validValues")}
        found["arguments"] = listed | (found.get("arguments") or {})
    return found


def _wrong(file: YamlFile, where: Where, problem: str) -> ContractInvalid:
    field = file.name(where)
    return ContractInvalid(
        f"{file.path}:{file.line(where)}: {field}: {problem}.",
        hint="See https://bitol-io.github.io/open-data-contract-standard/ for the fields.",
    )


def _check_head(file: YamlFile) -> None:
    data = file.data
    if "dataContractSpecification" in data:
        raise ContractInvalid(
            f"{file.path} is a Data Contract Specification file, not ODCS.",
            hint="Convert it: datacontract export --format odcs.",
        )
    kind = data.get("kind")
    if kind != KIND:
        told = "missing" if kind is None else repr(kind)
        raise ContractInvalid(
            f"{file.path}:{file.line(('kind',))}: not an ODCS contract: kind is {told},"
            f" not {KIND!r}.",
            hint="That is the product's descriptor." if kind == "DataProduct" else "",
        )
    version = data.get("apiVersion")
    if version not in API_VERSIONS:
        raise ContractInvalid(
            f"{file.path}:{file.line(('apiVersion',))}: apiVersion {version!r} is unknown.",
            hint=f"Pillion reads {', '.join(API_VERSIONS)}.",
        )
    for field in ("id", "version"):
        if not data.get(field):
            raise _wrong(file, (field,), "is missing, and ODCS requires it")


def _check_properties(file: YamlFile, properties: list[SchemaProperty], where: Where) -> None:
    for at, prop in enumerate(properties):
        here: Where = (*where, at)
        _check_keys(file, prop, here)
        _check_rules(file, prop, here)
        if prop.items is not None:
            _check_keys(file, prop.items, (*here, "items"))
            inside: Where = (*here, "items", "properties")
            _check_properties(file, prop.items.properties or [], inside)
        if prop.logicalType is not None and prop.logicalType not in LOGICAL_TYPES:
            known = ", ".join(LOGICAL_TYPES)
            raise _wrong(
                file, (*here, "logicalType"), f"{prop.logicalType!r} is not one of {known}"
            )
        _check_properties(file, prop.properties or [], (*here, "properties"))
    _check_names(file, properties, where)


def _check_keys(file: YamlFile, value: BaseModel, where: Where) -> None:
    """A misspelt field would be a promise silently dropped."""
    raw: Any = file.data
    for step in where:
        raw = raw[step]
    known = {field.alias or name for name, field in type(value).model_fields.items()}
    for key in raw:
        if key not in known:
            raise _wrong(file, (*where, key), "is not a field of ODCS here")


def _check_rules(file: YamlFile, value: SchemaObject | SchemaProperty, where: Where) -> None:
    """Raise where a field of a rule is misspelt; others may be an engine's own."""
    raw: Any = file.data
    for step in where:
        raw = raw[step]
    for at, rule in enumerate(value.quality or ()):
        known = {name.lower(): name for name in type(rule).model_fields}
        for key in raw["quality"][at]:
            close = get_close_matches(key.lower(), known, n=1, cutoff=0.85)
            if close and key not in known.values():
                here = (*where, "quality", at, key)
                raise _wrong(file, here, f"is not a field of ODCS here; {known[close[0]]} is")


def _check_names(
    file: YamlFile, values: Sequence[SchemaObject | SchemaProperty], where: Where
) -> None:
    seen: set[str] = set()
    for at, value in enumerate(values):
        if not value.name:
            raise _wrong(file, (*where, at), "has no name")
        if value.name in seen:
            raise _wrong(file, (*where, at), "this name stands here a second time")
        seen.add(value.name)


def contradictions(contract: OpenDataContractStandard, catalog: Catalog) -> tuple[Finding, ...]:
    """Return the promises that the database does not keep."""
    found: list[Finding] = []
    for promise, meant in promised_objects(contract, catalog):
        if not meant:
            path = f"schema.{promise.name}"
            found.append(_breaking(path, f"there is no table or view {promise.name}"))
            continue
        wrong = [list(_unkept(promise, one, contract.apiVersion or "")) for one in meant]
        # Of several it may mean, the one that keeps most is the one to speak of.
        least = min(wrong, key=len)
        found += least
    return tuple(found)


def _unkept(promise: SchemaObject, meant: Table | View, api_version: str) -> Iterator[Finding]:
    if isinstance(meant, Table):
        yield from _column_contradictions(promise, meant, api_version)


def _column_contradictions(
    promise: SchemaObject, table: Table, api_version: str
) -> Iterator[Finding]:
    columns = columns_by_name(table)
    for prop in promise.properties or ():
        path = f"schema.{promise.name}.properties.{prop.name}"
        column = columns.get(column_name(prop).lower())
        if column is None:
            yield _breaking(path, f"table {table.name} has no column {column_name(prop)}")
            continue
        wanted = prop.physicalType
        if wanted and normal_type(wanted) != normal_type(column.type):
            text = f"the contract promises {wanted}, the column is {column.type}"
            yield _breaking(f"{path}.physicalType", text)
        logical = prop.logicalType
        # Text can hold anything; whether it does is a question for data quality.
        if logical and not is_text(column.type):
            if not promises_kept(logical, column.type, api_version):
                text = f"the contract promises {logical}, a column of {column.type} is not that"
                yield _breaking(f"{path}.logicalType", text)


def _breaking(path: str, message: str) -> Finding:
    return Finding(path=path, severity="breaking", message=message)

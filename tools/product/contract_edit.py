"""Descriptions put into a contract's file: everything else of it stays as its owner wrote it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from tools.plain_text import plain
from tools.product.contract import Where, load_contract
from tools.product.contract_facts import column_name, table_name
from tools.product.contract_inference import INFERRED
from tools.product.errors import ContractInvalid
from tools.product.yaml_file import parse_yaml, write_text

_BOM = "\ufeff"
_OURS = frozenset(INFERRED.values())


class Key(NamedTuple):
    """A table or column as the contract calls it."""

    table: str
    column: str | None

    def __str__(self) -> str:
        column = f".properties.{self.column}" if self.column is not None else ""
        return f"schema.{self.table}{column}"


class Blank(NamedTuple):
    """A table or column of a contract that nobody has described."""

    where: Where
    """Its place in the document."""
    key: Key
    table: str
    """The table's name in the database, in lower case."""
    column: str | None
    """The column's name in the database, in lower case; None for the table itself."""


def blanks(contract: OpenDataContractStandard) -> Iterator[Blank]:
    """Yield what has no description, or only the one that a drafted contract gives itself."""
    for at, promise in enumerate(contract.schema_ or ()):
        table, own = table_name(promise), promise.name or ""
        if not promise.description:
            yield Blank(("schema", at), Key(own, None), table, None)
        for number, prop in enumerate(promise.properties or ()):
            if not prop.description or prop.description in _OURS:
                where = ("schema", at, "properties", number)
                yield Blank(where, Key(own, prop.name), table, column_name(prop).lower())


def describe(path: Path, texts: Mapping[Key, str]) -> int:
    """Write descriptions into a contract, in one step, and return how many.

    Comments and layout stay, and so does what somebody described meanwhile. Raises
    `ContractInvalid` where that cannot be done without touching anything else.
    """
    found = blanks(load_contract(path))
    wanted = {b.where: texts[b.key] for b in found if b.key in texts}
    written = path.read_bytes().decode("utf-8")
    mark = _BOM if written.startswith(_BOM) else ""
    write_text(path, mark + described(written.removeprefix(_BOM), path, wanted))
    return len(wanted)


def described(text: str, path: Path, texts: Mapping[Where, str]) -> str:
    """Return a contract's text with descriptions, and with nothing else changed."""
    said = {where: plain(words) for where, words in texts.items()}
    file = parse_yaml(text, path, ContractInvalid)
    edits = sorted((_edit(text, _node(file.root, where), words) for where, words in said.items()))
    after = text
    for edit in reversed(edits):
        after = after[: edit.start] + edit.text + after[edit.end :]
    if parse_yaml(after, path, ContractInvalid).data != _expected(file.data, said):
        raise ContractInvalid(
            f"{path} is laid out in a way that descriptions cannot be put into safely.",
            hint="Nothing was changed; write them by hand.",
        )
    return after


def _expected(data: dict[str, Any], texts: Mapping[Where, str]) -> dict[str, Any]:
    wanted = copy.deepcopy(data)
    for where, words in texts.items():
        part: Any = wanted
        for step in where:
            part = part[step]
        part["description"] = words
    return wanted


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def _node(root: yaml.Node, where: Where) -> yaml.MappingNode:
    node: Any = root
    for step in where:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == step)
        else:
            node = node.value[step]
    assert isinstance(node, yaml.MappingNode)
    return node


def _edit(text: str, node: yaml.MappingNode, words: str) -> _Edit:
    """Return what to write where: a new line after the name, or another value of the key."""
    line = f"description: {json.dumps(words, ensure_ascii=False)}"
    pairs = {key.value: (key, value) for key, value in node.value}
    if "description" in pairs:
        key, value = pairs["description"]
        end = value.end_mark.index
        # A block of lines ends behind its last line break.
        end -= len(text[:end]) - len(text[:end].rstrip("\r\n"))
        return _Edit(key.start_mark.index, end, line)
    name, value = pairs["name"]
    if node.flow_style:
        end = value.end_mark.index
        return _Edit(end, end, f", {line}")
    broken = "\r\n" if "\r\n" in text else "\n"
    margin = " " * name.start_mark.column
    if value.style in ("|", ">"):
        start = name.start_mark.index
        return _Edit(start, start, f"{line}{broken}{margin}")
    end = text.find("\n", value.end_mark.index)
    end = len(text) if end < 0 else end - text[:end].endswith("\r")
    return _Edit(end, end, f"{broken}{margin}{line}")

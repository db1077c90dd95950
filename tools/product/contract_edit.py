"""Descriptions and terms put into a contract's file: all else stays as its owner wrote it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from tools.plain_text import plain
from tools.product.contract import Where, load_contract
from tools.product.contract_inference import INFERRED
from tools.product.contract_objects import column_name, table_name
from tools.product.errors import ContractInvalid
from tools.product.glossary import glossary, glossary_edit, with_terms
from tools.product.yaml_edit import (
    Edit,
    edited,
    line_break,
    line_end,
    pair,
    quoted,
    refused,
    value_end,
)
from tools.product.yaml_file import parse_yaml, write_text

NONE: Mapping[str, str] = MappingProxyType({})
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

    @property
    def place(self) -> int:
        """Which object of the contract it is in."""
        return int(self.where[1])


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


class Written(NamedTuple):
    """How much was put into a contract."""

    descriptions: int
    terms: int


def describe(
    path: Path,
    texts: Mapping[Key, str],
    terms: Mapping[str, str] = NONE,
    announce: Callable[[Written], None] = lambda written: None,
) -> Written:
    """Write descriptions and terms of the glossary into a contract, in one step.

    Comments and layout stay, and so does what somebody wrote meanwhile. Raises `ContractInvalid`
    where that cannot be done without touching anything else. `announce` is told right before the
    file is replaced.
    """
    contract = load_contract(path)
    wanted = {b.where: texts[b.key] for b in blanks(contract) if b.key in texts}
    known = glossary(contract)
    harmless = {plain(term): plain(words) for term, words in terms.items()}
    new = {term: words for term, words in harmless.items() if term.lower() not in known}
    written = path.read_bytes().decode("utf-8")
    mark = _BOM if written.startswith(_BOM) else ""
    text = mark + described(written.removeprefix(_BOM), path, wanted, new)
    count = Written(len(wanted), len(new))
    announce(count)
    write_text(path, text)
    return count


def described(
    text: str, path: Path, texts: Mapping[Where, str], terms: Mapping[str, str] = NONE
) -> str:
    """Return a contract's text with descriptions and terms, and with nothing else changed."""
    said = {where: plain(words) for where, words in texts.items()}
    file = parse_yaml(text, path, ContractInvalid)
    edits = [_edit(text, _node(file.root, where), words) for where, words in said.items()]
    if terms:
        edits.append(glossary_edit(file, text, terms))
    after = edited(text, edits)
    if parse_yaml(after, path, ContractInvalid).data != _expected(file.data, said, terms):
        raise refused(path)
    return after


def _expected(
    data: dict[str, Any], texts: Mapping[Where, str], terms: Mapping[str, str]
) -> dict[str, Any]:
    wanted = copy.deepcopy(data)
    for where, words in texts.items():
        part: Any = wanted
        for step in where:
            part = part[step]
        part["description"] = words
    if terms:
        with_terms(wanted, terms)
    return wanted


def _node(root: yaml.Node, where: Where) -> yaml.MappingNode:
    node: Any = root
    for step in where:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == step)
        else:
            node = node.value[step]
    assert isinstance(node, yaml.MappingNode)
    return node


def _edit(text: str, node: yaml.MappingNode, words: str) -> Edit:
    """Return what to write where: a new line after the name, or another value of the key."""
    line = f"description: {quoted(words)}"
    there = pair(node, "description")
    if there is not None:
        return Edit(there.key.start_mark.index, value_end(text, there.value), line)
    named = pair(node, "name")
    assert named is not None
    name, value = named
    if node.flow_style:
        end = value.end_mark.index
        return Edit(end, end, f", {line}")
    broken, margin = line_break(text), " " * name.start_mark.column
    if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
        start = name.start_mark.index
        return Edit(start, start, f"{line}{broken}{margin}")
    end = line_end(text, value)
    return Edit(end, end, f"{broken}{margin}{line}")

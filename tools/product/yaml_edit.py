"""Places in a YAML text at which something can be put in, so that all else stays as it is.

Whoever edits parses the result and compares: what a layout does to an edit is seen there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools.product.errors import ContractInvalid

Item = Mapping[str, Any]
"""An item of a list: texts, and lists of such items."""


class Edit(NamedTuple):
    """What stands in place of a stretch of the text."""

    start: int
    end: int
    text: str


class Pair(NamedTuple):
    """A name and its value."""

    key: yaml.Node
    value: yaml.Node


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with edits, which do not overlap; at the same place they keep their order."""
    for edit in reversed(sorted(edits, key=lambda edit: edit.start)):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def refused(path: Path) -> ContractInvalid:
    """Return the error of a file that cannot be edited safely."""
    return ContractInvalid(
        f"{path} is laid out in a way that nothing can be put into safely.",
        hint="Nothing was changed; write it by hand.",
    )


def quoted(words: str) -> str:
    """Return a text as YAML has it in double quotes."""
    return json.dumps(words, ensure_ascii=False)


def pair(node: yaml.MappingNode, name: str) -> Pair | None:
    """Return a name of a mapping with its value, if it is there."""
    return next((Pair(key, value) for key, value in node.value if key.value == name), None)


def line_break(text: str) -> str:
    """Return how lines end in a text."""
    return "\r\n" if "\r\n" in text else "\n"


def value_end(text: str, node: yaml.Node) -> int:
    """Return where a value ends; a block of lines ends behind its last line break."""
    end: int = node.end_mark.index
    return end - (len(text[:end]) - len(text[:end].rstrip("\r\n")))


def line_end(text: str, node: yaml.Node) -> int:
    """Return where the line ends that a value ends on, behind a comment."""
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return value_end(text, node)
    end = text.find("\n", node.end_mark.index)
    return len(text) if end < 0 else end - text[:end].endswith("\r")


def added(text: str, node: yaml.MappingNode, name: str, items: Sequence[Item]) -> Edit:
    """Return a new last pair of a mapping, whose value is a list."""
    last = _last(node)
    if node.flow_style:
        return Edit(last.end_mark.index, last.end_mark.index, f", {quoted(name)}: {_flow(items)}")
    at, margin = line_end(text, last), node.start_mark.column
    return Edit(at, at, _block(text, [f"{name}:", *_lines(items)], margin))


def appended(text: str, node: yaml.SequenceNode, items: Sequence[Item]) -> Edit:
    """Return more items of a list."""
    if not node.value:
        return Edit(node.start_mark.index, node.end_mark.index, _flow(items))
    if node.flow_style:
        at = node.value[-1].end_mark.index
        return Edit(at, at, f", {_flow(items)[1:-1]}")
    at = line_end(text, _last(node))
    return Edit(at, at, _block(text, [*_lines(items)], node.start_mark.column))


def filled(text: str, held: Pair, items: Sequence[Item], path: Path) -> Edit:
    """Return a list in place of a value that is missing; raises `ContractInvalid` for another."""
    if held.value.tag != "tag:yaml.org,2002:null":
        raise refused(path)
    return Edit(
        held.key.start_mark.index, value_end(text, held.value),
        f"{quoted(held.key.value)}: {_flow(items)}",
    )  # fmt: skip


def _last(node: yaml.Node) -> yaml.Node:
    """Return what is written last of a node: itself, or the last value inside it."""
    if isinstance(node, yaml.ScalarNode) or not node.value:
        return node
    last: Any = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    within = not isinstance(last, yaml.ScalarNode) and not last.flow_style
    return _last(last) if within else last


def _flow(items: Sequence[Item]) -> str:
    return json.dumps(items, ensure_ascii=False)


def _lines(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        for number, (name, value) in enumerate(item.items()):
            lead = "  " if number else "- "
            if isinstance(value, str):
                yield f"{lead}{name}: {quoted(value)}"
            else:
                yield f"{lead}{name}:"
                yield from (f"  {line}" for line in _lines(value))


def _block(text: str, lines: Sequence[str], margin: int) -> str:
    return "".join(f"{line_break(text)}{' ' * margin}{line}" for line in lines)

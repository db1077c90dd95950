"""Read YAML with faults named by line; write files whole, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.drafts import draft_beside
from tools.failpoints import crash_point
from tools.product.errors import DiskFull, ProductError

MAX_BYTES = 16 * 2**20
_LOOSE_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "bool")}


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's reading of plain values: dates, 007 and NO stay text, as their writer saw them."""

    yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] not in _LOOSE_TAGS]
        for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0|[1-9][0-9]*|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class _Dumper(yaml.SafeDumper):
    """Writes text that YAML would fold or lose in double quotes, escaped."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Choose the quoting of one text; the library's choice loses NEL and line separators."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value out wherever it stands: aliases are not read back."""
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


@dataclass(frozen=True)
class YamlFile:
    """A YAML mapping and where in the file each part of it stands."""

    path: Path
    data: dict[str, Any]
    root: yaml.MappingNode

    def line(self, where: Sequence[str | int]) -> int:
        """Return the line of a part, or of the nearest part around it that exists."""
        node: yaml.Node = self.root
        line: int = node.start_mark.line
        for step in where:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1

    def name(self, where: Sequence[str | int]) -> str:
        """Return a part's path for people: list items by their `name` where they have one."""
        value: Any = self.data
        parts: list[str] = []
        for step in where:
            value = _step(value, step)
            named = value.get("name") if isinstance(value, dict) else None
            parts.append(str(named) if isinstance(step, int) and named else str(step))
        return ".".join(parts)


def _step(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line, item
    return None


def read_text(path: Path, error: type[ProductError]) -> str:
    """Return a text file's contents; raises `error` where that cannot be."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error(f"{path} is larger than {MAX_BYTES:,} bytes.", hint="Is it the right file?")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"There is no file {path}.", hint="Check the path.") from None
    except UnicodeDecodeError as exc:
        raise error(f"{path} is not UTF-8 text: byte {exc.start}.") from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise error(f"{path} cannot be read: {reason}.") from exc


def parse_yaml(text: str, path: Path, error: type[ProductError]) -> YamlFile:
    """Parse one YAML mapping; raises `error` with path and line."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise error(f"{path} is not a YAML mapping of names to values.")
        for line, fault in _faults(root):
            raise error(f"{path}:{line + 1}: {fault}.")
        return YamlFile(path, loader.construct_document(root), root)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise error(f"{where}: not YAML: {exc.problem or exc.context}.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise error(f"{path} is not YAML: {reason}.") from exc


def _faults(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield what YAML allows but would hide a mistake or explode: repeated keys, aliases."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            yield node.start_mark.line, "YAML anchors and aliases are not read; write it out"
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    yield key.start_mark.line, "a name must be plain text"
                elif key.value in keys:
                    yield key.start_mark.line, f"{key.value!r} stands here a second time"
                keys.add(str(key.value))
                todo.append(value)


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Return a mapping as YAML that `parse_yaml` reads back unchanged."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: after a crash it holds the old text or the new, whole."""
    path = path.resolve()
    beside = draft_beside(path)
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        crash_point("write_text.before_rename")
        beside.replace(path)
        _sync_directory(path.parent)
    except OSError as exc:
        with suppress(OSError):
            beside.unlink()
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"No space left to write {path}.", hint="Free some and retry.") from exc
        raise ProductError(f"{path} cannot be written: {exc.strerror}.") from exc


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

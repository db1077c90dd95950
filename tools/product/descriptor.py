"""The product descriptor: an ODPS document (Bitol Open Data Product Standard v1.0.0)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError, field_validator

from tools.messages import Message
from tools.product.errors import ProductError
from tools.product.yaml_file import YamlFile, dump_yaml, parse_yaml, read_text, write_text

API_VERSION = "v1.0.0"
API_VERSIONS = ("v0.9.0", API_VERSION)
KIND = "DataProduct"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
OWN = ("database", "contract", "queries", "home")
INIT = "`pillion init` writes one."


class DescriptorInvalid(ProductError):
    """The product's descriptor is not readable ODPS, or lacks what Pillion needs."""

    code: ClassVar[str] = "descriptor_invalid"


class OutputPort(Message):
    """A promise of the product: what it offers, under which contract."""

    name: str
    version: str = "1.0.0"
    description: str | None = None
    type: str | None = "tables"
    contractId: str | None = None


class Descriptor(Message):
    """What Pillion knows of a product: its file, contract, workload sources and own directory."""

    name: str
    database: Path
    contract: Path
    queries: tuple[str, ...] = ()
    home: Path
    status: str = "active"
    ports: tuple[OutputPort, ...] = ()
    """Output ports; with none given, the database under its contract is the one."""
    rest: dict[str, Any] = Field(default_factory=dict)
    """The document's other fields (team, support, ...), written back as they were read."""

    @field_validator("name")
    @classmethod
    def _valid_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("use letters, digits, - and _, at most 63 of them")
        return name


def save_descriptor(descriptor: Descriptor, path: Path) -> None:
    """Write the document whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = _document(descriptor, path.parent.resolve())
    write_text(path, dump_yaml(document))


def load_descriptor(path: Path) -> Descriptor:
    """Read a document; raises DescriptorInvalid with file, line and field."""
    file = parse_yaml(read_text(path, DescriptorInvalid), path, DescriptorInvalid)
    _check_head(file)
    data = dict(file.data)
    own, other = _custom_properties(file)
    for key in OWN:
        if key not in own and key != "queries":
            raise _wrong(file, ("customProperties",), f"pillion.{key} is missing")
    ports = data.pop("outputPorts", None) or ()
    rest = {k: v for k, v in data.items() if k not in _WRITTEN}
    if other:
        rest["customProperties"] = other
    base = path.resolve().parent
    try:
        return Descriptor.model_validate(
            {
                "name": data.get("name"),
                "database": _absolute(base, own["database"]),
                "contract": _absolute(base, own["contract"]),
                "queries": tuple(str(_absolute(base, q)) for q in own.get("queries") or ()),
                "home": _absolute(base, own["home"]),
                "status": data["status"],
                "ports": ports,
                "rest": rest,
            }
        )
    except ValidationError as exc:
        first = exc.errors()[0]
        where = tuple("outputPorts" if p == "ports" else p for p in first["loc"])
        raise _wrong(file, where, first["msg"]) from exc


_WRITTEN = ("apiVersion", "kind", "id", "name", "status", "outputPorts", "customProperties")


def _check_head(file: YamlFile) -> None:
    kind, version = file.data.get("kind"), file.data.get("apiVersion")
    if kind != KIND:
        hint = "That is a data contract." if kind == "DataContract" else INIT
        raise _wrong(file, ("kind",), f"{kind!r} is not {KIND!r}", hint)
    if version not in API_VERSIONS:
        known = f"Pillion reads ODPS {', '.join(API_VERSIONS)}."
        raise _wrong(file, ("apiVersion",), f"{version!r} is unknown", known)
    for field in ("id", "status", "name"):
        if not isinstance(file.data.get(field), str):
            raise _wrong(file, (field,), "a text is required here")


def _custom_properties(file: YamlFile) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return Pillion's own properties by name without prefix, and everybody else's."""
    listed = file.data.get("customProperties") or []
    if not isinstance(listed, list):
        raise _wrong(file, ("customProperties",), "a list is required here")
    own: dict[str, Any] = {}
    other: list[dict[str, Any]] = []
    for at, item in enumerate(listed):
        where: tuple[str | int, ...] = ("customProperties", at)
        if not isinstance(item, dict) or not isinstance(item.get("property"), str):
            raise _wrong(file, where, "needs a `property` and a `value`")
        prefix, _, key = item["property"].partition(".")
        if prefix != "pillion":
            other.append(item)
        elif key in OWN:
            own[key] = _checked(file, where, key, item.get("value"))
    return own, other


def _checked(file: YamlFile, where: tuple[str | int, ...], key: str, value: Any) -> Any:
    texts = value if key == "queries" else [value]
    if key == "queries" and value is None:
        return []
    if not isinstance(texts, list) or not all(isinstance(t, str) and t for t in texts):
        wanted = "a list of paths" if key == "queries" else "a path"
        raise _wrong(file, (*where, "value"), f"pillion.{key} must be {wanted}")
    return value


def _wrong(
    file: YamlFile, where: tuple[str | int, ...], problem: str, hint: str = INIT
) -> DescriptorInvalid:
    text = f"{file.path}:{file.line(where)}: {file.name(where)}: {problem}."
    return DescriptorInvalid(f"Not a usable product descriptor: {text}", hint=hint)


def _absolute(base: Path, text: str) -> Path:
    return base / text


def _relative(base: Path, path: Path) -> str:
    """Return a path as written: relative inside the descriptor's folder, so that it can move."""
    absolute = Path(path).absolute()
    return str(absolute.relative_to(base)) if absolute.is_relative_to(base) else str(absolute)


def _document(descriptor: Descriptor, base: Path) -> dict[str, Any]:
    own = [
        {"property": "pillion.database", "value": _relative(base, descriptor.database)},
        {"property": "pillion.contract", "value": _relative(base, descriptor.contract)},
        {
            "property": "pillion.queries",
            "value": [_relative(base, Path(q)) for q in descriptor.queries],
        },
        {"property": "pillion.home", "value": _relative(base, descriptor.home)},
    ]
    rest = dict(descriptor.rest)
    other = rest.pop("customProperties", [])
    ports = descriptor.ports or (
        OutputPort(name=descriptor.name, contractId=f"urn:pillion:contract:{descriptor.name}"),
    )
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "id": f"urn:pillion:product:{descriptor.name}",
        "name": descriptor.name,
        "status": descriptor.status,
        **rest,
        "outputPorts": [p.model_dump(exclude_none=True) for p in ports],
        "customProperties": [*own, *other],
    }

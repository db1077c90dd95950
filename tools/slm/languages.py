"""Language models on disk: which there are, that their files are what they were, which is used."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tools.messages import Message
from tools.slm.errors import BadModel, ModelError
from tools.slm.steps import write_whole

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TAKEN = re.compile(r"[ja][0-9a-f]{12}")
"""What judges and adapters are called; a model may not be."""
MANIFEST, USED, PACKED = "manifest.json", "used.json", "packed.gguf"
NEEDED = ("config.json", "tokenizer.json")
ALLOWED = re.compile(r"(.*\.(json|safetensors|txt|md|jinja)|LICENSE.*|NOTICE.*|\.gitattributes)")
"""What a model directory may hold: nothing that can run (no Python, no pickle)."""
RUNS_CODE = ("model_file", "auto_map", "custom_pipelines")
"""Keys of a config by which a library would import code of the directory."""
LARGEST = 4_000_000_000
LARGEST_HEADER = 50_000_000


class Kept(Message):
    """One file of a model."""

    bytes: int
    sha256: str


class Manifest(Message):
    """Where a model's files lie and what they were when they were checked."""

    name: str
    place: str
    source: str
    files: Mapping[str, Kept]
    packed: Kept | None = None
    """What llama.cpp reads instead of the weights, where it can serve this model."""

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(f.bytes for f in self.files.values())


class Used(Message):
    """Which model is used; None is rules and templates."""

    name: str | None


class Listed(NamedTuple):
    """A model that is known; `manifest` is missing where it cannot be read."""

    name: str
    manifest: Manifest | None


class Languages:
    """The language models of a home directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place_of(self, name: str) -> Path:
        """Return where a converted model of that name lies; raises `ModelError` for a bad name."""
        if not NAME.fullmatch(name) or TAKEN.fullmatch(name):
            raise ModelError(
                f"{name!r} cannot name a model; choose lower-case letters, digits, '.', - and _."
            )
        return self._folder / name / "model"

    def packed_of(self, name: str) -> Path:
        """Return where what llama.cpp reads of a model lies, if it does."""
        return self.place_of(name).parent / PACKED

    def add(
        self,
        name: str,
        directory: Path,
        source: str,
        pack: Callable[[Path, Path], object] | None = None,
    ) -> Manifest:
        """Keep a directory as a model after checking all of it; raises `BadModel`.

        `pack` writes what llama.cpp reads; where it cannot, the model is kept without.
        """
        known, packed = self.place_of(name).parent, self.packed_of(name)
        files = check_directory(directory)
        packed.unlink(missing_ok=True)
        if pack is not None:
            known.mkdir(parents=True, exist_ok=True)
            with suppress(BadModel):
                pack(directory, packed)
        manifest = Manifest(
            name=name,
            place=str(directory.resolve()),
            source=source,
            files=files,
            packed=_kept(packed) if packed.exists() else None,
        )
        write_whole(known / MANIFEST, manifest.model_dump_json(indent=1))
        return manifest

    def all(self) -> list[Listed]:
        """Return the models by name."""
        found = sorted(p.parent.name for p in self._folder.glob(f"*/{MANIFEST}"))
        return [Listed(name, self._read(name)) for name in found]

    def _read(self, name: str) -> Manifest | None:
        try:
            return Manifest.model_validate_json((self._folder / name / MANIFEST).read_bytes())
        except (OSError, ValidationError):
            return None

    def manifest(self, name: str) -> Manifest:
        """Return what is known of a model; raises `ModelError` for an unknown one."""
        known = {m.name: m.manifest for m in self.all()}
        if name not in known:
            have = ", ".join(known) or "none yet; `pillion model fetch` gets one"
            raise ModelError(f"There is no model {name!r}. Known models: {have}.")
        found = known[name]
        if found is None:
            raise BadModel(f"The manifest of {name} cannot be read; convert or fetch it again.")
        return found

    def checked(self, name: str) -> Path:
        """Return a model's directory when every file is what it was; raises `BadModel`."""
        manifest = self.manifest(name)
        place = Path(manifest.place)
        for file, kept in manifest.files.items():
            path = place / file
            if not path.is_file():
                raise BadModel(f"{path} is missing; convert or fetch {name} again.")
            if _kept(path) != kept:
                raise BadModel(f"{path} is not what it was; convert or fetch {name} again.")
        packed = self.packed_of(name)
        if manifest.packed is not None and (
            not packed.is_file() or _kept(packed) != manifest.packed
        ):
            raise BadModel(f"{packed} is not what it was; convert or fetch {name} again.")
        new = sorted(set(_names(place)) - manifest.files.keys())
        if new:
            raise BadModel(f"{place / new[0]} was not there before; convert {name} again.")
        return place

    def used(self) -> str | None:
        """Return the name of the model in use; raises `BadModel` when that cannot be read."""
        path = self._folder / USED
        try:
            return Used.model_validate_json(path.read_bytes()).name
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as exc:
            raise BadModel(f"{path} cannot be read; `pillion model use` writes it anew.") from exc

    def use(self, name: str) -> None:
        """Use a model from now on, after checking it."""
        self.checked(name)
        write_whole(self._folder / USED, Used(name=name).model_dump_json())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def check_directory(directory: Path) -> dict[str, Kept]:
    """Return the files of an mlx-lm model directory; raises `BadModel` for anything else.

    Nothing in it may be able to run: no pickle, no Python, no config that names code.
    """
    if not directory.is_dir():
        raise BadModel(f"There is no directory {directory}; check the path.")
    names = _names(directory)
    strange = [n for n in names if not ALLOWED.fullmatch(n) or not (directory / n).is_file()]
    if strange:
        raise BadModel(
            f"{directory / strange[0]} does not belong into a model directory: only JSON,"
            " safetensors and text may lie there, never pickles or code."
        )
    missing = [n for n in NEEDED if n not in names]
    weights = [n for n in names if n.endswith(".safetensors")]
    if missing or not weights:
        lacks = missing[0] if missing else "*.safetensors"
        raise BadModel(f"{directory} is no mlx-lm model directory: {lacks} is missing.")
    if sum((directory / n).stat().st_size for n in names) > LARGEST:
        raise BadModel(f"{directory} is larger than {LARGEST} bytes; take a smaller model.")
    for name in names:
        if name.endswith(".json"):
            _check_json(directory / name)
    for name in weights:
        check_safetensors(directory / name)
    return {n: _kept(directory / n) for n in names}


def _kept(path: Path) -> Kept:
    return Kept(bytes=path.stat().st_size, sha256=digest(path))


def _check_json(path: Path) -> None:
    try:
        found: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise BadModel(f"{path} is no JSON: it is cut off or damaged.") from exc
    code = [k for k in RUNS_CODE if isinstance(found, dict) and k in found]
    if code:
        raise BadModel(f"{path} names code to run ({code[0]}); such a model is never loaded.")


def check_safetensors(path: Path) -> None:
    """Raise `BadModel` unless the tensors that the header names end where the file ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(LARGEST_HEADER, size - 8):
            raise BadModel(f"{path} is no safetensors file, or it is cut off.")
        header = file.read(length)
    try:
        found = json.loads(header)
        ends = [t["data_offsets"][1] for name, t in found.items() if name != "__metadata__"]
        whole = bool(ends) and max(ends) == size - 8 - length
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as exc:
        raise BadModel(f"{path} has a header that cannot be read.") from exc
    if not whole:
        raise BadModel(f"{path} is cut off: its tensors end elsewhere than the file.")

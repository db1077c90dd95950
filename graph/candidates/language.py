"""Language models as candidates: as they were, after examples, and tuned."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graph.candidates.ground import Ground, Metrics
from graph.language import files_of
from graph.learning import languages_of
from graph.tuning import adapters_of
from tools.lazy import lazy
from tools.slm import engines
from tools.slm.criteria.deployment import deployment_of
from tools.slm.criteria.probe import Asked
from tools.slm.criteria.results import NO_TEXT, Candidate, Injection, Point
from tools.slm.errors import ModelError
from tools.slm.languages import Manifest
from tools.slm.tuning.adapters import About, base_hash
from tools.slm.tuning.comparison import SHOWN, TUNED, UNTUNED

if TYPE_CHECKING:
    from tools.slm.criteria import injection
    from tools.slm.tuning import bench, prompts
else:
    # They load MLX, without which there is a report, too.
    bench, injection = lazy("tools.slm.tuning.bench"), lazy("tools.slm.criteria.injection")
    prompts = lazy("tools.slm.tuning.prompts")

NEEDED = ("mlx", "mlx_lm", "tokenizers")


def languages(ground: Ground) -> Iterator[Candidate]:
    """Yield every model that is known, each with its adapters; what is wrong with one is said."""
    for listed in languages_of(ground.settings).all():
        try:
            candidates = list(_language(ground, listed.name))
        except ModelError as exc:
            candidates = [_missing(listed.name, 0, str(exc))]
        yield from candidates


def _language(ground: Ground, name: str) -> Iterator[Candidate]:
    models = languages_of(ground.settings)
    place, manifest = models.checked(name), models.manifest(name)
    absent = [m for m in NEEDED if importlib.util.find_spec(m) is None]
    if absent:
        raise ModelError(f"{absent[0]} is not installed: install pillion[model].")
    yield from _untuned(ground, place, manifest)
    fitting = {version.id for version, _ in ground.adapters()}
    for version in adapters_of(ground.settings).versions():
        if version.about is None or version.about.base != name:
            continue
        called = f"{name}, {TUNED} {version.id}"
        try:
            if version.id not in fitting:
                raise ModelError("tuned on other answers; `pillion model train --tune` tunes anew")
            yield _tuned(ground, place, manifest, version.id, version.about)
        except ModelError as exc:
            yield _missing(called, manifest.bytes, str(exc))


def _missing(name: str, disk: int, why: str) -> Candidate:
    return Candidate(
        name=name, form="language", about="", disk=disk, deployment=deployment_of("language"),
        injection=NO_TEXT, missing=why,
    )  # fmt: skip


def _untuned(ground: Ground, place: Path, manifest: Manifest) -> Iterator[Candidate]:
    name = manifest.name
    files = files_of(languages_of(ground.settings), name)
    asked = Asked(form="language", path=str(place), packed=str(files.packed or ""))
    serving = engines.choose("auto", files).name
    with bench.lent(place) as engine:
        hostile = injection.injected(engine, ground.steps, f"injections, {name}")
        plain, shown = _read(ground, manifest, engine)
    first = Candidate(
        name=f"{name}, {UNTUNED}", form="language",
        about=f"facts in words, as it was; by {engines.TITLES[serving]}",
        disk=manifest.bytes, cost=ground.cost(asked, name),
        quality=plain, curve=(Point(answers=0, metrics=plain),) if plain else (),
        deployment=deployment_of("language", serving), injection=hostile,
    )  # fmt: skip
    yield first
    if shown:
        about = "facts in words, after 6 answered ones"
        told = {"name": f"{name}, {SHOWN}", "about": about, "quality": shown}
        # Its prompt is longer, but what stands before the question is computed once.
        yield first.model_copy(update=told | {"curve": (Point(answers=6, metrics=shown),)})


def _read(ground: Ground, manifest: Manifest, engine: bench.Lent) -> tuple[Metrics, Metrics]:
    """Return how good a model is without and with examples; as its tuning found, where it did."""
    known = [a.comparison for _, a in ground.adapters() if a.base_hash == base_hash(manifest)]
    if known:
        return dict(known[-1].metrics[UNTUNED]), dict(known[-1].metrics[SHOWN])
    if ground.parts is None:
        return {}, {}
    plain, shown = (
        bench.said(engine, ground.parts, ground.steps, f"{manifest.name}, {len(s)} examples", s)
        for s in ([], prompts.shots_of(ground.parts.known))
    )
    return ground.quality(plain.probabilities), ground.quality(shown.probabilities)


def _tuned(
    ground: Ground, place: Path, manifest: Manifest, adapter_id: str, about: About
) -> Candidate:
    name = f"{manifest.name}, {TUNED} {adapter_id}"
    adapter = adapters_of(ground.settings).checked(adapter_id, manifest)
    with bench.lent(place, adapter) as engine:
        hostile: Injection = injection.injected(
            engine, ground.steps, f"injections, {name}", about.slope, about.offset
        )
    quality = dict(about.comparison.metrics[TUNED])
    fewer = [Point(answers=int(n), metrics=c.metrics[TUNED]) for n, c in about.curve.items()]
    asked = Asked(form="language", path=str(place), adapter=str(adapter))
    return Candidate(
        name=name, form="language", about=f"LoRA, {about.learned_from} answers; by MLX",
        disk=manifest.bytes + sum(p.stat().st_size for p in adapter.iterdir()),
        cost=ground.cost(asked, name), quality=quality,
        curve=(*fewer, Point(answers=about.learned_from, metrics=quality)),
        deployment=deployment_of("language"), injection=hostile,
    )  # fmt: skip

"""Adapters on disk: each under the hash of its content, tied to the model it was tuned over."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import AwareDatetime, ValidationError

from tools.messages import Message
from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import Manifest, check_safetensors
from tools.slm.steps import write_whole
from tools.slm.tuning.comparison import Comparison
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Pace, Shape

ID = re.compile(r"a[0-9a-f]{12}")
LARGEST = 200_000_000
"""Bytes of an adapter; one of the usual shape has a fiftieth of it."""
ABOUT, CARD = "about.json", "card.md"


class About(Message):
    """What is kept beside an adapter: over which model, from what, how, and how good it is."""

    made_at: AwareDatetime
    base: str
    """Name of the model."""
    base_hash: str
    """Of all its files."""
    dataset: str
    learned_from: int
    shape: Shape
    pace: Pace
    steps: int
    best_step: int
    ended: str
    losses: tuple[tuple[int, float], ...]
    seconds: float
    slope: float
    offset: float
    """Calibration: P(approve) is the logistic of slope * (logit of yes - logit of no) + offset."""
    comparison: Comparison
    curve: Mapping[str, Comparison] = {}
    """The same tuned on fewer answers, by how many."""
    rounds: Comparison | None = None
    """The same in rounds that held out every product once."""


class Version(NamedTuple):
    """An adapter that is kept; `about` is missing where it cannot be read."""

    id: str
    path: Path
    about: About | None


class Adapters:
    """The adapters of a home directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, weights: Path, about: About, card: str) -> str:
        """Take over a file of matrices and return its id; what is there as a whole is kept."""
        config = json.dumps(about.shape.config(), sort_keys=True)
        adapter_id = id_of(weights.read_bytes(), config, about.base_hash)
        place = self._folder / adapter_id
        place.mkdir(parents=True, exist_ok=True)
        os.replace(weights, place / WEIGHTS)
        write_whole(place / CONFIG, config)
        write_whole(place / CARD, card)
        # Written last: an adapter without it is not there.
        write_whole(place / ABOUT, about.model_dump_json())
        return adapter_id

    def versions(self) -> list[Version]:
        """Return the adapters, oldest first."""
        found = [p for p in self._folder.glob("a*") if ID.fullmatch(p.name) and p.is_dir()]
        kept = [Version(p.name, p, _about(p)) for p in found if (p / ABOUT).exists()]
        return sorted(kept, key=lambda v: (v.about.made_at.isoformat() if v.about else "", v.id))

    def version(self, adapter_id: str) -> Version:
        """Return one adapter; raises `ModelError` for an unknown one."""
        known = {v.id: v for v in self.versions()}
        if adapter_id not in known:
            have = ", ".join(known) or "none yet; `pillion model train --tune` makes one"
            raise ModelError(f"There is no adapter {adapter_id!r}. Known adapters: {have}.")
        return known[adapter_id]

    def about(self, adapter_id: str) -> About:
        """Return what is known of an adapter; raises `BadModel` when that is damaged."""
        found = self.version(adapter_id).about
        if found is None:
            raise BadModel(f"What was known of {adapter_id} is damaged; tune again.")
        return found

    def card(self, adapter_id: str) -> str:
        """Return an adapter's card (Markdown)."""
        return (self.version(adapter_id).path / CARD).read_text(encoding="utf-8")

    def checked(self, adapter_id: str, base: Manifest | None = None) -> Path:
        """Return an adapter's directory when its files are what they were.

        Raises `BadModel`, also where `base` is not the model it was tuned over.
        """
        place, about = self.version(adapter_id).path, self.about(adapter_id)
        again = "tune again with `pillion model train --tune`"
        strange = sorted({p.name for p in place.iterdir()} - {WEIGHTS, CONFIG, ABOUT, CARD})
        if strange:
            raise BadModel(f"{place / strange[0]} does not belong to an adapter; {again}.")
        try:
            if (place / WEIGHTS).stat().st_size > LARGEST:
                raise BadModel(f"{place / WEIGHTS} is larger than any adapter; {again}.")
            check_safetensors(place / WEIGHTS)
            config = (place / CONFIG).read_text(encoding="utf-8")
            found = id_of((place / WEIGHTS).read_bytes(), config, about.base_hash)
        except (OSError, UnicodeDecodeError) as exc:
            raise BadModel(f"{place} cannot be read ({exc}); {again}.") from exc
        if found != adapter_id:
            raise BadModel(f"{place} does not hold what was made as {adapter_id}; {again}.")
        if base is not None and base_hash(base) != about.base_hash:
            raise BadModel(
                f"{adapter_id} was tuned over {about.base} as it was then, not over {base.name} as"
                f" it is now; {again} over this one."
            )
        return place


def _about(place: Path) -> About | None:
    try:
        return About.model_validate_json((place / ABOUT).read_bytes())
    except (OSError, ValidationError):
        return None


def id_of(weights: bytes, config: str, base: str) -> str:
    """Return the id of an adapter: the hash of its matrices, their shape and the model."""
    told = hashlib.sha256(f"{base}\n{config}\n".encode())
    told.update(weights)
    return "a" + told.hexdigest()[:12]


def base_hash(manifest: Manifest) -> str:
    """Return the hash of all of a model's files."""
    told = sorted((name, kept.sha256) for name, kept in manifest.files.items())
    return hashlib.sha256(repr(told).encode()).hexdigest()

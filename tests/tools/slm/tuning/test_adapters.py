"""Adapters on disk: kept whole under their hash, refused when damaged or over another model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest

from tests.answers import make_examples
from tests.factories import NOW
from tests.models import ANSWERS, make_gguf, make_weights
from tools.slm.conversion import convert
from tools.slm.engine import Prompt
from tools.slm.errors import BadModel, ModelError
from tools.slm.languages import Languages, Manifest
from tools.slm.mlx_engine import MlxEngine
from tools.slm.tuning.adapters import ABOUT, CONFIG, WEIGHTS, About, Adapters, base_hash
from tools.slm.tuning.comparison import compare
from tools.slm.tuning.layers import add_lora, trained_of
from tools.slm.tuning.shape import Pace, Shape

pytestmark = pytest.mark.xdist_group("mlx")
SHAPE = Shape(layers=1, rank=2)
CHOICES = (" yes", " no")


def make_about(base: Manifest, shape: Shape = SHAPE) -> About:
    examples = make_examples(30)
    found = compare(examples, {"tuned": [0.5] * 30, "judge": [0.6] * 30}, "judge")
    return About(
        made_at=NOW, base=base.name, base_hash=base_hash(base), dataset="d", learned_from=9,
        shape=shape, pace=Pace(), steps=8, best_step=4, ended="epochs", losses=((0, 0.7),),
        seconds=1.0, slope=1.0, offset=0.0, comparison=found,
    )  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Languages:
    folder = tmp_path_factory.mktemp("models")
    store = Languages(folder / "language")
    for name, seed in (("one", 5), ("other", 6)):
        weights = make_weights(seed, ANSWERS)
        made = make_gguf(folder / f"{name}.gguf", weights=weights, merges=ANSWERS)
        convert(made, store.place_of(name))
        store.add(name, store.place_of(name), "test")
    return store


@pytest.fixture
def weights(models: Languages, tmp_path: Path) -> Path:
    """Return an adapter's matrices, none of them zero."""
    model = MlxEngine(models.checked("one")).model
    mx.random.seed(3)
    add_lora(model, SHAPE)
    path = tmp_path / "made.safetensors"
    drawn = {n: mx.random.normal(w.shape) for n, w in trained_of(model).items()}
    mx.save_safetensors(str(path), drawn)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Adapters:
    return Adapters(tmp_path / "adapters")


@pytest.fixture
def kept(store: Adapters, models: Languages, weights: Path) -> str:
    return store.add(weights, make_about(models.manifest("one")), "# Card")


def test_what_is_kept_changes_what_the_model_says_and_only_with_it(
    store: Adapters, kept: str, models: Languages
) -> None:
    place = models.checked("one")
    adapter = store.checked(kept, models.manifest("one"))
    prompt = Prompt("the then", "in", "on")
    plain, tuned = MlxEngine(place), MlxEngine(place, adapter)
    assert tuned.score(prompt, CHOICES, lambda: False) != pytest.approx(
        plain.score(prompt, CHOICES, lambda: False), abs=1e-4
    )
    assert store.card(kept) == "# Card" and [v.id for v in store.versions()] == [kept]


def test_another_model_is_refused(store: Adapters, kept: str, models: Languages) -> None:
    with pytest.raises(BadModel, match="was tuned over one as it was then, not over other"):
        store.checked(kept, models.manifest("other"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def turned(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(bytes(body))


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        (WEIGHTS, cut, "cut off"),
        (WEIGHTS, turned, "does not hold what was made"),
        (WEIGHTS, lambda p: p.write_bytes(b"\x80\x04cos\nsystem\n"), "no safetensors"),
        (WEIGHTS, lambda p: p.unlink(), "cannot be read"),
        (CONFIG, lambda p: p.write_text("{}"), "does not hold what was made"),
        (ABOUT, lambda p: p.write_text("{"), "is damaged"),
        ("evil.pkl", lambda p: p.write_bytes(b"x"), "does not belong"),
    ],
)
def test_what_is_damaged_is_refused(
    file: str, damage: Callable[[Path], None], said: str, store: Adapters, kept: str
) -> None:
    damage(store.version(kept).path / file)
    with pytest.raises(BadModel, match=said):
        store.checked(kept)


def test_matrices_of_another_shape_are_refused_by_the_engine(
    store: Adapters, kept: str, models: Languages, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(store.version(kept).path, tmp_path / "copy"))
    for told, said in ((Shape(layers=2, rank=2), "other shapes"), (None, "damaged")):
        (folder / CONFIG).write_text(json.dumps(told.config() if told else {"num_layers": 1}))
        with pytest.raises(BadModel, match=said):
            MlxEngine(models.checked("one"), folder)


def test_one_without_what_is_known_of_it_is_not_there(store: Adapters, kept: str) -> None:
    (store.version(kept).path / ABOUT).unlink()
    assert store.versions() == []
    with pytest.raises(ModelError, match="no adapter"):
        store.version(kept)

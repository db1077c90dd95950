"""LoRA on a model of two layers: it learns, goes on after a kill, and says why it ended."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.utils import load_model

from tests.models import make_gguf
from tools.slm.conversion import convert
from tools.slm.errors import BadModel, ModelError
from tools.slm.tuning import checkpoints, lora
from tools.slm.tuning.layers import Halves, Made, attach, padded
from tools.slm.tuning.lora import Answered, Fitted, Lesson, Progress, fit, save
from tools.slm.tuning.shape import CONFIG, WEIGHTS, Pace, Shape

pytestmark = pytest.mark.xdist_group("mlx")
SHAPE = Shape(layers=1, rank=4)
PACE = Pace(rate=0.003, epochs=4, look=4, keep=3, patience=50)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    return folder / "model"


def model_of(place: Path) -> Any:
    return load_model(place)[0]


def answered(count: int, seed: int = 1) -> Answered:
    """Return rows of other tokens where the answer is yes."""
    rng = np.random.default_rng(seed)
    yes = [bool(n % 2) for n in range(count)]
    rows = [rng.integers(50 + 20 * y, 70 + 20 * y, rng.integers(4, 9)).tolist() for y in yes]
    return Answered(rows, yes)


def lesson(path: Path, pace: Pace = PACE) -> Lesson:
    return Lesson(SHAPE, pace, (100, 101), answered(30), answered(12, 2), path)


def assert_alike(one: Fitted, other: Fitted) -> None:
    """Check that two trainings went the same way; sums may be rounded otherwise in between."""
    for name, kept in other.weights.items():
        assert np.allclose(one.weights[name], kept, atol=0.01), name
    losses = [[loss for _, loss in f.standing.losses] for f in (one, other)]
    assert losses[0] == pytest.approx(losses[1], abs=0.01)


def stop_at(step: int) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return told


def trained(place: Path, path: Path, **pace: Any) -> Fitted:
    return fit(model_of(place), lesson(path, PACE.model_copy(update=pace)))


@pytest.fixture(scope="module")
def whole(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return trained(place, tmp_path_factory.mktemp("whole") / "kept.safetensors")


def test_it_learns_what_it_did_not_see_and_says_so(whole: Fitted) -> None:
    losses = [loss for _, loss in whole.standing.losses]
    assert losses[0] > 2 * min(losses)
    assert whole.standing.ended == "epochs" and whole.standing.step == 4 * 8
    assert all(name.rsplit(".")[-1] in ("lora_a", "lora_b") for name in whole.weights)
    assert {name.split(".")[2] for name in whole.weights} == {"1"}, "only the upper layer"


@pytest.mark.parametrize("at", [1, 10])
def test_one_that_was_stopped_goes_on_and_ends_the_same(
    at: int, place: Path, whole: Fitted, tmp_path: Path
) -> None:
    path = tmp_path / "kept.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(model_of(place), lesson(path), stop_at(at))
    again = fit(model_of(place), lesson(path))
    assert again.resumed_at == at - at % PACE.keep
    assert_alike(again, whole)


def test_one_that_was_killed_while_it_wrote_goes_on_from_the_checkpoint_before(
    place: Path, whole: Fitted, tmp_path: Path
) -> None:
    path = tmp_path / "kept.safetensors"
    script = (
        "import sys; from pathlib import Path; from tests.tools.slm.tuning import test_lora as t;"
        "t.trained(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(place), str(path)],
        env={"PILLION_CRASH_AT": "slm.tuning.draft:3", "PATH": "/usr/bin"}, timeout=110,
    )  # fmt: skip
    assert done.returncode == -9
    kept = checkpoints.read(path)
    assert kept is not None and kept.standing.step == 6
    again = trained(place, path)
    assert again.resumed_at == 6
    assert_alike(again, whole)


def test_a_training_that_ended_is_not_done_again(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    first = trained(place, path, epochs=1)
    again = trained(place, path, epochs=1)
    assert again.resumed_at == first.standing.step and again.standing == first.standing


@pytest.mark.parametrize("damage", [b"", b"\x80\x04cos\nsystem\n", None])
def test_a_damaged_checkpoint_means_beginning_anew(
    damage: bytes | None, place: Path, tmp_path: Path
) -> None:
    path = tmp_path / "kept.safetensors"
    trained(place, path, epochs=1)
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    assert trained(place, path, epochs=1).resumed_at == 0


def test_it_ends_early_where_nothing_gets_better_and_keeps_the_best(
    place: Path, tmp_path: Path
) -> None:
    pace = PACE.model_copy(update={"patience": 2})
    given = lesson(tmp_path / "kept.safetensors", pace)
    otherwise = given.valid._replace(approved=[not y for y in given.valid.approved])
    found = fit(model_of(place), given._replace(valid=otherwise)).standing
    assert found.ended == "nothing better" and found.step < 32
    assert found.best_step == min(found.losses, key=lambda told: told[1])[0]


def test_one_that_diverges_ends_and_keeps_the_best(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    found = trained(place, path, rate=1e6)
    assert found.standing.ended == "diverged"
    assert all(mx.isfinite(w).all().item() for w in found.weights.values())
    assert trained(place, path, rate=1e6).standing == found.standing


def test_past_its_time_it_ends_with_what_it_has(place: Path, tmp_path: Path) -> None:
    found = fit(model_of(place), lesson(tmp_path / "k.safetensors"), deadline=time.monotonic())
    assert found.standing.ended == "time" and found.standing.step == 1 and found.weights


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[malloc] Unable to allocate 9")])
def test_too_little_memory_is_said_as_such(
    error: Exception, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise error

    monkeypatch.setattr(lora.checkpoints, "read", full)
    with pytest.raises(ModelError, match="not enough memory .* smaller --batch"):
        fit(model_of(place), lesson(tmp_path / "k.safetensors"))


def test_the_halves_say_what_the_model_says(place: Path) -> None:
    model = model_of(place)
    rows, lengths = padded([[5, 6, 7], [8, 9]])
    halves = Halves(model, 1)
    found = halves.logits(halves.lower(rows), lengths)
    for at, tokens in enumerate(([5, 6, 7], [8, 9])):
        assert mx.allclose(found[at], model(mx.array([tokens]))[0, -1], atol=1e-4)


def test_a_second_training_over_a_model_reuses_what_the_frozen_layers_made(
    place: Path, whole: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Made = {}
    asked = [[5, 6, 7], *answered(3).rows]
    first = fit(
        model_of(place), lesson(tmp_path / "1.safetensors")._replace(asked=asked), made=made
    )
    assert_alike(first, whole)
    monkeypatch.setattr(Halves, "check", lambda halves, tokens: None)
    monkeypatch.setattr(Halves, "lower", lambda halves, rows: pytest.fail("computed again"))
    again = fit(
        model_of(place), lesson(tmp_path / "2.safetensors")._replace(asked=asked), made=made
    )
    assert_alike(again, whole)
    assert again.odds == pytest.approx(first.odds, abs=0.05) and len(again.odds) == len(asked)


def test_the_adapter_as_it_is_kept_says_what_was_read_at_the_end(
    place: Path, tmp_path: Path
) -> None:
    asked = [[5, 6, 7, 9], [70, 71]]
    found = fit(model_of(place), lesson(tmp_path / "kept.safetensors")._replace(asked=asked))
    save(tmp_path / WEIGHTS, found.weights)
    (tmp_path / CONFIG).write_text(json.dumps(SHAPE.config()))
    model = model_of(place)
    attach(model, tmp_path)
    for tokens, odds in zip(asked, found.odds, strict=True):
        logits = model(mx.array([tokens]))[0, -1]
        assert (logits[100] - logits[101]).item() == pytest.approx(odds, abs=0.02)


def test_a_model_that_is_built_otherwise_is_refused() -> None:
    with pytest.raises(BadModel, match="family cannot be tuned"):
        Halves(object(), 1)

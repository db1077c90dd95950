"""All engines on a model of two layers: right numbers, whatever is cached, no hostile token."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from tests.models import HEADS, HEADS_KV, LAYERS, WIDTH, make_gguf, weights_with
from tools.slm.conversion import convert
from tools.slm.engine import Engine, Prompt, PromptTooLong, Stopped, TooFewTokens
from tools.slm.engines import Files, load
from tools.slm.errors import BadModel, ModelError
from tools.slm.packing import pack

pytestmark = pytest.mark.xdist_group("mlx")
CHOICES = ("a", "b", "c")
TOLERANCE = 0.01
"""Most by which a probability of one engine may differ from the other's."""


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("engines")
    convert(make_gguf(folder / "small.gguf"), folder / "model")
    pack(folder / "model", folder / "packed.gguf")
    return Files(folder / "model", folder / "packed.gguf")


@pytest.fixture(scope="module")
def place(files: Files) -> Path:
    return files.place


@pytest.fixture(scope="module", params=["onnx", "llama", "mlx"])
def name(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def engine(name: Any, files: Files) -> Engine:
    return load(name, files)


def by_hand(place: Path, tokens: list[int]) -> Any:
    """Compute the logits of the next token from the weights, as the paper says."""
    w = {n: a.astype(np.float64) for n, a in load_file(place / "model.safetensors").items()}
    head = WIDTH // HEADS
    turns = 10_000.0 ** (-np.arange(0, head, 2) / head) * np.arange(len(tokens))[:, None]
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[name]

    def rotate(x: Any) -> Any:
        one, two = x[..., : head // 2], x[..., head // 2 :]
        return np.concatenate([one * cos - two * sin, two * cos + one * sin], -1)

    x = w["model.embed_tokens.weight"][tokens]
    for n in range(LAYERS):
        of = f"model.layers.{n}."
        y = norm(x, of + "input_layernorm.weight")
        q, k, v = (
            (y @ w[f"{of}self_attn.{p}_proj.weight"].T).reshape(len(tokens), -1, head)
            for p in "qkv"
        )
        q, k = rotate(q), rotate(k)
        k, v = (np.repeat(a, HEADS // HEADS_KV, 1) for a in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(head)
        scores += np.triu(np.full((len(tokens),) * 2, -1e9), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        seen = np.einsum("hij,jhd->ihd", weights, v).reshape(len(tokens), -1)
        x = x + seen @ w[f"{of}self_attn.o_proj.weight"].T
        y = norm(x, of + "post_attention_layernorm.weight")
        gate = y @ w[f"{of}mlp.gate_proj.weight"].T
        up = y @ w[f"{of}mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{of}mlp.down_proj.weight"].T
    return norm(x, "model.norm.weight")[-1] @ w["model.embed_tokens.weight"].T


def test_a_converted_model_computes_what_its_weights_say(place: Path, engine: Engine) -> None:
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    parts = ("the ", "then", " on")
    logits = by_hand(place, [t for part in parts for t in tokenizer.encode(part).ids])
    chosen = np.array([logits[tokenizer.encode(c).ids[0]] for c in CHOICES])
    wanted = np.exp(chosen - chosen.max()) / np.exp(chosen - chosen.max()).sum()
    found = engine.score(Prompt(*parts), CHOICES, never)
    assert list(found.values()) == pytest.approx(wanted.tolist(), abs=2e-3)


def test_what_turns_positions_is_read_in_the_newer_form_too(
    name: Any, files: Files, tmp_path: Path
) -> None:
    config = json.loads((files.place / "config.json").read_text())
    del config["rope_theta"]

    def found(key: str, value: object) -> dict[str, float]:
        place = Path(shutil.copytree(files.place, tmp_path / key))
        (place / "config.json").write_text(json.dumps(config | {key: value}))
        if name == "llama":
            pack(place, place / "packed.gguf")
        engine = load(name, Files(place, place / "packed.gguf"))
        return dict(engine.score(Prompt("the ", "then and then", " on"), CHOICES, never))

    newer = found("rope_parameters", {"rope_theta": 500.0, "rope_type": "default"})
    assert newer == pytest.approx(found("rope_theta", 500.0), abs=1e-6)


def test_a_cached_prefix_changes_no_probability(name: Any, files: Files, engine: Engine) -> None:
    prompts = [Prompt("the same beginning ", text, "\nanswer: ") for text in ("one", "two", "one")]
    found = [engine.score(p, CHOICES, never) for p in prompts]
    whole = load(name, files).score(Prompt("".join(prompts[1])), CHOICES, never)
    assert found[0] == found[2] != found[1]
    assert found[1] == pytest.approx(whole, abs=1e-4)


def test_more_prefixes_than_are_kept_are_computed_anew(engine: Engine) -> None:
    first = engine.score(Prompt("0", "x"), CHOICES, never)
    for n in range(1, 7):
        engine.score(Prompt(str(n), "x"), CHOICES, never)
    assert engine.score(Prompt("0", "x"), CHOICES, never) == first


def test_data_that_spells_a_special_token_is_only_text(engine: Engine) -> None:
    hostile = "<|im_end|>"
    as_data = engine.score(Prompt("the ", hostile, "on"), CHOICES, never)
    as_token = engine.score(Prompt("the " + hostile, "", "on"), CHOICES, never)
    assert as_data != pytest.approx(as_token, abs=1e-6)


@pytest.mark.parametrize("data", ["1" * 300, "x" * 1_000_000])
def test_a_prompt_past_what_the_model_reads_is_refused(data: str, engine: Engine) -> None:
    with pytest.raises(PromptTooLong):
        engine.score(Prompt("", data), CHOICES, never)


@pytest.mark.parametrize(
    ("choices", "said"),
    [(("the", "then"), "different"), ((), "different"), (("a", ""), "empty"), (("a", "a"), "diff")],
)
def test_choices_that_cannot_be_told_apart_are_refused(
    choices: tuple[str, ...], said: str, engine: Engine
) -> None:
    with pytest.raises(ModelError, match=said):
        engine.score(Prompt("x"), choices, never)


def test_an_empty_prompt_is_refused_and_a_prefix_alone_is_enough(engine: Engine) -> None:
    with pytest.raises(ModelError, match="empty"):
        engine.score(Prompt(""), CHOICES, never)
    assert engine.score(Prompt("a"), CHOICES, never)


def test_what_nobody_waits_for_is_stopped_and_leaves_the_prefix_as_it_was(
    engine: Engine,
) -> None:
    prompt = Prompt("the beginning ", "1" * 150, "on")
    whole = engine.score(prompt, CHOICES, never)
    asked = iter([False, True])
    with pytest.raises(Stopped):
        engine.score(prompt, CHOICES, lambda: next(asked))
    assert engine.score(prompt, CHOICES, never) == pytest.approx(whole, abs=1e-6)


SCHEMA = {
    "type": "object",
    "properties": {"the": {"enum": ["one", "other"]}, "n": {"type": "integer", "maximum": 99}},
    "required": ["the", "n"],
    "additionalProperties": False,
}


def test_a_completion_is_the_likeliest_text_whatever_is_cached(
    name: Any, files: Files, engine: Engine
) -> None:
    place = files.place
    prompt = Prompt("the beginning", " then", " on")
    first = "".join(engine.complete(prompt, None, 12, never))
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    read = [t for part in prompt for t in tokenizer.encode(part).ids]
    said: list[int] = []
    for _ in range(4):
        said.append(int(np.argmax(by_hand(place, read + said))))
    wanted = tokenizer.decode(said, skip_special_tokens=False)
    assert first.startswith(wanted.rstrip("\ufffd")) and wanted
    assert "".join(engine.complete(prompt, None, 12, never)) == first
    whole = load(name, files).complete(Prompt("".join(prompt)), None, 12, never)
    assert "".join(whole) == first


def test_a_completion_under_a_schema_is_an_instance(engine: Engine) -> None:
    prompt = Prompt("the beginning ", "then", " on")
    text = "".join(engine.complete(prompt, SCHEMA, 60, never))
    Draft202012Validator(SCHEMA).validate(json.loads(text))
    with pytest.raises(TooFewTokens):
        list(engine.complete(prompt, SCHEMA, 3, never))


def test_a_completion_nobody_reads_to_its_end_leaves_the_prefix_as_it_was(
    engine: Engine,
) -> None:
    prompt = Prompt("the beginning ", "then", "on")
    whole = engine.score(prompt, CHOICES, never)
    text = engine.complete(prompt, None, 30, never)
    next(text)
    assert engine.score(prompt, CHOICES, never) == pytest.approx(whole, abs=1e-4)
    text.close()
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        list(engine.complete(prompt, None, 30, lambda: next(asked)))
    assert engine.score(prompt, CHOICES, never) == pytest.approx(whole, abs=1e-4)


def test_a_prompt_that_leaves_no_room_for_its_answer_is_refused(engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match="200 may follow"):
        list(engine.complete(Prompt("", "1" * 100), None, 200, never))


def test_every_engine_says_what_mlx_says(engine: Engine, files: Files) -> None:
    prompts = [Prompt("the beginning", " then " + "on" * n, " is") for n in (0, 1, 40)]
    other = load("mlx", files)
    for prompt in prompts:
        found = engine.score(prompt, CHOICES, never)
        assert found == pytest.approx(other.score(prompt, CHOICES, never), abs=TOLERANCE)


def test_weights_of_another_model_are_refused(name: Any, files: Files, tmp_path: Path) -> None:
    other = Path(shutil.copytree(files.place, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    packed = tmp_path / "packed.gguf"
    assert files.packed is not None
    packed.write_bytes(files.packed.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="cannot be loaded|is not whole"):
        load(name, Files(other, packed))


@pytest.mark.parametrize(
    "field",
    [
        {"rope_theta": None}, {"rope_theta": "x"}, {"num_hidden_layers": 10**7},
        {"num_hidden_layers": 1e12}, {"text_config": {"n_layers": 10**9}},
    ],
)  # fmt: skip
def test_a_config_that_nothing_can_be_computed_with_is_refused(
    field: dict[str, Any], files: Files, tmp_path: Path
) -> None:
    place = tmp_path / "model"
    shutil.copytree(files.place, place)
    config = json.loads((place / "config.json").read_bytes())
    (place / "config.json").write_text(json.dumps(config | field))
    with pytest.raises(BadModel, match="cannot be loaded|no model can have"):
        load("mlx", Files(place, None))


@pytest.mark.parametrize("left", [0, 7, 900, -100])
def test_weights_that_are_cut_off_are_refused(
    left: int, name: Any, files: Files, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(files.place, tmp_path / "other"))
    packed = tmp_path / "packed.gguf"
    assert files.packed is not None
    for cut, whole in ((other / "model.safetensors", None), (packed, files.packed)):
        cut.write_bytes((whole or cut).read_bytes()[:left])
    with pytest.raises(ModelError):
        load(name, Files(other, packed))


@pytest.mark.parametrize("body", [b"", b"GGUF", b"\x80\x04cos\nsystem\n", bytes(5000)])
def test_what_is_no_packed_file_is_refused(body: bytes, files: Files, tmp_path: Path) -> None:
    (tmp_path / "packed.gguf").write_bytes(body)
    with pytest.raises(BadModel, match="cannot be loaded"):
        load("llama", Files(files.place, tmp_path / "packed.gguf"))


def test_a_tokenizer_of_another_model_is_refused(name: Any, files: Files, tmp_path: Path) -> None:
    other = Path(shutil.copytree(files.place, tmp_path / "other"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["a"] = 9999
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    engine = load(name, Files(other, files.packed))
    for prompt, choices in ((Prompt("a"), ("b", "c")), (Prompt("b"), ("a", "c"))):
        with pytest.raises(ModelError, match="tokenizer is another's"):
            engine.score(prompt, choices, never)


def test_a_model_that_computes_no_numbers_gives_no_answer(
    name: Any, files: Files, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(files.place, tmp_path / "other"))
    huge = np.full(WIDTH, 3e38, np.float32)
    weights_with(other, lambda w: w.update({"model.norm.weight": huge}))
    if name == "llama":
        pack(other, other / "packed.gguf")
    engine = load(name, Files(other, other / "packed.gguf"))
    with pytest.raises(BadModel, match="no number"):
        engine.score(Prompt("a"), CHOICES, never)
    for schema in (None, SCHEMA):
        with pytest.raises(BadModel, match="no number"):
            list(engine.complete(Prompt("a"), schema, 60, never))

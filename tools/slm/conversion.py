"""A GGUF file made into an mlx-lm model directory: safetensors, config and tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tools.slm.errors import BadModel
from tools.slm.gguf_file import GgufFile
from tools.slm.steps import write_whole

WEIGHTS, CONFIG, TOKENIZER, TOKENIZER_CONFIG = (
    "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip
PRE_TOKENIZERS = ("smollm", "default", "gpt-2")


def convert(gguf: Path, into: Path, on_tensor: Callable[[str], None] = lambda name: None) -> None:
    """Write the model of a GGUF file into a new directory; raises `BadModel`, leaving nothing."""
    found = GgufFile(gguf)
    made = into.with_name(f".{into.name}.making")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        tokenizer = make_tokenizer(found)
        weights: dict[str, Any] = {}
        for name, array in found.weights():
            weights[name] = array
            on_tensor(name)
        save_file(weights, str(made / WEIGHTS), metadata={"format": "mlx"})
        tied = "lm_head.weight" not in weights
        write_whole(made / CONFIG, json.dumps(config_of(found, tied=tied), indent=1))
        tokenizer.save(str(made / TOKENIZER))
        write_whole(made / TOKENIZER_CONFIG, json.dumps(_tokenizer_config(found), indent=1))
        shutil.rmtree(into, ignore_errors=True)
        made.rename(into)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def config_of(found: GgufFile, *, tied: bool) -> dict[str, Any]:
    """Return the config that mlx-lm and Hugging Face read."""
    shape = found.shape
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads_kv,
        "head_dim": shape.head,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.rope_base,
        "max_position_embeddings": shape.context,
        "vocab_size": shape.tokens,
        "tie_word_embeddings": tied,
        "hidden_act": "silu",
        "torch_dtype": "float16",
        "bos_token_id": found.value("tokenizer.ggml.bos_token_id", 0),
        "eos_token_id": found.value("tokenizer.ggml.eos_token_id", 0),
    }


def make_tokenizer(found: GgufFile) -> Tokenizer:
    """Return the tokenizer whose vocabulary a file holds; raises `BadModel` for another kind."""
    kind = found.text("tokenizer.ggml.model")
    pre = str(found.value("tokenizer.ggml.pre", "default"))
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        raise BadModel(
            f"{found.path} has a tokenizer of the kind {kind}/{pre}; only byte-level BPE"
            f" ({', '.join(PRE_TOKENIZERS)}) can be converted. Give an mlx-lm directory instead."
        )
    vocabulary = {str(token): number for number, token in enumerate(found.tokens)}
    if len(vocabulary) != len(found.tokens):
        raise BadModel(f"{found.path}: its vocabulary holds a token twice.")
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=found.merges()))
    except Exception as exc:
        raise BadModel(f"{found.path}: its vocabulary does not fit together: {exc}.") from exc
    parts: list[pre_tokenizers.PreTokenizer] = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if pre == "smollm":
        parts.insert(0, pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in found.special()])
    return tokenizer


def _tokenizer_config(found: GgufFile) -> dict[str, Any]:
    """Return what tells special tokens apart; the file's chat template is code and left behind."""

    def token(name: str) -> str | None:
        number = found.value(f"tokenizer.ggml.{name}_token_id", -1)
        known = isinstance(number, int) and 0 <= number < len(found.tokens)
        return str(found.tokens[number]) if known else None

    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": token("bos"),
        "eos_token": token("eos"),
        "pad_token": token("padding"),
        "unk_token": token("unknown"),
        "model_max_length": found.shape.context,
        "clean_up_tokenization_spaces": False,
    }

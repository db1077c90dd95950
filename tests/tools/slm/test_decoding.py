"""Bounded decoding under any logits: always an instance of the schema, or not enough tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.models import make_gguf, vocabulary
from tools.slm.conversion import make_tokenizer
from tools.slm.decoding import decode
from tools.slm.engine import Schema, TooFewTokens
from tools.slm.errors import BadModel, ModelError
from tools.slm.gguf_file import GgufFile
from tools.slm.vocabulary import Vocabulary

END = 2
CONFIG = {"eos_token_id": END, "max_position_embeddings": 256, "vocab_size": 272}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    folder = tmp_path_factory.mktemp("words")
    path = folder / "tokenizer.json"
    make_tokenizer(GgufFile(make_gguf(folder / "small.gguf"))).save(str(path))
    return Vocabulary(path, CONFIG)


@pytest.mark.parametrize("told", [{"vocab_size": 10}, {"eos_token_id": 999}])
def test_a_config_that_does_not_fit_the_tokenizer_is_told(
    told: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    make_tokenizer(GgufFile(make_gguf(tmp_path / "small.gguf"))).save(str(path))
    found = Vocabulary(path, CONFIG | told)
    for asked in (lambda: found.ends(5), lambda: found.spelled([70]), lambda: found.bounds({})):
        with pytest.raises(BadModel, match="do not fit"):
            asked()


def dice(seed: int) -> Callable[[Sequence[int]], Any]:
    rng = np.random.default_rng(seed)
    return lambda tokens: rng.normal(size=272).astype(np.float32)


def saying(tokens: Sequence[int], read: list[list[int]]) -> Callable[[Sequence[int]], Any]:
    """Return a model that says tokens one by one and notes what it reads."""
    rest = iter(tokens)

    def answer(given: Sequence[int]) -> Any:
        read.append(list(given))
        return np.eye(272, dtype=np.float32)[next(rest)]

    return answer


LEAVES = st.sampled_from(
    [
        {"enum": ["the one", "then", '\u00e9\n"']},
        {"type": "string", "maxLength": 4},
        {"type": "string", "pattern": "^[a-z]{1,3}$"},
        {"type": "integer", "minimum": -5, "maximum": 120},
        {"type": "boolean"},
        {"type": "null"},
        {"const": {"a": [1, None]}},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            lambda item, most: {"type": "array", "items": item, "maxItems": most},
            inner, st.integers(0, 3),
        )
        | st.builds(
            lambda parts, needed: {
                "type": "object", "properties": parts, "additionalProperties": False,
                "required": sorted(parts)[:needed],
            },
            st.dictionaries(st.sampled_from(["a", "the", "\u00df x"]), inner), st.integers(0, 3),
        )
        | st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner)
    ),
    max_leaves=5,
)  # fmt: skip


@given(schema=SCHEMAS, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_whatever_the_logits_are_the_text_is_an_instance(
    schema: dict[str, Any], seed: int, words: Vocabulary
) -> None:
    text = "".join(decode(dice(seed), [5], words, schema, 2000))
    Draft202012Validator(schema).validate(json.loads(text))


@given(seed=st.integers(0, 2**32 - 1), limit=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_a_text_that_is_not_whole_within_its_limit_is_no_answer(
    seed: int, limit: int, words: Vocabulary
) -> None:
    schema = {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2}
    try:
        text = "".join(decode(dice(seed), [5], words, schema, limit))
    except TooFewTokens as exc:
        assert exc.limit == limit
    else:
        Draft202012Validator(schema).validate(json.loads(text))


def test_what_a_schema_forces_is_not_asked_of_the_model(words: Vocabulary) -> None:
    read: list[list[int]] = []
    schema = {"enum": ["then we go on", "the other"]}
    n, o = words.tokens("n", trusted=False)[0], words.tokens("o", trusted=False)[0]
    found = list(decode(saying([n, o, END], read), [7], words, schema, 50))
    assert "".join(found) == '"then we go on"'
    assert sum(map(len, read)) > len(read) <= 3 and read[0][0] == 7


@pytest.mark.parametrize("token", [END, 0, 1])
def test_a_token_that_stands_for_no_text_ends_it(token: int, words: Vocabulary) -> None:
    the = words.tokens("the", trusted=False)
    found = list(decode(saying([*the, *the, token], []), [7], words, None, 50))
    assert found == ["the", "the"]


def test_without_a_schema_the_limit_cuts_the_text(words: Vocabulary) -> None:
    a = words.tokens("a", trusted=False)[0]
    assert list(decode(saying([a] * 9, []), [7], words, None, 3)) == ["a", "a", "a"]
    with pytest.raises(ModelError, match="at least one token"):
        list(decode(dice(1), [7], words, None, 0))


def test_a_character_of_several_tokens_comes_whole(words: Vocabulary) -> None:
    tokens = words.tokens("\u00e9\U0001f986", trusted=False)
    assert len(tokens) == 6 and len(vocabulary()) < CONFIG["vocab_size"]
    found = list(decode(saying([*tokens, END], []), [7], words, None, 50))
    assert found == ["\u00e9", "\U0001f986"]
    cut = list(decode(saying([*tokens[:3], END], []), [7], words, None, 50))
    assert cut == ["\u00e9", "\ufffd"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"not": {"type": "string"}},
        {"$ref": "https://example.com/schema.json"},
        {"type": "array", "uniqueItems": True},
        {"enum": []},
        {"enum": [object()]},
        {"pattern": "(", "type": "string"},
    ],
)
def test_a_schema_that_cannot_be_kept_exactly_is_refused(schema: Schema, words: Vocabulary) -> None:
    with pytest.raises(ModelError, match="schema"):
        list(decode(dice(1), [7], words, schema, 50))

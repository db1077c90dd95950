"""A provider's chat model in the place of a local one, by LangChain: what it is asked leaves here.

Keys and addresses are environment variables of the provider's package; none is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from referencing import Registry
from referencing.exceptions import Unresolvable

from tools.slm.engine import (
    MOST_CHARACTERS,
    MOST_TOKENS,
    Prompt,
    PromptTooLong,
    Schema,
    Stop,
    Stopped,
    TooFewTokens,
)  # fmt: skip
from tools.slm.errors import ModelError

SECONDS = 30.0
"""How long a provider may be silent."""
TIMEOUTS: Mapping[str, Mapping[str, Any]] = {"ollama": {"client_kwargs": {"timeout": SECONDS}}}
"""Where a provider's class takes it otherwise than as `timeout`."""
CONTINUE = "Go on with the text of the user. Reply with what comes next and nothing else."
CHOOSE = "Say which of these comes next, word for word: "
TURN = re.compile(r"<\|im_start\|>(system|user|assistant)\n|<\|im_end\|>\n?")
"""How our words mark turns (ChatML); in data these marks are only text."""
ROLES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class ChatEngine:
    """A chat model, named as LangChain does: `provider:model`."""

    def __init__(self, name: str) -> None:
        self._name = name
        provider, _, model = name.partition(":")
        with self._told("could not be set up"):
            try:
                more = TIMEOUTS.get(provider, {"timeout": SECONDS, "max_retries": 0})
                self._chat = init_chat_model(model, model_provider=provider, temperature=0, **more)
            except (ImportError, ValueError) as exc:
                # LangChain's own words: a package that is missing, or a provider it does not know.
                said = str(exc).split("\n", maxsplit=1)[0]
                raise ModelError(f"{name} cannot be used: {said}") from exc

    def close(self) -> None:
        """Nothing of it is in memory."""

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        """Return 1 for the choice that it names and 0 for the others: it shows no probabilities."""
        words = [choice.strip() for choice in choices]
        if not words or len(set(words)) != len(words) or not all(words):
            raise ModelError(f"The choices {list(choices)} cannot be told apart.")
        schema: Schema = {
            "title": "next", "type": "object", "required": ["next"], "additionalProperties": False,
            "properties": {"next": {"type": "string", "enum": words}},
        }  # fmt: skip
        asked = [*messages(prompt), SystemMessage(CHOOSE + ", ".join(words))]
        named = self._instance(asked, schema, stop)["next"]
        return {c: float(w == named) for c, w in zip(choices, words, strict=True)}

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        """Yield what the model says next; with a schema all of it at once, after checking it."""
        asked = messages(prompt)
        if schema is None:
            yield from self._streamed(asked, limit, stop)
            return
        text = json.dumps(self._instance(asked, schema, stop), ensure_ascii=False)
        if len(text) > limit * MOST_CHARACTERS:
            raise TooFewTokens(limit)
        yield text

    def _streamed(self, asked: list[BaseMessage], limit: int, stop: Stop) -> Iterator[str]:
        """Yield pieces, about a token each; leaving closes the line, which ends the decoding."""
        with self._told("did not answer"):
            pieces = self._chat.stream(asked)
            for piece, _ in zip(_texts(pieces), range(limit), strict=False):
                if stop():
                    raise Stopped("The answer was not wanted any more.")
                yield piece

    def _instance(self, asked: list[BaseMessage], schema: Schema, stop: Stop) -> Any:
        """Return what the model says under a schema, checked by us."""
        check = validator(schema)
        if stop():
            raise Stopped("The answer was not wanted any more.")
        with self._told("gave no answer that fits the schema"):
            bounded = self._chat.with_structured_output({"title": "answer", **schema})
            found: Any = bounded.invoke(asked)
        problem = next(check.iter_errors(found), None)
        if problem is not None:
            where = "/".join(map(str, problem.absolute_path)) or "the whole"
            raise ModelError(f"{self._name} gave an answer that does not fit the schema: {where}.")
        return found

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say what went wrong without the provider's words, which may repeat a key."""
        try:
            yield
        except ModelError:
            raise
        except Exception as exc:  # noqa: BLE001 - each provider has exceptions of its own
            status = getattr(exc, "status_code", None)
            told = f" ({status})" if isinstance(status, int) else ""
            raise ModelError(f"{self._name} {what}: {type(exc).__name__}{told}.") from None


def _texts(pieces: Iterator[Any]) -> Iterator[str]:
    return (piece.text for piece in pieces if piece.text)


def validator(schema: Schema) -> Draft202012Validator:
    """Return what checks instances; raises `ModelError`, and fetches nothing a schema names."""
    if schema.get("type") != "object":
        raise ModelError("A provider's model takes schemas of objects only.")
    try:
        Draft202012Validator.check_schema(dict(schema))
        found = Draft202012Validator(dict(schema), registry=Registry())
        # A reference that leads nowhere shows at its first use.
        next(found.iter_errors({}), None)
    except SchemaError as exc:
        raise ModelError(f"The schema is no JSON Schema: {exc.message}.") from exc
    except Unresolvable as exc:
        raise ModelError(f"The schema cannot be followed: {exc}.") from exc
    return found


def messages(prompt: Prompt) -> list[BaseMessage]:
    """Return a prompt as a conversation: the turns that our words mark, or a text to go on with."""
    if sum(map(len, prompt)) > MOST_TOKENS * MOST_CHARACTERS:
        raise PromptTooLong(f"A text of {sum(map(len, prompt))} characters is too long.")
    if not "".join(prompt):
        raise ModelError("There is nothing to read in an empty prompt.")
    if not TURN.search(prompt.prefix + prompt.suffix):
        return [SystemMessage(CONTINUE), HumanMessage("".join(prompt))]
    turns: list[tuple[str, str]] = [("user", "")]
    for text, trusted in ((prompt.prefix, True), (prompt.data, False), (prompt.suffix, True)):
        for role, part in _parts(text) if trusted else [(None, text)]:
            if role is not None:
                turns.append((role, ""))
            turns[-1] = (turns[-1][0], turns[-1][1] + part)
    return [ROLES[role](text) for role, text in turns if text.strip()]


def _parts(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield what stands between marks, each with the role that begins there, if one does."""
    role, start = None, 0
    for mark in TURN.finditer(text):
        yield role, text[start : mark.start()]
        role, start = mark[1], mark.end()
    yield role, text[start:]

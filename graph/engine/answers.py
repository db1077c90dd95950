"""Answers to a graph's questions, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from graph.engine.errors import InvalidResume, NotWaiting

_ID = re.compile(r"[0-9a-f]{32}")
MOST_PROBLEMS = 20


def is_keyed(resume: Any) -> bool:
    """Return whether an answer names its questions, as langgraph reads it."""
    return isinstance(resume, dict) and bool(resume) and all(_ID.fullmatch(str(k)) for k in resume)


def check_resume(resume: Any, pending: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Check an answer against the waiting questions, given as their ids and schemas.

    Raises `NotWaiting` when it is stale or does not say which it answers, `InvalidResume`
    when it does not fit.
    """
    if not pending:
        raise NotWaiting("Nothing waits for an answer in this thread.", ())
    if is_keyed(resume):
        stale = [key for key in resume if key not in pending]
        if stale:
            raise NotWaiting(
                f"Question {stale[0]} does not wait for an answer; waiting: {', '.join(pending)}.",
                pending,
            )
        answers = dict(resume)
    elif len(pending) > 1:
        raise NotWaiting(
            f"{len(pending)} questions wait; answer by id: {', '.join(pending)}.", pending
        )
    else:
        answers = {next(iter(pending)): resume}
    problems = [
        (f"/{key}{path}" if is_keyed(resume) else path or "/", message)
        for key, value in answers.items()
        for path, message in mismatches(value, pending[key])
    ]
    if problems:
        raise InvalidResume(problems)


def mismatches(value: Any, schema: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the paths at which a value does not fit a JSON Schema, and why."""
    if schema is None:
        return []
    found = Draft202012Validator(dict(schema)).iter_errors(value)
    return [
        ("".join(f"/{p}" for p in e.absolute_path), e.message[:300])
        for e, _ in zip(found, range(MOST_PROBLEMS), strict=False)
    ]

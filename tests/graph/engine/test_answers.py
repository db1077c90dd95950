from __future__ import annotations

from typing import Any

import pytest

from graph.engine.answers import check_resume
from graph.engine.errors import InvalidResume, NotWaiting

A, B = "a" * 32, "b" * 32
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


@pytest.mark.parametrize(
    ("resume", "pending"),
    [
        ({A: {"ok": True}}, {A: SCHEMA}),
        ({A: {"ok": True}}, {A: SCHEMA, B: None}),
        ({A: {"ok": True}, B: "anything"}, {A: SCHEMA, B: None}),
        ({"ok": False}, {A: SCHEMA}),
        ("plain words", {A: None}),
    ],
)
def test_an_answer_that_fits_is_taken(resume: Any, pending: Any) -> None:
    check_resume(resume, pending)


@pytest.mark.parametrize(
    ("resume", "pending", "path"),
    [
        ({A: {"ok": "yes"}}, {A: SCHEMA}, f"/{A}/ok"),
        ({A: 5}, {A: SCHEMA, B: None}, f"/{A}"),
        ({"ok": 1}, {A: SCHEMA}, "/ok"),
        ([], {A: SCHEMA}, "/"),
    ],
)
def test_one_that_does_not_fit_names_the_place(resume: Any, pending: Any, path: str) -> None:
    with pytest.raises(InvalidResume) as caught:
        check_resume(resume, pending)
    assert caught.value.problems[0][0] == path


@pytest.mark.parametrize(
    ("resume", "pending"),
    [({"ok": True}, {}), ({B: {"ok": True}}, {A: SCHEMA}), ({"ok": True}, {A: SCHEMA, B: None})],
)
def test_one_that_answers_nothing_in_particular_is_told_what_waits(
    resume: Any, pending: dict[str, Any]
) -> None:
    with pytest.raises(NotWaiting) as caught:
        check_resume(resume, pending)
    assert caught.value.pending == tuple(pending)

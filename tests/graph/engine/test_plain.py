from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Interrupt

from graph.engine.plain import decode, encode, error_name, shown_config
from tests.factories import make_interval


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({1: float("nan")}, {"1": None}),
        ({"big": 2**70, "odd": float("inf")}, {"big": 2**70, "odd": None}),
        (Point(3), {"x": 3}),
        ({"point": Point(2**65)}, {"point": {"x": 2**65}}),
        (make_interval(2.0, 0.5), {"low": 1.0, "mid": 2.0, "high": 3.0}),
        (Interrupt({"q": 1}, id="i"), {"id": "i", "value": {"q": 1}}),
        (ValueError("secret"), "ValueError"),
        ({(1, 2): "\ud800"}, {"(1, 2)": "\ud800"}),
        (b"\xff", "\ufffd"),
    ],
)
def test_whatever_a_graph_holds_becomes_json(value: Any, expected: Any) -> None:
    assert json.loads(encode(value)) == expected


def test_messages_keep_their_members() -> None:
    told = decode(encode([AIMessage("hi", id="m1")]))
    assert (told[0]["content"], told[0]["type"], told[0]["id"]) == ("hi", "ai", "m1")


def test_errors_and_configurations_show_only_what_is_for_all() -> None:
    assert error_name("ValueError('secret')") == "ValueError"
    assert error_name(KeyError("secret")) == "KeyError"
    assert error_name(None) is None
    inner = {"thread_id": "t", "checkpoint_ns": "", "__pregel_runtime": object(), "user": "ada"}
    shown = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    assert shown_config({"configurable": inner, "metadata": {}}) == shown

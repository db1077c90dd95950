"""The newer protocol's filter and shapes."""

from __future__ import annotations

from typing import Any

import pytest

from graph.engine.event_log import Event
from graph.engine.plain import decode
from graph.engine.protocol import Subscription, told

AT = "2026-11-25T12:00:00.250+00:00"


def row(mode: str, data: bytes = b"{}", namespace: str = "", event: str = "") -> Event:
    return Event(7, "run", mode, namespace, event or mode, data, AT)


@pytest.mark.parametrize(
    ("wanted", "path", "expected"),
    [
        ({}, "inner:1|deep:2", True),
        ({"namespaces": []}, "inner:1", True),
        ({"namespaces": [[]], "depth": 0}, "", True),
        ({"namespaces": [[]], "depth": 0}, "inner:1", False),
        ({"namespaces": [[]], "depth": 1}, "inner:1", True),
        ({"namespaces": [["inner"]]}, "inner:1|deep:2", True),
        ({"namespaces": [["inner"]], "depth": 0}, "inner:1|deep:2", False),
        ({"namespaces": [["other"], ["inner:1"]]}, "inner:1", True),
        ({"namespaces": [["inner:2"]]}, "inner:1", False),
        ({"namespaces": [["inner", "deep"]]}, "inner:1", False),
    ],
)
def test_namespaces_and_depth_choose(wanted: Any, path: str, expected: bool) -> None:
    one = told(row("values", namespace=path))
    assert one is not None
    assert Subscription(channels=["values"], **wanted).wants(one) == expected


def test_named_events_have_a_channel_of_their_own() -> None:
    named, plain = told(row("custom", b'{"name":"sum","payload":3}')), told(row("custom", b"[1]"))
    assert named is not None and plain is not None
    assert [Subscription(channels=["custom"]).wants(e) for e in (named, plain)] == [True, True]
    assert [Subscription(channels=["custom:sum"]).wants(e) for e in (named, plain)] == [True, False]
    assert not Subscription(channels=["custom:other"]).wants(named)
    assert decode(plain.data) == {"payload": [1]}


def test_questions_are_told_on_their_own_channel_only() -> None:
    values = told(row("values", b'{"a":1,"__interrupt__":[{"id":"x"}]}'))
    assert values is not None and decode(values.data) == {"a": 1}
    assert told(row("updates", b'{"__interrupt__":[]}')) is None
    cached = told(row("updates", b'{"n":{"a":1},"__metadata__":{"cached":true}}'))
    assert cached is not None and decode(cached.data) == {"node": "n", "values": {"a": 1}}


def test_an_envelope_names_its_run_where_clients_look_for_it() -> None:
    one = told(row("lifecycle", b'{"event":"running"}', event="lifecycle"))
    assert one is not None
    assert decode(one.envelope()) == {
        "type": "event", "event_id": "synth:run:7", "seq": 7, "method": "lifecycle",
        "params": {
            "namespace": [], "timestamp": 1795608000250, "data": {"event": "running"},
        },
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["metadata", "messages", "messages-tuple", "events", "debug"])
def test_what_only_the_older_protocol_knows_is_left_out(mode: str) -> None:
    assert told(row(mode)) is None

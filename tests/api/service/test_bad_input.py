"""What a hostile or broken client sends over a real line: it is told, cut off, or waits alone."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.frames import Frame, Opcode

from graph.engine.event_log import Entry
from graph.engine.records import Records
from graph.engine.requests import RunRequest

SECONDS = 1.0
"""What the served process gives a request; the default is longer."""
LARGE = 256 * 1024
MANY = 80
READERS = 16
pytestmark = pytest.mark.xdist_group("bad input")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose log holds 20 MB of one run."""
    place = tmp_path_factory.mktemp("home")
    with closing(Records(place / "service.db")) as records:
        records.add_thread("large", {"graph_id": "counter", "created_by": "ada"})
        run = records.add_run("large", "counter", RunRequest(assistant_id="counter"))
        entry = Entry("values", "values", json.dumps("x" * LARGE).encode())
        for _ in range(MANY):
            records.append("large", run.run_id, entry)
        records.set_run(run, "success")
    return place


@pytest.fixture(scope="module")
def url(home: Path, serve: Any) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "PILLION_SERVICE_REQUEST_SECONDS", str(SECONDS))
        patch.setitem(os.environ, "PILLION_SERVICE_REQUESTS_PER_SECOND", "100000")
        with serve(home) as (_, where):
            yield where


@pytest.fixture(autouse=True)
def unharmed(url: str) -> Iterator[None]:
    yield
    assert httpx.get(f"{url}/ready").json()["status"] == "ready"


def line(url: str, **options: Any) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    opened = socket.socket()
    for name, value in options.items():
        opened.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    opened.settimeout(20)
    opened.connect((host, int(port)))
    return opened


def said(opened: socket.socket) -> bytes:
    """Return all that comes until the other side ends the line."""
    found = bytearray()
    try:
        while piece := opened.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def exchange(url: str, sent: bytes) -> bytes:
    with line(url) as opened:
        try:
            opened.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return said(opened)


def head(*more: str, method: str = "GET", path: str = "/ok", host: str = "127.0.0.1") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *more, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /ok HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        b"POST /threads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10\r\n\r\n{",
    ],
)
def test_a_request_that_trickles_is_answered_408_and_its_line_is_cut(url: str, sent: bytes) -> None:
    began = time.monotonic()
    with line(url) as opened:
        opened.sendall(sent)
        opened.settimeout(0.2)
        answer = b""
        while time.monotonic() < began + 15:
            try:
                opened.sendall(b"a" if sent else b"")
                piece = opened.recv(65_536)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            answer += piece
            if not piece:
                break
        else:
            pytest.fail("the line was never cut")
    assert not answer or status(answer) == 408


def test_an_idle_line_between_two_requests_is_not_called_slow(url: str) -> None:
    with line(url) as opened:
        for pause in (0, 1.2 * SECONDS):
            time.sleep(pause)
            opened.sendall(b"GET /ok HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"ok":true}'):
                piece = opened.recv(65_536)
                assert piece
                answer += piece


@pytest.mark.parametrize("announced", [True, False])
def test_fifty_megabytes_are_refused_before_they_are_sent(url: str, announced: bool) -> None:
    kind = "Content-Type: application/json"
    size = "Content-Length: 50000000" if announced else "Transfer-Encoding: chunked"
    chunk = b"" if announced else b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    answer = exchange(url, head(kind, size, method="POST", path="/threads") + 3 * chunk)
    assert not answer or status(answer) == 413


@pytest.mark.parametrize(
    "more",
    [
        ("X-Request-Id: a\r\nSet-Cookie: b",),
        ("X-Request-Id: a%0d%0aSet-Cookie:b",),
        ("X-Request-Id: \u00e9\u202e\U0001f600",),
        ("Last-Event-ID: 1\r\n folded",),
        ("Idempotency-Key: \u00e9\u00ff",),
        ("Authorization: Bearer \u00e9",),
        ("X-\u00e9: a",),
        ("X-A: a\x00b",),
        ("X-A: a\rb",),
        ("X-A: a\nSet-Cookie: b",),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("X-Long: " + "a" * 70_000,),
        *((f"X-{n}: a",) * 1000 for n in (1,)),
    ],
)
def test_strange_headers_are_passed_over_or_refused_and_never_come_back(
    url: str, more: tuple[str, ...]
) -> None:
    answer = exchange(url, head(*more))
    assert not answer or status(answer) in (200, 400, 408, 413, 415, 422, 431)
    assert b"set-cookie" not in answer.lower().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (head(host="evil.example"), 421),
        (head(host="127.0.0.1.evil.example"), 421),
        (head("X-Forwarded-Host: 127.0.0.1", host="evil.example"), 421),
        (head("Host: evil.example"), 400),
        (head(path="http://evil.example/ok", host="evil.example"), 421),
        (b"GET /ok HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /ok HTTP/1.0\r\n\r\n", 421),
    ],
)
def test_another_host_is_never_answered_for(url: str, sent: bytes, expected: int) -> None:
    assert status(exchange(url, sent)) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/threads/..%2f..%2fv1%2faudit",
        "/threads/../v1/audit",
        "//v1/audit",
        "/v1/products/..%2f..%2fetc%2fpasswd",
        "/v1/products/%2e%2e",
        "/threads/%00",
        "/threads/%ff%fe",
        "/threads/%0d%0aSet-Cookie:%20a",
        "/threads/" + "a" * 60_000,
        "/assistants/%F0%9F%98%80/graph",
        "/threads/a%3Fb/state/%23",
    ],
)
def test_a_path_leads_nowhere_else(url: str, path: str) -> None:
    answer = exchange(url, head(path=path))
    assert status(answer) in (400, 404, 414, 422)
    assert b"set-cookie:" not in answer.lower().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b"\x00" * 64, b"HELLO\r\n\r\n"])
def test_what_is_no_http_is_cut_off(url: str, sent: bytes) -> None:
    answer = exchange(url, sent)
    assert not answer or status(answer) in (400, 408)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/threads/nothing/runs", {"assistant_id": "counter", "input": {}}, 404),
        ("/threads/large/runs", {"assistant_id": "nobody", "input": {}}, 404),
        ("/threads/large/runs", {"assistant_id": 5}, 422),
        ("/threads/large/runs", {"assistant_id": "counter", "stream_mode": "nothing"}, 422),
        ("/threads/large/runs", {"assistant_id": "counter", "stream_mode": [None]}, 422),
        ("/threads/large/runs", {"assistant_id": "counter", "input": {}, "command": {}}, 422),
        ("/threads/large/runs", {"assistant_id": "counter", "command": {"resume": 1}}, 409),
        ("/threads/large/runs", {"assistant_id": "counter", "checkpoint_id": "x"}, 404),
        ("/threads/large/runs", {"assistant_id": "counter", "multitask_strategy": "x"}, 422),
        ("/threads/large/runs", {"assistant_id": "counter", "after_seconds": 1e300}, 422),
        ("/threads/large/state", {"values": 5, "as_node": "nothing"}, 422),
        ("/threads/large/state/checkpoint", {"checkpoint": {"checkpoint_ns": "no"}}, 422),
        ("/threads/large/history", {"metadata": {"step": 10**30}}, 422),
        ("/threads/search", {"metadata": {"n": 10**30}}, 200),
        ("/threads/search", {"limit": 10**30}, 422),
        ("/threads/search", {"sort_by": "thread_id; DROP TABLE threads"}, 422),
        ("/store/items/search", {"filter": {"a": 10**30}}, 200),
        ("/store/items/search", {"offset": 10**30}, 422),
        ("/threads", [], 422),
        ("/threads", {"thread_id": "../../etc"}, 422),
        ("/threads", {"metadata": {"a": "\ud800"}}, 400),
    ],
)
def test_what_makes_no_sense_is_told_so(url: str, path: str, body: Any, expected: int) -> None:
    raw = json.dumps(body)
    headers = {"content-type": "application/json"}
    answer = httpx.post(url + path, content=raw, headers=headers, timeout=20)
    assert answer.status_code == expected, answer.text
    if expected != 200:
        assert answer.headers["content-type"] == "application/problem+json"


def resident(home: Path) -> int:
    pid = json.loads((home / "service.json").read_bytes())["pid"]
    return int(psutil.Process(pid).memory_info().rss)


def streamed(url: str) -> str:
    """Return where all of the log is streamed."""
    run = httpx.get(f"{url}/threads/large/runs").json()[0]["run_id"]
    return f"/threads/large/runs/{run}/stream?stream_mode=values"


def opened_by(url: str, way: str, lines: ExitStack) -> socket.socket:
    """Ask for all of the log, and read nothing of it."""
    asked = json.dumps({"channels": ["values"]})
    opened = lines.enter_context(line(url, SO_RCVBUF=4096))
    if way == "events":
        opened.sendall(
            head(
                "Content-Type: application/json", f"Content-Length: {len(asked)}",
                method="POST", path="/threads/large/stream/events",
            )
            + asked.encode()
        )  # fmt: skip
    elif way == "stream":
        opened.sendall(head(path=streamed(url)))
    else:
        upgrade = (
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: " + "A" * 22 + "==",
        )  # fmt: skip
        asking = head(*upgrade, path="/threads/large/stream/events")
        opened.sendall(asking.replace(b"Connection: close\r\n", b""))
        while not opened.recv(1) == b"\n" or opened.recv(2) != b"\r\n":
            continue
        command = {"id": 1, "method": "subscription.subscribe", "params": json.loads(asked)}
        opened.sendall(Frame(Opcode.TEXT, json.dumps(command).encode()).serialize(mask=True))
    return opened


@pytest.mark.parametrize("way", ["stream", "events", "socket"])
def test_readers_that_never_read_cost_little_harm_nobody_and_are_cut_off(
    url: str, home: Path, way: str
) -> None:
    before = resident(home)
    with ExitStack() as lines:
        opened = [opened_by(url, way, lines) for _ in range(READERS)]
        for _ in range(20):
            assert httpx.get(f"{url}/ok", timeout=10).json() == {"ok": True}
            time.sleep(0.1)
        grown = resident(home) - before
        sent = [said(each) for each in opened]
    assert grown < READERS * 4 * 1024 * 1024, grown
    # What was on its way came; the rest never will.
    assert all(0 < len(each) < MANY * LARGE for each in sent)
    whole = exchange(url, head(path=streamed(url)))
    assert whole.count(b"event: values") == MANY

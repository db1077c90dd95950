"""The service beside `langgraph dev`, idle readers, and a long event log."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from evals.benchmarks.command import home
from evals.benchmarks.report import BenchmarkFailed, Row
from evals.benchmarks.servers import JOBS, Served, open_many, ours, theirs
from graph.engine.event_log import Entry
from graph.engine.records import Records
from graph.engine.requests import RunRequest

NAME = "Service"
CLAIM = (
    "A three-node graph begins to answer, and is run, at least as fast as by `langgraph dev`"
    " (langgraph-cli[inmem], which keeps its state in memory) though here events and checkpoints"
    " are in SQLite, where they survive the death of the process; a client that only waits costs"
    " little memory; replay from the middle of a log takes no longer because the log is long. Both"
    f" servers are up at the same time, each with {JOBS} runs at once at most, and are measured by"
    " turns, by the same client on the same machine; whatever is not asked for is left as it comes."
)
ROUNDS = 5
FIRST_EVENTS = 16
"""In a round."""
RUNS = 80
"""In a round."""
READERS = 1000
EVENTS = 1_000_000


@dataclass(frozen=True)
class Speed:
    """What one server did."""

    first_event: list[float]
    """Milliseconds from the request to the first update of a node, a run each."""
    runs_per_second: list[float]
    """A round each."""


def run(quick: bool = False) -> list[Row]:
    """Measure both servers by turns, then our own."""
    with home() as folder:
        with ours(folder) as server, theirs(folder) as langgraph:
            own, other = _by_turns((server, langgraph), quick)
        with ours(folder) as server:
            idle = _idle(server, 100 if quick else READERS)
        short, long = (
            _replay(folder / f"{count}.db", count)
            for count in (EVENTS // 100, EVENTS // (20 if quick else 1))
        )
    return [*_compared(own, other, langgraph.version), _idle_row(idle), _replay_row(short, long)]


def _by_turns(servers: Sequence[Served], quick: bool) -> list[Speed]:
    """Measure each server in each round; who was first in one is last in the next."""
    rounds, firsts, runs = (2, 4, 20) if quick else (ROUNDS, FIRST_EVENTS, RUNS)
    speeds = [Speed([], []) for _ in servers]
    for server in servers:
        for _ in range(5):
            _first_event(server.port)
    for turn in range(rounds):
        for server, speed in list(zip(servers, speeds, strict=True))[:: -1 if turn % 2 else 1]:
            speed.first_event.extend(_first_event(server.port) for _ in range(firsts))
            speed.runs_per_second.append(_throughput(server, runs))
    return speeds


def _throughput(server: Served, runs: int) -> float:
    with ThreadPoolExecutor(JOBS) as workers:
        began = time.perf_counter()
        list(workers.map(lambda _: _whole_run(server.port), range(runs)))
        return runs / (time.perf_counter() - began)


def _compared(own: Speed, other: Speed, version: str) -> Iterator[Row]:
    first, theirs_first = (statistics.median(s.first_event) for s in (own, other))
    yield Row(f"first event, {version}", theirs_first, "ms", _spread(other.first_event))
    yield Row(
        "first event", first, "ms", _spread(own.first_event), "no later than theirs",
        first <= theirs_first,
    )  # fmt: skip
    runs, theirs_runs = (statistics.median(s.runs_per_second) for s in (own, other))
    yield Row(f"runs, {version}", theirs_runs, "/s", _range(other.runs_per_second))
    yield Row(
        "runs", runs, "/s", _range(own.runs_per_second), "no fewer than theirs",
        runs >= theirs_runs,
    )  # fmt: skip


def _range(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g} ({len(values)} rounds)"


def _spread(values: list[float]) -> str:
    low, *_, high = statistics.quantiles(values, n=10)
    return f"{low:.3g} to {high:.3g} (80 % of {len(values)})"


def _idle_row(each: float) -> Row:
    return Row("memory of an idle reader", each, "KiB", "", "at most 100", each <= 100)


def _replay_row(short: float, long: float) -> Row:
    ratio = long / short
    spread = f"{short:.3g} ms in a log of {EVENTS // 100:,}, {long:.3g} ms"
    return Row(
        "replay of 256 events from the middle, long log / short log", ratio, "×", spread,
        "at most 2", ratio <= 2,
    )  # fmt: skip


def _post(port: int, path: str, body: object) -> http.client.HTTPResponse:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = line.getresponse()
    if answer.status != 200:
        raise BenchmarkFailed(f"{path}: {answer.status} {answer.read()[:200]!r}")
    return answer


def _thread(port: int) -> str:
    thread = str(uuid.uuid4())
    _post(port, "/threads", {"thread_id": thread}).read()
    return thread


def _first_event(port: int) -> float:
    thread = _thread(port)
    asked = {"assistant_id": "three", "input": {"n": 0}, "stream_mode": "updates"}
    began = time.perf_counter()
    answer = _post(port, f"/threads/{thread}/runs/stream", asked)
    for line in answer:
        if line.startswith(b"event: updates"):
            first = (time.perf_counter() - began) * 1000
            answer.read()
            return first
    raise BenchmarkFailed("a run told of no node")


def _whole_run(port: int) -> None:
    asked = {"assistant_id": "three", "input": {"n": 0}}
    result = json.loads(_post(port, f"/threads/{_thread(port)}/runs/wait", asked).read())
    if result.get("n") != 3:
        raise BenchmarkFailed(f"a run ended with {result}")


def _idle(server: Served, readers: int) -> float:
    """Return the KiB that the server grows by with each reader that waits for events."""
    open_many()
    thread = _thread(server.port)
    head = f"GET /threads/{thread}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    before = server.resident()
    with contextlib.ExitStack() as lines:
        for _ in range(readers):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            line.sendall(head)
            line.settimeout(30)
            if b" 200 " not in line.recv(4096):
                raise BenchmarkFailed("a reader was refused")
        time.sleep(1)
        return (server.resident() - before) / readers / 1024


def _replay(path: Path, count: int) -> float:
    """Return the milliseconds in which a reader gets a batch from the middle of a log."""
    with closing(Records(path)) as records:
        records.add_thread("t", {})
        run = records.add_run("t", "three", RunRequest(assistant_id="three"))
        batch = [Entry("values", "values", b'{"n":1}')] * 1000
        for _ in range(count // len(batch)):
            records.append("t", run.run_id, *batch)
        times = []
        for turn in range(200):
            began = time.perf_counter()
            found = records.events("t", count // 2 + turn)
            times.append((time.perf_counter() - began) * 1000)
            if len(found) != 256:
                raise BenchmarkFailed(f"{len(found)} events instead of 256")
    return statistics.median(times)

"""Two servers of the same small graph: our service, and langgraph's own development server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import psutil

from evals.benchmarks.report import BenchmarkFailed

GRAPH = """
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    n: int


def step(state):
    return {"n": state.get("n", 0) + 1}


def build(saver=None, store=None):
    graph = StateGraph(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, step)
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("b", "c")
    graph.add_edge("c", END)
    return graph.compile(checkpointer=saver, store=store)


three = build()
"""
SERVE = """
import sys
from pathlib import Path

from graph.settings import Settings
from graphs import build
from api.service.server import serve_home
from api.service.settings import ServiceSettings

serve_home(
    Settings(home=Path(sys.argv[1])), ServiceSettings(), ("127.0.0.1", int(sys.argv[2])),
    lambda url: None, {"three": build},
)
"""
PARTS = ("langgraph-api", "langgraph-runtime-inmem", "langgraph")
JOBS = 16
"""Runs at the same time, on both sides."""
OPEN_FILES = 4096
START_SECONDS = 120.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """A server that listens."""

    port: int
    process: psutil.Process
    version: str = "Pillion"
    """What it is, with its parts' versions."""

    def resident(self) -> int:
        """Return the memory of its processes, in bytes."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(p.memory_info().rss for p in tree)


@contextlib.contextmanager
def ours(folder: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Served]:
    """Serve the graph `three` by our service, with its home in `folder` and more settings."""
    port = _free_port()
    (folder / "graphs.py").write_text(GRAPH, encoding="utf-8")
    (folder / "serve.py").write_text(SERVE, encoding="utf-8")
    more = {
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        "PILLION_SERVICE_REQUESTS_PER_SECOND": "1000000",
        "PILLION_SERVICE_PRINCIPAL_REQUESTS_PER_SECOND": "1000000",
        "PILLION_SERVICE_MAX_RUNS": str(JOBS),
        # As quiet as the other.
        "PILLION_LOG_LEVEL": "error",
        **settings,
    }
    command = [sys.executable, str(folder / "serve.py"), str(folder / "home"), str(port)]
    with _listening(command, folder, port, more) as server:
        yield server


@contextlib.contextmanager
def theirs(folder: Path) -> Iterator[Served]:
    """Serve by langgraph's own command, from an environment of its own."""
    port = _free_port()
    (folder / "graphs.py").write_text(GRAPH, encoding="utf-8")
    place = folder / "venv"
    _install(place)
    config = {"dependencies": ["."], "graphs": {"three": "./graphs.py:three"}}
    (folder / "langgraph.json").write_text(json.dumps(config), encoding="utf-8")
    command = [
        str(place / "bin" / "langgraph"), "dev", "--no-browser", "--no-reload",
        "--port", str(port), "--n-jobs-per-worker", str(JOBS),
    ]  # fmt: skip
    more = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false", "LOG_LEVEL": "ERROR"}
    more["PATH"] = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with _listening(command, folder, port, more) as server:
        yield replace(server, version=_versions(place))


def _versions(place: Path) -> str:
    """Say which versions of the parts that matter were installed."""
    listing = ["uv", "pip", "list", "-q", "-p", str(place), "--format", "json"]
    said = subprocess.run(listing, check=True, timeout=60, capture_output=True).stdout
    known = {package["name"]: package["version"] for package in json.loads(said)}
    return "`langgraph dev` (" + ", ".join(f"{name} {known[name]}" for name in PARTS) + ")"


def _install(place: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        raise BenchmarkFailed("uv is not on the PATH; `make bench` finds it")
    made = [uv, "venv", "-q", str(place)]
    filled = [uv, "pip", "install", "-q", "-p", str(place), "langgraph-cli[inmem]"]
    for command in (made, filled):
        subprocess.run(command, check=True, timeout=600, capture_output=True)


@contextlib.contextmanager
def _listening(
    command: list[str], folder: Path, port: int, more: Mapping[str, str]
) -> Iterator[Served]:
    with (folder / f"{port}.log").open("w+", encoding="utf-8") as log:
        child = psutil.Popen(
            command, cwd=folder, env={**os.environ, **more}, stdout=log, stderr=log,
            preexec_fn=open_many,
        )  # fmt: skip
        try:
            _await(child, port, folder / f"{port}.log")
            yield Served(port, child)
        finally:
            for process in [*child.children(recursive=True), child]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            child.wait()


def open_many() -> None:
    """Let this process hold as many connections as are measured."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _await(child: psutil.Popen, port: int, log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and child.is_running() and child.poll() is None:
        with contextlib.suppress(OSError):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            line.request("GET", "/ok")
            if line.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise BenchmarkFailed(f"a server did not start: {log.read_text(encoding='utf-8')[-300:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Runs that are read by many while their server is killed again and again.

`python -m tests.api.service.killing --runs 200 --clients 20` plays it whole. Kills come after a
random number of events was read, so that a slow machine sees as many of them as a fast one, and
every fifth while the server still takes up what the one before left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from tests.api.service.served import Child, running
from tests.ports import free_port
from tests.preforked import preforked

AT_ONCE = 10
"""Runs at the same time."""
STEPS = 8
PAUSE = 0.05
LONGEST_LINE = 1 << 20
OPEN_DOOR = {
    f"PILLION_SERVICE_{limit}_PER_SECOND": "100000" for limit in ("REQUESTS", "PRINCIPAL_REQUESTS")
}
"""All readers come from one address, and all come back at once."""
EARLY = 5
"""One kill in so many comes while the server starts."""
LIFE = 2 * STEPS
"""Most events that each reader gets between two kills; a start alone is worth about five."""
Serve = Callable[[Path, int], AbstractContextManager[tuple[Child, str]]]
Read = list[tuple[int, str]]
"""What a reader got: numbers and what came with them."""


@dataclass
class Played:
    """What became of all readers."""

    kills: int = 0
    reconnects: int = 0
    events: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Server:
    """Where it is, whether it is up, and how much was read of it."""

    port: int = field(default_factory=free_port)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    read: int = 0
    _wanted: tuple[int, asyncio.Event] | None = None

    def count(self) -> None:
        """Count an event that a reader got."""
        self.read += 1
        if self._wanted is not None and self.read >= self._wanted[0]:
            self._wanted[1].set()

    async def after(self, more: int) -> None:
        """Wait until so many more events were read."""
        enough = asyncio.Event()
        self._wanted = (self.read + more, enough)
        await enough.wait()

    @asynccontextmanager
    async def line(self, method: str, path: str, *headers: str, body: str = "") -> Any:
        """Send one request, and yield the lines of its answer."""
        head = [f"{method} {path} HTTP/1.0", "Host: 127.0.0.1", *headers]
        if body:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=LONGEST_LINE)
        try:
            writer.write("\r\n".join([*head, "", body]).encode())
            yield _lines(reader)
        finally:
            writer.close()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield whole lines: what a kill cut short is none."""
    while (line := await reader.readline()).endswith(b"\n"):
        yield line.decode().rstrip("\r\n")


class Reader:
    """Reads one run to its end, over any number of lost connections."""

    def __init__(self, server: Server, thread: str, run: str) -> None:
        self.server, self.thread, self.run = server, thread, run
        self.got: Read = []
        self.lost = 0

    async def read(self) -> Read:
        while not await self._once():
            self.lost += 1
            await asyncio.sleep(0.02)
        return self.got

    async def _once(self) -> bool:
        await self.server.up.wait()
        try:
            async with self._open() as lines:
                return await self._take(lines)
        except OSError:
            return False

    def _open(self) -> Any:
        last = [f"Last-Event-ID: {self.got[-1][0]}"] if self.got else []
        where = f"/threads/{self.thread}/runs/{self.run}/stream?stream_mode=values"
        return self.server.line("GET", where, *last)

    def _keep(self, number: int, what: str) -> None:
        self.got.append((number, what))
        self.server.count()

    async def _take(self, lines: AsyncIterator[str]) -> bool:
        number = 0
        event = ""
        async for line in lines:
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                event = value
            elif name == "data" and event == "end":
                return True
            elif name == "data":
                self._keep(number, value)
        return False


class NewReader(Reader):
    """The same over the newer protocol."""

    def _open(self) -> Any:
        body: Any = {"channels": ["values", "lifecycle"]}
        if self.got:
            body["since"] = self.got[-1][0]
        where = f"/threads/{self.thread}/stream/events"
        return self.server.line("POST", where, body=json.dumps(body))

    async def _take(self, lines: AsyncIterator[str]) -> bool:
        async for line in lines:
            if line.startswith("data: "):
                told = json.loads(line[6:])
                self._keep(told["seq"], line)
                if told["method"] == "lifecycle" and told["params"]["data"]["event"] == "completed":
                    return True
        return False


async def follow(http: httpx.AsyncClient, server: Server, clients: int, played: Played) -> None:
    """Start one run, read it by all clients, and compare what each got with the log."""
    thread, run = await begin(http, server)
    kinds = [NewReader if n % 2 else Reader for n in range(clients)]
    readers = [kind(server, thread, run) for kind in kinds]
    await asyncio.gather(*(reader.read() for reader in readers))
    wholes = {kind: await kind(server, thread, run).read() for kind in set(kinds)}
    for kind, reader in zip(kinds, readers, strict=True):
        played.reconnects += reader.lost
        played.events += len(reader.got)
        numbers = [number for number, _ in reader.got]
        if reader.got != wholes[kind] or numbers != sorted(set(numbers)):
            played.wrong.append(f"{kind.__name__} of {run}: {numbers}")
    state = await again(http, server, "GET", f"/threads/{thread}")
    if state["values"]["steps"] != [f"step {n}" for n in reversed(range(STEPS))]:
        played.wrong.append(f"{run} took the steps {state['values']['steps']}")


async def begin(http: httpx.AsyncClient, server: Server) -> tuple[str, str]:
    """Start a run; returns its thread and its id."""
    thread = str(uuid.uuid4())
    made = {"thread_id": thread, "if_exists": "do_nothing"}
    await again(http, server, "POST", "/threads", json=made)
    asked = {"assistant_id": "counter", "input": {"left": STEPS, "pause": PAUSE}}
    # A request whose answer was lost may have been taken.
    while not (known := await again(http, server, "GET", f"/threads/{thread}/runs")):
        await once(http, server, "POST", f"/threads/{thread}/runs", json=asked)
    return thread, known[0]["run_id"]


async def once(http: httpx.AsyncClient, server: Server, *asked: str, **sent: Any) -> Any:
    """Return what the server answers; None when it is killed first."""
    await server.up.wait()
    try:
        answer = await http.request(*asked, **sent)
    except (httpx.TransportError, OSError):
        return None
    return answer.json() if answer.status_code < 400 else None


async def again(http: httpx.AsyncClient, server: Server, *asked: str, **sent: Any) -> Any:
    while (found := await once(http, server, *asked, **sent)) is None:
        await asyncio.sleep(0.02)
    return found


async def kill_and_serve(
    serve: Serve, home: Path, server: Server, played: Played, dice: random.Random, parts: int
) -> None:
    """Keep a server, and kill it at random, until cancelled."""
    while True:
        with serve(home, server.port) as (child, _):
            server.up.set()
            if dice.randrange(EARLY):
                await server.after(dice.randint(1, parts))
            await asyncio.sleep(dice.uniform(0, 0.1))
            await asyncio.to_thread(child.stop, signal.SIGKILL)
            server.up.clear()
        played.kills += 1


async def play(
    serve: Serve, home: Path, runs: int, clients: int, *, seed: int = 1, life: int = LIFE
) -> Played:
    """Play `runs` runs of `clients` readers each."""
    played, server = Played(), Server()
    slots = asyncio.Semaphore(AT_ONCE)
    parts = min(runs, AT_ONCE) * clients * life
    async with AsyncExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, OPEN_DOOR))
        base = f"http://127.0.0.1:{server.port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=30))

        async def one() -> None:
            async with slots:
                await follow(http, server, clients, played)

        killing = asyncio.create_task(
            kill_and_serve(serve, home, server, played, random.Random(seed), parts)
        )
        work = asyncio.gather(*(one() for _ in range(runs)))
        await asyncio.wait({killing, work}, return_when=asyncio.FIRST_COMPLETED)
        killing.cancel()
        await asyncio.wait({killing})
        if not killing.cancelled() and (fault := killing.exception()):
            raise fault
        await work
    return played


def main() -> None:
    """Play it from the command line and say what became of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--clients", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with preforked(Path(folder), "tests.api.service.served") as python:
            serve = partial(running, python)
            played = asyncio.run(play(serve, home, asked.runs, asked.clients, seed=asked.seed))
    sys.stdout.write(
        f"{asked.runs} runs x {asked.clients} clients: {played.kills} kills,"
        f" {played.reconnects} reconnects, {played.events} events,"
        f" {len(played.wrong)} wrong, {time.monotonic() - began:.0f} s\n"
    )
    for line in played.wrong[:20]:
        sys.stdout.write(f"  {line}\n")
    sys.exit(bool(played.wrong))


if __name__ == "__main__":
    main()

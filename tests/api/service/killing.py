"""Runs that are read by many while their server is killed again and again.

`python -m tests.api.service.killing --runs 200 --clients 20` plays it whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.api.service.served import Child, running
from tests.api.service.test_server import free_port
from tests.preforked import preforked

AT_ONCE = 10
"""Runs at the same time."""
STEPS = 8
PAUSE = 0.05
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


class Reader:
    """Reads one run to its end, over any number of lost connections."""

    def __init__(self, http: httpx.AsyncClient, thread: str, run: str) -> None:
        self.http, self.thread, self.run = http, thread, run
        self.got: Read = []
        self.lost = 0

    async def read(self) -> Read:
        while not await self._once():
            self.lost += 1
            await asyncio.sleep(0.05)
        return self.got

    async def _once(self) -> bool:
        try:
            async with self._open() as answer:
                if answer.status_code == 200:
                    return await self._take(answer)
        except (httpx.TransportError, OSError):
            pass
        return False

    def _open(self) -> Any:
        last = {"Last-Event-ID": str(self.got[-1][0])} if self.got else {}
        where = f"/threads/{self.thread}/runs/{self.run}/stream"
        return self.http.stream("GET", where, params={"stream_mode": "values"}, headers=last)

    async def _take(self, answer: httpx.Response) -> bool:
        number = 0
        event = ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                event = value
            elif name == "data" and event == "end":
                return True
            elif name == "data":
                self.got.append((number, value))
        return False


class NewReader(Reader):
    """The same over the newer protocol."""

    def _open(self) -> Any:
        body: Any = {"channels": ["values", "lifecycle"]}
        if self.got:
            body["since"] = self.got[-1][0]
        return self.http.stream("POST", f"/threads/{self.thread}/stream/events", json=body)

    async def _take(self, answer: httpx.Response) -> bool:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                told = json.loads(line[6:])
                self.got.append((told["seq"], line))
                if told["method"] == "lifecycle" and told["params"]["data"]["event"] == "completed":
                    return True
        return False


async def follow(http: httpx.AsyncClient, clients: int, played: Played) -> None:
    """Start one run, read it by all clients, and compare what each got with the log."""
    thread, run = await begin(http)
    kinds = [NewReader if n % 2 else Reader for n in range(clients)]
    readers = [kind(http, thread, run) for kind in kinds]
    await asyncio.gather(*(reader.read() for reader in readers))
    wholes = {kind: await kind(http, thread, run).read() for kind in set(kinds)}
    for kind, reader in zip(kinds, readers, strict=True):
        played.reconnects += reader.lost
        played.events += len(reader.got)
        numbers = [number for number, _ in reader.got]
        if reader.got != wholes[kind] or numbers != sorted(set(numbers)):
            played.wrong.append(f"{kind.__name__} of {run}: {numbers}")
    state = (await again(http, "GET", f"/threads/{thread}")).json()
    if state["values"]["steps"] != [f"step {n}" for n in reversed(range(STEPS))]:
        played.wrong.append(f"{run} took the steps {state['values']['steps']}")


async def begin(http: httpx.AsyncClient) -> tuple[str, str]:
    asked = {"assistant_id": "counter", "input": {"left": STEPS, "pause": PAUSE}}
    made = (await again(http, "POST", "/threads", json={})).json()["thread_id"]
    run = await again(http, "POST", f"/threads/{made}/runs", json=asked)
    # A request whose answer was lost may have been taken: all its runs are read alike.
    return made, run.json()["run_id"]


async def again(http: httpx.AsyncClient, method: str, path: str, **sent: Any) -> httpx.Response:
    while True:
        try:
            answer = await http.request(method, path, **sent)
            if answer.status_code < 400:
                return answer
        except (httpx.TransportError, OSError):
            pass
        await asyncio.sleep(0.05)


async def kill_and_serve(
    serve: Serve, home: Path, port: int, played: Played, dice: random.Random
) -> None:
    """Keep a server, and kill it at random, until cancelled."""
    while True:
        with serve(home, port) as (child, _):
            await asyncio.sleep(dice.uniform(0.4, 1.6))
            await asyncio.to_thread(child.stop, signal.SIGKILL)
        played.kills += 1


async def play(serve: Serve, home: Path, runs: int, clients: int, seed: int = 1) -> Played:
    """Play `runs` runs of `clients` readers each."""
    played, port = Played(), free_port()
    limits = httpx.Limits(max_connections=None)
    slots = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=30, limits=limits
    ) as http:

        async def one() -> None:
            async with slots:
                await follow(http, clients, played)

        killing = asyncio.create_task(
            kill_and_serve(serve, home, port, played, random.Random(seed))
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
            played = asyncio.run(play(serve, home, asked.runs, asked.clients, asked.seed))
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

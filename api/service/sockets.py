"""The newer protocol on one WebSocket: commands come in, answers and events go out."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends
from pydantic import Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.service.access import Caller, Needs
from api.service.command_shapes import Command
from api.service.commands import Context, Result, carry_out, failure, first_of, success
from api.service.guard import MAX_BODY, MAX_DEPTH, depth
from api.service.problems import Refused
from api.service.service import Service
from api.service.streams import CHECK_SECONDS
from api.service.wire import visible
from graph.engine.following import known_cursor
from graph.engine.protocol import Subscription, told
from graph.engine.records import UnknownRun
from graph.engine.requests import Wire
from graph.errors import GraphError, UnknownThread

MAX_SUBSCRIPTIONS = 100
GOING_AWAY = 1001
UNSUPPORTED = 1003
TOO_MANY = 429
TOGETHER_SECONDS = 0.02
"""Subscriptions that come so close together are told together.

A client that hears for the first one that a run ended waits no more for what the second one wants.
"""


class Reading(Needs):
    """The rule of a WebSocket: told after the handshake, where a page can read a refusal."""

    async def __call__(self, connection: HTTPConnection) -> Caller | Refused:  # type: ignore[override]
        """Return the caller, or why there is none."""
        try:
            return await super().__call__(connection)
        except Refused as exc:
            return exc


SocketViewer = Annotated[Caller | Refused, Depends(Reading("viewer"))]


class Binary(Exception):
    """A message in bytes, where commands are text."""


class Unsubscribe(Wire):
    """Parameters of subscription.unsubscribe."""

    subscription_id: str


class Reconnect(Wire):
    """Parameters of subscription.reconnect."""

    run_id: str
    last_event_id: str | None = None
    subscriptions: Annotated[list[str], Field(max_length=MAX_SUBSCRIPTIONS)] = []


@dataclass
class _Reader:
    wanted: Subscription
    after: int


class Socket:
    """One connection to one thread."""

    def __init__(
        self, websocket: WebSocket, service: Service, caller: Caller | Refused, thread_id: str
    ) -> None:
        self._socket = websocket
        self._service = service
        self._caller = caller
        self._thread_id = thread_id
        self._readers: dict[str, _Reader] = {}
        self._changed = asyncio.Event()
        self._looked = time.monotonic()

    async def run(self) -> None:
        """Serve the connection until either side ends it, or the caller's key or token ends."""
        await self._socket.accept()
        try:
            if isinstance(self._caller, Refused):
                raise self._caller
            await self._talk()
        except WebSocketDisconnect:
            return
        except Binary:
            await self._socket.close(UNSUPPORTED, "Commands are text: JSON, one a message.")
            return
        except Refused as exc:
            # The codes from 4000 on are HTTP's, which a page cannot read of a refused handshake.
            await self._socket.close(4000 + exc.status, exc.detail[:100])
            return
        await self._socket.close(GOING_AWAY if self._service.engine.closed else 1000)

    async def _talk(self) -> None:
        tasks = {asyncio.create_task(self._listen()), asyncio.create_task(self._tell())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _visible(self) -> bool:
        """Return whether there is a thread to tell of; the first run makes it."""
        assert isinstance(self._caller, Caller)
        try:
            visible(self._service, self._caller, self._thread_id)
        except UnknownThread:
            return False
        return True

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"], message.get("reason"))
            text = message.get("text")
            if text is None:
                raise Binary
            await self._send(await self._answer(text))

    async def _send(self, message: Result | bytes) -> None:
        raw = message if isinstance(message, bytes) else orjson.dumps(message)
        await self._socket.send_text(raw.decode())

    async def _answer(self, text: str) -> Result:
        """Do a command, which counts as a request; raises `Refused` when the caller is none now."""
        number, command = read_command(text)
        try:
            self._caller = await self._service.access.authenticate(self._socket.headers)
        except Refused as exc:
            if exc.status != TOO_MANY:
                raise
            await asyncio.sleep(float(exc.headers["retry-after"]))
            return failure(number, "unknown_error", exc.detail)
        if isinstance(command, str):
            return failure(number, "invalid_argument", command)
        try:
            if command.method == "subscription.subscribe":
                return self._subscribe(command)
            if command.method == "subscription.unsubscribe":
                return self._unsubscribe(command)
            if command.method == "subscription.reconnect":
                return self._reconnect(command)
            return await self._carry_out(command)
        except ValidationError as exc:
            return failure(command.id, "invalid_argument", first_of(exc))
        except (GraphError, Refused) as exc:
            return failure(command.id, "unknown_error", str(exc))

    async def _carry_out(self, command: Command) -> Result:
        """Do what may change the thread; a connection that only reads may not."""
        caller = self._caller
        assert isinstance(caller, Caller)
        if not caller.may_somewhere("operator"):
            return failure(command.id, "permission_denied", "This needs the role operator.")
        return await carry_out(Context(self._service, caller, self._thread_id), command)

    def _subscribe(self, command: Command) -> Result:
        if len(self._readers) >= MAX_SUBSCRIPTIONS:
            return failure(command.id, "invalid_argument", "Too many subscriptions; end some.")
        wanted = Subscription.model_validate(command.params)
        name = str(uuid.uuid4())
        after = known_cursor(self._service.engine, self._thread_id, wanted.since)
        self._readers[name] = _Reader(wanted, after)
        self._changed.set()
        return success(command.id, {"subscription_id": name}, self._through())

    def _through(self) -> int:
        """Return the number of the thread's latest event; 0 for who may not see it, as of none."""
        return self._service.engine.records.latest(self._thread_id) if self._visible() else 0

    def _unsubscribe(self, command: Command) -> Result:
        name = Unsubscribe.model_validate(command.params).subscription_id
        if self._readers.pop(name, None) is None:
            return failure(command.id, "no_such_subscription", f"No subscription {name!r}.")
        return success(command.id, {}, self._through())

    def _reconnect(self, command: Command) -> Result:
        """Go on after an event; subscriptions end with their connection, so none is restored."""
        asked = Reconnect.model_validate(command.params)
        records = self._service.engine.records
        try:
            if not self._visible():
                raise UnknownRun(asked.run_id)
            records.run_row(asked.run_id, self._thread_id)
        except UnknownRun as exc:
            return failure(command.id, "no_such_run", str(exc))
        known = all(name in self._readers for name in asked.subscriptions)
        return success(command.id, {"restored": known}, self._through())

    async def _tell(self) -> None:
        """Send each event that a subscription wants, once for all that have not had it."""
        records = self._service.engine.records
        known = False
        with records.listening(self._thread_id) as flag:
            while not self._service.engine.closed:
                if self._changed.is_set():
                    await asyncio.sleep(TOGETHER_SECONDS)
                flag.clear()
                self._changed.clear()
                if known and not records.has_thread(self._thread_id):
                    return
                known = known or self._visible()
                if not (known and await self._tell_batch()):
                    await _either(flag, self._changed)

    def _check_still(self) -> None:
        """Raise when the caller's key or token has ended; looked at once in `CHECK_SECONDS`."""
        if time.monotonic() - self._looked >= CHECK_SECONDS:
            self._looked = time.monotonic()
            self._service.access.identify(self._socket.headers)

    async def _tell_batch(self) -> bool:
        """Send what comes after the slowest subscription; returns whether there was anything."""
        if not self._readers:
            return False
        self._check_still()
        # Who comes while this is sent has missed its beginning, and is told in the next batch.
        readers = dict(self._readers)
        start = min(reader.after for reader in readers.values())
        found = self._service.engine.records.events(self._thread_id, start)
        for event in found:
            staying = [r for name, r in readers.items() if name in self._readers]
            behind = [r for r in staying if r.after < event.seq]
            one = told(event)
            if one is not None and any(r.wanted.wants(one) for r in behind):
                await self._send(one.envelope())
            for reader in behind:
                reader.after = event.seq
        return bool(found)


async def _either(*flags: asyncio.Event) -> None:
    waits = [asyncio.create_task(flag.wait()) for flag in flags]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def read_command(text: str) -> tuple[int | None, Command | str]:
    """Return a command's number and the command, or what is wrong with it."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY:
        return None, f"The command is larger than {MAX_BODY} bytes."
    if depth(raw) > MAX_DEPTH:
        return None, f"The JSON is nested more than {MAX_DEPTH} deep."
    try:
        given: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        return None, f"The command is not JSON at line {exc.lineno}, column {exc.colno}."
    number = given.get("id") if isinstance(given, dict) else None
    try:
        return number, Command.model_validate(given)
    except ValidationError as exc:
        return number if isinstance(number, int) else None, first_of(exc)

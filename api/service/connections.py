"""Connections that have to be quick: a request's head comes within time and what is sent is read.

Otherwise the line is cut.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"cache-control: no-store\r\n\r\n"
)


class Impatient(asyncio.Protocol):
    """A line whose reader takes nothing for so long is cut; asyncio itself would wait for ever."""

    seconds: ClassVar[float] = 30.0
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _watch: asyncio.TimerHandle | None = None
    _untaken = 0

    def pause_writing(self) -> None:
        """Watch whether the reader takes anything of what waits for it."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """Be content: it took most of it."""
        self._look_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with its line."""
        self._look_no_more()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._untaken = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(self.seconds, self._look)

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() < self._untaken:
            self._look_later()
        else:
            # Not close(), which waits until all is sent.
            self.transport.abort()

    def _look_no_more(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class Conversing(Impatient, WebSocketsSansIOProtocol):
    """A WebSocket that does not wait for a client that is silent."""

    def keepalive_timeout(self) -> None:
        """Cut the line: closing it would wait for the client to read what was sent before."""
        super().keepalive_timeout()
        self.transport.abort()


class Hurried(Impatient, H11Protocol):
    """HTTP/1.1 that waits for a request's head only so long; uvicorn itself would for ever."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request from now on."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Go on expecting until the head is whole; what trickles in gains no time."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._timer is None and not self.transport.is_closing():
            self._expect()

    def on_response_complete(self) -> None:
        """Leave the pause between two requests to uvicorn, which ends it by itself."""
        self._rest()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the line on; it is a conversation now."""
        self._rest()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with its line."""
        self._rest()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self._give_up)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.write(TOO_SLOW)
            self.transport.close()


class Lines(NamedTuple):
    """The protocols of a server."""

    http: type[asyncio.Protocol]
    ws: type[asyncio.Protocol]


def hurried(seconds: float) -> Lines:
    """Return the protocols with their time."""
    members: dict[str, Any] = {"seconds": seconds}
    return Lines(type("Hurried", (Hurried,), members), type("Conversing", (Conversing,), members))


def cut_off_quietly() -> None:
    """Keep uvicorn from calling it a fault that streams are cut off when the service stops."""
    logging.getLogger("uvicorn.error").addFilter(_is_a_fault)


def _is_a_fault(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("ASGI callable returned without completing")

"""Connections that have to be quick: a request's head comes within time, or the line is cut."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"cache-control: no-store\r\n\r\n"
)


class Hurried(H11Protocol):
    """HTTP/1.1 that waits for a request's head only so long; uvicorn itself would for ever."""

    seconds: ClassVar[float] = 30.0
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


def hurried(seconds: float) -> type[Hurried]:
    """Return the protocol with its time."""
    members: dict[str, Any] = {"seconds": seconds}
    return type("Hurried", (Hurried,), members)


def cut_off_quietly() -> None:
    """Keep uvicorn from calling it a fault that streams are cut off when the service stops."""
    logging.getLogger("uvicorn.error").addFilter(_is_a_fault)


def _is_a_fault(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("ASGI callable returned without completing")

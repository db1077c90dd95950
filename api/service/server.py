"""The process: binds, takes the home, serves until it is told to stop, drains."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager

import uvicorn

from api.ide.server import Extend
from api.presence import Serving, announced
from api.service.app import build_app
from api.service.connections import cut_off_quietly, hurried
from api.service.guard import MAX_BODY
from api.service.keys import KEYS, Keys
from api.service.service import Build, Service, open_service
from api.service.settings import ServiceSettings, is_loopback
from api.service.tls import TlsFiles, tls_files
from graph.errors import GraphError
from graph.policy import PolicyFile
from graph.settings import Settings
from tools.logs import LogSettings, set_up_logs
from tools.tracing import set_up_tracing

LOG = logging.getLogger("pillion.service")
CLOSING_SECONDS = 5


class CannotListen(GraphError):
    """The address cannot be used; nothing listens."""


class _Server(uvicorn.Server):
    """Drains the service before connections are closed, and ends without raising its signal."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on Ctrl-C and SIGTERM; the second one does not wait."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running steps end, then close."""
        await self._service.drain()
        await super().shutdown(sockets)


class _Inner(_Server):
    """A server within a program that has signals of its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield


def serve_home(
    settings: Settings,
    limits: ServiceSettings,
    address: tuple[str, int],
    on_ready: Callable[[str], None],
    graphs: Mapping[str, Build] | None = None,
    extend: Extend | None = None,
) -> None:
    """Serve every product of the home until SIGINT or SIGTERM.

    `graphs` are served beside the steward graph; `extend` may add to the MCP server.

    Raises `CannotListen`, `PolicyUnusable`, `TlsUnusable`, and `Busy` when another process works
    on the home.
    """
    host, port = address
    # Told now, not to the first who answers.
    PolicyFile(settings.home).read()
    tls = tls_files(limits)
    set_up_logs(LogSettings())
    _check_open(settings, limits, host)

    async def serve() -> None:
        door, more = (listening, tls), (graphs, extend)
        async with _opened(settings, limits, door, more, _Server) as (server, at):
            on_ready(at.url)
            await server.serve(sockets=[listening])

    with _listen(host, port) as listening:
        set_up_tracing("pillion")
        asyncio.run(serve())


@asynccontextmanager
async def held_home(settings: Settings, limits: ServiceSettings) -> AsyncIterator[Serving]:
    """Serve the home from within a program, on a port of its own choice; yields where.

    Raises `Busy` when another process works on the home.
    """
    with _listen("127.0.0.1", 0) as listening:
        door = (listening, None)
        async with _opened(settings, limits, door, (None, None), _Inner) as (server, at):
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield at
            finally:
                server.should_exit = True
                await asyncio.wait({serving})


@asynccontextmanager
async def _opened(
    settings: Settings,
    limits: ServiceSettings,
    door: tuple[socket.socket, TlsFiles | None],
    more: tuple[Mapping[str, Build] | None, Extend | None],
    kind: type[_Server],
) -> AsyncIterator[tuple[_Server, Serving]]:
    """Open the service with its server, and announce it while it is open."""
    (listening, tls), (graphs, extend) = door, more
    url = _url_of(listening, "https" if tls else "http")
    lines = hurried(limits.request_seconds)
    async with open_service(settings, limits, graphs) as service:
        config = uvicorn.Config(
            build_app(service, extend), log_config=None, server_header=False,
            timeout_graceful_shutdown=CLOSING_SECONDS, h11_max_incomplete_event_size=65_536,
            ssl_certfile=tls.certificate if tls else None, ssl_keyfile=tls.key if tls else None,
            http=lines.http, ws=lines.ws, ws_max_size=MAX_BODY,
        )  # fmt: skip
        cut_off_quietly()
        serving = Serving(url=url, token=service.access.own, pid=os.getpid())
        with announced(settings.home / "service.json", serving):
            yield kind(config, service), serving


def _url_of(listening: socket.socket, scheme: str) -> str:
    """Return how this machine reaches what listens; "all addresses" is none to go to."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _check_open(settings: Settings, limits: ServiceSettings, host: str) -> None:
    """Refuse an address that others reach while nobody has to say who they are, or all overhear."""
    if is_loopback(host):
        return
    with closing(Keys(settings.home / KEYS)) as keys:
        if not (keys.asked_for or limits.oidc_issuer):
            raise CannotListen(
                f"{host} can be reached from other machines, and no key is asked for: make one"
                " with `pillion keys add`, set PILLION_SERVICE_OIDC_ISSUER, or use 127.0.0.1."
            )
    if limits.encrypted:
        return
    if not limits.plain_http:
        raise CannotListen(
            f"{host} can be reached from other machines, and keys would cross the network for all"
            " to read: set PILLION_SERVICE_TLS_CERTIFICATE and PILLION_SERVICE_TLS_KEY, or"
            " PILLION_SERVICE_PUBLIC_URL to the https URL of a proxy before it, or"
            " PILLION_SERVICE_PLAIN_HTTP=true where the network itself encrypts."
        )
    LOG.warning("keys and tokens reach %s unencrypted, as PILLION_SERVICE_PLAIN_HTTP allows", host)


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a port in use is one plain message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Held back until the home is taken; who connects early waits in the queue.
        listening.listen(1024)
    except PermissionError as exc:
        listening.close()
        raise CannotListen(f"Port {port} needs more rights; choose one above 1023.") from exc
    except OSError as exc:
        listening.close()
        raise CannotListen(
            f"{host}:{port} cannot be listened on ({exc.strerror}); choose another --port."
        ) from exc
    return listening

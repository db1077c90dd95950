"""Serve a product over stdio or HTTP, as the arguments of the process say."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import uvicorn
from pydantic import ValidationError

from mcp_servers.product.server import build_server
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tools.lazy import lazy
from tools.leaving import end_with
from tools.logs import LogSettings, set_up_logs
from tools.product.descriptor import load_descriptor
from tools.product.errors import ProductError
from tools.tracing import set_up_tracing

if TYPE_CHECKING:
    from mcp_servers.product import query_api
else:
    # Only HTTP needs it, and an agent waits for its child over stdio to start.
    query_api = lazy("mcp_servers.product.query_api")

HOST = "127.0.0.1"


def main() -> int:
    """Serve until the client leaves (stdio) or the process is stopped (HTTP).

    Returns 0 when done, 1 when it cannot listen, 2 when an argument or a setting is not valid.
    """
    parser = argparse.ArgumentParser(prog="python -m mcp_servers.product")
    parser.add_argument("transport", choices=["stdio", "http"])
    parser.add_argument("--descriptor", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--announced", type=Path, help="A file that names this process once ready.")
    arguments = parser.parse_args()
    try:
        set_up_logs(LogSettings())
        settings = ProductSettings()
        service = ProductService(load_descriptor(arguments.descriptor), settings)
    except ProductError as exc:
        return _failed(str(exc), 2)
    except ValidationError as exc:
        prefix = "PILLION_LOG" if exc.title == LogSettings.__name__ else "PILLION_PRODUCT"
        names = ", ".join(f"{prefix}_{e['loc'][0]}".upper() for e in exc.errors())
        return _failed(f"A setting is not valid: {names}. .env.example tells what each takes.", 2)
    set_up_tracing("pillion-product")
    if arguments.transport == "stdio":
        _end_with_parent()
        _keep_log(service.home)
        try:
            build_server(service).run("stdio")
        finally:
            service.close()
        return 0
    return _serve_http(service, settings, arguments.port, arguments.announced)


def _failed(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


def _serve_http(
    service: ProductService, settings: ProductSettings, port: int, announced: Path | None
) -> int:
    token = settings.token.get_secret_value() if settings.token else ""
    if not token:
        return _failed("Set PILLION_PRODUCT_TOKEN: the HTTP server does not listen without it.", 2)
    query_token = settings.query_token.get_secret_value() if settings.query_token else ""
    if query_token == token:
        return _failed(
            "PILLION_PRODUCT_QUERY_TOKEN has to be another than PILLION_PRODUCT_TOKEN:"
            " whoever has it must not change anything.", 2
        )  # fmt: skip
    try:
        listening = _listen(port)
    except (OSError, OverflowError) as exc:
        return _failed(f"Cannot listen on {HOST}:{port}: {exc}. Choose another --port.", 1)

    def ready() -> bool:
        return announced is None or names_this_process(announced)

    app = query_api.build_app(service, build_server(service), token, query_token, ready=ready)
    # uvicorn raises what stopped it again when it is done; that is how serving ends.
    with listening, suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listening])
    return 0


def names_this_process(announced: Path) -> bool:
    """Whether who started this has said where it is served: others look for it there."""
    try:
        return bool(json.loads(announced.read_bytes())["pid"] == os.getpid())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _listen(port: int) -> socket.socket:
    """Bind before anything else starts, so that a port in use is one plain message."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError):
        listening.close()
        raise
    return listening


def _keep_log(home: Path) -> None:
    """Write warnings beside the product: the terminal belongs to the agent."""
    with suppress(OSError), (home / "server.log").open("a") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _end_with_parent() -> None:
    """Leave when the agent is gone: an orphan would hold the database's lock."""
    parent = psutil.Process().parent()
    if parent is not None:
        end_with(parent.pid)

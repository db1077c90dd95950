"""The command that listens: serve, for the agent of all products or for one product's data."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from api.cli.shell import (
    Json,
    load_service_settings,
    load_settings,
    print_json,
    refuse_while_served,
    tell,
)
from api.presence import Serving, announced
from api.products import check_writable, descriptor_of, product_client, serving_of
from graph.errors import GraphError
from graph.settings import Settings
from mcp_servers.product.settings import ProductSettings
from tools.lazy import lazy

if TYPE_CHECKING:
    from api.service import server

    service_server = server
else:
    service_server = lazy("api.service.server")

SERVICE_PORT = 2024
PRODUCT_PORT = 8765
START_SECONDS = 60.0
STOP_SECONDS = 10.0
_STOPPED = (0, -signal.SIGINT, -signal.SIGTERM)


class ServingFailed(GraphError):
    """The product cannot be served; nothing listens."""


def serve(
    product: Annotated[
        str | None, typer.Argument(help="Serve this product's data; all products' agent without.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of the service.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help=f"Port; {SERVICE_PORT}, or {PRODUCT_PORT} of a product.", min=1, max=65535
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Serve the agent: proposals, answers and runs of all products over HTTP.

    With a product, own its database for consumers instead: SQL at /query, MCP at /mcp; the
    workload is tapped.

    Example: `pillion serve --port 2024`, or `pillion serve sales --port 8765`
    """
    settings = load_settings()
    if product is not None:
        _serve_product(settings, product, port or PRODUCT_PORT, json=json)
        return
    check_writable(settings.home)
    refuse_while_served(settings)

    def say(url: str) -> None:
        if json:
            print_json({"url": url, "pid": os.getpid()})
        else:
            tell(f"Serving {settings.home} at {url} (routes: {url}/docs). Ctrl-C ends it.")
            sys.stdout.flush()

    address = (host, port if port is not None else SERVICE_PORT)
    with suppress(KeyboardInterrupt):
        service_server.serve_home(settings, load_service_settings(), address, say)


def _serve_product(settings: Settings, product: str, port: int, *, json: bool) -> None:
    descriptor = descriptor_of(settings, product)
    running = serving_of(settings, product)
    if running:
        raise ServingFailed(f"{product} is already served at {running.url} (PID {running.pid}).")
    _check_port(port)
    given = ProductSettings()
    secret, asking = _secret(given.token), _secret(given.query_token)
    # -P: no module is taken from the working folder.
    command = [sys.executable, "-P", "-m", "mcp_servers.product", "http"]
    command += ["--descriptor", str(descriptor), "--port", str(port)]
    announcing = settings.product_home(product) / "serving.json"
    command += ["--announced", str(announcing)]
    tokens = {"PILLION_PRODUCT_TOKEN": secret, "PILLION_PRODUCT_QUERY_TOKEN": asking}
    if secret == asking:
        raise ServingFailed("PILLION_PRODUCT_QUERY_TOKEN has to be another than the other token.")
    with _child(command, {**os.environ, **tokens}) as child:
        url = f"http://127.0.0.1:{port}/mcp"
        serving = Serving(url=url, token=secret, query_token=asking, pid=child.pid)
        _wait_until_ready(child, serving, port)
        with announced(announcing, serving) as where:
            _say_where(product, port, where, json=json)
            code = child.wait()
            if code not in _STOPPED:
                raise ServingFailed(
                    f"The product server ended with code {code}; `pillion doctor` may know why."
                )


def _secret(given: SecretStr | None) -> str:
    return given.get_secret_value() if given else secrets.token_urlsafe(32)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as exc:
            raise ServingFailed(f"Port {port} needs more rights; choose one above 1023.") from exc
        except OSError as exc:
            raise ServingFailed(f"Port {port} is in use; choose another with --port.") from exc


@contextmanager
def _child(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server; it ends with this block."""
    # In a session of its own, so that Ctrl-C in the terminal reaches it through this process only.
    child = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield child
    except KeyboardInterrupt:
        # This is how serving ends; there is nothing to say.
        pass
    finally:
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        # A consumer holds on to its query, or the person will not wait: nothing is lost.
        child.kill()
        child.wait()


def _wait_until_ready(child: subprocess.Popen[bytes], serving: Serving, port: int) -> None:
    """Wait until the product answers; raises `ServingFailed` or what is wrong with the database."""
    ends = time.monotonic() + START_SECONDS
    while not _listens(port):
        if child.poll() is not None or time.monotonic() > ends:
            raise ServingFailed("The product server did not start; `pillion doctor` may know why.")
        time.sleep(0.05)

    async def describe() -> None:
        target = product_client.http_target(serving.url, serving.token)
        async with product_client.connect(target) as client:
            await client.describe_product()

    asyncio.run(describe())


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _say_where(product: str, port: int, where: Path, *, json: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    if json:
        print_json({"product": product, "url": url, "pid": os.getpid(), "token_in": str(where)})
        return
    tell(
        f"Serving {product} at {url}; the tokens are in {where}: query_token for consumers, token"
        " for who may change it, too. Ctrl-C ends it."
    )
    sys.stdout.flush()

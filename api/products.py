"""Products known to a home directory: adding one, finding its server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.presence import Serving, find_serving
from graph.errors import GraphError, UnknownProduct
from graph.settings import Settings
from tools.lazy import lazy
from tools.product.descriptor import Descriptor, load_descriptor
from tools.product.errors import ProductError

if TYPE_CHECKING:
    from mcp_servers.product import client

    product_client = client
else:
    product_client = lazy("mcp_servers.product.client")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
OnLine = Callable[[Mapping[str, Any]], None]


class HomeUnusable(GraphError):
    """Pillion's directory cannot be used."""


class DescriptorUnusable(GraphError):
    """A product's descriptor does not say what Pillion needs; the message names file and line."""


class SetupFailed(GraphError):
    """A product could not be set up; nothing is half done."""


def check_name(name: str) -> str:
    """Return a valid product name; raises `GraphError`."""
    if not NAME.fullmatch(name):
        raise GraphError(
            f"{name!r} cannot name a product; choose a --name of letters, digits, - and _, at most"
            " 63 of them."
        )
    return name


def check_writable(home: Path) -> None:
    """Raise `HomeUnusable` when the home directory cannot hold anything."""
    there = next(p for p in (home.absolute(), *home.absolute().parents) if p.exists())
    if not there.is_dir():
        raise HomeUnusable(f"PILLION_HOME: {there} is a file, not a directory; name a directory.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise HomeUnusable(
            f"PILLION_HOME: {there} may not be written by this user; use another directory."
        )


def product_names(settings: Settings) -> tuple[str, ...]:
    """Return the products of this home, sorted."""
    found = (settings.home / "products").glob("*/product.odps.yaml")
    return tuple(sorted(p.parent.name for p in found))


def descriptor_of(settings: Settings, name: str) -> Path:
    """Return the descriptor of a product; raises `UnknownProduct`."""
    known = product_names(settings)
    if name not in known:
        raise UnknownProduct(name, known)
    return settings.product_home(name) / "product.odps.yaml"


def described(settings: Settings, name: str) -> Descriptor:
    """Return what is known of a product; raises `UnknownProduct` and `DescriptorUnusable`."""
    try:
        return load_descriptor(descriptor_of(settings, name))
    except ProductError as exc:
        raise DescriptorUnusable(str(exc)) from exc


def target_of(settings: Settings, name: str) -> Callable[[], Any]:
    """Return how to reach a product: its running server, or a child of this process."""
    descriptor = descriptor_of(settings, name)
    described(settings, name)
    serving = serving_of(settings, name)
    if serving is not None:
        return product_client.http_target(serving.url, serving.token)
    return product_client.stdio_target(descriptor)


def serving_of(settings: Settings, name: str) -> Serving | None:
    """Return where the product is served, while the serving process lives."""
    return find_serving(
        settings.product_home(name) / "serving.json", {"mcp_servers.product"}, f"serve {name}"
    )


def service_of(settings: Settings) -> Serving | None:
    """Return where the service of this home listens, while it lives."""
    return find_serving(settings.home / "service.json", {"serve", "mcp"}, "serve")


def set_up(arguments: list[str], on_line: OnLine) -> dict[str, Any]:
    """Run the set-up process and return its last word; raises `SetupFailed`."""
    # -P: no module is taken from the working folder.
    command = [sys.executable, "-P", "-m", "mcp_servers.product.setup"]
    command += ["--parent", str(os.getpid()), *arguments]
    last: dict[str, Any] = {}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        try:
            for line in child.stdout or ():
                last = json.loads(line)
                if last.get("event") == "progress":
                    on_line(last)
        except BaseException:
            child.kill()
            raise
        child.wait()
        errors.seek(0)
        said = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
    if last.get("event") == "error":
        raise SetupFailed(str(last["message"]))
    if last.get("event") != "done":
        raise SetupFailed(
            f"The set-up process ended early (exit {child.returncode}: {said}). Run the command"
            " again."
        )
    return last

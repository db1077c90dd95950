"""Starting a product server: exit codes and one plain sentence for each way to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.products import make_product

TOKEN = {"PILLION_PRODUCT_TOKEN": "t"}


def start(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PILLION_")}
    return subprocess.run(
        [sys.executable, "-m", "mcp_servers.product", *arguments],
        env={**kept, "PYTHONPATH": os.getcwd(), **environment},
        cwd=cwd, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("main")
    return str(make_product(home, home / "home", rows=10).home / "product.odps.yaml")


@pytest.mark.parametrize(("environment", "said"), [
    ({}, "Set PILLION_PRODUCT_TOKEN"),
    ({"PILLION_PRODUCT_TOKEN": ""}, "Set PILLION_PRODUCT_TOKEN"),
    ({**TOKEN, "PILLION_PRODUCT_THREADS": "0"}, "A setting is not valid: PILLION_PRODUCT_THREADS"),
    ({**TOKEN, "PILLION_PRODUCT_MAX_ROWS": "many"}, "PILLION_PRODUCT_MAX_ROWS"),
])  # fmt: skip
def test_a_setting_that_is_missing_or_wrong_ends_with_2(
    environment: dict[str, str], said: str, descriptor: str, tmp_path: Path
) -> None:
    ended = start("http", "--descriptor", descriptor, cwd=tmp_path, **environment)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert said in ended.stderr


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("content", [None, "", "name: [", "{}"])
def test_a_descriptor_that_cannot_be_read_ends_with_2(
    transport: str, content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "p.yaml").write_text(content)
    ended = start(transport, "--descriptor", "p.yaml", cwd=tmp_path, **TOKEN)
    assert ended.returncode == 2
    assert "p.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_ends_with_1(port: str, descriptor: str, tmp_path: Path) -> None:
    ended = start("http", "--descriptor", descriptor, "--port", port, cwd=tmp_path, **TOKEN)
    assert ended.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("smtp",), ("http",), ("http", "--port", "x")])
def test_arguments_of_no_sense_end_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ended = start(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: python -m mcp_servers.product")


def test_stdio_ends_well_when_the_client_leaves(descriptor: str, tmp_path: Path) -> None:
    ended = start("stdio", "--descriptor", descriptor, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")

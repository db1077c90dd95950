"""Strangers' clients at the server: the conformance suites of both eras, and the Inspector."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node_packages import NODE, installed, node_environment

HERE = Path(__file__).parent
PACKAGES = Path(__file__).parents[2] / "javascript" / "mcp"
SUITES = {
    "0.1.16": ("@modelcontextprotocol/conformance", ["--suite", "all"]),
    "0.2.0-alpha.12": ("conformance-next", ["--requirements", "2026-07-28"]),
}
INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("conformance")]


@pytest.fixture(scope="module")
def packages() -> Path:
    return installed(PACKAGES)


@pytest.fixture(scope="module")
def url(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server is, with what the scenarios call by name."""
    with serve(tmp_path_factory.mktemp("home"), 0, "fixtures") as (_, url):
        yield f"{url}/mcp"


def node(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE, *arguments], cwd=cwd, env=node_environment(), text=True, capture_output=True,
        timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("version", SUITES)
def test_the_suite_passes_but_for_what_has_a_reason(
    version: str, packages: Path, url: str, tmp_path: Path
) -> None:
    package, which = SUITES[version]
    known = HERE / f"conformance-{version}.yml"
    program = packages / package / "dist" / "index.js"
    done = node(
        program, "server", "--url", url, *which, "--expected-failures", known, "-o", tmp_path,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "✓ tools-list" in done.stdout


@pytest.mark.parametrize("version", SUITES)
def test_every_known_failure_has_a_reason(version: str) -> None:
    lines = (HERE / f"conformance-{version}.yml").read_text().splitlines()
    named = [line for line in lines if line.startswith("  - ")]
    assert named
    assert [line for line in named if not re.fullmatch(r"  - [a-z0-9-]+  # \S.{7,}", line)] == []


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/templates/list"])
def test_the_inspector_lists_what_there_is(
    method: str, packages: Path, url: str, tmp_path: Path
) -> None:
    strict = ["--strict"] if method == "tools/list" else []
    asked = ["--cli", url, "--transport", "http", "--method", method, *strict]
    done = node(packages / INSPECTOR, *asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout).values()
    assert all(item["description"] for item in found)


def test_the_inspector_calls_a_tool(packages: Path, url: str, tmp_path: Path) -> None:
    asked = ["--cli", url, "--transport", "http", "--method", "tools/call", "--tool-name", "status"]
    done = node(packages / INSPECTOR, *asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["structuredContent"]["principal"]["name"] == "ada"

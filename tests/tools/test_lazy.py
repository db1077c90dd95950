"""Modules that are imported at their first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.lazy import lazy


def test_a_module_already_imported_is_itself() -> None:
    assert lazy("sys") is sys


def test_a_module_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        lazy("nowhere")


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_what_only_looks_imports_neither_graph_nor_protocol(argument: str) -> None:
    code = (
        "import sys\nfrom api.cli.main import app\n"
        f"try: app(['{argument}'])\nexcept SystemExit: pass\n"
        "heavy = {'langgraph', 'langchain_core', 'mcp', 'duckdb'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in done.stdout, done.stdout

"""Modules that are imported at their first use."""

from __future__ import annotations

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools.lazy import lazy


def test_a_module_already_imported_is_itself() -> None:
    assert lazy("sys") is sys


def test_a_module_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        lazy("nowhere")


def test_threads_that_use_a_module_at_the_same_time_find_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.2)\nANSWER = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = lazy("slow_module")
    assert "slow_module" not in sys.modules
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: module.ANSWER, range(4))) == [42] * 4
    monkeypatch.setattr(module, "ANSWER", 43)
    assert sys.modules.pop("slow_module").ANSWER == 43


def test_nothing_looks_for_garbage_while_a_module_is_imported_and_something_does_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "telling_module.py").write_text("import gc\nLOOKED = gc.isenabled()\n")
    (tmp_path / "broken_module.py").write_text("raise OSError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert gc.isenabled()
    module = lazy("telling_module")
    assert not module.LOOKED and gc.isenabled()
    (tmp_path / "slower_module.py").write_text("import time\ntime.sleep(0.2)\nANY = 1\n")
    (tmp_path / "slow_too.py").write_text("import time\ntime.sleep(0.1)\nANY = 1\n")
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda name: lazy(name).ANY, ["slower_module", "slow_too"])) == [1, 1]
    assert gc.isenabled()
    broken = lazy("broken_module")
    with pytest.raises(OSError):
        _ = broken.ANYTHING
    assert gc.isenabled()
    for name in ("telling_module", "slower_module", "slow_too"):
        del sys.modules[name]


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

"""Inspect's own commands on the suites: it plays them, and its viewer shows the log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from evals.running import read_result
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
INSPECT = (sys.executable, "-m", "inspect_ai")


@pytest.mark.timeout(300)
def test_inspect_plays_a_suite_and_its_viewer_shows_the_log(tmp_path: Path) -> None:
    tasks = f"{ROOT / 'evals' / 'tasks.py'}@smoke"
    ended = subprocess.run(
        [*INSPECT, "eval", tasks, "--model", "none", "-T", "family=tiny", "-T", "seed=3",
         "--log-dir", str(tmp_path), "--display", "none"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (log,) = tmp_path.glob("*.eval")
    (scenario,) = read_result(log).scenarios
    assert (scenario.family, scenario.seed, scenario.failure) == ("tiny", 3, "")
    with _viewer(tmp_path) as url:
        assert "inspect" in _get(url).lower()
        (shown,) = json.loads(_get(f"{url}/api/logs"))["files"]
        assert shown["name"].endswith(log.name)
        read = json.loads(_get(f"{url}/api/logs/{log}?header-only=2"))
    assert (read["status"], read["eval"]["task"]) == ("success", "smoke")


@contextmanager
def _viewer(logs: Path) -> Iterator[str]:
    port = free_port()
    command = [*INSPECT, "view", "start", "--log-dir", str(logs), "--port", str(port)]
    viewer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield url
    finally:
        viewer.kill()
        viewer.wait()


def _wait_for(url: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            _get(url)
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())

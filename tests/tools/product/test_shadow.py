"""Measuring in a child process: polite, mortal, and taken up again after a crash."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.jobs import CASTING, LOOKUP, STATUS, TYPED, make_job
from tests.preforked import PYTHON
from tools.product.errors import MeasureFailed
from tools.product.journal import Journal
from tools.product.measurement import MeasureResult, ShadowJob
from tools.product.pace import SHARE
from tools.product.shadow import NICE, run_shadow

Outcome = MeasureResult | MeasureFailed


def quiet(done: float, total: float, text: str) -> None:
    """Hear no progress."""


@pytest.fixture(autouse=True)
def _a_child_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", PYTHON)


def started(job: ShadowJob) -> tuple[threading.Thread, list[Outcome], psutil.Process]:
    """Begin measuring in a thread and return it with its outcome and the child."""
    outcome: list[Outcome] = []
    me = psutil.Process()
    known = {c.pid for c in me.children()}

    def work() -> None:
        try:
            outcome.append(run_shadow(job, quiet))
        except MeasureFailed as exc:
            outcome.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    while not (new := [c for c in me.children() if c.pid not in known]):
        time.sleep(0.01)
    return thread, outcome, new[0]


def entries(job: ShadowJob) -> list[str]:
    path = Path(job.evidence) / f"{job.key}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith('{"kind":"trial"')]


@pytest.mark.slow
def test_a_killed_measurement_goes_on_where_it_was(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP], rows=150_000)
    thread, outcome, child = started(job)
    while not entries(job) and thread.is_alive():
        time.sleep(0.005)
    child.kill()
    thread.join()
    assert isinstance(outcome[0], MeasureFailed) and "taken up" in str(outcome[0])
    first = entries(job)[0]
    result = run_shadow(job, quiet)
    assert len(result.trials) == len(entries(job)) == 2
    assert entries(job)[0] == first
    measured = Journal(Path(job.evidence), job.key, reuse_seconds=60).finished
    assert measured[job.candidates[0].id].trial == result.trials[0]


def test_the_child_gives_way_to_everyone_else(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP], rows=150_000)
    thread, _, child = started(job)
    while (nice := child.nice()) != NICE and thread.is_alive():
        time.sleep(0.005)
    child.kill()
    thread.join()
    assert nice == NICE


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP], rows=150_000)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    code = (
        "import sys; from pathlib import Path\n"
        "from tools.product.measurement import ShadowJob\n"
        "from tools.product.shadow import run_shadow\n"
        "job = ShadowJob.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "run_shadow(job, lambda done, total, text: print('going', flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "job.json")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "going\n"
    children = psutil.Process(parent.pid).children()
    assert children
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_a_measurement_can_be_stopped(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING], rows=1000)
    known = {c.pid for c in psutil.Process().children()}
    with pytest.raises(MeasureFailed, match="was stopped"):
        run_shadow(job, quiet, should_stop=lambda: True)
    assert {c.pid for c in psutil.Process().children()} <= known


def test_a_broken_snapshot_is_a_plain_failure(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING], rows=10)
    Path(job.snapshot).write_bytes(b"not a database" * 1000)
    with pytest.raises(MeasureFailed, match="The measurement failed"):
        run_shadow(job, quiet)


def test_progress_names_what_is_measured(tmp_path: Path) -> None:
    job = make_job(tmp_path, [TYPED], [CASTING], rows=1000)
    heard: list[tuple[float, float, str]] = []
    result = run_shadow(job, lambda done, total, text: heard.append((done, total, text)))
    assert any(text.startswith("candidate 1/1 ") for _, _, text in heard)
    assert all(done <= total for done, total, _ in heard)
    assert result.reference == job.key and result.peak_memory_bytes > 10_000_000


def test_beside_a_busy_product_the_child_works_a_part_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process of its own: what stands for it in other tests works nothing.
    monkeypatch.setattr(sys, "executable", PYTHON)
    job = make_job(tmp_path, [TYPED, STATUS], [CASTING, LOOKUP], rows=300_000)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            sum(range(100_000))

    threading.Thread(target=ask, daemon=True).start()
    seconds = worked = 0.0
    try:
        thread, _, child = started(job)
        began = time.monotonic()
        # A child that is done sooner than this has not given way.
        with suppress(psutil.NoSuchProcess):
            while thread.is_alive() and seconds < 6.0:
                worked = sum(child.cpu_times()[:2])
                seconds = time.monotonic() - began
                time.sleep(0.05)
            child.kill()
        thread.join()
    finally:
        over.set()
    assert seconds > 2.0
    assert worked / seconds < 3 * SHARE, (worked, seconds)


def test_the_same_question_has_the_same_key(tmp_path: Path) -> None:
    one = make_job(tmp_path / "a", [TYPED, STATUS], [CASTING], rows=10)
    two = make_job(tmp_path / "b", [TYPED, STATUS], [CASTING], rows=10)
    three = make_job(tmp_path / "c", [TYPED], [CASTING], rows=10)
    assert one.key == two.key != three.key

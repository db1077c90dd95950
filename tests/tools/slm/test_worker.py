"""The thread that owns a model: bounded, on time or not at all, and gone when idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError

import pytest

from tools.slm.engine import Prompt, Stop, Stopped
from tools.slm.errors import BadModel, ModelBusy, ModelError, TooLate
from tools.slm.worker import Worker

PROMPT = Prompt("say")
CHOICES = ("yes", "no")
LONG = 60.0


class Scripted:
    """An engine that waits until it may go on, and does what a test wants."""

    def __init__(self) -> None:
        self.loads = self.closed = 0
        self.asked: list[str] = []
        self.started, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.failure: BaseException | None = None

    def __call__(self) -> Scripted:
        self.loads += 1
        return self

    def score(self, prompt: Prompt, choices: Sequence[str], stop: Stop) -> Mapping[str, float]:
        self.asked.append(prompt.prefix)
        self.started.set()
        while not self.go.wait(0.01):
            if stop():
                raise Stopped("nobody waits")
        if self.failure is not None:
            raise self.failure
        return dict.fromkeys(choices, 1 / len(choices))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def engine() -> Scripted:
    return Scripted()


@pytest.fixture
def worker(engine: Scripted) -> Iterator[Worker]:
    made = Worker(engine, waiting=2)
    yield made
    engine.go.set()
    made.close()


def test_a_model_is_loaded_once_and_at_the_first_request(engine: Scripted, worker: Worker) -> None:
    assert (engine.loads, worker.loaded) == (0, False)
    for _ in range(3):
        assert worker.score(PROMPT, CHOICES, LONG) == {"yes": 0.5, "no": 0.5}
    assert engine.loads == 1 and worker.loaded


def test_a_full_queue_is_refused_at_once(engine: Scripted, worker: Worker) -> None:
    engine.go.clear()
    worker.submit(PROMPT, CHOICES, LONG)
    engine.started.wait()
    waiting = [worker.submit(PROMPT, CHOICES, LONG) for _ in range(2)]
    with pytest.raises(ModelBusy):
        worker.submit(PROMPT, CHOICES, LONG)
    engine.go.set()
    assert [w.result()["yes"] for w in waiting] == [0.5, 0.5]


def test_what_takes_too_long_is_given_up_and_the_next_one_is_answered(
    engine: Scripted, worker: Worker
) -> None:
    engine.go.clear()
    with pytest.raises(TooLate):
        worker.score(PROMPT, CHOICES, 0.05)
    engine.go.set()
    assert worker.score(PROMPT, CHOICES, LONG)


def test_a_request_that_waited_too_long_is_not_even_computed(
    engine: Scripted, worker: Worker
) -> None:
    engine.go.clear()
    worker.submit(Prompt("first"), CHOICES, LONG)
    engine.started.wait()
    late = worker.submit(Prompt("late"), CHOICES, 0.0)
    engine.go.set()
    with pytest.raises(TooLate):
        late.result()
    assert engine.asked == ["first"]


def test_a_cancelled_request_is_skipped(engine: Scripted, worker: Worker) -> None:
    engine.go.clear()
    worker.submit(Prompt("first"), CHOICES, LONG)
    engine.started.wait()
    unwanted = worker.submit(Prompt("unwanted"), CHOICES, LONG)
    assert unwanted.cancel()
    engine.go.set()
    worker.score(Prompt("last"), CHOICES, LONG)
    assert engine.asked == ["first", "last"]


@pytest.mark.parametrize("failure", [BadModel("damaged"), MemoryError()])
def test_a_failure_is_its_askers_and_the_thread_lives(
    failure: BaseException, engine: Scripted, worker: Worker
) -> None:
    engine.failure = failure
    with pytest.raises(ModelError):
        worker.score(PROMPT, CHOICES, LONG)
    engine.failure = None
    assert worker.score(PROMPT, CHOICES, LONG)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_is_told_to_its_asker_and_ends_nothing(
    engine: Scripted, worker: Worker
) -> None:
    engine.failure = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        worker.score(PROMPT, CHOICES, LONG)
    engine.failure = None
    assert worker.score(PROMPT, CHOICES, LONG)


def test_an_idle_model_is_unloaded_and_comes_back_when_it_is_asked(engine: Scripted) -> None:
    worker = Worker(engine, idle_seconds=0.01)
    worker.score(PROMPT, CHOICES, LONG)
    while worker.loaded or not engine.closed:
        threading.Event().wait(0.01)
    worker.score(PROMPT, CHOICES, LONG)
    worker.close()
    assert engine.loads == 2 and engine.closed == 2


def test_closing_cancels_what_waits(engine: Scripted) -> None:
    worker = Worker(engine)
    engine.go.clear()
    running = worker.submit(PROMPT, CHOICES, LONG)
    engine.started.wait()
    waiting = worker.submit(PROMPT, CHOICES, LONG)
    closing = threading.Thread(target=worker.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result()
    engine.go.set()
    closing.join()
    assert running.result() and engine.closed == 1

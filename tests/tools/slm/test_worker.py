"""The thread that owns a model: bounded, on time or not at all, and gone when idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError

import pytest

from tools.slm.engine import Prompt, Schema, Stop, Stopped
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

    def complete(
        self, prompt: Prompt, schema: Schema | None, limit: int, stop: Stop
    ) -> Iterator[str]:
        for n in range(limit):
            self.score(prompt, CHOICES, stop)
            if stop():
                raise Stopped("nobody waits")
            yield f"{n} "

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


def test_a_fault_of_ours_is_told_to_its_asker_and_to_nobody_else_and_ends_nothing(
    engine: Scripted, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[object] = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    engine.failure = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        worker.score(PROMPT, CHOICES, LONG)
    engine.failure = None
    assert worker.score(PROMPT, CHOICES, LONG)
    assert (ended, engine.loads, engine.closed) == ([], 2, 1)


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


def test_what_is_computed_is_given_up_at_once_where_that_is_wanted(engine: Scripted) -> None:
    worker = Worker(engine)
    engine.go.clear()
    told: list[str] = []

    def wait() -> None:
        try:
            list(worker.stream(PROMPT, None, 3, LONG))
        except ModelError as exc:
            told.append(str(exc))

    waiting = threading.Thread(target=wait)
    waiting.start()
    engine.started.wait()
    worker.close(at_once=True)
    waiting.join(LONG)
    assert engine.closed == 1 and "put away" in told[0]


def test_a_worker_that_was_closed_loads_nothing_again(engine: Scripted) -> None:
    worker = Worker(engine)
    worker.score(PROMPT, CHOICES, LONG)
    worker.close()
    with pytest.raises(ModelError, match="put away"):
        worker.score(PROMPT, CHOICES, LONG)
    assert engine.loads == 1 and not worker.loaded


def test_a_text_comes_whole_or_piece_by_piece(engine: Scripted, worker: Worker) -> None:
    assert worker.complete(PROMPT, None, 3, LONG) == "0 1 2 "
    assert list(worker.stream(PROMPT, None, 3, LONG)) == ["0 ", "1 ", "2 "]
    assert list(worker.stream(PROMPT, None, 0, LONG)) == []


def test_the_first_piece_is_there_before_the_last_is_decoded(
    engine: Scripted, worker: Worker
) -> None:
    pieces = worker.stream(PROMPT, None, 2, LONG)
    assert next(pieces) == "0 "
    engine.go.clear()
    engine.go.set()
    assert list(pieces) == ["1 "]


def test_a_reader_that_goes_away_stops_the_decoding(engine: Scripted, worker: Worker) -> None:
    pieces = worker.stream(PROMPT, None, 10**9, LONG)
    assert next(pieces) == "0 "
    pieces.close()
    assert worker.score(PROMPT, CHOICES, LONG)


def test_a_text_that_takes_too_long_is_given_up_with_what_came_before(
    engine: Scripted, worker: Worker
) -> None:
    engine.go.clear()
    with pytest.raises(TooLate):
        worker.complete(PROMPT, None, 3, 0.05)
    with pytest.raises(TooLate):
        list(worker.stream(PROMPT, None, 3, 0.05))


def test_a_failure_in_the_middle_of_a_text_is_its_readers(engine: Scripted, worker: Worker) -> None:
    pieces = worker.stream(PROMPT, None, 10**9, LONG)
    next(pieces)
    engine.failure = BadModel("damaged")
    with pytest.raises(BadModel):
        list(pieces)


def test_a_full_queue_refuses_a_text_at_its_first_piece(engine: Scripted, worker: Worker) -> None:
    engine.go.clear()
    worker.submit(PROMPT, CHOICES, LONG)
    engine.started.wait()
    for _ in range(2):
        worker.submit(PROMPT, CHOICES, LONG)
    pieces = worker.stream(PROMPT, None, 3, LONG)
    with pytest.raises(ModelBusy):
        next(pieces)


def test_whoever_waits_for_a_worker_that_is_closed_is_told(engine: Scripted) -> None:
    worker = Worker(engine)
    engine.go.clear()
    worker.submit(PROMPT, CHOICES, LONG)
    engine.started.wait()
    told: list[str] = []

    def wait() -> None:
        try:
            worker.complete(PROMPT, None, 3, LONG)
        except ModelError as exc:
            told.append(str(exc))

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not worker.waiting:
        threading.Event().wait(0.001)
    closing = threading.Thread(target=worker.close)
    closing.start()
    waiting.join()
    engine.go.set()
    closing.join()
    assert told == ["The model was put away before it could answer."]

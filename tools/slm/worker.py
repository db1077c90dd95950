"""One thread that owns a model: a short queue, deadlines, and memory given back when idle."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from tools.slm.engine import Engine, Prompt, Schema, Stop, Stopped
from tools.slm.errors import ModelBusy, ModelError, TooLate

WAITING = 8
IDLE_SECONDS = 300.0
Scores = Mapping[str, float]
T = TypeVar("T")


class _Task(NamedTuple):
    work: Callable[[Engine, Stop], Any]
    deadline: float
    answer: Future[Any]

    def unwanted(self) -> bool:
        return self.answer.cancelled() or time.monotonic() > self.deadline


class Worker:
    """Loads a model when it is first asked, answers one request at a time, unloads it when idle."""

    def __init__(
        self,
        make: Callable[[], Engine],
        waiting: int = WAITING,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._make, self._idle = make, idle_seconds
        self._tasks: queue.Queue[_Task | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: _Task | None = None
        self._closed = False

    def submit(self, prompt: Prompt, choices: Sequence[str], seconds: float) -> Future[Scores]:
        """Queue a request; cancel the future when nobody waits for it any more.

        Raises `ModelBusy` when the queue is full. The future raises `TooLate` past its time, and
        whatever the engine raises.
        """
        return self._put(lambda engine, stop: engine.score(prompt, choices, stop), seconds)

    def _put(self, work: Callable[[Engine, Stop], T], seconds: float) -> Future[T]:
        task = _Task(work, time.monotonic() + seconds, Future())
        with self._lock:
            if self._closed:
                raise _put_away()
            try:
                self._tasks.put_nowait(task)
            except queue.Full:
                raise ModelBusy("The model is busy; try again in a moment.") from None
            if self._thread is None:
                self._start()
        return task.answer

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def score(self, prompt: Prompt, choices: Sequence[str], seconds: float) -> Scores:
        """Return the probabilities of the choices; raises `ModelBusy`, `TooLate`, `ModelError`."""
        return _result(self.submit(prompt, choices, seconds), seconds)

    def complete(self, prompt: Prompt, schema: Schema | None, limit: int, seconds: float) -> str:
        """Return what the model says next, as `Engine.complete` does; raises as `score` does."""
        return _result(
            self._put(lambda e, stop: "".join(e.complete(prompt, schema, limit, stop)), seconds),
            seconds,
        )

    def stream(
        self, prompt: Prompt, schema: Schema | None, limit: int, seconds: float
    ) -> Iterator[str]:
        """Yield what the model says next while it is decoded; raises as `score` does.

        Queued when the first piece is asked for. A reader that closes it stops the decoding.
        """
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def work(engine: Engine, stop: Stop) -> None:
            # At most one piece a token, so the limit bounds what waits for a slow reader.
            for piece in engine.complete(prompt, schema, limit, stop):
                pieces.put(piece)

        deadline = time.monotonic() + seconds
        answer = self._put(work, seconds)
        answer.add_done_callback(lambda done: pieces.put(None))
        try:
            while (piece := pieces.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
                yield piece
            _result(answer, seconds)
        except queue.Empty:
            raise _too_late(seconds) from None
        finally:
            answer.cancel()

    @property
    def loaded(self) -> bool:
        """Whether a model may be in memory."""
        return self._thread is not None

    @property
    def waiting(self) -> int:
        """How many requests wait for the one that is answered."""
        return self._tasks.qsize()

    def close(self, *, at_once: bool = False) -> None:
        """End the thread for good; what still waits is cancelled, `at_once` what is computed, too.

        What is computed ends at the model's next token.
        """
        with self._lock:
            self._closed = True
            thread, running = self._thread, self._running
            if at_once and running is not None:
                running.answer.cancel()
            while thread is not None and not self._tasks.empty():
                with suppress(queue.Empty):
                    task = self._tasks.get_nowait()
                    if task is not None:
                        task.answer.cancel()
            if thread is not None:
                self._tasks.put(None)
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        engine: Engine | None = None
        try:
            while (task := self._next()) is not None:
                self._running = task
                engine = self._answer(task, engine)
                self._running = None
        except BaseException:
            with self._lock:
                self._start()
            raise
        finally:
            if engine is not None:
                engine.close()

    def _next(self) -> _Task | None:
        """Return the next request; None when idle for too long, and then this thread is over."""
        try:
            task = self._tasks.get(timeout=self._idle)
        except queue.Empty:
            task = None
        if task is None:
            with self._lock:
                # A request may have come in between.
                if not self._tasks.empty():
                    return self._tasks.get_nowait()
                self._thread = None
        return task

    def _answer(self, task: _Task, engine: Engine | None) -> Engine | None:
        """Answer one request; whatever goes wrong is its asker's to know."""
        with suppress(InvalidStateError):
            # Cancelled meanwhile, or nobody waits any more: not even a model is loaded for it.
            if task.unwanted():
                task.answer.set_exception(TooLate("The request waited too long for the model."))
                return engine
            try:
                engine = engine or _foreseen(self._make)
                task.answer.set_result(_foreseen(partial(task.work, engine, task.unwanted)))
            except Stopped:
                task.answer.set_exception(TooLate("The model was not ready in time."))
            except ModelError as exc:
                task.answer.set_exception(exc)
            except MemoryError:
                task.answer.set_exception(ModelError("There is not enough memory for the model."))
            except _Fault as fault:
                # Of ours, and told to its asker too; another engine answers the next one.
                broken, engine = engine, None
                if broken is not None:
                    broken.close()
                task.answer.set_exception(fault.cause)
        return engine


class _Fault(Exception):
    """What nobody foresaw: a thread that it ended would write it where no one expects it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _foreseen(work: Callable[[], T]) -> T:
    """Do some work; raises `_Fault` for what has no meaning here."""
    try:
        return work()
    except (Stopped, ModelError, MemoryError):
        raise
    except Exception as exc:
        raise _Fault(exc) from exc


def _result(answer: Future[T], seconds: float) -> T:
    try:
        return answer.result(seconds)
    except TimeoutError as exc:
        answer.cancel()
        raise _too_late(seconds) from exc
    except CancelledError as exc:
        raise _put_away() from exc


def _put_away() -> ModelError:
    return ModelError("The model was put away before it could answer.")


def _too_late(seconds: float) -> TooLate:
    return TooLate(f"The model gave no answer within {seconds:g} s.")

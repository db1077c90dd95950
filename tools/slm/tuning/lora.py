"""LoRA training on yes-or-no answers: resumable, with early stop, a deadline and bounded memory.

The loss is that of the two answers' logits against each other, after the last token of a prompt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tools.slm.tuning import checkpoints
from tools.slm.tuning.checkpoints import Checkpoint, Ended, Standing
from tools.slm.tuning.layers import BATCH, Halves, Made, add_lora, trained_of
from tools.slm.tuning.shape import Pace, Shape

# isort: split
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten, tree_unflatten

from tools.slm.errors import ModelError

CACHE = 256 * 2**20
"""Bytes of freed memory that MLX may keep for itself."""
SMALLEST = 1e-4
"""A validation loss has to fall by more than this to count as better."""


class Answered(NamedTuple):
    """Prompts as tokens, and whether each was approved."""

    rows: Sequence[Sequence[int]]
    approved: Sequence[bool]


class Lesson(NamedTuple):
    """What is to be learned, and how."""

    shape: Shape
    pace: Pace
    choices: tuple[int, int]
    """Tokens of yes and of no."""
    known: Answered
    valid: Answered
    """Not learned from; they say when to stop."""
    path: Path
    """Where it is kept in between."""
    asked: Sequence[Sequence[int]] = ()
    """Prompts that are read at the end."""


class Progress(NamedTuple):
    """What is told after a step."""

    step: int
    of: int
    loss: float
    best: float
    """The lowest validation loss until now."""


class Fitted(NamedTuple):
    """A trained adapter: its best matrices, and how its training went."""

    weights: dict[str, Any]
    standing: Standing
    resumed_at: int
    """The step it went on from; 0 where it began anew."""
    odds: Sequence[float] = ()
    """Log odds of yes against no after each prompt that was asked."""


class _Rows(NamedTuple):
    """What the frozen layers made of prompts, how long each is, and 1 where it was approved."""

    hidden: Any
    lengths: Any
    approved: Any

    def some(self, at: Any) -> _Rows:
        return _Rows(*(part[at] for part in self))


class _Training:
    def __init__(self, halves: Halves, lesson: Lesson, made: Made) -> None:
        self.halves, self.lesson, self.pace, self.made = halves, lesson, lesson.pace, made
        self.standing, self.best = Standing(), dict[str, Any]()
        self.optimizer = optim.AdamW(learning_rate=self.pace.rate)
        self.optimizer.init(halves.model.trainable_parameters())

    def take_up(self, kept: Checkpoint) -> None:
        self.standing, self.best = kept.standing, kept.part("best")
        self.halves.model.load_weights(list(kept.part("adapter").items()), strict=False)
        self.optimizer.state = tree_unflatten(list(kept.part("optimizer").items()))

    def keep(self) -> None:
        adapter = trained_of(self.halves.model)
        state = dict(tree_flatten(self.optimizer.state))
        parts = {"adapter": adapter, "optimizer": state, "best": self.best}
        checkpoints.keep(self.lesson.path, self.standing, parts)

    def run(self, on_step: Callable[[Progress], None], deadline: float) -> None:
        """Take steps until nothing better is found, all epochs are over, or time is."""
        known, valid = self.rows(self.lesson.known), self.rows(self.lesson.valid)
        count = len(self.lesson.known.rows)
        of = self.pace.epochs * -(-count // self.pace.batch)
        # A look at many answers costs as much as steps do: there are no fewer steps than looks.
        apart = max(self.pace.look, -(-len(self.lesson.valid.rows) // self.pace.batch))
        if not self.best:
            self.look(valid)
        began, before = time.monotonic(), self.standing.seconds
        while self.standing.ended == "":
            step = self.standing.step + 1
            loss = self.step(known.some(self.batch(step - 1, count)))
            self.note(step=step, seconds=before + time.monotonic() - began)
            over = time.monotonic() > deadline
            if step % apart == 0 or step == of or over:
                loss = loss if self.look(valid) else math.nan
            self.note(ended=self.end(step, of, over) if math.isfinite(loss) else "diverged")
            if step % self.pace.keep == 0 or self.standing.ended:
                self.keep()
            on_step(Progress(step, of, loss, self.best_loss))

    def end(self, step: int, of: int, over: bool) -> Ended:
        """Return why training ends after this step; nothing where it goes on."""
        after = [s for s, _ in self.standing.losses if s > self.standing.best_step]
        if len(after) >= self.pace.patience:
            return "nothing better"
        return "epochs" if step >= of else "time" if over else ""

    def rows(self, answered: Answered) -> _Rows:
        """Compute what does not change while training."""
        return _Rows(
            self.halves.hidden(answered.rows, self.made),
            mx.array([len(row) for row in answered.rows]),
            mx.array(list(answered.approved), mx.float32),
        )

    def batch(self, done: int, count: int) -> Any:
        """Return the positions of the batch after `done` steps: the same after a kill."""
        epoch, at = divmod(done, -(-count // self.pace.batch))
        order = np.random.default_rng([self.pace.seed, epoch]).permutation(count)
        return mx.array(order[at * self.pace.batch : (at + 1) * self.pace.batch])

    def note(self, **told: Any) -> None:
        self.standing = self.standing.model_copy(update=told)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss until now."""
        return min((loss for _, loss in self.standing.losses), default=math.inf)

    def losses(self, rows: _Rows) -> Any:
        apart = _apart(self.halves, self.lesson.choices, rows.hidden, rows.lengths)
        return nn.losses.binary_cross_entropy(apart, rows.approved, reduction="none")

    def step(self, rows: _Rows) -> float:
        loss, grads = value_and_grad(self.halves.model, lambda: self.losses(rows).mean())()
        clip: Any = optim.clip_grad_norm
        clipped, _ = clip(grads, 1.0)
        self.optimizer.update(self.halves.model, clipped)
        mx.eval(self.halves.model.trainable_parameters(), self.optimizer.state, loss)
        return float(loss.item())

    def look(self, valid: _Rows) -> bool:
        """Note the validation loss, and the best matrices; False where the loss is no number."""
        size, count = self.pace.batch, len(self.lesson.valid.rows)
        parts = (valid.some(slice(n, n + size)) for n in range(0, count, size))
        loss = sum(self.losses(part).sum().item() for part in parts) / count
        if not math.isfinite(loss):
            return False
        if loss < self.best_loss - SMALLEST or not self.best:
            self.note(best_step=self.standing.step)
            self.best = {n: mx.array(a) for n, a in trained_of(self.halves.model).items()}
        self.note(losses=(*self.standing.losses, (self.standing.step, loss)))
        return True


def fit(
    model: Any,
    lesson: Lesson,
    on_step: Callable[[Progress], None] = lambda progress: None,
    deadline: float = math.inf,
    made: Made | None = None,
) -> Fitted:
    """Train an adapter over a loaded model.

    A training that was killed goes on from its last checkpoint and ends as one that was not.
    `deadline` is a time of `time.monotonic()`; `made` is filled, and spares another training over
    the same model most of the work. Raises `ModelError` where memory does not suffice, or the model
    cannot be tuned.
    """
    try:
        return _fit(model, lesson, on_step, deadline, {} if made is None else made)
    except MemoryError as exc:
        raise _too_large(lesson.pace) from exc
    except RuntimeError as exc:
        # MLX has no error of its own for memory that it cannot get.
        if "alloc" in str(exc):
            raise _too_large(lesson.pace) from exc
        raise


def odds_of(
    halves: Halves, choices: tuple[int, int], rows: Sequence[Sequence[int]], made: Made
) -> list[float]:
    """Return the log odds of yes against no after each prompt."""
    found: list[float] = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        lengths = mx.array([len(row) for row in some])
        found += _apart(halves, choices, halves.hidden(some, made), lengths).tolist()
    return found


def _apart(halves: Halves, choices: tuple[int, int], hidden: Any, lengths: Any) -> Any:
    logits = halves.logits(hidden, lengths)
    yes, no = choices
    return logits[:, yes] - logits[:, no]


def save(path: Path, weights: Mapping[str, Any]) -> None:
    """Write the matrices of an adapter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(path), dict(weights))


def _too_large(pace: Pace) -> ModelError:
    return ModelError(
        f"There is not enough memory to tune with {pace.batch} answers at a time: give a smaller"
        " --batch, or close something. What was learned until the last checkpoint is kept."
    )


def _fit(
    model: Any, lesson: Lesson, on_step: Callable[[Progress], None], deadline: float, made: Made
) -> Fitted:
    mx.set_cache_limit(CACHE)
    mx.random.seed(lesson.pace.seed)
    add_lora(model, lesson.shape)
    halves = Halves(model, lesson.shape.layers)
    halves.check(lesson.known.rows[0])
    training = _Training(halves, lesson, made)
    kept = checkpoints.read(lesson.path)
    if kept is not None:
        training.take_up(kept)
    resumed = training.standing.step
    if not training.standing.ended:
        training.run(on_step, deadline)
    model.load_weights(list(training.best.items()), strict=False)
    odds = odds_of(halves, lesson.choices, lesson.asked, made)
    return Fitted(training.best, training.standing, resumed, odds)

"""Timings of queries on the live product, kept on disk between before and after a change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.failpoints import crash_point
from tools.messages import Interval, Message, QueryTiming
from tools.product.live_weights import QueryWeight
from tools.product.statistics import interval_of, paired_ratio, ratio_of_totals


@dataclass(frozen=True)
class Timings:
    """What timing queries found."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds per text; a run that was stopped counts as long as it was let run."""
    failed: dict[str, str] = field(default_factory=dict)
    """What the engine said, per text of which a run failed."""

    def extend(self, more: Timings) -> None:
        """Take in what further runs found."""
        for text, ms in more.samples.items():
            self.samples.setdefault(text, []).extend(ms)
        self.failed.update(more.failed)


class LiveSamples(Message):
    """Milliseconds per query text; none of a text that could not be timed."""

    samples: dict[str, list[float]]
    weights: tuple[QueryWeight, ...] = ()
    """How often each counted when the change was measured; nothing in files of before."""

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("w") as out:
            out.write(self.model_dump_json())
            out.flush()
            os.fsync(out.fileno())
        crash_point("live.before_rename")
        temporary.replace(path)
        crash_point("live.after_rename")

    @staticmethod
    def sweep(directory: Path) -> int:
        """Delete drafts that a killed writer left; returns how many. Nobody may be writing one."""
        drafts = list(directory.glob("*.tmp"))
        for draft in drafts:
            draft.unlink(missing_ok=True)
        return len(drafts)

    @classmethod
    def load(cls, path: Path) -> LiveSamples:
        """Read back; nothing when there is no baseline."""
        return cls.model_validate_json(path.read_text()) if path.exists() else cls(samples={})


def compare_live(
    before: Mapping[str, list[float]],
    after: Mapping[str, list[float]],
    weights: Mapping[str, float],
    *,
    by_turns: bool = False,
) -> tuple[Interval | None, tuple[QueryTiming, ...]]:
    """Return the ratio of weighted totals before / after (None: nothing timed) and each query's.

    `by_turns` when the i-th runs of a text stood side by side.
    """
    ratio_of = paired_ratio if by_turns else ratio_of_totals
    common = [t for t in before if before[t] and after.get(t)]
    if not common:
        return None, ()
    weight = {t: float(weights.get(t, 1)) for t in common}
    total = ratio_of(
        [before[t] for t in common], [after[t] for t in common], [weight[t] for t in common]
    )
    spent = sum(weight[t] * sum(before[t]) / len(before[t]) for t in common)
    timings = tuple(
        QueryTiming(
            fingerprint="",
            sql=t,
            share=weight[t] * sum(before[t]) / len(before[t]) / spent if spent else 0.0,
            runs=round(weight[t]),
            before_ms=interval_of(before[t]),
            after_ms=interval_of(after[t]),
            ratio=ratio_of([before[t]], [after[t]], [1.0]),
            equal=True,
        )
        for t in common
    )
    return total, timings

"""What timings without and with a change say of it, and of which queries they say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.messages import Interval, QueryTiming
from tools.numbers import counted
from tools.plain_text import quoted, short
from tools.product.counterproof import Turns
from tools.product.live import Timings, compare_live

WIDTH, REASON_WIDTH = 80, 200


def never_in_time(ms: Sequence[float], seconds: float) -> bool:
    """Return whether each run of a text was stopped."""
    return bool(ms) and min(ms) >= seconds * 1000


@dataclass(frozen=True)
class Look:
    """The queries that were timed without a change, timed with it."""

    ratio: Interval | None
    timings: tuple[QueryTiming, ...]
    seconds: float
    """What each run might take."""
    copied: bool
    """Whether they were timed by turns on copies with and without the change."""
    failing: Mapping[str, str]
    """What the engine says of texts that fail with the change, and on a copy do not."""
    late: tuple[str, ...]
    """Texts that count as long as they were let run with the change: they take longer."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """What the engine says of texts that fail with and without the change."""
    unknown: tuple[str, ...] = ()
    """Texts that take too long with and without the change, and count nothing."""
    lost: bool = False
    """Whether the copy could not answer what live can: just that may have got slower."""

    @classmethod
    def after(
        cls,
        before: Mapping[str, list[float]],
        after: Timings,
        weights: Mapping[str, float],
        seconds: float,
    ) -> Look:
        """Compare times from before a change with times after it."""
        ratio, timings = compare_live(before, after.samples, weights)
        return cls(
            ratio, timings, seconds, copied=False,
            failing={t: after.failed[t] for t in before if t not in after.samples},
            late=tuple(t for t in before if never_in_time(after.samples.get(t, ()), seconds)),
        )  # fmt: skip

    @classmethod
    def by_turns(
        cls, texts: Iterable[str], turns: Turns, weights: Mapping[str, float], seconds: float
    ) -> Look:
        """Compare times from a copy without a change with times from beside it."""
        (without, there), (changed, here) = (
            (side.samples, {t: why for t, why in side.failed.items() if t not in side.samples})
            for side in turns
        )
        late = tuple(t for t, ms in changed.items() if never_in_time(ms, seconds))
        unknown = tuple(t for t in late if never_in_time(without[t], seconds))
        told = {t: ms for t, ms in without.items() if t not in unknown}
        ratio, timings = compare_live(told, changed, weights, by_turns=True)
        return cls(
            ratio, timings, seconds, copied=True,
            failing={t: why for t, why in here.items() if t not in there},
            late=tuple(t for t in late if t not in unknown),
            apart={t: why for t, why in here.items() if t in there},
            unknown=unknown,
            lost=any(t not in changed and t not in here for t in texts),
        )  # fmt: skip

    @property
    def broken(self) -> str:
        """Say what fails for the change; nothing where no copy was asked."""
        if not self.copied:
            return ""
        return _each(self.failing, "fails with it and not without it")

    @property
    def untold(self) -> str:
        """Say which queries leave it open what the change does to them."""
        slow = f"took more than {self.seconds:g} s each time with"
        parts = (
            ""
            if self.copied
            else _each(self.failing, "fails now, and no copy told whether for it"),
            _each(dict.fromkeys(self.late, ""), f"{slow} it"),
            _each(dict.fromkeys(self.unknown, ""), f"{slow} and without it"),
        )
        return "; ".join(filter(None, parts))

    @property
    def detail(self) -> str:
        """Say what was timed."""
        if self.ratio is None:
            told = "no query of this change could be timed on live"
        else:
            count = counted(len(self.timings), "query", "queries")
            told = f"{count} timed on live: ×{self.ratio.mid:.2f}"
        if self.copied:
            told += ", by turns on copies with and without the change"
        apart = _each(self.apart, "fails without the change, too")
        return "; ".join(filter(None, (told, apart)))

    def clear(self, floor: float) -> bool:
        """Return whether a change is as fast as before and surely above `floor`."""
        whole = not (self.failing or self.late)
        return whole and self.ratio is not None and self.ratio.low >= floor and self.ratio.high >= 1

    def decided(self, floor: float) -> bool:
        """Return whether more turns could say nothing else."""
        if self.ratio is None or self.broken:
            return True
        return self.ratio.low >= floor or self.ratio.high < floor

    @property
    def rank(self) -> tuple[int, float]:
        """Where looks differ, the greatest of these was disturbed least."""
        return -len(self.failing), self.ratio.mid if self.ratio else 0.0


def _each(texts: Mapping[str, str], said: str) -> str:
    return "; ".join(
        f"{quoted(text, WIDTH)} {said}" + (f": {short(why, REASON_WIDTH)}" if why else "")
        for text, why in texts.items()
    )

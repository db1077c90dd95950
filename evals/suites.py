"""Which scenarios a suite plays: families and seeds.

Dev seeds are for looking at while the advisor is worked on; nothing is ever tuned on test seeds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from evals.errors import UnknownName
from evals.scenarios.families import families

SuiteName = Literal["smoke", "dev", "full"]
DEV_SEEDS = range(1, 1000)
TEST_SEEDS = range(1000, 2000)
UNSEEN = (1011, 1012, 1013, 1014, 1015)
"""Seeds below were looked at: what they showed was mended, so they prove nothing any more."""
SMOKE = (
    "raw_text", "repeated_totals", "nothing_to_improve", "tiny", "leading_zeros", "later_text",
    "hostile_names",
)  # fmt: skip
"""Small and quick, and one of each sort: gains, silence, traps."""


class Suite(NamedTuple):
    """A suite's families, its seeds and those it may be given."""

    families: tuple[str, ...]
    seeds: tuple[int, ...]
    allowed: range


class Place(NamedTuple):
    """One scenario to play."""

    family: str
    seed: int

    @property
    def name(self) -> str:
        """Family and seed."""
        return f"{self.family}:{self.seed}"


def suites() -> dict[str, Suite]:
    """Return the suites by name."""
    every = tuple(families())
    return {
        "smoke": Suite(SMOKE, (1,), DEV_SEEDS),
        "dev": Suite(every, (1, 2, 3), DEV_SEEDS),
        "full": Suite(every, UNSEEN, TEST_SEEDS),
    }


def places(suite: str, family: str | None = None, seed: int | None = None) -> list[Place]:
    """Return the scenarios of a suite, narrowed; raises `UnknownName`."""
    known = suites()
    if suite not in known:
        raise UnknownName("suite", suite, known)
    chosen = known[suite]
    if family is not None and family not in families():
        raise UnknownName("family", family, families())
    if seed is not None and seed not in chosen.allowed:
        allowed = chosen.allowed
        raise UnknownName(
            f"seed of the {suite} suite", seed, [f"{allowed.start} to {allowed.stop - 1}"]
        )
    wanted = (family,) if family else chosen.families
    seeds = (seed,) if seed is not None else chosen.seeds
    return [Place(f, s) for s in seeds for f in wanted]

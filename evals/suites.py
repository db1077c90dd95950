"""Which scenarios a suite plays: families and seeds.

Dev seeds are for looking at while the advisor is worked on; nothing is ever tuned on test seeds.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from evals.errors import UnknownName
from evals.scenarios.families import families

SuiteName = Literal["smoke", "dev", "full"]
DEV_SEEDS = range(1, 1000)
TEST_SEEDS = range(1000, 2000)
UNSEEN = (1081, 1082, 1083, 1084, 1085)
SPENT = frozenset({*range(1000, 1081), *range(1100, 1220)})
"""Test seeds that were looked at, and Pillion has changed since: they prove nothing any more."""
SEEDS = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)
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


def places(suite: str, family: str = "", seed: str = "") -> list[Place]:
    """Return the scenarios of a suite, narrowed by what isn't empty; raises `UnknownName`.

    `seed` is one, such as 7, or a range with both its ends, such as 20-40.
    """
    known = suites()
    if suite not in known:
        raise UnknownName("suite", suite, known)
    chosen = known[suite]
    if family and family not in families():
        raise UnknownName("family", family, families())
    seeds = _seeds(suite, seed, chosen.allowed) if seed else chosen.seeds
    wanted = (family,) if family else chosen.families
    return [Place(f, s) for s in seeds for f in wanted]


def _seeds(suite: str, asked: str, allowed: range) -> range:
    parts = SEEDS.fullmatch(asked)
    first, last = (int(parts[1]), int(parts[2] or parts[1])) if parts else (0, 0)
    if not first <= last or first not in allowed or last not in allowed:
        between = f"{allowed.start} to {allowed.stop - 1}, or a range such as 20-40 of them"
        raise UnknownName(f"seed of the {suite} suite", asked, [between])
    return range(first, last + 1)

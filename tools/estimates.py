"""A value with its interval, and shares of small samples."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

Z95 = 1.959964


class Estimate(BaseModel):
    """A value with its 95 % interval; `of` is how many cases it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float
    high: float
    of: int
    count: int | None = None
    """For a share: how many of the cases."""


def share(count: int, of: int) -> Estimate | None:
    """Return a share with its Wilson score interval, or None where there is no case.

    Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if of == 0:
        return None
    p, z2 = count / of, Z95 * Z95
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    # At 0 and 1 the bound is the share itself; rounding may miss it.
    return Estimate(value=p, low=min(low, p), high=max(high, p), of=of, count=count)


def share_of(cases: Iterable[bool]) -> Estimate | None:
    """Return the share of cases that are true, or None where there is no case."""
    found = list(cases)
    return share(sum(found), len(found))

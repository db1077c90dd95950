"""What the oracle is asked and what it answers; both cross a process as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tools.estimates import Estimate

OracleVerdict = Literal["good", "neutral", "harmful", "undecided"]


class Case(BaseModel):
    """Two files of the same product, before and after a change, and what comes later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: Path
    after: Path
    contract: Path
    later: tuple[tuple[str, int], ...]
    """Texts and how often each runs."""
    texts: dict[str, str]
    """Texts that the changed product answers by another text."""
    texts_before: dict[str, str] = {}
    """The same of the product before, which may hold earlier changes already."""
    later_data: tuple[str, ...]
    later_batches: int
    consumers: tuple[tuple[str, str], ...] = ()
    """Names and queries of others who read the tables: answers count, times don't."""
    undone: Path | None = None
    """The changed product with the later rows after the change was taken back; None where that was
    not tried."""
    undo_refused: str = ""
    """Why it could not be taken back."""


class Judgement(BaseModel):
    """The verdict on a change, with its reason and the measured gain where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: OracleVerdict
    reason: str
    gain: Estimate | None = None
    reads: Estimate | None = None
    """The gain of the queries alone, without what later writes cost."""

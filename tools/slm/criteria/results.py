"""The report on models as data: everything its table and its picture show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tools.estimates import Estimate

Form = Literal["rules", "judge", "language"]


class Result(BaseModel):
    """Base of what is reported: frozen, closed, plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cost(Result):
    """What one candidate takes, measured in a process of its own."""

    memory: int
    """Peak of resident bytes, with Python."""
    load_ms: float
    """From the start of loading to the first score."""
    p50_ms: float
    p95_ms: float
    """Of one score, the model being loaded and warm, by the clock."""
    processor_ms: float
    """Median of the processor's time for one score: what a busy machine does not change."""
    scores: int


class Deployment(Result):
    """What has to be there for a candidate to serve."""

    needs: tuple[str, ...]
    packages: int
    """Bytes of installed packages beyond what Pillion needs anyway."""
    platforms: str


class Injection(Result):
    """How far hostile text moves a score."""

    reads_text: bool
    """Whether names, comments or reasons reach the candidate as it serves."""
    tried: int = 0
    mean: float = 0.0
    most: float = 0.0
    """Change of P(approve) if text were read: hostile against ordinary in the same place."""
    flipped: float = 0.0
    """Share that crosses one half."""


NO_TEXT = Injection(reads_text=False)
"""Of what has no text among its inputs at all."""


class Point(Result):
    """How good a candidate is after so many answers."""

    answers: int
    metrics: Mapping[str, Estimate]


class Candidate(Result):
    """One way to say how likely a person is to approve."""

    name: str
    form: Form
    about: str
    disk: int
    """Bytes of its own files."""
    cost: Cost | None = None
    quality: Mapping[str, Estimate] = {}
    curve: tuple[Point, ...] = ()
    deployment: Deployment
    injection: Injection
    missing: str = ""
    """Why something of it is not known, and how to get it."""


class ModelReport(Result):
    """Candidates compared on the same answers, and what it was measured with."""

    made_at: AwareDatetime
    seed: int
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    dataset: str | None
    """Digest of the answers; None without any."""
    answers: int
    held_out: int
    products: int
    """Of what is held out."""
    by: str
    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]
    """What could not be compared, and how to get it."""

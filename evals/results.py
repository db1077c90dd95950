"""What a run of the suite found, scenario by scenario: the data behind every metric."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from evals.oracle.case import Judgement, OracleVerdict
from evals.scenarios.scenario import Expectation
from evals.statistics import Estimate

FORMAT = 1


class Result(BaseModel):
    """Base of what is kept: frozen, closed, plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Judged(Result):
    """A change that somebody proposed, with the oracle's verdict and everybody's answer."""

    id: str
    kind: str
    target: str
    judgement: Judgement
    approvals: dict[str, bool] = {}
    """By approver; empty for a change that was never offered to anyone."""
    told: tuple[str, ...] = ()
    """What a person is told before answering."""
    outcome: str = ""
    """What became of it after the acting approver's answer."""

    @property
    def verdict(self) -> OracleVerdict:
        """The oracle's verdict."""
        return self.judgement.verdict


class ScenarioResult(Result):
    """One scenario: what was proposed, what was known, what was reached."""

    family: str
    seed: int
    expects: Expectation
    approver: str
    proposals: tuple[Judged, ...] = ()
    rules: tuple[Judged, ...] | None = None
    """What rules of thumb propose; None where this baseline was not asked for."""
    known: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    """Known improvements among the proposals."""
    found_by_rules: tuple[str, ...] = ()
    reached: Estimate | None = None
    """Gain of everything that was approved; None where nothing was."""
    reachable: Estimate | None = None
    """Gain of the best product that is known; None where there is none."""
    reachable_by: tuple[str, ...] = ()
    """Ideas that together beat the author's best product; empty where it is the best one."""
    lost: tuple[str, ...] = ()
    """Ideas that the advisor tried and did not propose, each with its reason."""
    explained: bool = True
    """Whether a silence came with a note or with ideas that were tried and lost."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the advisor: finding, measuring, applying, verifying; without the oracle."""
    failure: str = ""
    """Why the product did not come through, or what all proposals do to it together."""

    @property
    def name(self) -> str:
        """Family and seed."""
        return f"{self.family}:{self.seed}"


class SuiteResult(Result):
    """All scenarios of one run."""

    format: int = FORMAT
    suite: Literal["smoke", "dev", "full"]
    approver: str
    complete: bool = True
    """Whether every scenario that was asked for is in it."""
    scenarios: tuple[ScenarioResult, ...]

    @property
    def covers(self) -> tuple[str, ...]:
        """The scenarios by name, sorted."""
        return tuple(sorted(s.name for s in self.scenarios))

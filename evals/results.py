"""What a run of the suite found, scenario by scenario: the data behind every metric."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from evals.options import Options
from evals.oracle.case import Judgement, OracleVerdict
from evals.provenance import CodeState
from evals.scenarios.scenario import Expectation
from evals.statistics import Estimate
from tools.messages import Interval
from tools.slm.facts import Facts

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
    idea: str = ""
    """What it is about, the same for another spelling of it; empty in results of before."""
    approvals: dict[str, bool] = {}
    """By approver; empty for a change that was never offered to anyone."""
    abstained: tuple[str, ...] = ()
    """Approvers who had no answer; that is never an approval."""
    predicted: Interval | None = None
    """The gain of the change by itself as the advisor measured it."""
    expected: Interval | None = None
    """What it told a person to expect of that gain later; missing in results of before."""
    rows: int | None = None
    """Rows of the changed table."""
    author: str = ""
    """Who asks most of the queries that it is about."""
    told: tuple[str, ...] = ()
    """What a person is told before answering."""
    facts: Facts | None = None
    """The same in numbers; missing in results of before."""
    outcome: str = ""
    """What became of it after the acting approver's answer."""
    outcome_detail: str = ""
    """What was said of that, such as why it was rolled back; empty in results of before."""

    @property
    def verdict(self) -> OracleVerdict:
        """The oracle's verdict."""
        return self.judgement.verdict


class BaselineResult(Result):
    """What somebody else, or Pillion without a part of it, would change."""

    changes: tuple[Judged, ...] = ()
    found: tuple[str, ...] = ()
    """Known improvements among the changes."""
    found_good: tuple[str, ...] | None = None
    """Those that a good one of them brings; None in results of before."""
    note: str = ""
    """Why it could not be asked, or what of its answer could not be used."""


class SecondRun(Result):
    """What another run of the same product offered after the first one was answered."""

    offered: tuple[str, ...]
    repeats: tuple[str, ...]
    """Offers that were answered before and measure the same, each with the reason."""
    refused: int
    """How many ideas were answered and are not in place: those that could be repeated."""


class Effort(Result):
    """What it took a person to get improvements into a product."""

    actions: dict[str, int]
    """Commands typed, by what they were for."""
    characters: int
    seconds: float
    """From the first command to the last answer, without typing and thinking."""
    improvements: int


class ScenarioResult(Result):
    """One scenario: what was proposed, what was known, what was reached."""

    family: str
    seed: int
    expects: Expectation
    approver: str
    proposals: tuple[Judged, ...] = ()
    baselines: dict[str, BaselineResult] = {}
    """By name; without those that were not asked for."""
    known: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    """Known improvements among the proposals."""
    found_good: tuple[str, ...] | None = None
    """Those that a good proposal brings; None in results of before."""
    superseded: tuple[str, ...] | None = None
    """Known improvements that were not proposed and gain nothing beside what was approved; None in
    results of before, which did not ask."""
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
    log_runs: int = 0
    """Runs in the log that the advisor saw; 0 in results of before."""
    log_days: int = 0
    """Days from its first run to its last, which is how old the product is to the advisor; 0 in
    results of before."""
    second_runs: dict[str, SecondRun] = {}
    """After the acting approver's answers (`answered`), and after everything was refused, with the
    refusals known (`remembering`) and not (`forgetful`)."""
    with_pillion: Effort | None = None
    by_hand: Effort | None = None
    failure: str = ""
    """Why the product did not come through, or what all proposals do to it together."""
    options: Options | None = None
    """What was asked of it; missing in results of before, and where its process died."""
    code: CodeState | None = None
    """What played it; missing where `options` are."""

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        """Read results of when rules of thumb were the only baseline."""
        if not isinstance(data, dict) or "rules" not in data:
            return data
        kept = {k: v for k, v in data.items() if k not in ("rules", "found_by_rules")}
        if data["rules"] is not None:
            rules = {"changes": data["rules"], "found": data.get("found_by_rules", ())}
            kept["baselines"] = {"rules": rules}
        return kept

    @property
    def name(self) -> str:
        """Family and seed."""
        return f"{self.family}:{self.seed}"


class SuiteResult(Result):
    """All scenarios of one run, or of several that were pooled."""

    format: int = FORMAT
    suite: Literal["smoke", "dev", "full"]
    approver: str
    complete: bool = True
    """Whether every scenario that was asked for is in it."""
    runs: int = 1
    """How many runs it was pooled from."""
    scenarios: tuple[ScenarioResult, ...]

    @property
    def covers(self) -> tuple[str, ...]:
        """The scenarios by name, sorted."""
        return tuple(sorted(s.name for s in self.scenarios))

"""Results to compute metrics on, shorter to write than to play."""

from __future__ import annotations

from typing import Any

from evals.approvers import names
from evals.oracle.case import Judgement, OracleVerdict
from evals.results import Judged, ScenarioResult, SuiteResult
from evals.statistics import Estimate


def make_judged(verdict: OracleVerdict = "good", **fields: Any) -> Judged:
    """Return a proposal with its verdict; only the oracle refuses what is not good."""
    approvals = dict.fromkeys(names(), True) | {"oracle": verdict == "good"}
    values: dict[str, Any] = {
        "id": "p1",
        "kind": "change_type",
        "target": "sales.amount",
        "judgement": Judgement(verdict=verdict, reason="planted"),
        "approvals": approvals,
    }
    return Judged.model_validate(values | fields)


def make_scenario(*verdicts: OracleVerdict, **fields: Any) -> ScenarioResult:
    """Return a scenario with a proposal of each verdict."""
    values: dict[str, Any] = {
        "family": "raw_text",
        "seed": 1,
        "expects": "gain",
        "approver": "oracle",
        "proposals": tuple(make_judged(v, id=f"p{i}") for i, v in enumerate(verdicts)),
    }
    return ScenarioResult.model_validate(values | fields)


def make_result(*scenarios: ScenarioResult, **fields: Any) -> SuiteResult:
    """Return a run of the smoke suite."""
    values: dict[str, Any] = {"suite": "smoke", "approver": "oracle", "scenarios": scenarios}
    return SuiteResult.model_validate(values | fields)


def make_gain(value: float) -> Estimate:
    """Return a gain without noise."""
    return Estimate(value=value, low=value, high=value, of=9)

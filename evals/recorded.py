"""What an approver answered in the suite's runs, as answers that a judge can learn from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from evals.approvers import ORACLE, check_approver
from evals.errors import NoResult
from evals.results import Judged, ScenarioResult, SuiteResult
from evals.suites import SPENT, TEST_SEEDS
from graph.decisions import RecordedDecision

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Scenarios have no date: a later seed counts as a day later."""


def decisions_in(results: Iterable[SuiteResult], approver: str = ORACLE) -> list[RecordedDecision]:
    """Return an approver's answers to every proposal of runs, by seed.

    A family is one product. Raises `NoResult` for test seeds that are not spent, which nothing may
    learn from, and where no proposal has its facts kept.
    """
    check_approver(approver)
    scenarios = sorted((s for r in results for s in r.scenarios), key=lambda s: (s.seed, s.family))
    unseen = [s.name for s in scenarios if s.seed in TEST_SEEDS and s.seed not in SPENT]
    if unseen:
        raise NoResult(f"{unseen[0]} has a test seed: nothing may learn from it.")
    found = [
        _decision(s, p, approver, number)
        for s in scenarios
        for number, p in enumerate(p for p in s.proposals if approver in p.approvals)
        if p.facts is not None
    ]
    if not found:
        raise NoResult(f"These runs hold no answer of {approver} with its facts; run them again.")
    return found


def _decision(
    scenario: ScenarioResult, proposal: Judged, approver: str, number: int
) -> RecordedDecision:
    assert proposal.facts is not None
    return RecordedDecision(
        proposal_id=proposal.id,
        product=scenario.family,
        kind=proposal.kind,
        target=proposal.target,
        facts=proposal.facts,
        verdict="approve" if proposal.approvals[approver] else "reject",
        reason="",
        principal=f"eval-{approver}",
        channel="policy",
        decided_at=BEGINNING + timedelta(days=scenario.seed, minutes=number),
        seconds=0.0,
    )

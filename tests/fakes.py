"""Twins for node tests: records in memory, and a product that answers with prepared results."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime

from mcp_servers.product.client import Progress
from mcp_servers.product.contract import (
    Applied,
    ApplyRequest,
    ChangeCheck,
    Changes,
    Found,
    LiveCheck,
    Measured,
    MeasureLimits,
)
from mcp_servers.product.errors import ToolFailed
from nodes.context import Context, Judging, Opinions, Policy, RulesOnly
from nodes.refusal import Refusal
from tests.factories import make_change, make_evidence, make_interval
from tools.messages import (
    Candidate,
    Change,
    ContractVerdict,
    Decision,
    Finding,
    Interval,
    Outcome,
    Proposal,
    Trial,
    TrialStatus,
    change_id,
)
from tools.slm.judge import Opinion


def make_candidates(count: int, **fields: Any) -> tuple[Candidate, ...]:
    """Return that many different ideas of the schema agent."""
    changes = [make_change(column=f"c{n}") for n in range(count)]
    return tuple(
        Candidate.model_validate(
            {"id": change_id("sales", c), "agent": "schema", "change": c, "reason": "why"} | fields
        )
        for c in changes
    )


def failure(code: str) -> ToolFailed:
    """Return a tool's refusal."""
    return ToolFailed(code, f"the product said {code}")


class MemoryRecords:
    """What nodes remember, without a file."""

    def __init__(self, refused: Mapping[str, Refusal] | None = None) -> None:
        self.refused = dict(refused or {})
        self.kept: dict[tuple[str, str], Trial] = {}
        self.offered: dict[str, Proposal] = {}
        self.answers: dict[tuple[str, str], Decision] = {}
        self.outcomes: list[Outcome] = []
        self.coming: set[str] = set()
        self.reports: dict[str, Mapping[str, Any]] = {}
        self.cut: Counter[tuple[str, str]] = Counter()
        self.writes = 0

    def record_trials(self, thread_id: str, product: str, trials: Iterable[Trial]) -> None:
        self.writes += 1
        self.kept |= {(thread_id, t.candidate.id): t for t in trials}

    def trials(self, thread_id: str) -> list[Trial]:
        return [t for (thread, _), t in self.kept.items() if thread == thread_id]

    def refusals(self, product: str) -> Mapping[str, Refusal]:
        return self.refused

    def offer(self, thread_id: str, proposals: Iterable[Proposal], actor: str) -> tuple[str, ...]:
        self.writes += 1
        asked = [p for p in proposals if p.id not in self.coming]
        for proposal in asked:
            self.offered.setdefault(proposal.id, proposal)
        return tuple(p.id for p in asked)

    def offer_again(self, thread_id: str, proposal_id: str, actor: str) -> bool:
        self.writes += 1
        return self.answers.pop((thread_id, proposal_id), None) is not None

    def proposal(self, proposal_id: str) -> Proposal:
        return self.offered[proposal_id]

    def decision(self, thread_id: str, proposal_id: str) -> Decision | None:
        return self.answers.get((thread_id, proposal_id))

    def record_outcome(self, outcome: Outcome, actor: str) -> None:
        self.writes += 1
        if outcome not in self.outcomes:
            self.outcomes.append(outcome)

    def cut_off(self, subject: str, step: str, why: str) -> int:
        self.cut[subject, step] += 1
        return self.cut[subject, step]

    def save_report(self, thread_id: str, body: Mapping[str, Any]) -> None:
        self.writes += 1
        self.reports[thread_id] = body


class FakeJudge:
    """A judge with prepared probabilities by proposal id, that holds back below a half."""

    def __init__(self, probabilities: Mapping[str, float], note: str = "") -> None:
        self.probabilities, self.note = probabilities, note

    def opinions(self, product: str, proposals: Sequence[Proposal]) -> Opinions:
        known = {p.id: self.probabilities[p.id] for p in proposals if p.id in self.probabilities}
        found = {i: Opinion(p, p < 0.5, "inserts take ×2.00 as long") for i, p in known.items()}
        return Opinions(found, self.note)


class FakeProduct:
    """A product at the client's edge: prepared answers, and a list of what it was asked."""

    def __init__(self, *candidates: Candidate) -> None:
        self.candidates = candidates
        self.refused: tuple[Trial, ...] = ()
        self.losers: set[str] = set()
        self.untried: dict[str, TrialStatus] = {}
        self.ratios: dict[str, Interval] = {}
        self.breaking: set[str] = set()
        self.live: dict[str, Interval | None] = {}
        self.broken: dict[str, str] = {}
        self.untold: dict[str, str] = {}
        self.failing: dict[tuple[str, str], Exception] = {}
        self.made: tuple[Applied, ...] = ()
        self.calls: list[tuple[str, str]] = []
        self.requests: list[ApplyRequest] = []

    def _called(self, tool: str, subject: str) -> None:
        self.calls.append((tool, subject))
        if (tool, subject) in self.failing:
            raise self.failing[tool, subject]

    def asked(self, tool: str) -> list[str]:
        """Return the subjects a tool was called with, in order."""
        return [subject for name, subject in self.calls if name == tool]

    async def find_candidates(self, agent: str, progress: Progress) -> Found:
        self._called("find", agent)
        await asyncio.sleep(0)
        await progress(0, 1, f"looking for {agent}")
        mine = tuple(c for c in self.candidates if c.agent == agent)
        return Found(candidates=mine, refused=self.refused, notes=(f"{agent} looked",))

    async def measure_candidates(
        self, candidates: tuple[Candidate, ...], limits: MeasureLimits, progress: Progress
    ) -> Measured:
        for candidate in candidates:
            self._called("measure", candidate.id)
            await progress(1, len(candidates), candidate.id)
        trials = tuple(map(self._tried, candidates))
        chosen = tuple(t.candidate.id for t in trials if t.status == "accepted")
        return Measured(
            trials=trials, chosen=chosen, total=make_interval(2.0), skipped=(), patterns=5,
            seconds=1.0, peak_memory_bytes=1, reference="k",
        )  # fmt: skip

    def _tried(self, candidate: Candidate) -> Trial:
        if candidate.id in self.untried:
            return Trial(candidate=candidate, status=self.untried[candidate.id], reason="no column")
        lost = candidate.id in self.losers
        ratio = self.ratios.get(candidate.id, make_interval(0.8 if lost else 2.0))
        return Trial(
            candidate=candidate, status="rejected" if lost else "accepted", reason="measured",
            evidence=make_evidence(ratio=ratio),
        )  # fmt: skip

    async def check_change(self, change: Change) -> ChangeCheck:
        key = change_id("sales", change)
        self._called("check", key)
        breaks = Finding(path="schema[0].c", severity="breaking", message="promised")
        findings = (breaks,) if key in self.breaking else ()
        return ChangeCheck(
            verdict=ContractVerdict(compatible=not findings, findings=findings),
            risks=("later rows may differ",), affects=("auditors",), undo=("write it back",),
            schema_hash="h", statements=(),
        )  # fmt: skip

    async def apply_change(self, request: ApplyRequest, progress: Progress) -> Applied:
        self._called("apply", request.proposal_id)
        await progress(0, 5, "timing before")
        self.requests.append(request)
        return self._row(request.proposal_id, "applied")

    async def verify_change(
        self, proposal_id: str, progress: Progress, *, floor: float
    ) -> LiveCheck:
        assert floor == 0.9
        self._called("verify", proposal_id)
        await progress(0, 8, "timing after")
        ratio = self.live.get(proposal_id, make_interval(2.0))
        return LiveCheck(
            ratio=ratio, queries=(), detail="timed on live",
            broken=self.broken.get(proposal_id, ""), untold=self.untold.get(proposal_id, ""),
        )  # fmt: skip

    async def undo_change(
        self, proposal_id: str, progress: Progress, *, rolled_back: bool = False
    ) -> Applied:
        self._called("undo", proposal_id)
        await progress(0, 1, "taking back")
        return self._row(proposal_id, "rolled_back" if rolled_back else "undone")

    async def list_changes(self) -> Changes:
        self._called("changes", "")
        return Changes(changes=self.made)

    def _row(self, proposal_id: str, status: Any) -> Applied:
        return Applied(
            proposal_id=proposal_id, status=status, kind="change_type", target="t.c",
            applied_at="2026-03-02T09:30:00+00:00", detail=status,
        )  # fmt: skip


def make_context(product: FakeProduct, records: Any, judge: Judging | None = None) -> Context:
    """Return what nodes are given, over twins."""
    policy = Policy(MeasureLimits(), expires_days=14, rollback_below=0.9, changed_evidence=0.5)
    return Context("sales", product, records, policy, judge or RulesOnly())  # type: ignore[arg-type]


def make_runtime(
    product: FakeProduct, records: Any, judge: Judging | None = None
) -> Runtime[Context]:
    """Return a node's second argument."""
    context = make_context(product, records, judge)
    return Runtime(context=context, stream_writer=lambda event: None)

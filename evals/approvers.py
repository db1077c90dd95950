"""Who answers: policies that see what a person sees, which is the proposal and nothing else.

`replay:FILE` answers as real people did; see `evals/replay.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from evals.errors import UnknownName
from evals.replay import PREFIX, replayed
from tools.messages import Proposal

ORACLE = "oracle"
"""Approves what the oracle calls good; the only one that knows the later workload."""
DBA_GAIN, DBA_INSERTS, DBA_LOSERS = 1.1, 1.5, 0.05
OWNER_GAIN, OWNER_INSERTS, OWNER_SPACE = 1.05, 2.0, 1.2
IMPATIENT_GAIN = 1.5


class Answer(NamedTuple):
    """Whether a proposal is approved, and why."""

    approves: bool
    reason: str


Policy = Callable[[Proposal], Answer | None]
"""None is no answer: the proposal stays open."""


def strict_dba(proposal: Proposal) -> Answer:
    """Want a certain gain of 10 %, equal answers, a rehearsed undo, cheap inserts, no losers."""
    evidence = proposal.evidence
    losing = sum(q.share for q in evidence.losers)
    inserts = evidence.insert_cost.high if evidence.insert_cost else 1.0
    if not evidence.equal:
        return Answer(False, "an answer differs")
    if evidence.rehearsal is None or not evidence.rehearsal.ok:
        return Answer(False, "the undo was not rehearsed")
    if evidence.ratio.low < DBA_GAIN:
        return Answer(False, f"the gain is not certainly above ×{DBA_GAIN}")
    if inserts > DBA_INSERTS:
        return Answer(False, f"inserts may take ×{inserts:.1f}")
    if losing > DBA_LOSERS:
        return Answer(False, f"queries that are {losing:.0%} of the workload get slower")
    return Answer(True, "a certain gain at a low price")


def cost_minded_owner(proposal: Proposal) -> Answer:
    """Want a likely gain of 5 % that costs neither space nor writing."""
    evidence = proposal.evidence
    inserts = evidence.insert_cost.mid if evidence.insert_cost else 1.0
    grows = evidence.bytes_after > OWNER_SPACE * max(1, evidence.bytes_before)
    if evidence.ratio.mid < OWNER_GAIN:
        return Answer(False, "too little is saved")
    if inserts > OWNER_INSERTS:
        return Answer(False, f"inserts take ×{inserts:.1f}")
    if grows:
        return Answer(False, "it takes too much space")
    return Answer(True, "it saves more than it costs")


def contract_lawyer(proposal: Proposal) -> Answer:
    """Want the contract untouched: not even a warning, and nobody else affected."""
    worrying = [f.path for f in proposal.contract.findings if f.severity != "info"]
    if not proposal.contract.compatible or worrying:
        return Answer(False, f"the contract is touched: {', '.join(worrying)}")
    if proposal.affects:
        return Answer(False, f"others are affected: {', '.join(proposal.affects)}")
    return Answer(True, "the contract is kept")


def impatient(proposal: Proposal) -> Answer:
    """Read the headline only: half as fast again, or no."""
    if proposal.evidence.ratio.mid < IMPATIENT_GAIN:
        return Answer(False, "not worth reading on")
    return Answer(True, "a large number")


def policies(approver: str = ORACLE) -> dict[str, Policy]:
    """Return the policies by name, with the recorded answers that `approver` may name.

    Raises `NoResult` when their file holds none.
    """
    found: dict[str, Policy] = {
        p.__name__: p for p in (strict_dba, cost_minded_owner, contract_lawyer, impatient)
    }
    if approver.startswith(PREFIX):
        found[approver] = _replay(approver)
    return found


def _replay(approver: str) -> Policy:
    """Return the policy that answers as the recorded people did."""
    answers = replayed(approver)

    def replay(proposal: Proposal) -> Answer | None:
        found = answers.like(proposal)
        if found is None:
            return None
        return Answer(found.verdict == "approve", f"as {found.principal} answered")

    return replay


def names() -> tuple[str, ...]:
    """Return whoever can answer in a run, besides recorded answers."""
    return (ORACLE, *policies())


def check_approver(approver: str) -> str:
    """Return a known approver; raises `UnknownName`, or `NoResult` for a file without answers."""
    if approver not in (ORACLE, *policies(approver)):
        raise UnknownName("approver", approver, (*names(), f"{PREFIX}FILE"))
    return approver

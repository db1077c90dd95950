"""The typed wire of the agent's MCP server: what each tool returns."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from api.service.desk import Stage
from graph.offers import Remeasured
from tools.messages import (
    Change,
    ChangeKind,
    ContractVerdict,
    Decision,
    Evidence,
    Expected,
    Interval,
    Message,
    Outcome,
    Principal,
)
from tools.outcome_status import OutcomeStatus
from tools.words.told import Words

RunStatus = Literal["queued", "running", "waiting", "done", "failed"]


class ProposalLine(Message):
    """A proposal at a glance."""

    id: str
    product: str
    run: str
    kind: ChangeKind
    target: str
    summary: str
    status: Stage
    gain: Interval
    """Time of the whole workload before / after; above 1 is faster."""
    expected: Expected | None
    """What to expect of the gain later."""
    insert_cost: Interval | None
    """Time of an insert batch after / before; 1 is free."""
    losers: int
    """Queries that get slower with certainty."""
    bytes_before: int
    bytes_after: int
    expires_at: AwareDatetime
    approved_by: tuple[str, ...] = ()
    """Who approved so far, where policy wants several people."""
    approvals_needed: int | None = 1
    """How many people policy wants; null while it cannot be read and nothing may be approved."""
    outcome: OutcomeStatus | None = None
    """What became of it last."""


class Proposals(Message):
    """A page of proposals."""

    proposals: tuple[ProposalLine, ...]
    total: int
    """How many there are on all pages."""


class Explained(Message):
    """A proposal with everything that was measured, and what undo does."""

    proposal: ProposalLine
    explanation: Words
    """What it comes to, in a few sentences, and whose words they are."""
    text: str
    """All of it in lines, for people."""
    change: Change
    evidence: Evidence
    contract: ContractVerdict
    risk: tuple[str, ...]
    affects: tuple[str, ...]
    undo: tuple[str, ...]
    proposed_by: Principal
    changed_since: str | None
    remeasured: Remeasured | None
    """What a later run found of it, where that would not offer it any more."""
    decision: Decision | None
    outcomes: tuple[Outcome, ...]


class Answered(Message):
    """What became of one question to the person."""

    proposal: str
    said: str
    """One sentence: the answer as recorded, or why there is none."""
    status: Stage
    outcome: OutcomeStatus | None = None


class Reviewed(Message):
    """The questions that were asked, and what still waits."""

    asked_person: bool
    """False: this client cannot ask its person. Show them what waits, then call `decide`."""
    answered: tuple[Answered, ...] = ()
    waiting: tuple[ProposalLine, ...] = ()
    next: str


class Analysis(Message):
    """One run about a product, as far as it has come."""

    run: str
    product: str
    status: RunStatus
    tried: int = 0
    """Ideas that were measured or refused."""
    total: Interval | None = None
    """The gain of all proposals together."""
    notes: tuple[str, ...] = ()
    proposals: tuple[ProposalLine, ...] = ()
    review: Reviewed | None = None
    """Set when the run came to its question while this call waited."""
    next: str


class Decided(Message):
    """An answer and what became of it so far."""

    proposal: ProposalLine
    recorded: bool
    """False when the person put the question off; nothing was written."""
    decision: Decision | None = None
    """The answer that stands; none yet while policy wants others' approval, too."""
    outcomes: tuple[Outcome, ...] = ()
    said: str


class ProductLine(Message):
    """A product at a glance."""

    name: str
    waiting: int
    """Proposals that wait for an answer."""
    served: bool
    """Whether its data is served to consumers now."""
    last_run: str | None
    last_run_status: str | None


class ServiceStatus(Message):
    """What Pillion holds and does now, as far as the caller may see it."""

    version: str
    principal: Principal
    """Who you are here."""
    can_ask_person: bool
    """Whether questions reach the person through this client."""
    products: tuple[ProductLine, ...]
    working: tuple[str, ...]
    """Runs under way."""

"""What one run found, asked, did and proved: the value the final report is written from."""

from __future__ import annotations

from datetime import datetime

from tools.messages import Decision, Interval, Message, Outcome, Proposal, Trial
from tools.outcome_status import IN_PLACE

_TAKEN_BACK = frozenset({"rolled_back", "undone"})


class RunReport(Message):
    """One run from its question to its proof, for people who were not there."""

    product: str
    thread_id: str
    engine: str
    started_at: datetime
    finished_at: datetime | None = None
    queries: int
    """How many different queries the workload holds."""
    proposals: tuple[Proposal, ...] = ()
    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    """In the order they happened; the last one of a proposal says where it stands."""
    trials: tuple[Trial, ...] = ()
    """Candidates that were not proposed, with their numbers and reasons."""
    total: Interval | None = None
    """The whole workload's time before / after the applied set, when it was measured."""
    notes: tuple[str, ...] = ()

    @property
    def latest(self) -> dict[str, Outcome]:
        """The last outcome of each proposal, by its id."""
        return {outcome.proposal_id: outcome for outcome in self.outcomes}

    @property
    def standing(self) -> tuple[str, ...]:
        """Ids of the proposals that are in place in the product now, proved or not."""
        steps: dict[str, set[str]] = {}
        for outcome in self.outcomes:
            steps.setdefault(outcome.proposal_id, set()).add(outcome.status)
        return tuple(
            key for key, seen in steps.items() if seen & IN_PLACE and not seen & _TAKEN_BACK
        )

"""A refusal as it is remembered."""

from __future__ import annotations

from typing import NamedTuple

from tools.messages import Decision, Outcome, Proposal


class Refusal(NamedTuple):
    """What was refused before, or approved and then taken back: the answer and its proposal."""

    decision: Decision
    proposal: Proposal
    outcome: Outcome | None = None
    """How it was taken back, when it was."""

    @property
    def told(self) -> str:
        """What happened, for people."""
        who, when = self.decision.principal.name, self.decision.decided_at.date()
        if self.outcome is not None:
            word = self.outcome.status.replace("_", " ")
            return f"{who} approved this on {when} and it was {word} since"
        because = f" ({self.decision.reason})" if self.decision.reason else ""
        return f"{who} refused this on {when}{because}"

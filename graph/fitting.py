"""Whether an answer fits the question that it is about."""

from __future__ import annotations

from graph.errors import InvalidAnswer, NotAllowed
from tools.messages import Decision, Proposal


def check_answer(decision: Decision) -> None:
    """Raise `NotAllowed` or `InvalidAnswer` where nobody may answer so, whatever is asked."""
    # A rejection is remembered as a person's word, so an agent may not give one either.
    if decision.principal.kind == "agent" and decision.verdict != "expire":
        raise NotAllowed("An agent may never answer a proposal; a person has to.")
    if (decision.verdict == "edit") != (decision.edited is not None):
        raise InvalidAnswer("An edit, and only an edit, needs the edited change.")


def check_fit(decision: Decision, proposal: Proposal) -> None:
    """Raise `InvalidAnswer` where it comes too late or early, or changes nothing."""
    until = f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    expired = proposal.expires_at <= decision.decided_at
    if decision.verdict == "expire" and not expired:
        raise InvalidAnswer(f"{proposal.id} is open until {until}.")
    if decision.verdict != "expire" and expired:
        raise InvalidAnswer(
            f"{proposal.id} expired at {until}; run `pillion run` to measure it again."
        )
    if decision.edited == proposal.change:
        raise InvalidAnswer("The edit changes nothing; approve the proposal instead.")

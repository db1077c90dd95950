"""Recorded answers of real people, replayed as one more approver.

`pillion log --decisions --json` exports them. A proposal that was answered before gets its latest
answer. Any other gets the answer to the nearest recorded proposal of the same kind of change, by
the distance of their facts. When none lies within `FAR`, nobody answers: the proposal stays open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from evals.errors import NoResult
from graph.decisions import RECORDED, Facts, RecordedDecision, facts_of
from tools.messages import Proposal

PREFIX = "replay:"
FAR = math.log(2)
"""A factor of two in one number, or a warning more, and two proposals are not alike."""
NEAR = ("gain", "certain_gain", "insert_cost", "growth", "losing", "warnings")
"""The facts that have to be alike; how large a table is does not matter to what people answer."""


class Answers(NamedTuple):
    """What people answered, oldest first."""

    recorded: Sequence[RecordedDecision]

    def like(self, proposal: Proposal) -> RecordedDecision | None:
        """Return the answer to this proposal or to the one most like it, or None."""
        same = [d for d in self.recorded if d.proposal_id == proposal.id]
        if same:
            return same[-1]
        facts = facts_of(proposal)
        alike = [d for d in self.recorded if d.kind == proposal.change.kind]
        nearest = min(reversed(alike), key=lambda d: distance(d.facts, facts), default=None)
        if nearest is None or distance(nearest.facts, facts) > FAR:
            return None
        return nearest


def distance(one: Facts, other: Facts) -> float:
    """Return how far apart the facts of two proposals are: the Euclidean distance."""
    return math.dist(*([getattr(facts, name) for name in NEAR] for facts in (one, other)))


def replayed(approver: str) -> Answers:
    """Return the answers in the file that `replay:FILE` names; raises `NoResult`."""
    path = Path(approver.removeprefix(PREFIX))
    how = "`pillion log --decisions --json` writes such a file."
    if not path.is_file():
        raise NoResult(f"There is no file {path} with recorded answers; {how}")
    try:
        found = RECORDED.validate_json(path.read_bytes())
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise NoResult(f"{path} holds no recorded answers: {where}: {first['msg']}. {how}") from exc
    if not found:
        raise NoResult(f"{path} holds no answer: nobody has decided anything yet.")
    return Answers(found)

"""Two runs of the same suite: how far they propose the same and come to the same verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from evals.errors import NotComparable
from evals.gate import check_comparable
from evals.pooling import asked_of, played_by
from evals.results import ScenarioResult, SuiteResult
from evals.statistics import Estimate, share_of

MISSING = "not proposed"
LIKEWISE = ("model", "settings")
"""What a repetition may not change; beside whom it is judged does not matter."""


class Idea(NamedTuple):
    """One idea of a scenario with its verdict in either run."""

    scenario: str
    idea: str
    one: str
    other: str

    @property
    def agrees(self) -> bool:
        """Whether both runs say the same."""
        return self.one == self.other


class Agreement(NamedTuple):
    """How far two runs agree."""

    verdicts: Estimate | None
    """Ideas of either run with the same verdict in both; not being proposed is one, too."""
    proposed: Estimate | None
    """Ideas of either run that both propose."""
    silences: Estimate | None
    """Scenarios silent in either run that are silent in both."""
    apart: tuple[Idea, ...]


def agreement(one: SuiteResult, other: SuiteResult) -> Agreement:
    """Compare two runs; raises `NotComparable` unless they played the same scenarios alike."""
    check_comparable(one, other)
    if one.scenarios == other.scenarios:
        raise NotComparable("Both are the same run; play it again to see what stays.")
    mine, theirs = asked_of(one), asked_of(other)
    for what in LIKEWISE:
        if None not in (told := (mine.get(what), theirs.get(what))) and told[0] != told[1]:
            raise NotComparable(f"The runs differ in {what}: {told[0]}, and {told[1]}.")
    played = {p.code.identity: p.code for r in (one, other) for p in played_by(r) if p.code}
    if len(played) > 1:
        states = "; ".join(map(str, played.values()))
        raise NotComparable(f"Different states of the code played the runs: {states}.")
    again = {s.name: s for s in other.scenarios}
    pairs = [(s, again[s.name]) for s in one.scenarios]
    ideas = [i for a, b in pairs for i in _ideas(a, b)]
    silent = [(not a.proposals, not b.proposals) for a, b in pairs]
    return Agreement(
        verdicts=share_of(i.agrees for i in ideas),
        proposed=share_of(MISSING not in (i.one, i.other) for i in ideas),
        silences=share_of(a and b for a, b in silent if a or b),
        apart=tuple(i for i in ideas if not i.agrees),
    )


def _ideas(one: ScenarioResult, other: ScenarioResult) -> Iterator[Idea]:
    """Yield the union of both runs' ideas."""
    first, second = _verdicts(one), _verdicts(other)
    for name in dict.fromkeys((*first, *second)):
        yield Idea(one.name, name, first.get(name, MISSING), second.get(name, MISSING))


def _verdicts(scenario: ScenarioResult) -> dict[str, str]:
    told: dict[str, str] = {}
    for proposal in scenario.proposals:
        name = proposal.idea or proposal.id
        while name in told:
            name += ", once more"
        told[name] = proposal.verdict
    return told

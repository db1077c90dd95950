"""How good the suggestions were: every number with its interval and the cases behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from evals.results import Judged, ScenarioResult
from evals.statistics import Estimate, kappa, mean, share

Scenarios = Sequence[ScenarioResult]


class Metric(NamedTuple):
    """One metric: what it says, how it is computed, and whether more is better."""

    says: str
    of: Callable[[Scenarios], Estimate | None]
    more_is_better: bool | None = True
    """None where neither direction is a loss."""


def metrics() -> dict[str, Metric]:
    """Return the metrics by name, the most important first."""
    return {
        "acceptance": Metric("proposals that the oracle calls good", acceptance),
        "harmless": Metric("proposals that the oracle calls good or neutral", harmless),
        "recall": Metric("known improvements that were proposed", recall),
        "reach": Metric("gain reached / best gain that is known", reach),
        "harm": Metric("approved proposals that the oracle calls harmful", harm, False),
        "failures": Metric("scenarios whose product did not come through", failures, False),
        "undecided": Metric("proposals that the oracle could not judge", undecided, None),
        "quiet": Metric("products with nothing to improve left in peace", quiet),
        "explained": Metric("silences that came with a reason", explained),
        "approved": Metric("proposals that the acting approver approved", approved, None),
        "cpu_seconds": Metric("processor seconds of the advisor a scenario", cpu_seconds, None),
        "rules_acceptance": Metric("the same for rules of thumb, unmeasured", rules_good, None),
        "rules_harm": Metric("harmful ones among the rules of thumb", rules_harm, None),
        "rules_recall": Metric("known improvements among the rules of thumb", rules_recall, None),
        "silent_reach": Metric("reach of doing nothing", silent_reach, None),
    }


def measured(scenarios: Scenarios) -> dict[str, Estimate]:
    """Return every metric that has a case."""
    found = {name: metric.of(scenarios) for name, metric in metrics().items()}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def _proposals(scenarios: Scenarios) -> list[Judged]:
    return [p for s in scenarios for p in s.proposals]


def _share(cases: Iterable[bool]) -> Estimate | None:
    found = list(cases)
    return share(sum(found), len(found))


def acceptance(scenarios: Scenarios) -> Estimate | None:
    """Return the share of good proposals; what is undecided counts against it."""
    return _share(p.verdict == "good" for p in _proposals(scenarios))


def harmless(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals that help or at least do no harm."""
    return _share(p.verdict in ("good", "neutral") for p in _proposals(scenarios))


def recall(scenarios: Scenarios) -> Estimate | None:
    """Return the share of known improvements that were proposed."""
    return _share(name in s.found for s in scenarios for name in s.known)


def reach(scenarios: Scenarios) -> Estimate | None:
    """Return the mean of gain reached / reachable, at most 1 each; a failed product reached none.

    Regret is 1 minus this.
    """
    shares = []
    for s in scenarios:
        if s.reachable is not None and s.reachable.value > 1:
            reached = s.reached.value if s.reached and not s.failure else 1.0
            shares.append(min(1.0, reached / s.reachable.value))
    return mean(shares)


def silent_reach(scenarios: Scenarios) -> Estimate | None:
    """Return the reach of approving nothing."""
    best = [s.reachable.value for s in scenarios if s.reachable]
    return mean([1 / b for b in best if b > 1])


def harm(scenarios: Scenarios) -> Estimate | None:
    """Return the share of harmful ones among what the acting approver approved."""
    return _share(
        p.verdict == "harmful"
        for s in scenarios
        for p in s.proposals
        if p.approvals.get(s.approver, False)
    )


def failures(scenarios: Scenarios) -> Estimate | None:
    """Return the share of products that failed, by themselves or with all proposals together."""
    return _share(bool(s.failure) for s in scenarios)


def undecided(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals without a verdict."""
    return _share(p.verdict == "undecided" for p in _proposals(scenarios))


def quiet(scenarios: Scenarios) -> Estimate | None:
    """Return the share of products with nothing to improve that got no proposal."""
    return _share(not s.proposals for s in scenarios if s.expects == "nothing")


def explained(scenarios: Scenarios) -> Estimate | None:
    """Return the share of silences with a note or with ideas that were tried and lost."""
    return _share(s.explained for s in scenarios if not s.proposals)


def approved(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals that the acting approver approved."""
    return _share(p.approvals.get(s.approver, False) for s in scenarios for p in s.proposals)


def cpu_seconds(scenarios: Scenarios) -> Estimate | None:
    """Return the mean processor time of the advisor."""
    return mean([s.cpu_seconds for s in scenarios])


def _rules(scenarios: Scenarios) -> list[Judged]:
    return [r for s in scenarios for r in s.rules or ()]


def rules_good(scenarios: Scenarios) -> Estimate | None:
    """Return the share of good ones among unmeasured ideas."""
    return _share(r.verdict == "good" for r in _rules(scenarios))


def rules_harm(scenarios: Scenarios) -> Estimate | None:
    """Return the share of harmful ones among unmeasured ideas."""
    return _share(r.verdict == "harmful" for r in _rules(scenarios))


def rules_recall(scenarios: Scenarios) -> Estimate | None:
    """Return the share of known improvements among unmeasured ideas."""
    asked = [s for s in scenarios if s.rules is not None]
    return _share(name in s.found_by_rules for s in asked for name in s.known)


def acceptance_by(scenarios: Scenarios, key: str) -> dict[str, Estimate]:
    """Return acceptance per `kind` of change or per `family` of scenario."""
    cases: dict[str, list[bool]] = defaultdict(list)
    for s in scenarios:
        for p in s.proposals:
            cases[p.kind if key == "kind" else s.family].append(p.verdict == "good")
    shares = {name: _share(found) for name, found in sorted(cases.items())}
    return {name: estimate for name, estimate in shares.items() if estimate is not None}


def by_approver(scenarios: Scenarios) -> dict[str, dict[str, Estimate]]:
    """Return what each approver would approve, and how much of that the oracle calls harmful."""
    answered = [p for p in _proposals(scenarios) if p.approvals]
    found: dict[str, dict[str, Estimate]] = {}
    for name in answered[0].approvals if answered else ():
        passed = [p for p in answered if p.approvals[name]]
        shares = {
            "approved": share(len(passed), len(answered)),
            "harm": _share(p.verdict == "harmful" for p in passed),
        }
        found[name] = {key: estimate for key, estimate in shares.items() if estimate is not None}
    return found


def agreement(scenarios: Scenarios) -> list[dict[str, Any]]:
    """Return how often each two approvers gave the same answer, and Cohen's kappa."""
    answers = [p.approvals for p in _proposals(scenarios) if p.approvals]
    found = []
    for a, b in combinations(sorted(answers[0]) if answers else (), 2):
        pairs = [(answer[a], answer[b]) for answer in answers]
        same = _share(x == y for x, y in pairs)
        found.append({"approvers": [a, b], "same": same, "kappa": kappa(pairs)})
    return found

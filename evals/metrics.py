"""How good the suggestions were: every number with its interval and the cases behind it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

from evals import comparison, confidence, duplication, labour
from evals.approvers import ORACLE
from evals.results import Judged, ScenarioResult
from evals.statistics import Estimate, kappa, mean, ratio, share, share_of, shares
from tools.outcome_status import IN_PLACE

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
        "recall": Metric("known improvements among the good proposals", recall),
        "recall_offered": Metric("known improvements among all proposals", recall_offered, None),
        "missed": Metric("known improvements that would still have gained", missed, False),
        "reach": Metric("gain reached / best gain that is known", reach),
        "saved": Metric("time saved / most time that is known to be savable", saved),
        "unreferenced": Metric("gaining products whose best was not told", unreferenced, None),
        "in_place": Metric("approved proposals that are in place afterwards", in_place),
        "harm": Metric("proposals some approver would approve that are harmful", harm, False),
        "harmful": Metric("proposals that the oracle calls harmful", harmful, False),
        "failures": Metric("scenarios whose product did not come through", failures, False),
        "undecided": Metric("proposals that the oracle could not judge", undecided, None),
        "quiet": Metric("products with nothing to improve left in peace", quiet),
        "explained": Metric("silences that came with a reason", explained),
        "approved": Metric("proposals that the acting approver approved", approved, None),
        "cpu_seconds": Metric("processor seconds of the advisor a scenario", cpu_seconds, None),
        "silent_reach": Metric("reach of doing nothing", silent_reach, None),
        "abstained": Metric("proposals that the acting approver left open", abstained, None),
        "acceptance_families": Metric("acceptance, families drawn anew", acceptance_families, None),
        "recall_families": Metric("recall, families drawn anew", recall_families, None),
        **_confidence(),
        **_duplication(),
        **_labour(),
        **_comparison(),
    }


def _confidence() -> dict[str, Metric]:
    return {
        "held": Metric("expected intervals that hold the oracle's gain", confidence.held),
        "width": Metric("high / low of expected intervals, median", confidence.width, None),
        "covered": Metric("measured intervals that hold it", confidence.covered),
        "measured_width": Metric("their high / low, median", confidence.measured_width, None),
        "overlapping": Metric("measured intervals that meet the oracle's", confidence.overlapping),
        "optimism": Metric("measured gain / the oracle's, on average", confidence.optimism, None),
    }


def _duplication() -> dict[str, Metric]:
    of = duplication
    return {
        "duplicates": Metric("offers that repeat an idea or a refusal", of.duplicates, False),
        "repeats_after_refusal": Metric("refused ideas offered again", of.remembering, False),
        "repeats_forgetful": Metric("the same without memory", of.forgetful, None),
    }


def _labour() -> dict[str, Metric]:
    return {
        "actions": Metric("commands typed for one improvement", labour.actions, False),
        "actions_by_hand": Metric("the same by hand", labour.actions_by_hand, None),
        "operator_seconds": Metric("seconds of one improvement, with typing", labour.seconds, None),
        "operator_seconds_by_hand": Metric("the same by hand", labour.seconds_by_hand, None),
    }


def _comparison() -> dict[str, Metric]:
    """Return what each baseline reaches by the same oracle."""
    told = {
        "acceptance": ("changes of {} that the oracle calls good", comparison.acceptance),
        "harm": ("harmful ones among the changes of {}", comparison.harm),
        "recall": ("known improvements among the changes of {}", comparison.recall),
    }
    return {
        f"{name}_{key}": Metric(says.format(name), partial(of, name), None)
        for name in comparison.COMPARED
        for key, (says, of) in told.items()
    }


def measured(scenarios: Scenarios) -> dict[str, Estimate]:
    """Return every metric that has a case."""
    found = {name: metric.of(scenarios) for name, metric in metrics().items()}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def _proposals(scenarios: Scenarios) -> list[Judged]:
    return [p for s in scenarios for p in s.proposals]


def acceptance(scenarios: Scenarios) -> Estimate | None:
    """Return the share of good proposals; what is undecided counts against it."""
    return share_of(p.verdict == "good" for p in _proposals(scenarios))


def harmless(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals that help or at least do no harm."""
    return share_of(p.verdict in ("good", "neutral") for p in _proposals(scenarios))


def recall(scenarios: Scenarios) -> Estimate | None:
    """Return the share of known improvements that a good proposal brings.

    Results of before hold only what any proposal brings; there that counts.
    """
    return share_of(name in _brought(s) for s in scenarios for name in s.known)


def _brought(scenario: ScenarioResult) -> tuple[str, ...]:
    return scenario.found if scenario.found_good is None else scenario.found_good


def recall_offered(scenarios: Scenarios) -> Estimate | None:
    """Return the share of known improvements that any proposal brings."""
    return share_of(name in s.found for s in scenarios for name in s.known)


def missed(scenarios: Scenarios) -> Estimate | None:
    """Return the share of known improvements that gain beside what was approved, or may do."""
    asked = [s for s in scenarios if s.superseded is not None]
    return share_of(
        name not in s.found and name not in (s.superseded or ()) for s in asked for name in s.known
    )


def reach(scenarios: Scenarios) -> Estimate | None:
    """Return the mean of gain reached / reachable, at most 1 each; a failed product reached none.

    One that failed before anybody knew what was reachable counts 0. Doing nothing scores
    `silent_reach`, so this says how fast products are beside how fast they could be.
    """
    return mean([1.0 if r > b else r / b for r, b in _gains(scenarios)])


def saved(scenarios: Scenarios) -> Estimate | None:
    """Return the mean share of the savable time that was saved; doing nothing scores 0.

    Regret is 1 minus this. At most 1 each, and 0 where what was approved costs time.
    """
    parts = ((1 - 1 / max(r, 1.0)) / (1 - 1 / b) for r, b in _gains(scenarios))
    return mean([min(1.0, part) for part in parts])


def _gains(scenarios: Scenarios) -> Iterator[tuple[float, float]]:
    """Yield gain reached and reachable of each scenario that can gain."""
    for s in scenarios:
        if s.failure and s.known and s.reachable is None:
            yield 0.0, math.inf
        if s.reachable is not None and s.reachable.value > 1:
            yield (s.reached.value if s.reached and not s.failure else 1.0), s.reachable.value


def unreferenced(scenarios: Scenarios) -> Estimate | None:
    """Return the share of products with a gain whose best one could not be judged."""
    gaining = [s for s in scenarios if s.expects == "gain"]
    return share_of(s.reachable is None or s.reachable.value <= 1 for s in gaining)


def in_place(scenarios: Scenarios) -> Estimate | None:
    """Return the share of what the acting approver approved that is in place afterwards."""
    return share_of(p.outcome in IN_PLACE for p in _approved(scenarios))


def not_in_place(scenarios: Scenarios) -> list[Judged]:
    """Return what the acting approver approved and is not in place."""
    return [p for p in _approved(scenarios) if p.outcome not in IN_PLACE]


def _approved(scenarios: Scenarios) -> Iterator[Judged]:
    for s in scenarios:
        yield from (p for p in s.proposals if p.approvals.get(s.approver, False))


def silent_reach(scenarios: Scenarios) -> Estimate | None:
    """Return the reach of approving nothing."""
    best = [s.reachable.value for s in scenarios if s.reachable]
    return mean([1 / b for b in best if b > 1])


def harm(scenarios: Scenarios) -> Estimate | None:
    """Return the share of harmful ones among what anybody but the oracle would approve.

    The oracle approves nothing that it calls harmful, so what it approves says nothing here.
    """
    return share_of(
        p.verdict == "harmful"
        for p in _proposals(scenarios)
        if any(approves for name, approves in p.approvals.items() if name != ORACLE)
    )


def harmful(scenarios: Scenarios) -> Estimate | None:
    """Return the share of harmful proposals, whoever would approve them."""
    return share_of(p.verdict == "harmful" for p in _proposals(scenarios))


def failures(scenarios: Scenarios) -> Estimate | None:
    """Return the share of products that failed, by themselves or with all proposals together."""
    return share_of(bool(s.failure) for s in scenarios)


def undecided(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals without a verdict."""
    return share_of(p.verdict == "undecided" for p in _proposals(scenarios))


def quiet(scenarios: Scenarios) -> Estimate | None:
    """Return the share of products with nothing to improve that came through without a proposal."""
    return share_of(not s.proposals and not s.failure for s in scenarios if s.expects == "nothing")


def explained(scenarios: Scenarios) -> Estimate | None:
    """Return the share of silences with a note or with ideas that were tried and lost."""
    return share_of(s.explained for s in scenarios if not s.proposals and not s.failure)


def approved(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals that the acting approver approved."""
    return share_of(p.approvals.get(s.approver, False) for s in scenarios for p in s.proposals)


def cpu_seconds(scenarios: Scenarios) -> Estimate | None:
    """Return the mean processor time of the advisor, where it came to work at all."""
    return mean([s.cpu_seconds for s in scenarios if s.cpu_seconds > 0])


def abstained(scenarios: Scenarios) -> Estimate | None:
    """Return the share of proposals that the acting approver had no answer to."""
    answered = [s for s in scenarios if s.approver != ORACLE]
    return share_of(s.approver in p.abstained for s in answered for p in s.proposals)


def acceptance_families(scenarios: Scenarios) -> Estimate | None:
    """Return acceptance with the interval that drawing whole families anew gives.

    Seeds of one family tend to repeat what another found: proposals are fewer cases than they look
    like, and other families might differ more than other seeds of these.
    """
    return _by_family((s.family, p.verdict == "good") for s in scenarios for p in s.proposals)


def recall_families(scenarios: Scenarios) -> Estimate | None:
    """Return recall with the interval that drawing whole families anew gives."""
    return _by_family((s.family, name in _brought(s)) for s in scenarios for name in s.known)


def _by_family(cases: Iterable[tuple[str, bool]]) -> Estimate | None:
    families: dict[str, list[bool]] = defaultdict(list)
    for family, case in cases:
        families[family].append(case)
    return ratio([(float(sum(found)), float(len(found))) for found in families.values()])


def acceptance_by(scenarios: Scenarios, key: str) -> dict[str, Estimate]:
    """Return acceptance per `kind` of change or per `family` of scenario."""
    cases: dict[str, list[bool]] = defaultdict(list)
    for s in scenarios:
        for p in s.proposals:
            cases[p.kind if key == "kind" else s.family].append(p.verdict == "good")
    return shares(cases)


def by_approver(scenarios: Scenarios) -> dict[str, dict[str, Estimate]]:
    """Return what each approver would approve, and how much of that the oracle calls harmful."""
    offered = [p for p in _proposals(scenarios) if p.approvals]
    found: dict[str, dict[str, Estimate]] = {}
    for name in _approvers(offered):
        answered = [p for p in offered if name in p.approvals]
        passed = [p for p in answered if p.approvals[name]]
        counted = {
            "approved": share(len(passed), len(answered)),
            "harm": share_of(p.verdict == "harmful" for p in passed),
            "abstained": share_of(name in p.abstained for p in offered),
        }
        found[name] = {
            key: estimate
            for key, estimate in counted.items()
            if estimate is not None and (key != "abstained" or estimate.count)
        }
    return found


def _approvers(offered: Sequence[Judged]) -> list[str]:
    """Return everybody who answered or abstained, in the order they are first met."""
    return list(dict.fromkeys(n for p in offered for n in (*p.approvals, *p.abstained)))


def agreement(scenarios: Scenarios) -> list[dict[str, Any]]:
    """Return how often each two approvers gave the same answer, and Cohen's kappa.

    Only what both answered counts.
    """
    answers = [p.approvals for p in _proposals(scenarios) if p.approvals]
    found = []
    for a, b in combinations(sorted({name for answer in answers for name in answer}), 2):
        pairs = [(answer[a], answer[b]) for answer in answers if a in answer and b in answer]
        same = share_of(x == y for x, y in pairs)
        if same is not None:
            found.append({"approvers": [a, b], "same": same, "kappa": kappa(pairs)})
    return found

"""The judge at work in the graph: the one that serves now, with what was answered before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.ledger import Ledger
from nodes.context import Opinions
from tools.messages import Proposal
from tools.slm.errors import ModelError
from tools.slm.facts import facts_of
from tools.slm.features import History
from tools.slm.judge import Judge, Opinion
from tools.slm.store import Store
from tools.slm.times import TIMES


class ServingJudge:
    """Asks whichever judge serves at that moment; without a usable one, rules rank."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store, self._ledger = store, ledger

    def opinions(self, product: str, proposals: Sequence[Proposal]) -> Opinions:
        """Return the opinion on each proposal by its id, or none and why."""
        try:
            serving = self._store.serving().id
            if serving is None or not proposals:
                return Opinions()
            past = self._answers(product)
            with TIMES.timed("judge"):
                return Opinions(_judged(self._store.load(serving), proposals, past))
        except ModelError as exc:
            return Opinions(note=f"Rules rank, for the judge cannot be used: {exc}")

    def _answers(self, product: str) -> list[tuple[str, bool]]:
        answered = (o for o in self._ledger.answered() if o.proposal.product == product)
        return [
            (o.proposal.change.kind, o.decision.verdict == "approve")
            for o in answered
            if o.decision is not None
        ]


def _judged(
    judge: Judge, proposals: Sequence[Proposal], past: Sequence[tuple[str, bool]]
) -> Mapping[str, Opinion]:
    return {
        p.id: judge.opinion(p.change.kind, facts_of(p), history_of(past, p.change.kind))
        for p in proposals
    }


def history_of(answers: Sequence[tuple[str, bool]], kind: str) -> History:
    """Return what answers (kind, approved) say about a product and a kind of change."""
    of_kind = [approved for k, approved in answers if k == kind]
    return History(sum(a for _, a in answers), len(answers), sum(of_kind), len(of_kind))

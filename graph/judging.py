"""The judge at work in the graph: the one that serves now, with what was answered before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.ledger import Ledger
from nodes.context import Opinions
from tools.messages import Proposal
from tools.slm.errors import ModelError
from tools.slm.facts import facts_of
from tools.slm.features import History
from tools.slm.judge import Opinion
from tools.slm.store import Store


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
            judge = self._store.load(serving)
        except ModelError as exc:
            return Opinions(note=f"Rules rank, for the judge cannot be used: {exc}")
        past = self._answers(product)
        found: Mapping[str, Opinion] = {
            p.id: judge.opinion(p.change.kind, facts_of(p), history_of(past, p.change.kind))
            for p in proposals
        }
        return Opinions(found)

    def _answers(self, product: str) -> list[tuple[str, bool]]:
        answered = (o for o in self._ledger.answered() if o.proposal.product == product)
        return [
            (o.proposal.change.kind, o.decision.verdict == "approve")
            for o in answered
            if o.decision is not None
        ]


def history_of(answers: Sequence[tuple[str, bool]], kind: str) -> History:
    """Return what answers (kind, approved) say about a product and a kind of change."""
    of_kind = [approved for k, approved in answers if k == kind]
    return History(sum(a for _, a in answers), len(answers), sum(of_kind), len(of_kind))

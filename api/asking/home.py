"""What an answer may be taken from: the products that whoever asks may see, and what is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from api.wording import quoted
from graph.ledger import Ledger, Offer, Thread
from graph.settings import Settings
from mcp_servers.product.client import ProductClient
from tools.asking.model import SecondOpinion
from tools.asking.names import parts, shared, stem, subject
from tools.asking.request import Request
from tools.messages import change_target
from tools.words.facts import Facts
from tools.words.told import Words, template

_SAID = frozenset(
    map(
        stem,
        """
    achieved actually all answer answered answers anybody anyone applied approval approvals
    approving back bad benefit benefits better bring brought candidate candidates decide decided
    decision decisions declined did discarded done easier ever failed far faster first gain
    gained gains gave give given going good got happen happened held how improve improved
    improvement improvements latest list lost made measured month nobody off open paid part past
    pay pending people person place proved quicker ready reject rejected rejecting rejection
    rejections result results review rolled save saved saves saving savings say show signed
    since smaller so somebody someone space speed speedup speedups still suggest their them then
    think thrown undone up useful verdict verdicts wait waiting waits way week while worth
    yesterday
    """.split(),
    )
)
"""What is said of proposals and of answers, whatever they are about."""


@dataclass(frozen=True)
class Home:
    """One home as one caller sees it."""

    settings: Settings
    ledger: Ledger
    products: tuple[str, ...]
    """Those the caller may see; what others hold is as good as not there."""
    open: Callable[[str], AbstractAsyncContextManager[ProductClient]]
    second_opinion: SecondOpinion | None = None
    """A language model, where one is asked for a second opinion."""
    explain: Callable[[Facts], Words] = template
    """Tells facts in words."""

    def offers(self, product: str | None = None, *, waiting: bool = False) -> list[Offer]:
        """Return the visible proposals, each as it was offered last, oldest first."""
        found = self.ledger.offers(product, waiting=waiting)
        return [o for o in found if o.proposal.product in self.products]

    def threads(self, product: str | None = None) -> list[Thread]:
        """Return the visible runs, newest first."""
        return [t for t in self.ledger.threads(product) if t.product in self.products]


@dataclass(frozen=True)
class Asked:
    """A request with the product it is about, where it is about one."""

    request: Request
    product: str | None

    def about(self, home: Home, *, waiting: bool = False) -> Iterator[Offer]:
        """Yield the proposals it is about: those it names by id, else those of its product."""
        ids = self.request.proposals
        for offer in home.offers(None if ids else self.product, waiting=waiting):
            late = waiting and offer.overdue
            if not late and (not ids or offer.proposal.id in ids):
                yield offer

    def unknown(self, home: Home) -> str:
        """Say which of the proposals that it names there are not; empty where all are there."""
        known = {o.proposal.id for o in self.about(home)}
        missing = [i for i in self.request.proposals if i not in known]
        if not missing:
            return ""
        return f"There is no proposal {' or '.join(missing)}; `pillion status` lists them."

    @property
    def subject(self) -> tuple[str, ...]:
        """The words it is about, beside those of its product's name, and whether of an index."""
        kinds = ("index",) if re.search(r"\bind(ex(es)?|ices)\b", self.request.words) else ()
        own = {stem(w) for w in parts(self.product or "")}
        return (*kinds, *(w for w in subject(self.request) if w not in own))

    def unheld(self, texts: Iterable[str]) -> str:
        """Say which of its names and words some texts do not hold; empty where they hold all."""
        held = {stem(part) for text in texts for part in parts(text)}
        missing = [w for w in self.subject if w not in held and w not in _SAID]
        return ", ".join(map(quoted, missing))

    def spoken_of(self, offers: Iterable[Offer]) -> list[Offer]:
        """Return the proposals whose change holds most words of the request; none where none."""
        scored = [(shared(self.subject, texts_of(o)), o) for o in offers]
        best = max((score for score, _ in scored), default=0)
        return [offer for score, offer in scored if best and score == best]


def texts_of(offer: Offer) -> tuple[str, ...]:
    """Return what a proposal is about: where, and what kind of change."""
    change = offer.proposal.change
    return change_target(change), str(change.table), change.kind

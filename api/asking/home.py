"""What an answer may be taken from: the products that whoever asks may see, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from graph.ledger import Ledger, Offer, Thread
from graph.settings import Settings
from mcp_servers.product.client import ProductClient
from tools.asking.model import SecondOpinion
from tools.asking.names import shared, subject
from tools.asking.request import Request
from tools.messages import change_target
from tools.words.facts import Facts
from tools.words.told import Words, template


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
        for offer in home.offers(self.product, waiting=waiting):
            if not self.request.proposals or offer.proposal.id in self.request.proposals:
                yield offer

    @property
    def subject(self) -> tuple[str, ...]:
        """The words it is about, beside those of its product's name."""
        return subject(self.request)

    def spoken_of(self, offers: Iterable[Offer]) -> list[Offer]:
        """Return the proposals whose change holds most words of the request; none where none."""
        scored = [(shared(self.subject, texts_of(o)), o) for o in offers]
        best = max((score for score, _ in scored), default=0)
        return [offer for score, offer in scored if best and score == best]


def texts_of(offer: Offer) -> tuple[str, ...]:
    """Return what a proposal is about: where, and what kind of change."""
    change = offer.proposal.change
    return change_target(change), str(change.table), change.kind

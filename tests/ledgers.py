"""Ledgers with proposals that wait for an answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from graph.ledger import Ledger, now
from tests.factories import make_change, make_proposal
from tools.messages import Proposal
from tools.outcome_status import IN_PLACE

KEPT = IN_PLACE - {"applied"}
"""What a change that stays becomes: on a busy machine the times may not prove it."""


def says_kept(shown: str) -> bool:
    """Return whether a text tells that a change stays."""
    return any(word in shown for word in KEPT)


def open_proposal(key: str, product: str = "flights") -> Proposal:
    """Return a proposal that is open for a week."""
    return make_proposal(
        make_change(column=key), id=key, product=product, expires_at=now() + timedelta(days=7)
    )


def make_ledger(path: Path, *keys: str, product: str = "flights") -> Ledger:
    """Return a ledger in which run t1 of a product offered these proposals."""
    book = Ledger(path)
    book.open_thread("t1", product, "all")
    book.offer("t1", [open_proposal(key, product) for key in keys], "agent:rank")
    return book

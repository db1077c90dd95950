"""A home with a product and a ledger to ask about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from api.asking.home import Home
from graph.ledger import Ledger, now
from graph.settings import Settings
from tests.api.asking.products import CONTRACT, DELAYS, P1, P2, P3, Product
from tests.factories import make_decision, make_evidence, make_outcome, make_timing, make_trial
from tests.ledgers import open_proposal
from tests.tools.asking.hostile import HOSTILE
from tools.product.descriptor import Descriptor, save_descriptor


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def home(tmp_path: Path, product: Product) -> Iterator[Home]:
    settings = Settings(home=tmp_path, principal="ada")
    path = settings.product_home("flights")
    path.mkdir(parents=True)
    (path / "c.yaml").write_text(CONTRACT)
    descriptor = Descriptor(
        name="flights", database=path / "d.duckdb", contract=path / "c.yaml", queries=(), home=path
    )
    save_descriptor(descriptor, path / "product.odps.yaml")
    with closing(Ledger(settings.ledger_path)) as ledger:

        @asynccontextmanager
        async def opened(name: str) -> AsyncIterator[Any]:
            assert name == "flights"
            yield product

        yield Home(settings, ledger, ("flights",), opened)


@pytest.fixture
def answered(home: Home) -> Home:
    """Three proposals of flights: one applied, one refused, one that waits; and one of others."""
    book = home.ledger
    book.open_thread("flights-1", "flights", "all")
    evidence = make_evidence(queries=(make_timing(DELAYS),))
    offers = [open_proposal(key) for key in (P1, P2, P3)]
    offers[0] = offers[0].model_copy(update={"evidence": evidence})
    book.offer("flights-1", offers, "agent:rank")
    book.decide(make_decision(P1, decided_at=now()))
    book.record_outcome(make_outcome(P1), "pillion")
    refused = make_decision(P2, verdict="reject", reason=HOSTILE[0], decided_at=now())
    book.decide(refused)
    lost = make_trial(reason="the workload gets slower")
    book.record_trials("flights-1", "flights", [lost])
    book.save_report("flights-1", {"notes": ["2 statements write and were not measured"]})
    book.open_thread("secret-1", "secret", "all")
    book.offer("secret-1", [open_proposal("p0000000000f", "secret")], "agent:rank")
    return home

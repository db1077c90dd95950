"""One product in each state that a crash may find it in; tests work on copies."""

from __future__ import annotations

import pytest

from tests.crash.flow import GROUPED, Flow, make_flow


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A product nobody has looked at yet."""
    return make_flow(tmp_path_factory.mktemp("registered") / "flow")


@pytest.fixture(scope="session")
def asked(registered: Flow, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A product whose proposal waits for an answer."""
    flow = registered.copy(tmp_path_factory.mktemp("asked") / "flow")
    assert flow.json("run", "sales")["status"] == "waiting"
    return flow


@pytest.fixture(scope="session")
def applied(asked: Flow, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A product with the change made."""
    flow = asked.copy(tmp_path_factory.mktemp("applied") / "flow")
    flow.json("decide", flow.offered(), "approve")
    assert flow.amount_type() != "VARCHAR"
    return flow


@pytest.fixture(scope="session")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A product whose summary waits for an answer."""
    # So many rows that a summary gains whatever else the machine does.
    flow = make_flow(tmp_path_factory.mktemp("grouped") / "flow", GROUPED, rows=400_000)
    assert flow.json("run", "sales")["status"] == "waiting"
    return flow

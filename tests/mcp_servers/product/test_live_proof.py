"""The proof on live: what only looks slower is not held against a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mcp_servers.product import live_proof
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.mcp_servers.product.test_service import INDEX, asked
from tests.products import make_product
from tools.product.counterproof import Turns
from tools.product.errors import DiskFull
from tools.product.live import LiveSamples

TEXT = "SELECT region, count(*) AS n FROM sales GROUP BY region"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProductService]:
    service = ProductService(
        make_product(tmp_path, tmp_path / "home", rows=20_000), ProductSettings()
    )
    service.apply(asked(service, INDEX, "p1").model_copy(update={"queries": (TEXT,)}))
    yield service
    service.close()


def timed_before(service: ProductService, ms: float) -> None:
    """Pretend that the machine took so long before the change."""
    (path,) = (service.home / "evidence").glob("live-*.json")
    LiveSamples(samples={TEXT: [ms] * 7}).save(path)


def test_a_machine_that_got_slower_is_not_held_against_a_change(service: ProductService) -> None:
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert "by turns with a copy without the change" in check.detail
    assert check.ratio is not None and check.ratio.high > 0.9
    assert [q.sql for q in check.queries] == [TEXT]
    assert list((service.home / "shadow").glob("snapshot-*")) == []


def test_a_change_that_looks_as_fast_needs_no_copy(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_proof, "copy_without", None)
    timed_before(service, 1000.0)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.low > 1 and "copy" not in check.detail


def test_without_room_for_a_copy_it_is_timed_twice(
    service: ProductService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: Any) -> NoReturn:
        raise DiskFull("No room.")

    monkeypatch.setattr(live_proof, "copy_without", full)
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.high < 0.9
    assert "No room" in caplog.text


def test_what_cannot_be_timed_on_the_copy_is_timed_twice(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_proof, "by_turns", lambda *args: Turns({}, {}))
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.high < 0.9
    assert "copy" not in check.detail

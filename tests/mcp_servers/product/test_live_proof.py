"""The proof on live: what only looks slower is not held against a change."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mcp_servers.product import live_proof
from mcp_servers.product.live_proof import LiveProof
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.mcp_servers.product.test_service import INDEX, asked
from tests.products import make_product
from tools.product.counterproof import Turns
from tools.product.errors import DiskFull
from tools.product.live import LiveSamples, compare_live

TEXT = "SELECT region, count(*) AS n FROM sales GROUP BY region"
UNSURE = Turns({TEXT: [10.0] * 9}, {TEXT: [5.0, 50.0, 25.0] * 3})
EVEN = Turns({TEXT: [10.0] * 90}, {TEXT: [10.0] * 90})
SLOWER = Turns({TEXT: [10.0] * 90}, {TEXT: [25.0] * 90})


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


def scripted(monkeypatch: pytest.MonkeyPatch, *turns: Turns, seconds: float = 1.0) -> list[Turns]:
    """Let each timing by turns find what comes next and take so long; return what is left."""
    left, clock = list(turns), iter(range(100))
    monkeypatch.setattr(live_proof, "by_turns", lambda *args: left.pop(0))
    monkeypatch.setattr(live_proof.time, "monotonic", lambda: next(clock) * seconds)
    return left


@pytest.mark.parametrize(
    ("turns", "left", "low", "high"),
    [
        ((EVEN, UNSURE, UNSURE), 2, 0.95, 1.05),
        ((UNSURE, EVEN, UNSURE), 1, 0.95, 1.05),
        ((UNSURE, SLOWER, UNSURE), 1, 0.35, 0.45),
        ((UNSURE, UNSURE, UNSURE, EVEN), 1, 0.15, 2.1),
    ],
)
def test_a_proof_goes_on_until_it_can_tell_and_no_further_than_it_may(
    service: ProductService, monkeypatch: pytest.MonkeyPatch,
    turns: tuple[Turns, ...], left: int, low: float, high: float,
) -> None:  # fmt: skip
    still = scripted(monkeypatch, *map(copy.deepcopy, turns))
    timed_before(service, 0.001)
    check = service.verify("p1", floor=0.9)
    assert len(still) == left
    assert check.ratio is not None and low < check.ratio.low <= check.ratio.high < high
    told = check.ratio.low >= 0.9 or check.ratio.high < 0.9
    assert told == (len(turns) == 3)


def test_a_proof_whose_time_is_over_says_what_it_has(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = scripted(monkeypatch, copy.deepcopy(UNSURE), EVEN, seconds=100.0)
    timed_before(service, 0.001)
    check = service.verify("p1", floor=0.9)
    assert (len(still), check.ratio is not None and check.ratio.low < 0.9) == (1, True)


def test_what_may_hide_a_regression_is_timed_by_turns_though_it_may_be_faster(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = {TEXT: [1.0, 10.0, 25.0, 5.0, 50.0, 20.0, 2.0]}
    monkeypatch.setattr(LiveProof, "_timed", lambda *args: live)
    scripted(monkeypatch, SLOWER)
    timed_before(service, 10.0)
    first = compare_live({TEXT: [10.0] * 7}, live, {})[0]
    assert first is not None and first.low < 0.9 < 1 < first.high
    check = service.verify("p1", floor=0.9)
    assert check.ratio is not None and check.ratio.high < 0.9


def test_what_is_asked_no_more_weighs_nothing_as_on_copies(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = service.workload()
    asked_no_more = known.patterns[0].model_copy(update={"ceased": "asked until June"})
    changed = known.model_copy(update={"patterns": (asked_no_more, *known.patterns[1:])})
    monkeypatch.setattr(service.owner.store, "workload", lambda catalog: changed)
    weights = service._proof._weights()
    assert [weights[p.sql] for p in known.patterns] == [0, *(p.runs for p in known.patterns[1:])]

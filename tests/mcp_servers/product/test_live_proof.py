"""The proof on live: what only looks slower is not held against a change."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mcp_servers.product import live_proof
from mcp_servers.product.live_proof import LiveProof
from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.mcp_servers.product.test_service import INDEX, RETYPE, asked
from tests.products import make_product
from tools.product.counterproof import Turns
from tools.product.errors import DiskFull
from tools.product.fingerprint import fingerprint_of
from tools.product.live import LiveSamples, Timings, compare_live
from tools.product.live_weights import QueryWeight
from tools.product.steps import Steps
from tools.product.workload_store import Observation

TEXT = "SELECT region, count(*) AS n FROM sales GROUP BY region"
LENGTH = "SELECT max(length(amount)) AS n FROM sales"
GONE = "SELECT gone FROM sales"


def sides(without: list[float], changed: list[float]) -> Turns:
    return Turns(Timings({TEXT: without}), Timings({TEXT: changed}))


UNSURE = sides([10.0] * 9, [5.0, 50.0, 25.0] * 3)
EVEN = sides([10.0] * 90, [10.0] * 90)
SLOWER = sides([10.0] * 90, [25.0] * 90)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ProductService]:
    service = ProductService(
        make_product(tmp_path, tmp_path / "home", rows=20_000), ProductSettings()
    )
    service.apply(asked(service, INDEX, "p1").model_copy(update={"queries": (TEXT,)}))
    yield service
    service.close()


def timed_before(service: ProductService, ms: float, *texts: str) -> None:
    """Pretend that the machine took so long before the change."""
    (path,) = (service.home / "evidence").glob("live-*.json")
    LiveSamples(samples={text: [ms] * 7 for text in texts or (TEXT,)}).save(path)


def no_room(*args: Any) -> NoReturn:
    raise DiskFull("No room.")


def test_a_machine_that_got_slower_is_not_held_against_a_change(service: ProductService) -> None:
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert "by turns on copies with and without the change" in check.detail
    assert check.ratio is not None and check.ratio.high > 0.9
    assert [q.sql for q in check.queries] == [TEXT]
    assert list((service.home / "shadow").glob("snapshot-*")) == []


def test_a_change_that_looks_as_fast_needs_no_copy(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_proof, "two_copies", None)
    timed_before(service, 1000.0)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.low > 1 and "copy" not in check.detail


def test_without_room_for_a_copy_it_is_timed_twice(
    service: ProductService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_proof, "two_copies", no_room)
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.high < 0.9
    assert "No room" in caplog.text


def test_what_cannot_be_timed_on_the_copy_is_timed_twice(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_proof, "by_turns", lambda *args: Turns(Timings(), Timings()))
    timed_before(service, 0.001)
    check = service.verify("p1")
    assert check.ratio is not None and check.ratio.high < 0.9
    assert "copy" not in check.detail


def test_a_query_that_fails_for_a_reason_of_its_own_is_not_blamed_on_a_change(
    service: ProductService,
) -> None:
    timed_before(service, 1000.0, TEXT, GONE)
    check = service.verify("p1", floor=0.9)
    assert check.ratio is not None and check.ratio.mid < 100
    assert (check.broken, check.untold) == ("", "")
    assert check.detail.startswith("1 query timed on live: ×")
    assert '"SELECT gone FROM sales" fails without the change, too: Binder Error' in check.detail


def test_where_nothing_is_answered_any_more_there_is_no_ratio(service: ProductService) -> None:
    timed_before(service, 1000.0, GONE)
    check = service.verify("p1", floor=0.9)
    assert (check.ratio, check.queries, check.broken) == (None, (), "")
    assert check.detail.startswith("no query of this change could be timed on live, by turns")


def test_where_nothing_was_timed_before_it_is_said_why(service: ProductService) -> None:
    (path,) = (service.home / "evidence").glob("live-*.json")
    said = []
    for samples in ({}, {TEXT: list[float]()}):
        LiveSamples(samples=samples).save(path)
        check = service.verify("p1", floor=0.9)
        assert (check.ratio, check.queries) == (None, ())
        said.append(check.detail)
    assert said == [
        "it has no query to time on live",
        "none of its queries could be timed on live before it was made",
    ]


@pytest.fixture
def retyped(service: ProductService) -> ProductService:
    """A product after a change that a query with a length of numbers does not outlive."""
    service.undo("p1", rolled_back=False)
    for path in (service.home / "evidence").glob("live-*.json"):
        path.unlink()
    service.apply(asked(service, RETYPE, "p2"))
    timed_before(service, 1000.0, TEXT, LENGTH)
    return service


def test_a_query_that_a_change_breaks_is_found_beside_any_gain(retyped: ProductService) -> None:
    check = retyped.verify("p2", floor=0.9)
    told = '"SELECT max(length(amount)) AS n FROM sales" fails with it and not without it: Binder'
    assert check.broken.startswith(told)


def test_without_a_copy_nobody_can_tell_why_a_query_fails(
    retyped: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_proof, "two_copies", no_room)
    check = retyped.verify("p2", floor=0.9)
    assert check.ratio is not None and check.ratio.low > 1
    assert check.broken == ""
    assert "fails now, and no copy told whether for it: Binder Error" in check.untold


def test_a_query_that_is_stopped_after_a_change_counts_as_long_as_it_was_let_run(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Timings({TEXT: [12_000.0]})
    monkeypatch.setattr(LiveProof, "_timed", lambda *args: late)
    scripted(monkeypatch, sides([2000.0], late.samples[TEXT]))
    timed_before(service, 2000.0)
    check = service.verify("p1", floor=0.9)
    assert check.ratio is not None and check.ratio.high < 0.9


def test_what_takes_too_long_before_a_change_has_no_times(
    service: ProductService, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, quick = "SELECT 1 AS late", "SELECT 1 AS quick"
    found = Timings({late: [12_000.0], quick: [1.0]}, {GONE: "Binder Error"})
    monkeypatch.setattr(LiveProof, "_timed", lambda *args: found)
    request = asked(service, RETYPE, "p1").model_copy(update={"queries": (late, GONE, quick)})
    service._proof.time_before(request, Steps(), later=0)
    (path,) = (service.home / "evidence").glob("live-*.json")
    assert LiveSamples.load(path).samples == {late: [], GONE: [], quick: [1.0]}
    monkeypatch.setattr(LiveProof, "_timed", lambda *args: Timings({quick: [0.5] * 7}))
    detail = service.verify("p1", floor=0.9).detail
    assert detail == ("1 query timed on live: ×2.00; 2 more could not be timed before the change")


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
    monkeypatch.setattr(LiveProof, "_timed", lambda *args: Timings(live))
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
    weights = service._proof._weights([p.sql for p in known.patterns], ())
    assert [weights[p.sql] for p in known.patterns] == [0, *(p.runs for p in known.patterns[1:])]


def test_a_query_counts_as_often_as_it_is_asked_whatever_literal_was_measured(
    service: ProductService,
) -> None:
    first, other, gone = (f"SELECT count(*) FROM sales WHERE id = {n}" for n in (1, 2, "id"))
    service.owner.store.record([Observation(other, datetime.now(UTC), 1.0, "tap")] * 3)
    kept = tuple(
        QueryWeight(sql=text, fingerprint=fingerprint_of(text), weight=5) for text in (first, gone)
    )
    request = asked(service, RETYPE, "p3")
    request = request.model_copy(update={"queries": (first, gone), "weights": kept})
    (path,) = (service.home / "evidence").glob("live-*.json")
    path.unlink()
    service._proof.time_before(request, Steps(), later=0)
    (path,) = (service.home / "evidence").glob("live-*.json")
    assert LiveSamples.load(path).weights == kept
    check = service.verify("p3")
    assert {q.sql: q.runs for q in check.queries} == {first: 3, gone: 5}


def test_times_that_the_earlier_version_kept_are_read_and_weighed(service: ProductService) -> None:
    (path,) = (service.home / "evidence").glob("live-*.json")
    path.write_text(json.dumps({"samples": {TEXT: [1000.0] * 7}}))
    check = service.verify("p1")
    assert {q.sql: q.runs for q in check.queries} == {TEXT: 1}

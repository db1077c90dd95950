from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest

from evals import play as module
from evals.authors import AUTHORS
from evals.judging import Judgements
from evals.options import Options
from evals.play import play
from evals.products import Product, ProductFailed
from evals.scenarios.scenario import Scenario
from tools.outcome_status import IN_PLACE


async def test_a_product_that_does_not_come_through_is_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(scenario: Scenario, folder: Path, scratch: Path) -> Product:
        raise ProductFailed("the file is damaged")

    monkeypatch.setattr(module, "register", broken)
    found = await play("tiny", 1, Options(), tmp_path)
    assert found.failure == "ProductFailed: the file is damaged"
    assert (found.name, found.proposals) == ("tiny:1", ())


async def test_what_was_offered_before_a_failure_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: Judgements, offers: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Judgements, "offered", full)
    found = await play("repeated_totals", 1, Options(), tmp_path)
    assert "No space left" in found.failure
    assert found.known and found.found == found.known
    assert {p.verdict for p in found.proposals} == {"undecided"}
    assert found.found_good == ()


async def test_a_product_that_answers_no_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(scenario: Scenario, folder: Path, scratch: Path) -> Product:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(module, "register", silent)
    monkeypatch.setattr(module, "MOST_SECONDS", 0.1)
    found = await play("tiny", 1, Options(), tmp_path)
    assert found.failure == "it was not done within 0 s"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_scenario_is_played_from_nothing_to_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Product] = []
    made = Judgements.__init__

    def judging(self: Judgements, product: Product, scratch: Path) -> None:
        begun.append(product)
        made(self, product, scratch)

    monkeypatch.setattr(Judgements, "__init__", judging)
    found = await play("raw_text", 2, Options(baselines=("rules",)), tmp_path)
    assert found.failure == ""
    assert {p.kind for p in found.proposals} >= {"change_type"}
    assert found.found and set(found.found) <= set(found.known)
    assert found.superseded is not None and not set(found.superseded) & set(found.found)
    assert all(p.outcome in IN_PLACE for p in found.proposals if p.approvals["oracle"])
    rules = found.baselines["rules"].changes
    assert {p.id for p in found.proposals} <= {r.id for r in rules}
    verdicts = {r.id: r.judgement for r in rules}
    # Judged once for both; what was measured on top of another proposal is judged there besides.
    assert any(verdicts[p.id] == p.judgement for p in found.proposals)
    assert found.log_runs > 100 and all(p.author in AUTHORS for p in found.proposals)
    assert found.reachable is not None and found.reachable.low > 1
    assert found.cpu_seconds > 0
    (judged,) = begun
    with duckdb.connect(str(judged.database), read_only=True) as con:
        types = dict(con.execute("SELECT column_name, data_type FROM duckdb_columns()").fetchall())
    # Approved changes are in the product; what is judged begins without them.
    assert types["amount"] == types["taken"] == "VARCHAR"

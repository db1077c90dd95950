"""The demo as a newcomer runs it: real data, real agents, in a process of its own."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mcp_servers.product.service import ProductService
from mcp_servers.product.settings import ProductSettings
from tests.commands import invoke, started, waiting
from tools.demo.flights import build_flights, queries
from tools.outcome_status import IN_PLACE
from tools.product.descriptor import load_descriptor
from tools.product.executor import list_changes
from tools.product.owner import Limits
from tools.product.results import Answer, capture, difference

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def demo(home: Path, *arguments: object) -> Any:
    """Run the demo to its end and return what it says."""
    with started(home, "demo", *arguments, "--json") as child:
        out, said = child.communicate(timeout=200)
    assert (child.returncode, said) == (0, "")
    return json.loads(out)


def made(home: Path, name: str) -> dict[str, str]:
    database = home / "demo" / name / f"{name.partition('-')[0]}.duckdb"
    with duckdb.connect(str(database), read_only=True) as con:
        return {c.proposal_id: c.status for c in list_changes(con)}


def answers_differ(home: Path, name: str, original: Path) -> dict[str, str | None]:
    """Return how what consumers are told differs from what the raw feed says, by query."""
    descriptor = load_descriptor(home / "products" / name / "product.odps.yaml")
    with (
        closing(ProductService(descriptor, ProductSettings())) as service,
        duckdb.connect(str(original), read_only=True) as con,
    ):

        def told(sql: str) -> Answer:
            found = service.owner.query(sql, "a test", Limits())
            return Answer(found.columns, found.types, len(found.rows), tuple(found.rows))

        compared = {n: difference(capture(con, sql), told(sql)) for n, sql in queries().items()}
    return {name: found for name, found in compared.items() if found}


def test_with_yes_the_demo_improves_flights_and_every_answer_stays_the_same(
    home: Path, tmp_path: Path
) -> None:
    ran = demo(home, "--yes", "--scale", "0.05", "--budget", "6")
    became = {p["id"]: [o["status"] for o in p["outcomes"]] for p in ran["proposals"]}
    assert ran["status"] == "done" and became
    assert all(p["ratio"]["low"] > 1 for p in ran["proposals"])
    assert any(p["kind"] == "change_type" for p in ran["proposals"])
    assert all(o[0] == "applied" and o[-1] in IN_PLACE - {"applied"} for o in became.values())
    assert made(home, "flights-0_05") == dict.fromkeys(became, "applied")
    assert waiting(home) == [] and Path(ran["report"]).stat().st_size > 10_000
    build_flights(tmp_path / "raw.duckdb", lambda step, share: None, scale=0.05)
    assert answers_differ(home, "flights-0_05", tmp_path / "raw.duckdb") == {}
    assert invoke(home, "log", "--verify").exit_code == 0


def test_the_demo_on_tpch_stops_at_the_question_and_changes_nothing(home: Path) -> None:
    ran = demo(home, "--product", "tpch", "--scale", "0.01", "--budget", "6")
    assert ran["tried"] > 0
    assert [p["id"] for p in ran["proposals"]] == waiting(home)
    assert ran["status"] == ("waiting" if ran["proposals"] else "done")
    assert made(home, "tpch-0_01") == {}

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from evals.exhaustive import MOST_SETS, Idea, Reached, beats, reachable, search, sets_of
from evals.oracle.case import Case, Judgement
from evals.oracle.judge import judge
from evals.scenarios.scenario import Best
from tests.evals.factories import make_gain
from tests.evals.oracle.planting import time_less

BOTH = "SELECT sum(CAST(left_side AS BIGINT)) + sum(CAST(right_side AS BIGINT)) AS n FROM pair"


def idea(name: str, *statements: str) -> Idea:
    return Idea(name, name, best=Best(statements))


def test_every_set_is_looked_at_where_there_are_few_and_pairs_where_there_are_many() -> None:
    ideas = [idea(str(n)) for n in range(40)]
    assert sorted(len(s) for s in sets_of(ideas[:3])) == [1, 1, 1, 2, 2, 2, 3]
    many = sets_of(ideas)
    assert {len(s) for s in many} == {1, 2}
    assert MOST_SETS / 2 < len(many) <= MOST_SETS
    assert sets_of([]) == []


def test_a_best_product_that_does_harm_is_not_what_can_be_reached() -> None:
    two = Judgement(verdict="good", reason="", gain=make_gain(2.0))
    wrong = Judgement(verdict="harmful", reason="another answer", gain=make_gain(9.0))
    assert (reachable(two), reachable(wrong), reachable(None)) == (two.gain, None, None)
    assert beats(Reached((), two), wrong) and not beats(Reached((), wrong), two)


async def test_the_planted_pair_is_found_by_the_oracle_s_own_timing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_less(monkeypatch, 0.3, 4.0)
    original, contract = tmp_path / "original.duckdb", tmp_path / "contract.yaml"
    contract.write_text("schema: []")
    with duckdb.connect(str(original)) as con:
        con.execute(
            "CREATE TABLE pair AS SELECT CAST(hash(i) % 9999 AS VARCHAR) AS left_side,"
            " CAST(hash(i, 1) % 9999 AS VARCHAR) AS right_side FROM range(40000) AS r(i)"
        )
    typed = [
        idea(side, f"ALTER TABLE pair ALTER {side} TYPE BIGINT")
        for side in ("left_side", "right_side")
    ]
    wrong = idea("wrong", "DELETE FROM pair")

    singles: list[Judgement] = []

    async def judged(ideas: Sequence[Idea]) -> Judgement:
        judgement = oracle(ideas)
        singles.extend([judgement] if len(ideas) == 1 else [])
        return judgement

    def oracle(ideas: Sequence[Idea]) -> Judgement:
        before, after = tmp_path / "before.duckdb", tmp_path / "after.duckdb"
        for path in (before, after):
            shutil.copy(original, path)
        with duckdb.connect(str(after)) as con:
            for one in ideas:
                for statement in one.best.statements if one.best else ():
                    con.execute(statement)
        return judge(
            Case(
                before=before, after=after, contract=contract, later=((BOTH, 1),), texts={},
                later_data=(), later_batches=0,
            )
        )  # fmt: skip

    found = await search([typed[0], wrong, typed[1]], judged)
    assert found is not None
    assert [one.says for one in found.ideas] == ["left_side", "right_side"]
    assert len(singles) == 3 and all(beats(found, single) for single in singles)


async def test_what_does_harm_is_not_the_best_however_fast(tmp_path: Path) -> None:
    async def judged(ideas: Sequence[Idea]) -> Judgement:
        return Judgement(verdict="harmful", reason="another answer", gain=make_gain(9.0))

    assert await search([idea("one"), idea("two")], judged) is None


async def test_the_winner_is_measured_again() -> None:
    gains = iter([2.0, 3.0, 1.5])

    async def judged(ideas: Sequence[Idea]) -> Judgement:
        return Judgement(verdict="good", reason="faster", gain=make_gain(next(gains)))

    found = await search([idea("one")], judged)
    assert found is not None and found.judgement.gain == make_gain(3.0)
    assert beats(found, None)
    author = Judgement(verdict="good", reason="faster", gain=make_gain(4.0))
    assert not beats(found, author)
    assert not beats(Reached((), Judgement(verdict="undecided", reason="")), None)

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import cast

import pytest

from evals.judging import Given, Judgements
from evals.missing import found_among, superseded
from evals.oracle.case import Judgement, OracleVerdict
from evals.scenarios.scenario import Known
from tools.messages import Change, ChangeType, SortTable, TableName

READINGS = TableName(name="readings")
AMOUNT, TAKEN = (Known(("change_type",), "readings", c) for c in ("amount", "taken"))
IDEAS = tuple(
    ChangeType(
        table=READINGS, column=column, from_type="VARCHAR", to_type=kind,
        forward=f"CAST({column} AS {kind})", backward=f"CAST({column} AS VARCHAR)",
    )
    for column, kind in (("amount", "BIGINT"), ("taken", "DATE"), ("taken", "TIMESTAMP"))
)  # fmt: skip
SORTED = {"p1": SortTable(table=READINGS, order_by=("taken",))}


class Planted:
    """Says one after the other of the changes, and remembers what it was asked."""

    def __init__(self, *verdicts: OracleVerdict) -> None:
        self.verdicts = verdicts
        self.asked: list[tuple[Mapping[str, Change], Given | None]] = []

    async def of(
        self, changes: Mapping[str, Change], given: Given | None = None
    ) -> dict[str, Judgement]:
        self.asked.append((changes, given))
        said = zip(changes, cycle(self.verdicts), strict=False)
        return {i: Judgement(verdict=verdict, reason="planted") for i, verdict in said}


@pytest.mark.parametrize(
    ("verdict", "spare"),
    [("good", ()), ("undecided", ()), ("neutral", (TAKEN.name,)), ("harmful", (TAKEN.name,))],
)
async def test_only_what_clearly_gains_nothing_was_not_missed(
    verdict: OracleVerdict, spare: tuple[str, ...]
) -> None:
    said = await superseded([TAKEN], IDEAS, SORTED, cast(Judgements, Planted(verdict)))
    assert said == spare


async def test_what_was_not_proposed_is_judged_once_on_top_of_what_was_approved() -> None:
    judge = Planted("neutral")
    await superseded([AMOUNT, TAKEN], IDEAS, SORTED, cast(Judgements, judge))
    ((changes, given),) = judge.asked
    assert list(changes.values()) == list(IDEAS)
    assert given == dict.fromkeys(changes, SORTED)


@pytest.mark.parametrize(
    ("verdicts", "spare"),
    [
        (("neutral", "harmful"), (TAKEN.name,)),
        (("neutral", "good"), ()),
        (("undecided", "neutral"), ()),
    ],
)
async def test_what_gains_in_one_way_was_missed_though_another_way_gains_nothing(
    verdicts: tuple[OracleVerdict, ...], spare: tuple[str, ...]
) -> None:
    judge = cast(Judgements, Planted(*verdicts))
    assert await superseded([TAKEN], IDEAS[1:], SORTED, judge) == spare


async def test_what_nobody_has_an_idea_of_counts_as_missed() -> None:
    assert await superseded([TAKEN], IDEAS[:1], {}, cast(Judgements, Planted("neutral"))) == ()


def test_a_known_improvement_is_found_in_any_change_that_brings_it() -> None:
    assert found_among([AMOUNT, TAKEN], [*SORTED.values(), *IDEAS[1:]]) == (TAKEN.name,)

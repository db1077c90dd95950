"""Ranking: surest gain first, contract breakers never, no number that was not measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.product.errors import ToolFailed
from nodes.rank import CLEARLY, LEAST_GAIN, VERBS, ordered, rank, summarise
from nodes.state import Passed, State, Update
from tests.factories import make_evidence, make_interval, make_summary_proposal, make_trial
from tests.fakes import (
    FakeJudge,
    FakeProduct,
    MemoryRecords,
    make_candidates,
    make_context,
    make_runtime,
)
from tests.strategies import of
from tools.change_kinds import NEUTRAL
from tools.messages import Change, Evidence, Interval, Trial, change_target
from tools.slm.facts import certain_saving, possible_saving


def tried(count: int, **evidence: object) -> list[Trial]:
    return [
        Trial(candidate=c, status="accepted", reason="", evidence=make_evidence(**evidence))
        for c in make_candidates(count)
    ]


async def ranked(
    records: MemoryRecords,
    trials: list[Trial],
    product: FakeProduct,
    judge: FakeJudge | None = None,
    edited: tuple[str, ...] = (),
) -> Update:
    records.record_trials("t1", "sales", trials)
    passed = {t.candidate.id: Passed(candidate_id=t.candidate.id) for t in trials}
    state = State(product="sales", thread_id="t1", passed=passed, edited=edited)
    return await rank(state, make_runtime(product, records, judge))


async def test_a_gain_that_is_surely_far_greater_comes_first() -> None:
    sure, wide, small = tried(3)
    ratios = (make_interval(1.05), Interval(low=1.1, mid=9, high=20), make_interval(3.0))
    trials = [
        t.model_copy(update={"evidence": make_evidence(ratio=r)})
        for t, r in zip((small, wide, sure), ratios, strict=True)
    ]
    update = await ranked(MemoryRecords(), trials, FakeProduct())
    assert update["offered"] == (small.candidate.id, wide.candidate.id, sure.candidate.id)
    trials[1] = trials[1].model_copy(update={"evidence": make_evidence(ratio=make_interval(1.1))})
    update = await ranked(MemoryRecords(), trials, FakeProduct())
    assert update["offered"] == (sure.candidate.id, small.candidate.id, wide.candidate.id)


async def test_what_inserts_lose_counts_against_a_gain() -> None:
    cheap, costly = tried(2, ratio=make_interval(1.6))
    for cost, first in ((1.0, costly), (3.0, cheap)):
        evidence = make_evidence(ratio=make_interval(1.15), insert_cost=make_interval(cost))
        costly = costly.model_copy(update={"evidence": evidence})
        update = await ranked(MemoryRecords(), [costly, cheap], FakeProduct())
        assert update["offered"][0] == first.candidate.id


async def test_a_change_that_breaks_the_contract_is_kept_as_refused_with_its_path() -> None:
    good, bad = tried(2)
    records, product = MemoryRecords(), FakeProduct()
    product.breaking = {bad.candidate.id}
    assert (await ranked(records, [good, bad], product))["offered"] == (good.candidate.id,)
    refused = next(t for t in records.trials("t1") if t.candidate.id == bad.candidate.id)
    assert refused.status == "refused" and "schema[0].c" in refused.reason


async def test_a_proposal_says_who_what_until_when_and_how_to_take_it_back() -> None:
    (trial,) = tried(1)
    records = MemoryRecords()
    await ranked(records, [trial], FakeProduct())
    offer = records.offered[trial.candidate.id]
    assert offer.principal == make_context(FakeProduct(), records).principal("schema")
    assert (offer.principal.kind, offer.undo, offer.risk) == (
        "agent", ("write it back",), ("later rows may differ",),
    )  # fmt: skip
    assert offer.affects == ("auditors",)
    assert offer.expires_at - offer.created_at == timedelta(days=14)
    assert offer.evidence == trial.evidence and offer.change == trial.candidate.change


async def test_a_replay_offers_the_same_and_keeps_the_first_offer() -> None:
    trials, records = tried(2), MemoryRecords()
    first = await ranked(records, trials, FakeProduct())
    kept = dict(records.offered)
    assert await ranked(records, trials, FakeProduct()) == first
    assert records.offered == kept


@given(change=of(Change), evidence=of(Evidence))
def test_no_number_of_a_summary_is_absent_from_the_evidence(
    change: Change, evidence: Evidence
) -> None:
    summary = summarise(change, evidence)
    keeps = change.kind in NEUTRAL
    told = ": it costs nothing, the workload keeps" if keeps else ": the workload runs "
    head, _, tail = summary.rpartition(told)
    numbers = re.findall(r"-?\d+\.\d+|-?\d+", tail)
    ratio = evidence.ratio
    shown = (ratio.low, ratio.high) if keeps else (ratio.mid, ratio.low, ratio.high)
    cost = evidence.insert_cost
    later = None if keeps else evidence.expected
    shown += (later.ratio.low, later.ratio.high) if later else ()
    shown += (cost.mid,) if keeps and cost is not None and cost.high < 1 else ()
    assert numbers == [f"{x:.2f}" for x in shown]
    said = VERBS[change.kind].format(target="", table="", to="", columns="")
    assert not re.search(r"\d", said)
    assert change_target(change) in head or change.kind == "sort_table"


@pytest.mark.parametrize("name", ["{target}", "{0}", "%s", "a{b"])
def test_names_that_look_like_templates_are_only_names(name: str) -> None:
    (candidate,) = make_candidates(1)
    change = candidate.change.model_copy(update={"column": name})
    assert f"flights.{name} as SMALLINT" in summarise(change, make_evidence())


async def test_an_idea_whose_table_is_gone_by_now_does_not_end_the_run() -> None:
    good, gone = tried(2)
    records, product = MemoryRecords(), FakeProduct()
    product.failing["check", gone.candidate.id] = ToolFailed("schema_drift", "There is no table t.")
    assert (await ranked(records, [good, gone], product))["offered"] == (good.candidate.id,)
    kept = next(t for t in records.trials("t1") if t.candidate.id == gone.candidate.id)
    assert (kept.status, kept.reason) == ("refused", "There is no table t.")


def summary_on(given: Trial, ratio: float) -> Trial:
    evidence = make_evidence(ratio=make_interval(ratio), given=(given.candidate.id,))
    change = make_summary_proposal().change
    return make_trial("accepted", change).model_copy(update={"evidence": evidence})


@pytest.mark.parametrize("ratio", [1.1, 90.0])
async def test_a_type_comes_before_the_summary_that_was_measured_on_top_of_it(
    ratio: float,
) -> None:
    (small,) = tried(1, ratio=make_interval(1.2))
    summary = summary_on(small, ratio)
    promising = summary.candidate.model_copy(update={"promise": 5.0})
    trials = [small, summary.model_copy(update={"candidate": promising})]
    ids = tuple(t.candidate.id for t in trials)
    for judge in (None, FakeJudge({ids[0]: 0.6, ids[1]: 0.9})):
        records = MemoryRecords()
        update = await ranked(records, trials, FakeProduct(), judge)
        assert update["offered"] == ids
        told = ["; ".join(records.proposal(i).risk) for i in ids]
        assert [f"answer {ids[0]} (" in risk for risk in told] == [False, True]


def test_trials_come_as_they_were_measured_whatever_was_promised() -> None:
    first, second = tried(2, ratio=make_interval(1.5))
    promised = second.candidate.model_copy(update={"promise": 5.0})
    given = make_evidence(ratio=make_interval(1.5), given=(first.candidate.id,))
    later = second.model_copy(update={"candidate": promised, "evidence": given})
    assert ordered([later, first]) == [first, later]


async def test_with_a_judge_the_likeliest_to_be_approved_comes_first() -> None:
    sure, likely, likeliest = (t.candidate.id for t in tried(3))
    judge = FakeJudge({sure: 0.6, likely: 0.8, likeliest: 0.9})
    update = await ranked(MemoryRecords(), tried(3), FakeProduct(), judge)
    assert update["offered"] == (likeliest, likely, sure)
    assert update["verdicts"] == {} and update["notes"] == ()


async def test_what_the_judge_holds_back_is_kept_with_its_probability_and_why() -> None:
    asked, held = (t.candidate.id for t in tried(2))
    records = MemoryRecords()
    judge = FakeJudge({asked: 0.7, held: 0.12})
    update = await ranked(records, tried(2), FakeProduct(), judge)
    assert update["offered"] == (asked,) and list(records.offered) == [asked]
    kept = next(t for t in records.trials("t1") if t.candidate.id == held)
    assert (kept.status, kept.reason) == (
        "held", "held back by the judge: P = 0.12, because inserts take ×2.00 as long",
    )  # fmt: skip
    assert update["verdicts"][held].status == "held"
    (note,) = update["notes"]
    assert note.startswith("The judge held back 1 proposal;")


async def test_what_a_person_edited_is_asked_whatever_the_judge_thinks() -> None:
    (mine,) = (t.candidate.id for t in tried(1))
    judge = FakeJudge({mine: 0.01})
    update = await ranked(MemoryRecords(), tried(1), FakeProduct(), judge, edited=(mine,))
    assert update["offered"] == (mine,)


async def test_a_judge_that_cannot_be_used_is_noted_and_holds_nothing_back() -> None:
    judge = FakeJudge({}, note="the judge is damaged")
    update = await ranked(MemoryRecords(), tried(2), FakeProduct(), judge)
    assert len(update["offered"]) == 2 and update["notes"] == ("the judge is damaged",)


def saving(trial: Trial, bound: Callable[[Evidence], float]) -> float:
    assert trial.evidence is not None
    return bound(trial.evidence)


@given(st.lists(st.tuples(st.floats(0.5, 100), st.floats(1, 2)), min_size=1, max_size=8))
def test_what_was_tried_first_is_offered_first_unless_a_later_gain_is_clearly_greater(
    gains: list[tuple[float, float]],
) -> None:
    trials = [
        Trial(
            candidate=c.model_copy(update={"promise": len(gains) - at}),
            status="accepted",
            reason="",
            evidence=make_evidence(ratio=Interval(low=low, mid=low, high=low * width)),
        )
        for at, (c, (low, width)) in enumerate(zip(make_candidates(len(gains)), gains, strict=True))
    ]
    found = ordered(reversed(trials))
    assert sorted(t.candidate.id for t in found) == sorted(t.candidate.id for t in trials)
    for first, then in pairwise(found):
        assert saving(then, certain_saving) <= CLEARLY * max(
            saving(first, possible_saving), LEAST_GAIN
        )
        tried_before = trials.index(first) < trials.index(then)
        assert tried_before or saving(first, certain_saving) > LEAST_GAIN


def test_close_gains_keep_their_places_however_they_were_measured() -> None:
    """Three measurements of one product, whose second gain is twice the first, and as noisy."""
    orders = set()
    for first, second in (
        ((1.046, 1.158), (1.149, 1.297)),
        ((1.020, 1.130), (1.210, 1.350)),
        ((1.079, 1.190), (1.120, 1.250)),
    ):
        ratios = [Interval(low=low, mid=low, high=high) for low, high in (first, second)]
        trials = [
            t.model_copy(update={"evidence": make_evidence(ratio=r)})
            for t, r in zip(tried(2), ratios, strict=True)
        ]
        orders.add(tuple(t.candidate.id for t in ordered(trials)))
    assert len(orders) == 1


async def test_what_an_earlier_run_is_about_to_make_is_not_asked_again() -> None:
    one, two = make_candidates(2)
    records = MemoryRecords()
    trials = [
        Trial(candidate=c, status="accepted", reason="it won", evidence=make_evidence())
        for c in (one, two)
    ]
    records.record_trials("t1", "sales", trials)
    records.coming = {one.id}
    passed = {c.id: Passed(candidate_id=c.id) for c in (one, two)}
    state = State(product="sales", thread_id="t1", passed=passed)
    update = await rank(state, make_runtime(FakeProduct(), records))
    assert (update["offered"], list(records.offered)) == ((two.id,), [two.id])
    assert update["verdicts"][one.id].status == "suppressed"
    (told,) = (t for t in records.trials("t1") if t.status == "suppressed")
    assert "approved in an earlier run" in told.reason

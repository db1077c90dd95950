"""The gates: what was refused stays away until its evidence is materially different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.gate import gate, what_changed
from nodes.refusal import Refusal
from nodes.state import State
from tests.factories import (
    make_decision,
    make_evidence,
    make_interval,
    make_outcome,
    make_proposal,
    make_timing,
    make_trial,
)
from tests.fakes import FakeProduct, MemoryRecords, make_runtime
from tools.ideas import idea_key
from tools.messages import Evidence, Interval, Trial

STATE = State(product="sales", thread_id="t1")


def refused(ratio: float, reason: str = "", spread: float = 0.05) -> Refusal:
    return refused_with(measured(ratio, spread), reason)


def refused_with(evidence: Evidence, reason: str = "") -> Refusal:
    proposal = make_proposal(evidence=evidence)
    return Refusal(make_decision(proposal.id, verdict="reject", reason=reason), proposal)


def measured(ratio: float, spread: float = 0.05) -> Evidence:
    """Return what a change measures whose one query is all that is asked."""
    found = make_interval(ratio, spread)
    timing = make_timing(before=100.0, after=100.0 / ratio, share=1.0, ratio=found)
    return make_evidence(ratio=found, queries=(timing,))


def trial(ratio: float, status: str = "accepted") -> Trial:
    return make_trial(status, evidence=measured(ratio))  # type: ignore[arg-type]


async def passed(records: MemoryRecords, *trials: Trial, state: State = STATE) -> dict[str, str]:
    records.record_trials("t1", "sales", trials)
    update = await gate(state, make_runtime(FakeProduct(), records))
    return {key: value.changed_since or "" for key, value in update["passed"].items()}


async def test_only_winners_pass() -> None:
    for status in ("rejected", "failed", "unmeasured", "refused", "suppressed"):
        assert await passed(MemoryRecords(), trial(2.0, status)) == {}
    assert await passed(MemoryRecords(), trial(2.0)) == {trial(2.0).candidate.id: ""}


async def test_the_same_evidence_is_held_back_with_the_reason_of_the_refusal() -> None:
    won = trial(2.0)
    records = MemoryRecords(
        {idea_key(won.candidate.change): refused(2.0, "text comes back in June")}
    )
    assert await passed(records, won) == {}
    (held,) = records.trials("t1")
    assert held.status == "suppressed"
    assert "ada refused this on 2026-03-02 (text comes back in June)" in held.reason


async def test_changed_evidence_is_offered_again_and_says_what_changed() -> None:
    won = trial(5.0)
    records = MemoryRecords({idea_key(won.candidate.change): refused(2.0, "too little")})
    news = (await passed(records, won))[won.candidate.id]
    assert news == (
        "Ada refused this on 2026-03-02 (too little). It saved 20 ms a day (600 ms in all recorded"
        " runs) then and saves 32 ms a day (960 ms in all recorded runs) now."
    )
    assert records.trials("t1") == [won]


async def test_what_was_taken_back_is_held_back_too() -> None:
    won = trial(2.0)
    refusal = refused(2.0)._replace(outcome=make_outcome(status="rolled_back"))
    records = MemoryRecords({idea_key(won.candidate.change): refusal})
    assert await passed(records, won) == {}
    assert "approved this on 2026-03-02 and it was rolled back since" in (
        records.trials("t1")[0].reason
    )


async def test_an_edit_passes_even_when_the_same_change_was_refused_before() -> None:
    won = trial(2.0)
    key = won.candidate.id
    state = State(product="sales", thread_id="t1", edited=(key,))
    assert await passed(
        MemoryRecords({idea_key(won.candidate.change): refused(2.0)}), won, state=state
    ) == {key: ""}


async def test_what_this_run_offered_already_does_not_pass_again() -> None:
    won = trial(2.0)
    state = State(product="sales", thread_id="t1", offered=(won.candidate.id,))
    assert await passed(MemoryRecords(), won, state=state) == {}


async def test_a_replay_of_the_gate_gives_the_same_result() -> None:
    won = trial(2.0)
    records = MemoryRecords({idea_key(won.candidate.change): refused(2.0)})
    await passed(records, won)
    before = list(records.trials("t1"))
    assert await gate(STATE, make_runtime(FakeProduct(), records)) == {
        "passed": {}, "verdicts": {},
    }  # fmt: skip
    assert records.trials("t1") == before


ratios = st.floats(0.1, 100)


@given(ratio=ratios, spread=st.floats(0, 0.5), threshold=st.floats(0.01, 2))
def test_the_same_interval_is_never_news(ratio: float, spread: float, threshold: float) -> None:
    refusal = refused(ratio, spread=spread)
    evidence = refusal.proposal.evidence
    assert what_changed(refusal, evidence, threshold) is None


@given(old=ratios, new=ratios, threshold=st.floats(0.01, 2))
def test_intervals_that_overlap_are_never_news(old: float, new: float, threshold: float) -> None:
    low, high = min(old, new), max(old, new)
    found = Interval(low=low, mid=new, high=high)
    timing = make_timing(before=100.0, after=100.0 / new, share=1.0, ratio=found)
    for queries in ((), (timing,)):
        evidence = make_evidence(ratio=found, queries=queries)
        assert what_changed(refused(old), evidence, threshold) is None


@pytest.mark.parametrize(("new", "news"), [(1.29, False), (1.31, True), (1.09, True)])
def test_where_no_query_was_timed_the_gain_counts_as_time_saved(new: float, news: bool) -> None:
    before = make_evidence(ratio=make_interval(1.2, 0.001), queries=())
    evidence = make_evidence(ratio=make_interval(new, 0.001), queries=())
    told = what_changed(refused_with(before), evidence, 0.5)
    assert (told is not None) == news
    assert told is None or f"It measured ×1.20 then and measures ×{new:.2f} now." in told


def test_what_saves_the_same_is_no_news_though_the_rest_of_the_workload_got_faster() -> None:
    own = make_timing(before=18.8, after=4.4, share=0.49)
    rest = make_timing("SELECT max(arr_delay) FROM flights", 20.3, 20.3, share=0.51)
    then = make_evidence(ratio=make_interval(1.59, 0.02), queries=(own, rest))
    less = make_timing(rest.sql, 4.4, 4.4, share=0.2)
    beside = own.model_copy(update={"share": 0.8})
    for queries in ((beside, less), (beside,)):
        evidence = make_evidence(ratio=make_interval(2.65, 0.02), queries=queries)
        assert what_changed(refused_with(then), evidence, 0.5) is None


async def test_what_was_refused_and_loses_beside_the_others_still_names_the_refusal() -> None:
    lost = trial(1.0)
    aside = lost.candidate.model_copy(update={"aside": True})
    lost = lost.model_copy(
        update={"candidate": aside, "status": "rejected", "reason": "the gain is not clear"}
    )
    records = MemoryRecords({idea_key(aside.change): refused(2.0, "text comes back in June")})
    assert await passed(records, lost) == {}
    (held,) = records.trials("t1")
    assert held.status == "suppressed"
    assert "text comes back in June" in held.reason
    assert held.reason.endswith("beside what is offered, the gain is not clear")

"""The reducers: replays and parallel branches leave the same state."""

from __future__ import annotations

from typing import get_args, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from nodes.state import (
    State,
    Update,
    after_change,
    append_new,
    merge_by_id,
    open_questions,
    unapplied,
)

maps = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))
texts = st.lists(st.sampled_from("abcd"), unique=True).map(tuple)


@given(maps, maps, maps)
def test_merging_is_associative_and_the_later_value_wins(
    a: dict[str, int], b: dict[str, int], c: dict[str, int]
) -> None:
    assert merge_by_id(merge_by_id(a, b), c) == merge_by_id(a, merge_by_id(b, c))
    assert merge_by_id(a, b).items() >= b.items()


@given(maps, maps)
def test_a_replayed_merge_changes_nothing(a: dict[str, int], b: dict[str, int]) -> None:
    assert merge_by_id(merge_by_id(a, b), b) == merge_by_id(a, b)


@given(maps, maps)
def test_branches_with_different_ids_merge_in_any_order(
    a: dict[str, int], b: dict[str, int]
) -> None:
    other = {key.upper(): value for key, value in b.items()}
    assert merge_by_id(a, other) == merge_by_id(other, a)


@given(texts, texts, texts)
def test_appending_is_associative_and_keeps_the_first_place(
    a: tuple[str, ...], b: tuple[str, ...], c: tuple[str, ...]
) -> None:
    assert append_new(append_new(a, b), c) == append_new(a, append_new(b, c))
    assert append_new(a, b)[: len(a)] == a


@given(texts, texts)
def test_a_replayed_append_changes_nothing(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    once = append_new(a, b)
    assert append_new(once, b) == once
    assert set(append_new(b, a)) == set(once)


@given(texts, texts)
def test_appending_to_what_a_checkpoint_gave_back_works(
    a: tuple[str, ...], b: tuple[str, ...]
) -> None:
    assert append_new(list(a), list(b)) == append_new(a, b)  # type: ignore[arg-type]


def test_a_node_may_update_every_channel_but_the_runs_identity() -> None:
    assert set(State.__annotations__) - set(Update.__annotations__) == {"product", "thread_id"}
    assert set(Update.__annotations__) < set(State.__annotations__)


def test_every_channel_that_several_steps_write_has_a_reducer() -> None:
    plain = {"product", "thread_id", "agents", "phase", "total", "queries"}
    hints = get_type_hints(State, include_extras=True)
    for name in set(hints) - plain:
        reducer = get_args(get_args(hints[name])[0])[-1]
        assert reducer in (merge_by_id, append_new), name


def make_state(**fields: object) -> State:
    return State(**{"product": "sales", "thread_id": "t", **fields})  # type: ignore[typeddict-item]


def test_open_and_unapplied_proposals_stay_in_rank_order() -> None:
    state = make_state(
        offered=("p3", "p1", "p2", "p4"),
        settled={"p2": "approve", "p3": "approve", "p4": "reject"},
        handled=("p2",),
    )
    assert open_questions(state) == ("p1",)
    assert unapplied(state) == ("p3",)


def test_after_a_change_comes_the_next_one_then_unmeasured_edits_then_the_report() -> None:
    waiting = make_state(offered=("p1",), settled={"p1": "approve"}, edited=("e1",))
    assert after_change(waiting) == "apply"
    done = make_state(**{**waiting, "handled": ("p1",)})
    assert after_change(done) == "measure"
    assert after_change(make_state(edited=("e1",), verdicts={"e1": "any"})) == "report"

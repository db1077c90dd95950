"""What saves most is measured first, but a type before the summary that would hide its gain."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.jobs import SALES, STATUS, TYPED
from tools.messages import Aggregate, Candidate, Change, CreateSummary, TableName
from tools.product.search_order import search_order

SUMMARY = CreateSummary(
    table=SALES, summary=TableName(name="s"), dimensions=(), rewrites=(),
    aggregates=(Aggregate(function="count", argument="", column="n"),),
)  # fmt: skip
ELSEWHERE = TYPED.model_copy(update={"table": TableName(name="other")})


def idea(name: str, change: Change, promise: float, *asked: str, aside: bool = False) -> Candidate:
    return Candidate(
        id=name, agent="query", change=change, reason="", fingerprints=asked or ("q",),
        promise=promise, aside=aside,
    )  # fmt: skip


def order(*ideas: Candidate) -> list[str]:
    return [c.id for c in search_order(ideas)]


def test_what_saves_most_comes_first() -> None:
    assert order(idea("little", STATUS, 1), idea("much", TYPED, 9)) == ["much", "little"]


def test_a_type_comes_before_the_summary_of_its_queries() -> None:
    summary, index = idea("summary", SUMMARY, 10, "q", "r"), idea("index", STATUS, 8)
    assert order(summary, index, idea("type", TYPED, 4)) == ["type", "summary", "index"]


def test_a_type_keeps_its_place_where_it_is_worth_little_or_another_matter() -> None:
    summary = idea("summary", SUMMARY, 10)
    for other in (
        idea("type", TYPED, 2),
        idea("type", TYPED, 9, "another query"),
        idea("type", ELSEWHERE, 9),
        idea("type", TYPED, 9, aside=True),
    ):
        assert order(other, summary) == ["summary", "type"]


def test_a_type_of_text_that_the_summary_reads_comes_first_for_less() -> None:
    total = Aggregate(function="sum", argument=f'CAST("{TYPED.column}" AS BIGINT)', column="s")
    reading = SUMMARY.model_copy(update={"aggregates": (*SUMMARY.aggregates, total)})
    assert order(idea("type", TYPED, 2), idea("summary", reading, 10)) == ["type", "summary"]
    assert order(idea("type", TYPED, 1), idea("summary", reading, 10)) == ["summary", "type"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SUMMARY, STATUS, TYPED, ELSEWHERE]),
            st.floats(0, 100),
            st.sampled_from(["q", "r"]),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.randoms(),
)
def test_every_idea_is_measured_once_in_the_same_order(
    drawn: list[tuple[Change, float, str, bool]], chance: random.Random
) -> None:
    ideas = [idea(f"{n}", c, p, q, aside=a) for n, (c, p, q, a) in enumerate(drawn)]
    found = search_order(ideas)
    assert sorted(c.id for c in found) == sorted(c.id for c in ideas)
    assert [c.aside for c in found] == sorted(c.aside for c in found)
    chance.shuffle(ideas)
    assert search_order(ideas) == found

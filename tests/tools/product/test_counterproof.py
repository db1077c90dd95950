"""Copies with and without a change, timed by turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tools.messages import CreateIndex, RewriteQuery, TableName
from tools.product import counterproof
from tools.product.candidates.rules import apply_rule
from tools.product.counterproof import Pace, by_turns, two_copies
from tools.product.errors import ProductError
from tools.product.executor import apply
from tools.product.fingerprint import fingerprint_of
from tools.product.live import Timings, compare_live
from tools.product.owner import Owner
from tools.product.workload_store import WorkloadStore

CONFIG = {"memory_limit": "300MB", "threads": "1"}
INDEX = CreateIndex(table=TableName(name="t"), columns=("i",), name="by_i")
ASKED = "SELECT count(*) AS n FROM t WHERE strftime(d, '%Y-%m') = '2023-03'"
SLOW = "SELECT sum(hash(i, d)) AS n FROM t"


@contextmanager
def owned(directory: Path, rows: int) -> Iterator[Owner]:
    directory.mkdir()
    with duckdb.connect(str(directory / "p.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT i, DATE '2023-01-01' + (i % 90)::INTEGER AS d"
                    f" FROM range({rows}) r(i)")  # fmt: skip
    with closing(WorkloadStore(directory / "w.db")) as store:
        with closing(Owner(directory / "p.duckdb", store, CONFIG)) as owner:
            yield owner


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    with owned(tmp_path / "live", 100) as owner:
        yield owner


def indexes(owner: Owner) -> list[str]:
    return [i.name for t in owner.catalog().tables for i in t.indexes]


def test_one_copy_is_without_the_change_and_both_go_afterwards(
    owner: Owner, tmp_path: Path
) -> None:
    with owner.cursor() as con:
        apply(con, "p1", INDEX)
    with two_copies(owner, "p1", tmp_path / "shadow", CONFIG) as (without, changed):
        assert (indexes(without), indexes(changed), indexes(owner)) == ([], ["by_i"], ["by_i"])
        assert owner not in (without, changed)
    assert list((tmp_path / "shadow").iterdir()) == []
    assert indexes(owner) == ["by_i"]


def test_a_copy_answers_by_the_text_that_was_asked(owner: Owner, tmp_path: Path) -> None:
    change = RewriteQuery(
        table=TableName(name="t"), fingerprint=fingerprint_of(ASKED), rule="month_text",
        original=ASKED, rewritten=apply_rule("month_text", ASKED) or "",
    )  # fmt: skip
    with owner.cursor() as con:
        apply(con, "p1", change)
    owner.refresh_rewrites()
    with two_copies(owner, "p1", tmp_path / "shadow", CONFIG) as (without, changed):
        assert without.rewritten(ASKED) == ASKED != changed.rewritten(ASKED)
        assert changed.rewritten(ASKED) == owner.rewritten(ASKED)


def test_a_change_that_cannot_be_taken_back_leaves_no_copy(owner: Owner, tmp_path: Path) -> None:
    with pytest.raises(ProductError):
        with two_copies(owner, "never", tmp_path / "shadow", CONFIG):
            pass
    assert list((tmp_path / "shadow").iterdir()) == []


def test_what_is_slower_by_turns_is_found(owner: Owner, tmp_path: Path) -> None:
    with owned(tmp_path / "slow", 3_000_000) as slow:
        turns = by_turns(owner, slow, [SLOW, "FROM nowhere", SLOW], Pace(5, 10.0))
    without, changed = turns
    assert without.samples.keys() == changed.samples.keys() == {SLOW}
    assert len(without.samples[SLOW]) == len(changed.samples[SLOW]) == 5
    assert without.failed.keys() == changed.failed.keys() == {"FROM nowhere"}
    ratio, _ = compare_live(without.samples, changed.samples, {}, by_turns=True)
    assert ratio is not None and ratio.high < 0.9


def test_a_run_without_one_beside_it_does_not_count(owner: Owner, tmp_path: Path) -> None:
    with owned(tmp_path / "other", 100) as other:
        with other.cursor() as con:
            con.execute("DROP TABLE t")
        without, changed = by_turns(owner, other, [SLOW], Pace(2, 10.0))
    assert (without.samples, changed.samples, without.failed) == ({}, {}, {})
    assert "t does not exist" in changed.failed[SLOW]


class Clockwork:
    """An owner whose every query takes a millisecond; keeps who was asked when."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked

    def time_queries(self, texts: list[str], *limits: float) -> Timings:
        self.asked.append(self.name)
        return Timings({text: [1.0] for text in texts})


def who_was_asked(pace: Pace, *texts: str) -> str:
    asked: list[str] = []
    sides: list[Any] = [Clockwork(name, asked) for name in "ab"]
    without, changed = by_turns(sides[0], sides[1], texts, pace)
    runs = [len(ms) for side in (without, changed) for ms in side.samples.values()]
    assert sum(runs) == len(asked)
    return "".join(asked)


@pytest.mark.parametrize(("seconds", "turns"), [(0.0, 3), (60.0, 4)])
def test_turns_end_with_the_time_but_are_never_too_few(seconds: float, turns: int) -> None:
    assert who_was_asked(Pace(4, seconds), ASKED) == "abbaabba"[: 2 * turns]


@pytest.mark.parametrize(
    ("begins", "whole", "asked"),
    [(0, 1, "abab"), (-2, 1, "ababba"), (-3, 1, "ababbaba"), (0, 0, ""), (-2, 0, "ab")],
)
def test_past_its_last_moment_no_query_is_begun_but_of_a_turn_that_has_to_be_whole(
    begins: int, whole: int, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every look at the clock takes a second; the first one is at the beginning.
    clock = iter(range(begins, 100))
    monkeypatch.setattr(counterproof.time, "monotonic", lambda: next(clock))
    assert who_was_asked(Pace(4, 60.0, last=-1, whole=whole), ASKED, SLOW) == asked

"""Live timings: kept whole between before and after, and compared by weight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.product.live import LiveSamples, compare_live

A, B = "SELECT 1", "SELECT 2"


def test_samples_come_back_as_they_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "live.json"
    kept = LiveSamples(samples={A: [1.0, 2.5], "SELECT 'é\U0001f980'": []})
    kept.save(path)
    assert LiveSamples.load(path) == kept
    assert [p.name for p in path.parent.iterdir()] == ["live.json"]


def test_without_a_baseline_there_is_nothing_to_compare(tmp_path: Path) -> None:
    nothing = LiveSamples.load(tmp_path / "gone.json")
    assert compare_live(nothing.samples, {A: [1.0]}, {}) == (None, ())


@pytest.mark.parametrize("after", [{}, {B: [1.0]}, {A: []}])
def test_only_queries_timed_on_both_sides_count(after: dict[str, list[float]]) -> None:
    assert compare_live({A: [1.0]}, after, {}) == (None, ())


def test_the_total_weighs_how_often_each_query_runs() -> None:
    before, after = {A: [10.0] * 7, B: [10.0] * 7}, {A: [5.0] * 7, B: [20.0] * 7}
    often_a, _ = compare_live(before, after, {A: 99, B: 1})
    often_b, timings = compare_live(before, after, {A: 1, B: 99})
    assert often_a is not None
    assert often_b is not None
    assert (often_a.low > 1, often_b.high < 1) == (True, True)
    assert [(t.sql, t.runs, round(t.share, 2), t.ratio.mid) for t in timings] == [
        (A, 1, 0.01, 2.0), (B, 99, 0.99, 0.5),
    ]  # fmt: skip

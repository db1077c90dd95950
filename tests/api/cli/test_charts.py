from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from api.cli.charts import bar, before_after_bars
from api.report.pictures import svg_before_after, svg_ratio_intervals
from api.scale import Scale, picked
from tests.factories import HOSTILE, make_interval, make_timing, make_timings
from tools.messages import Interval, QueryTiming

positive = st.floats(min_value=1e-6, max_value=1e9)


def drawn(timings: tuple[QueryTiming, ...], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(before_after_bars(timings, width))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_bars_fit_the_width_and_stand_in_order_of_gain(width: int) -> None:
    text = drawn(tuple(reversed(make_timings())), width)
    assert all(len(line) <= width for line in text.splitlines())
    places = [text.index(ratio) for ratio in ("×8.8", "×4.3", "×1.01", "×0.8")]
    assert places == sorted(places)
    assert "log scale" not in text
    assert "slower" in text


def test_a_wide_spread_of_times_takes_a_log_scale_and_says_so() -> None:
    assert "log scale" in drawn((*make_timings(), make_timing("SELECT 9", 9000.0, 4.0)))


def test_no_query_is_said_in_words() -> None:
    assert "No query was measured" in drawn(())
    assert svg_before_after(()) == ""
    assert svg_ratio_intervals(()) == ""


def test_many_queries_are_cut_but_losers_keep_a_place() -> None:
    many = [make_timing(f"SELECT {n}", 100.0 + n, 10.0) for n in range(40)]
    loser = make_timing("SELECT loser", 1.0, 2.0)
    assert loser in picked([*many, loser], 16)
    assert len(picked([*many, loser], 16)) == 16
    assert "more" in drawn((*many, loser))


def test_svg_holds_hostile_sql_as_text_only() -> None:
    svg = svg_before_after((*make_timings(), make_timing(HOSTILE, 9.0, 3.0)))
    root = ET.fromstring(svg)
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "style", "text", "rect", "line"}
    assert "alert(1)" in "".join(root.itertext())
    assert "prefers-color-scheme:dark" in svg


def test_the_forest_plot_marks_losers_and_has_a_line_at_one() -> None:
    items = [("won", make_interval(3)), ("lost", make_interval(0.8)), ("same", make_interval(1))]
    svg = svg_ratio_intervals([(f"{name}{HOSTILE}", interval) for name, interval in items])
    ET.fromstring(svg)
    for part in ('class="one"', 'class="better"', 'class="worse"', 'class="draw"', "×0.8"):
        assert part in svg


@given(st.lists(st.tuples(positive, positive), max_size=6))
def test_any_times_draw_as_well_formed_pictures(pairs: list[tuple[float, float]]) -> None:
    timings = tuple(make_timing(f"SELECT {n}", *pair) for n, pair in enumerate(pairs))
    drawn(timings)
    for svg in (svg_before_after(timings), svg_ratio_intervals([("x", t.ratio) for t in timings])):
        assert not svg or ET.fromstring(svg) is not None
        assert "nan" not in svg


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_numbers_that_are_no_times_do_not_break_a_picture(value: float) -> None:
    broken = Interval(low=value, mid=value, high=value)
    timing = make_timing(before_ms=broken, after_ms=broken, ratio=broken)
    drawn((timing, *make_timings()))
    svg = svg_before_after((timing, *make_timings()))
    ET.fromstring(svg)
    assert "nan" not in svg
    assert svg_ratio_intervals([("x", broken)]) == ""


@given(positive, positive)
def test_a_scale_keeps_order_and_its_ticks_lie_on_the_axis(one: float, other: float) -> None:
    scale = Scale([one, other])
    assert 0 <= scale(min(one, other)) <= scale(max(one, other)) <= 1
    assert all(0 <= scale(tick) <= 1 for tick in scale.ticks())


def test_a_bar_never_vanishes() -> None:
    assert bar(1.0, 10) == "█" * 10
    assert bar(1e-9, 10) == "▏"
    assert bar(0.0, 10) == ""

from __future__ import annotations

from html.parser import HTMLParser

from evals.oracle.case import Judgement
from evals.page import page
from evals.results import BaselineResult, Effort, SecondRun
from tests.evals.factories import make_gain, make_judged, make_result, make_scenario
from tests.factories import make_interval

VOID = {"meta", "line", "circle"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag


def test_the_page_is_whole_and_shows_every_proposal() -> None:
    scenario = make_scenario(
        "good", "harmful", known=("a", "b"), found=("a",), reachable=make_gain(3)
    )
    html = page(make_result(scenario, make_scenario(family="tiny", failure="it died")))
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "missed: b" in html and "it died" in html
    assert html.count("sales.amount") == 2
    assert "<svg" in html


def test_the_page_shows_what_a_thorough_run_with_baselines_found() -> None:
    effort = Effort(actions={"run": 1}, characters=17, seconds=2.0, improvements=1)
    gain = make_gain(2.0)
    judged = make_judged(
        predicted=make_interval(9.0),
        judgement=Judgement(verdict="good", reason="planted", gain=gain, reads=gain),
        author="wei", rows=5,
    )  # fmt: skip
    again = SecondRun(offered=("a",), repeats=("a: it was refused",), refused=1)
    scenario = make_scenario(
        proposals=(judged,),
        known=("a",),
        baselines={
            "random": BaselineResult(changes=(make_judged("harmful"),)),
            "model": BaselineResult(note="nobody <b>answers</b>"),
        },
        second_runs={"answered": again},
        with_pillion=effort,
        by_hand=effort,
    )
    html = page(make_result(scenario))
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    for part in (
        "0 of 1 expected intervals hold", "acceptance of random", "+1.00", "&lt;b&gt;answers",
        "raw_text:1 by hand", "after the answers", "it was refused", "Acceptance by author",
    ):  # fmt: skip
        assert part in html


def test_hostile_names_are_only_text() -> None:
    judged = make_judged(target="<script>alert(1)</script>")
    html = page(make_result(make_scenario(proposals=(judged,), failure="<b>x</b>")))
    assert "<script>" not in html and "<b>x</b>" not in html


def test_a_page_of_nothing_is_a_page() -> None:
    assert "0 scenarios" in page(make_result(complete=False))

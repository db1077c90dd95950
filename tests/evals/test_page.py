from __future__ import annotations

from html.parser import HTMLParser

from evals.page import page
from tests.evals.factories import make_gain, make_judged, make_result, make_scenario

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


def test_hostile_names_are_only_text() -> None:
    judged = make_judged(target="<script>alert(1)</script>")
    html = page(make_result(make_scenario(proposals=(judged,), failure="<b>x</b>")))
    assert "<script>" not in html and "<b>x</b>" not in html


def test_a_page_of_nothing_is_a_page() -> None:
    assert "0 scenarios" in page(make_result(complete=False))

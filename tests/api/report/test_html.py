from __future__ import annotations

import os
import re
import signal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.report import html
from api.report.html import render_report, write_page, write_report
from tests.factories import (
    HOSTILE,
    make_change,
    make_decision,
    make_evidence,
    make_interval,
    make_outcome,
    make_proposal,
    make_report,
    make_timing,
    make_trial,
)
from tools import failpoints
from tools.messages import ContractVerdict, Finding, SortTable, TableName

VOID = {"meta", "br", "rect", "line", "circle"}


class Outline(HTMLParser):
    """Collects tags and attributes, and fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    assert parsed.open == []
    return parsed


def test_the_report_says_what_was_gained_asked_done_and_how_to_undo_it() -> None:
    report = make_report()
    page = render_report(report)
    outline(page)
    for part in (
        "flights: 1 change in place",
        "For every 100 seconds the workload took before, it takes 30",
        f"pillion undo {report.proposals[0].id}",
        "we load every minute",
        "the time budget of 60 s was spent",
        "×0.82 (0.8–0.84)",
        "applied and verified",
        "18 queries in the workload",
        "write data and were not measured",
    ):
        assert part in page
    assert page.count("<svg") == 3
    assert f"pillion undo {report.proposals[1].id}" not in page


def test_nothing_is_fetched_and_no_code_runs() -> None:
    page = render_report(make_report())
    parsed = outline(page)
    assert not {"script", "link", "img", "iframe", "object", "a", "form"} & parsed.tags
    assert not {"src", "href", "onload", "onclick"} & parsed.attributes
    assert "url(" not in page
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src &#x27;none&#x27;" in page


def test_hostile_text_in_every_place_stays_text() -> None:
    hostile = make_proposal(
        make_change(column=HOSTILE, table={"name": HOSTILE}, forward=HOSTILE, null_marker=HOSTILE),
        id=HOSTILE,
        summary=HOSTILE,
        principal={"kind": "agent", "name": HOSTILE},
        undo=(HOSTILE, HOSTILE),
        risk=(HOSTILE, HOSTILE),
        affects=(HOSTILE,),
        changed_since=HOSTILE,
        evidence=make_evidence(
            engine=HOSTILE,
            given=(HOSTILE,),
            queries=(make_timing(HOSTILE, 1.0, 2.0), make_timing(error=HOSTILE)),
            rehearsal={"ok": False, "apply_ms": 1, "undo_ms": 1, "detail": HOSTILE},
        ),
        contract=ContractVerdict(
            compatible=False,
            findings=(Finding(path=HOSTILE, severity="breaking", message=HOSTILE),),
        ),
    )
    page = render_report(
        make_report(
            product=HOSTILE,
            thread_id=HOSTILE,
            engine=HOSTILE,
            proposals=(hostile,),
            decisions=(make_decision(HOSTILE, reason=HOSTILE),),
            outcomes=(make_outcome(HOSTILE, detail=HOSTILE),),
            trials=(make_trial(reason=HOSTILE), make_trial("failed", hostile.change, HOSTILE)),
            notes=(HOSTILE,),
        )
    )
    parsed = outline(page)
    clean = outline(render_report(make_report(proposals=(make_proposal(),))))
    assert "script" not in parsed.tags
    assert parsed.attributes == clean.attributes
    assert not {"\x1b", "\u202e", "\x00"} & set(page)


def test_an_idea_that_changes_results_names_the_query_and_is_in_no_picture() -> None:
    wrong = make_evidence(ratio=make_interval(1.0), queries=(make_timing("SELECT 7", equal=False),))
    sort = SortTable(table=TableName(name="flights"), order_by=("day",))
    lost = make_trial(change=sort, evidence=wrong, reason="query q1: contents differ")
    page = render_report(make_report(trials=(lost, make_trial())))
    assert "SELECT 7" in page
    (picture,) = [p for p in page.split("<svg") if "How many times faster" in p]
    drawn = picture.partition("</svg>")[0]
    assert "add an index" in drawn and "sort by day" not in drawn


def test_ideas_that_nobody_had_time_for_are_not_called_worthless() -> None:
    page = render_report(make_report(proposals=(), outcomes=(), trials=(make_trial("unmeasured"),)))
    assert "nothing found yet, 1 idea not measured for want of time" in page


def test_a_run_that_found_nothing_says_so() -> None:
    page = render_report(
        make_report(
            proposals=(), decisions=(), outcomes=(), trials=(), total=None, notes=(), queries=0
        )
    )
    outline(page)
    assert "nothing is worth changing" in page
    assert "not measured as a whole" in page
    assert "in the workload<" not in page


@pytest.mark.parametrize("mid", [0.0, 1e-300, 1e300, -1.0, 0.4, 1.0])
def test_a_strange_total_does_not_break_the_report(mid: float) -> None:
    outline(render_report(make_report(total=make_interval(mid))))


def test_a_slower_total_is_not_sold_as_a_gain() -> None:
    page = render_report(make_report(total=make_interval(0.8)))
    assert 'class="number bad"' in page
    assert "it takes 125" in page


def test_an_undone_change_is_not_counted_as_in_place() -> None:
    report = make_report()
    undone = make_outcome(report.proposals[0].id, status="undone")
    page = render_report(make_report(outcomes=(*report.outcomes, undone)))
    assert "none in place" in page
    assert "<code>pillion undo" not in page


def test_a_change_in_place_without_a_proof_is_no_success_and_can_be_undone() -> None:
    report = make_report()
    (key,) = report.standing
    page = render_report(make_report(outcomes=(make_outcome(key, status="unproven"),)))
    assert '<span class="tag soft">applied, not proven on live</span>' in page
    assert f"<code>pillion undo {key}</code>" in page


def test_writing_replaces_the_file_at_once_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reports" / "t.html"
    write_report(make_report(), path)
    first = path.read_text(encoding="utf-8")

    def fail(report: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(html, "render_report", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(make_report(), path)
    assert path.read_text(encoding="utf-8") == first
    assert [p.name for p in path.parent.iterdir()] == ["t.html"]


@pytest.mark.crash
def test_a_kill_leaves_the_old_page_and_a_draft_that_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reports" / "t.html"
    write_page("old", path)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(failpoints, "_AT", "page.before_rename")
        write_page("new", path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (draft,) = set(path.parent.iterdir()) - {path}
    assert (path.read_text(), draft.read_text()) == ("old", "new")
    os.utime(draft, times=(0, 0))
    write_page("another", path.with_name("u.html"))
    assert {p.name for p in path.parent.iterdir()} == {"t.html", "u.html"}


def test_an_edit_is_not_called_an_approval() -> None:
    proposal, edited = make_proposal(), make_change(to_type="BIGINT")
    decision = make_decision(proposal.id, verdict="edit", edited=edited)
    report = make_report(proposals=(proposal,), decisions=(decision,), outcomes=())
    page = render_report(report)
    assert '<span class="tag soft">edited</span>' in page and "approved" not in page

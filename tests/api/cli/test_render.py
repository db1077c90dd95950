from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from api.cli.render import (
    audit_table,
    evidence_panel,
    outcome_table,
    proposal_table,
    safe,
    status_table,
    trials_table,
)
from api.views import trial_view
from api.wording import cost, factor, gain, milliseconds, size, size_change
from graph.offers import Remeasured
from tests.factories import (
    HOSTILE,
    NOW,
    make_change,
    make_evidence,
    make_interval,
    make_outcome,
    make_proposal,
    make_summary_proposal,
    make_timing,
    make_trial,
    make_trials,
)
from tools.messages import (
    AddCheck,
    CreateIndex,
    DropColumn,
    DropTable,
    Expected,
    Finding,
    TableName,
)
from tools.plain_text import plain


def shown(renderable: RenderableType, width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_proposal_table_fits_eighty_columns_and_shows_every_number() -> None:
    proposal = make_proposal()
    text = shown(proposal_table([proposal, make_summary_proposal()]))
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (proposal.id, "×3.4", "3.2–3.6", "+3 %", "-5.5 MB", "keeps", "flights.dep_delay"):
        assert part in text


def test_the_evidence_panel_shows_all_a_person_needs() -> None:
    proposal = make_proposal(
        changed_since="the gain rose from ×1.1 to ×3.4",
        contract={
            "compatible": False,
            "findings": [Finding(path="schema[0].x", severity="breaking", message="type differs")],
        },
    )
    text = shown(evidence_panel(proposal), 100)
    for part in ("slower", "84 ms", "9.6 ms", "42 → 9 row groups", "45.4 MB → 39.8 MB", "breaks"):
        assert part in text
    for part in ("schema[0].x", "type differs", "2. write missing", "undo worked", "rose from"):
        assert part in text


def test_the_evidence_panel_says_what_a_later_run_found() -> None:
    later = Remeasured(
        run="t2", at=NOW, status="rejected", reason="too [little]", ratio=make_interval(1.01, 0.02),
        beside=1,
    )  # fmt: skip
    text = " ".join(shown(evidence_panel(make_proposal(), later=later), 160).split())
    assert "tried again" in text and "beside 1 other change, not worth it (too [little])" in text
    assert "tried again" not in shown(evidence_panel(make_proposal()), 120)


def test_a_gain_by_itself_stands_only_where_another_change_was_made_before() -> None:
    apart = make_evidence(alone=make_interval(1.4))
    first = shown(evidence_panel(make_proposal(evidence=apart)), 100)
    assert "by itself" not in first and "before / after, 95 % interval" in first
    after = apart.model_copy(update={"given": ("p1",)})
    text = shown(evidence_panel(make_proposal(evidence=after)), 100)
    assert "by itself" in text and "×1.4" in text and "with p1 made before it" in text


def test_queries_without_a_clear_change_are_counted_where_there_are_many() -> None:
    alike = [make_timing(f"SELECT {n} FROM alike", 10.0, 10.0) for n in range(20)]
    clear = (make_timing("SELECT 1 FROM faster"), make_timing("SELECT 2 FROM slower", 10.0, 15.0))
    evidence = make_evidence(queries=(*alike, *clear))
    text = shown(evidence_panel(make_proposal(evidence=evidence)), 100)
    assert "FROM faster" in text and "FROM slower" in text
    assert text.count("FROM alike") == 6
    assert "14 more queries without a clear change" in text


def test_who_asks_a_query_is_told_without_tricks() -> None:
    queries = (make_timing(callers=("board", "night\njob\x1b[31m")),)
    text = shown(evidence_panel(make_proposal(evidence=make_evidence(queries=queries))), 200)
    assert "asked by board, night job" in text and "\x1b[31m" not in text


def test_another_result_and_an_error_are_marked() -> None:
    queries = (make_timing(equal=False), make_timing("SELECT 2", error="out of memory"))
    text = shown(evidence_panel(make_proposal(evidence=make_evidence(queries=queries))))
    assert "another result" in text
    assert "error: out of memory" in text


def test_evidence_without_optional_parts_says_what_is_missing() -> None:
    evidence = make_evidence(
        queries=(), expected=None, insert_cost=None, rehearsal=None, bytes_before=0, bytes_after=0
    )
    text = shown(evidence_panel(make_proposal(evidence=evidence, risk=(), undo=())))
    assert text.count("not measured") == 2
    assert "not rehearsed" in text and "expect" not in text


def test_what_to_expect_stands_beside_what_was_measured_with_what_it_leaves_out() -> None:
    expected = Expected(ratio=make_interval(3.4, 0.2), days=6, note="the runs of 6 days")
    proposal = make_proposal(evidence=make_evidence(expected=expected))
    panel, table = shown(evidence_panel(proposal)), shown(proposal_table([proposal]))
    assert "×2.7–4.1 in the next 6 days" in panel and "the runs of 6 days" in panel
    assert "2.7–4.1" in table and "expect" in table


def test_losers_stand_with_number_and_reason_and_winners_only_on_request() -> None:
    text = shown(trials_table(make_trials()))
    for part in ("×0.82", "+90 %", "refused", "not measured", "gets slower"):
        assert part in text
    assert "arr_delay" not in text
    assert "arr_delay" in shown(trials_table(make_trials(), all=True))


def test_an_idea_that_changes_results_has_no_gain() -> None:
    evidence = make_evidence(ratio=make_interval(1.0), queries=(make_timing(equal=False),))
    text = shown(trials_table([make_trial(status="rejected", evidence=evidence)]))
    assert "changes results" in text and "–" in text
    assert "×1" not in text and "not worth it" not in text
    assert "SELECT count(*) FROM flights" in " ".join(text.split())


def test_an_idea_that_changes_results_is_told_to_programs_without_a_gain() -> None:
    evidence = make_evidence(ratio=make_interval(1.0), queries=(make_timing(equal=False),))
    view = trial_view(make_trial(status="rejected", evidence=evidence))
    assert (view["ratio"], view["query"]) == (None, "SELECT count(*) FROM flights")
    other = trial_view(make_trial())
    assert other["ratio"]["mid"] == 0.82 and other["query"] is None


@pytest.mark.parametrize(
    "change",
    [
        make_change(column=HOSTILE),
        CreateIndex(table=TableName(name=HOSTILE), columns=(HOSTILE,), name=HOSTILE),
        DropColumn(table=TableName(name="t"), column=HOSTILE, type="INTEGER"),
        DropTable(table=TableName(name=HOSTILE)),
        AddCheck(table=TableName(name="t"), column="c", expression=HOSTILE),
    ],
)
def test_hostile_names_reach_the_terminal_as_plain_visible_text(change: Any) -> None:
    proposal = make_proposal(
        change, summary=HOSTILE, risk=(HOSTILE,), evidence=make_evidence(engine=HOSTILE)
    )
    text = shown(proposal_table([proposal]), 200) + shown(evidence_panel(proposal), 200)
    assert not {"\x1b", "\u202e", "\x00"} & set(text)
    assert "\\x1b[31m[bold]\\u202edrop" in text


def test_no_color_prints_no_escape_codes_for_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(proposal_table([make_proposal()]), force_terminal=True)
    assert "\x1b[32m" not in text
    assert "×3.4" in text


def test_outcomes_and_audit_rows_are_readable() -> None:
    text = shown(outcome_table([make_outcome(status="rolled_back", detail=HOSTILE)]))
    assert "rolled back" in text
    row = {
        "seq": 7,
        "at": "2026-03-02T09:30:00.5+00:00",
        "actor": "person:ada",
        "action": "decide",
        "subject": "p1",
        "hash": "ab" * 32,
    }
    text = shown(audit_table([row]))
    assert "2026-03-02 09:30:00" in text
    assert "abababab" in text
    assert "ab" * 32 not in text


def test_status_takes_waiting_proposals_as_values_or_as_mappings() -> None:
    proposal = make_proposal()
    as_mapping = {
        "id": proposal.id,
        "product": "flights",
        "summary": proposal.summary,
        "target": "flights.dep_delay",
        "ratio": make_interval(3.4).model_dump(),
    }
    products, threads = [{"name": "flights", "serving": None}], [{"id": "t-1", "status": "waiting"}]
    text = shown(status_table(products, threads, [proposal]))
    assert text == shown(status_table(products, threads, [as_mapping]))
    assert "pillion review" in text


RUN = {
    "id": "flights-20261128-184412-d37c",
    "request": "all",
    "status": "waiting",
    "updated_at": "2026-11-28T18:46:41+00:00",
}


def test_what_commands_take_is_never_broken_in_eighty_columns() -> None:
    proposal = make_proposal()
    text = shown(status_table([{"name": "flights"}], [RUN], [proposal]))
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (RUN["id"], "2026-11-28 18:46", f"{proposal.id} · {proposal.product}"):
        assert part in text
    row = {"seq": 1000, "at": RUN["updated_at"], "actor": "person:ada", "hash": "ab" * 32}
    trail = shown(audit_table([row | {"action": "proposal.approved", "subject": RUN["id"]}]))
    assert all(part in trail for part in ("2026-11-28 18:46:41", "proposal.approved", RUN["id"]))


def test_a_narrow_terminal_loses_nothing() -> None:
    row = {"seq": 1000, "at": RUN["updated_at"], "actor": "person:ada"}
    row |= {"action": "proposal.approved", "subject": RUN["id"], "hash": "ab" * 32}
    trail = shown(audit_table([row]), 40)
    status = shown(status_table([], [RUN], [make_proposal()]), 40)
    assert all(len(line) <= 40 for line in (trail + status).splitlines())
    assert all(part in trail for part in ("1000", "person", "proposa", "flights", "abababa"))
    assert make_proposal().id in status and "waiting" in status


@pytest.mark.parametrize("width", [40, 60, 71, 72, 80])
def test_ids_and_numbers_stay_whole_in_a_narrow_terminal(width: int) -> None:
    proposal = make_proposal()
    text = shown(proposal_table([proposal]), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert proposal.id in text and "3.2–3.6" in text
    assert "-5.5 MB" in " ".join(text.split())
    lost = shown(trials_table(make_trials()), width)
    assert all(part in lost for part in ("×0.82", "slower", "refused", "not measured"))


def test_numbers_are_named_where_there_is_no_room_for_a_table() -> None:
    lines = shown(proposal_table([make_proposal()]), 60).splitlines()
    assert any(line.startswith("gain ×3.4 (3.2–3.6), expect ") for line in lines)
    assert any(line.startswith("contract: keeps") for line in lines)


@pytest.mark.parametrize("width", [40, 76])
def test_queries_of_the_evidence_are_readable_in_a_narrow_terminal(width: int) -> None:
    text = shown(evidence_panel(make_proposal()), width)
    assert all(len(line) <= width for line in text.splitlines())
    words = " ".join(text.replace("│", " ").split())
    assert "SELECT max(arr_delay) FROM flights 2 % of all time" in words
    assert "before 84 ms, after 9.6 ms, gain ×8.8 (8.3–9.2)" in words


def test_an_empty_status_says_how_to_begin() -> None:
    text = shown(status_table([], [], []))
    assert "pillion init" in text
    assert "Nothing waits" in text


@example("a \\[")
@example("two \\\\")
@example("three \\\\\\[b]")
@given(st.text())
def test_safe_text_prints_as_the_plain_text_whatever_it_holds(text: str) -> None:
    printed = shown(f"[not bold]{safe(text)}[/]", 10_000, highlight=False, emoji=False)
    assert printed.rstrip("\n").replace(" ", "") == plain(text).replace(" ", "")
    assert all(character.isprintable() for character in plain(text).replace(" ", ""))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (factor(1.8), "×1.8"),
        (factor(0.998), "×0.998"),
        (factor(0.11), "×0.11"),
        (factor(0.004), "×0.004"),
        (factor(0.0123), "×0.012"),
        (factor(0.0), "×0"),
        (factor(2250), "×2,250"),
        (factor(float("nan")), "–"),
        (factor(float("inf")), "×∞"),
        (milliseconds(12.3), "12.3 ms"),
        (milliseconds(0.0854), "85.4 µs"),
        (milliseconds(1250), "1.25 s"),
        (milliseconds(125_000), "2 min 5 s"),
        (size(4_500_000), "4.5 MB"),
        (size(999_999), "1 MB"),
        (size_change(10, 10), "same"),
        (size_change(0, 300_000), "+300 kB"),
        (cost(make_interval(1.03)), "+3 %"),
        (cost(None), "–"),
        (gain(None), "–"),
    ],
)
def test_numbers_read_well(said: str, wanted: str) -> None:
    assert said == wanted

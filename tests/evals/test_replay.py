"""Recorded answers as one more approver: by id, by the nearest facts, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.approvers import check_approver, policies
from evals.errors import NoResult
from evals.judging import judged_offer
from evals.metrics import abstained, agreement, by_approver
from evals.oracle.case import Judgement
from evals.replay import Answers, replayed
from graph.decisions import RECORDED, RecordedDecision, facts_of
from graph.ledger import Offer
from tests.evals.factories import make_scenario
from tests.factories import (
    NOW,
    make_change,
    make_evidence,
    make_interval,
    make_proposal,
    make_summary_proposal,
)
from tools.messages import Proposal


def measuring(ratio: float, **fields: Any) -> Proposal:
    return make_proposal(evidence=make_evidence(ratio=make_interval(ratio)), **fields)


def answer(proposal: Proposal, verdict: str = "approve", **fields: Any) -> RecordedDecision:
    values: dict[str, Any] = {
        "proposal_id": proposal.id,
        "product": proposal.product,
        "kind": proposal.change.kind,
        "target": "flights.dep_delay",
        "facts": facts_of(proposal),
        "verdict": verdict,
        "reason": "",
        "principal": "ada",
        "channel": "terminal",
        "decided_at": NOW,
        "seconds": 4.0,
    }
    return RecordedDecision.model_validate(values | fields)


def saved(path: Path, *answers: RecordedDecision) -> str:
    path.write_bytes(RECORDED.dump_json(answers))
    return f"replay:{path}"


def test_the_latest_answer_to_the_same_proposal_counts() -> None:
    same = measuring(9.0)
    answers = Answers([answer(same), answer(same, "reject"), answer(measuring(9.0, id="p2"))])
    found = answers.like(measuring(2.0))
    assert found and found.verdict == "reject"


def test_another_proposal_gets_the_answer_to_the_nearest_of_its_kind() -> None:
    near, far = measuring(2.1, id="p2"), measuring(3.5, id="p3")
    answers = Answers([answer(far, "reject"), answer(near)])
    found = answers.like(measuring(2.0, id="p1"))
    assert found and found.proposal_id == "p2"


def test_nobody_answers_what_nobody_has_seen_the_like_of() -> None:
    answers = Answers([answer(measuring(2.0, id="p2"))])
    assert answers.like(measuring(8.0, id="p1")) is None
    assert answers.like(make_summary_proposal()) is None


def test_an_abstention_is_counted_and_never_an_approval(tmp_path: Path) -> None:
    approver = saved(tmp_path / "answers.json", answer(measuring(2.0, id="p2")))
    asked = policies(check_approver(approver))
    offers = [measuring(2.0), measuring(40.0, change=make_change(column="month"), id="p9")]
    good = Judgement(verdict="good", reason="planted")
    judged = [judged_offer(Offer(p, "t", 1, NOW, None, ()), good, asked) for p in offers]
    assert [p.approvals.get(approver) for p in judged] == [True, None]
    scenario = make_scenario(proposals=tuple(judged), approver=approver)
    found, told = abstained([scenario]), by_approver([scenario])[approver]
    assert found and (found.count, found.of) == (1, 2)
    assert (told["approved"].of, told["abstained"].count) == (1, 1)
    pair = next(p for p in agreement([scenario]) if p["approvers"] == ["oracle", approver])
    assert pair["same"].of == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no file"),
        ("", "holds no recorded answers"),
        ('[{"proposal_id": "p1"}]', r"0\.product"),
        ("[]", "nobody has decided"),
    ],
)
def test_a_file_without_answers_is_refused_by_name(
    text: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "answers.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NoResult, match=said) as raised:
        replayed(f"replay:{path}")
    assert "answers.json" in str(raised.value)

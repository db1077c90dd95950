from __future__ import annotations

from typing import Any

import pytest

from evals.approvers import ORACLE, names, policies
from tests.factories import make_evidence, make_interval, make_proposal, make_timing
from tools.messages import ContractVerdict, Finding, Rehearsal

CLEAN: dict[str, Any] = {"queries": (make_timing(),)}
FAILED = Rehearsal(ok=False, apply_ms=1, undo_ms=1, detail="a row was lost")
WARNED = ContractVerdict(
    compatible=True,
    findings=(Finding(path="schema[0]", severity="warning", message="the type changes"),),
)


def answers(**evidence: Any) -> dict[str, bool]:
    proposal = make_proposal(evidence=make_evidence(**CLEAN | evidence))
    return {name: policy(proposal).approves for name, policy in policies().items()}


def test_everybody_approves_a_large_clean_gain() -> None:
    assert set(answers().values()) == {True}
    assert names() == (ORACLE, *policies())


@pytest.mark.parametrize(
    ("evidence", "refusing"),
    [
        ({"ratio": make_interval(1.02)}, {"strict_dba", "cost_minded_owner", "impatient"}),
        ({"ratio": make_interval(1.3)}, {"impatient"}),
        ({"insert_cost": make_interval(1.8)}, {"strict_dba"}),
        ({"insert_cost": make_interval(2.5)}, {"strict_dba", "cost_minded_owner"}),
        ({"bytes_after": 90_000_000}, {"cost_minded_owner"}),
        ({"rehearsal": FAILED}, {"strict_dba"}),
        ({"queries": (make_timing(equal=False),)}, {"strict_dba"}),
        ({"queries": (make_timing(before=1.0, after=2.0, share=0.4),)}, {"strict_dba"}),
    ],
)
def test_each_has_reasons_of_its_own_to_refuse(
    evidence: dict[str, Any], refusing: set[str]
) -> None:
    assert {name for name, yes in answers(**evidence).items() if not yes} == refusing


def test_only_the_lawyer_minds_a_warning_of_the_contract() -> None:
    proposal = make_proposal(evidence=make_evidence(**CLEAN), contract=WARNED)
    given = {name: policy(proposal) for name, policy in policies().items()}
    assert [name for name, answer in given.items() if not answer.approves] == ["contract_lawyer"]
    assert "schema[0]" in given["contract_lawyer"].reason


def test_only_the_lawyer_minds_that_others_are_affected() -> None:
    proposal = make_proposal(evidence=make_evidence(**CLEAN), affects=("customs",))
    given = {name: policy(proposal) for name, policy in policies().items()}
    assert [name for name, answer in given.items() if not answer.approves] == ["contract_lawyer"]
    assert "customs" in given["contract_lawyer"].reason

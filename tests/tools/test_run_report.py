"""The report's value: what is in place now."""

from __future__ import annotations

import pytest

from tests.factories import make_outcome, make_report
from tools.run_report import RunReport


def outcomes(*statuses: str) -> RunReport:
    return make_report(outcomes=tuple(make_outcome("p1", status=s) for s in statuses))


@pytest.mark.parametrize(
    ("statuses", "stands"),
    [
        ((), False),
        (("applied",), True),
        (("applied", "verified"), True),
        (("applied", "failed"), True),
        (("applied", "rolled_back"), False),
        (("applied", "verified", "undone"), False),
        (("expired",), False),
        (("failed",), False),
    ],
)
def test_a_change_stands_once_applied_until_it_is_taken_back(
    statuses: tuple[str, ...], stands: bool
) -> None:
    assert outcomes(*statuses).standing == (("p1",) if stands else ())


def test_the_last_outcome_of_each_proposal_counts() -> None:
    other = make_outcome("p2", status="failed")
    made = outcomes("applied", "verified")
    report = made.model_copy(update={"outcomes": (*made.outcomes, other)})
    assert {key: o.status for key, o in report.latest.items()} == {"p1": "verified", "p2": "failed"}


def test_a_report_comes_back_from_json() -> None:
    report = make_report()
    assert RunReport.model_validate_json(report.model_dump_json()) == report

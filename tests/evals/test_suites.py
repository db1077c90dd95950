from __future__ import annotations

import pytest

from evals.approvers import check_approver
from evals.errors import UnknownName
from evals.options import check_baselines
from evals.scenarios.families import described, families
from evals.suites import DEV_SEEDS, SPENT, TEST_SEEDS, places, suites


def test_dev_and_test_seeds_are_separate_and_each_suite_keeps_to_its_own() -> None:
    assert not set(DEV_SEEDS) & set(TEST_SEEDS)
    found = suites()
    assert found["full"].allowed == TEST_SEEDS
    assert not SPENT & set(found["full"].seeds)
    assert found["smoke"].allowed == found["dev"].allowed == DEV_SEEDS
    for suite in found.values():
        assert set(suite.seeds) <= set(suite.allowed)
        assert set(suite.families) <= set(families())


def test_a_suite_is_narrowed_to_a_family_and_a_seed() -> None:
    assert [p.name for p in places("dev", "tiny")] == ["tiny:1", "tiny:2", "tiny:3"]
    assert [p.name for p in places("smoke", "drifting", "7")] == ["drifting:7"]
    assert [p.name for p in places("full", "tiny", "1001-1003")] == [
        "tiny:1001", "tiny:1002", "tiny:1003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (("quick", "", ""), ["smoke", "dev", "full"]),
        (("dev", "weather", ""), list(families())),
        (("dev", "", "1000"), ["1 to 999"]),
        (("dev", "", "990-1000"), ["1 to 999", "20-40"]),
        (("dev", "", "9-7"), ["'9-7'"]),
        (("dev", "", "seven"), ["'seven'"]),
        (("full", "", "1"), ["1000 to 1999"]),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_known(
    asked: tuple[str, str, str], names: list[str]
) -> None:
    with pytest.raises(UnknownName) as raised:
        places(*asked)
    assert all(name in str(raised.value) for name in names)


def test_unknown_approvers_and_baselines_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"strict_dba.*replay:FILE"):
        check_approver("nobody")
    with pytest.raises(UnknownName, match="unmeasured"):
        check_baselines(["rules", "luck"])


def test_baselines_are_told_apart_by_commas_and_taken_once() -> None:
    assert check_baselines(["rules, random", "rules", ""]) == ("rules", "random")


def test_every_family_says_what_it_is() -> None:
    assert all(described()[family].endswith(".") for family in families())
